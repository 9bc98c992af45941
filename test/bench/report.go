package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// report is everything that was measured.
type report struct {
	Date    string `json:"date"`
	Machine string `json:"machine"`
	Rows    []*row `json:"rows"`
}

// row is one measured thing. Times are in milliseconds.
type row struct {
	Test    string   `json:"test"`
	Subject string   `json:"subject"`
	N       int      `json:"n,omitzero"`
	Min     float64  `json:"min,omitzero"`
	P50     float64  `json:"p50,omitzero"`
	P95     float64  `json:"p95,omitzero"`
	Max     float64  `json:"max,omitzero"`
	Value   *float64 `json:"value,omitempty"` // of rows that are one number
	Unit    string   `json:"unit"`
	Ask     string   `json:"ask,omitzero"`
	Met     *bool    `json:"met,omitempty"` // nil: nothing is asked
}

func newReport() *report {
	return &report{Date: time.Now().UTC().Format("2006-01-02 15:04 MST"), Machine: machine()}
}

// times adds a row of durations.
func (rep *report) times(test, subject string, all []time.Duration) *row {
	sorted := slices.Sorted(slices.Values(all))
	r := &row{Test: test, Subject: subject, N: len(sorted), Unit: "ms", Min: ms(sorted[0]), P50: ms(quantile(sorted, 0.5)),
		P95: ms(quantile(sorted, 0.95)), Max: ms(sorted[len(sorted)-1])}
	rep.Rows = append(rep.Rows, r)
	return r
}

// value adds a row of one number.
func (rep *report) value(test, subject string, v float64, unit string) *row {
	r := &row{Test: test, Subject: subject, Value: &v, Unit: unit}
	rep.Rows = append(rep.Rows, r)
	return r
}

// ratio adds a row that compares two durations.
func (rep *report) ratio(test string, a, b time.Duration, most float64) {
	rep.value(test, "recoveryd", a.Seconds()/b.Seconds(), "times").under(most)
}

// atMost states what is asked of the row's p95.
func (r *row) atMost(what string, d time.Duration) {
	r.Ask, r.Met = fmt.Sprintf("%s <= %.0f ms", what, ms(d)), new(r.P95 <= ms(d))
}

// under and atLeast state what is asked of a number.
func (r *row) under(most float64) {
	r.Ask, r.Met = fmt.Sprintf("<= %.3g %s", most, r.Unit), new(*r.Value <= most)
}

func (r *row) atLeast(least float64) {
	r.Ask, r.Met = fmt.Sprintf(">= %.3g %s", least, r.Unit), new(*r.Value >= least)
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// quantile takes the nearest rank of a sorted list.
func quantile(sorted []time.Duration, q float64) time.Duration {
	i := int(q*float64(len(sorted))+0.999999) - 1
	return sorted[min(max(i, 0), len(sorted)-1)]
}

func median(all []time.Duration) time.Duration {
	return quantile(slices.Sorted(slices.Values(all)), 0.5)
}

// machine says where it was measured.
func machine() string {
	model := "unknown processor"
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == "model name" {
				model = strings.TrimSpace(v)
				break
			}
		}
	}
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease") // empty where there is none
	load, _ := os.ReadFile("/proc/loadavg")
	first, _, _ := strings.Cut(string(load), " ")
	return fmt.Sprintf("%d cores, %s, Linux %s, %s, load %s at the beginning", runtime.NumCPU(), model, strings.TrimSpace(string(kernel)), runtime.Version(), first)
}

// cells are the columns of a row.
func (r *row) cells() []string {
	num := func(v float64) string {
		if r.Value == nil {
			return fmt.Sprintf("%.0f", v)
		}
		return ""
	}
	verdict := ""
	if r.Met != nil {
		verdict = map[bool]string{true: "met", false: "MISSED"}[*r.Met]
	}
	n, value := "", ""
	if r.N > 0 {
		n = fmt.Sprint(r.N)
	}
	if r.Value != nil {
		value = fmt.Sprintf("%.3g %s", *r.Value, r.Unit)
	}
	return []string{r.Test, r.Subject, n, num(r.Min), num(r.P50), num(r.P95), num(r.Max), value, r.Ask, verdict}
}

func header() []string {
	return []string{"test", "subject", "n", "min ms", "p50 ms", "p95 ms", "max ms", "value", "asked", ""}
}

// print writes the report in one of its formats.
func (rep *report) print(out io.Writer, format string) error {
	switch format {
	case "json":
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		return e.Encode(rep)
	case "markdown":
		fmt.Fprintf(out, "%s, %s\n\n| %s |\n|%s\n", rep.Date, rep.Machine, strings.Join(header(), " | "), strings.Repeat("---|", len(header())))
		for _, r := range rep.Rows {
			fmt.Fprintf(out, "| %s |\n", strings.Join(r.cells(), " | "))
		}
		return nil
	}
	fmt.Fprintf(out, "%s\n%s\n\n", rep.Date, rep.Machine)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, strings.Join(header(), "\t"))
	for _, r := range rep.Rows {
		fmt.Fprintln(w, strings.Join(r.cells(), "\t"))
	}
	return w.Flush()
}
