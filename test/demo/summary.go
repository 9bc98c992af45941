package main

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"
)

// summary prints the table and reports whether all was as expected.
func (s *screen) summary(results []result, took time.Duration) bool {
	s.plain("\n%s", s.paint(toneHead, "Summary"))
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 3, ' ', 0)
	fmt.Fprintln(w, "fault\tdiagnosis\tcure\tdetected after\thealthy after\twoke somebody")
	bad := 0
	for _, r := range results {
		woke := "no"
		if n := len(r.pages); n > 0 {
			woke = "yes"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", r.scene.name, diagnosisOf(r), cureOf(r), orNever(r.detected), orNever(r.healthy), woke)
		if len(r.differs) > 0 {
			bad++
		}
	}
	_ = w.Flush() // into memory
	for line := range strings.Lines(b.String()) {
		s.plain("  %s", strings.TrimRight(line, " \n"))
	}
	s.plain("")
	if bad == 0 {
		s.plain("%s", s.paint(toneGood, fmt.Sprintf("All %d faults went as expected, in %s.", len(results), took.Round(time.Second))))
		return true
	}
	s.plain("%s", s.paint(toneBad, fmt.Sprintf("%d of %d faults did not go as expected:", bad, len(results))))
	for _, r := range results {
		for _, d := range r.differs {
			s.plain("  %s: %s", r.scene.name, d)
		}
	}
	return false
}

func diagnosisOf(r result) string {
	if len(r.histories) == 0 {
		return "none"
	}
	i := r.histories[0].Incident
	return string(i.Class) + " (" + i.Target + ")"
}

// cureOf says what was done, in a word or two.
func cureOf(r result) string {
	var parts []string
	count := map[string]int{}
	for _, v := range verbsOf(r) {
		if count[string(v)] == 0 {
			parts = append(parts, string(v))
		}
		count[string(v)]++
	}
	if len(parts) == 0 {
		return "none: a person"
	}
	for i, p := range parts {
		if count[p] > 1 {
			parts[i] = fmt.Sprintf("%s x%d", p, count[p])
		}
	}
	return strings.Join(parts, ", ")
}

func orNever(d time.Duration) string {
	if d <= 0 {
		return "never"
	}
	return stamp(d)
}
