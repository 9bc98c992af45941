package drill

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

type row struct{ name, text string }

// rows are the report line by line.
func (r Report) rows() []row {
	out := []row{{"drill", r.ID}, {"verdict", string(r.Verdict) + ": " + r.Why}, {"fault", string(r.Fault)}}
	add := func(name, text string) {
		if text != "" {
			out = append(out, row{name, text})
		}
	}
	target := r.Target
	if r.Unit != "" {
		target += " (" + r.Unit + ")"
	}
	add("target", target)
	add("host", r.Host)
	add("by", r.By)
	add("began", stamp(r.Began))
	if r.Injected.IsZero() {
		for _, s := range r.Remarks {
			add("remark", s)
		}
		return out
	}
	add("done", r.Injection)
	add("incident", r.Incident)
	if r.Class != "" {
		add("diagnosis", r.Class+": "+r.Because)
	}
	noticed := after(r.Times.Noticed)
	if r.Times.Noticed != nil {
		noticed += " (first bad look)"
	}
	add("noticed", noticed)
	add("confirmed", after(r.Times.Confirmed))
	add("acted", after(r.Times.Acted))
	for _, a := range r.Actions {
		add("  "+after(&a.After), a.What+": "+a.Result)
	}
	add("verified", after(r.Times.Verified))
	add("closed", after(r.Times.Closed))
	told := "-"
	if r.Times.Told != nil {
		told = seconds(*r.Times.Told) + " after the decision"
	}
	add("told", told)
	for _, n := range r.Notices {
		what := string(n.Kind) + " " + string(n.State)
		if n.Took > 0 {
			what += " after " + seconds(n.Took)
		}
		if n.Why != "" {
			what += ": " + n.Why
		}
		add("  "+n.Channel, what)
	}
	add("restored", r.Restoration)
	for _, s := range r.Remarks {
		add("remark", s)
	}
	return out
}

// Text writes the report for a terminal.
func (r Report) Text() string {
	width := 0
	rows := r.rows()
	for _, x := range rows {
		width = max(width, utf8.RuneCountInString(x.name))
	}
	var b strings.Builder
	for _, x := range rows {
		fmt.Fprintf(&b, "%-*s  %s\n", width, x.name, x.text)
	}
	return b.String()
}

// Markdown writes the report for a wiki or an audit.
func (r Report) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Drill %s: %s of %s, %s\n\n%s\n\n| | |\n|---|---|\n", r.ID, r.Fault, md(r.Target), r.Verdict, md(sentence(r.Why)))
	for _, x := range r.rows()[2:] {
		fmt.Fprintf(&b, "| %s | %s |\n", md(strings.TrimSpace(x.name)), md(x.text))
	}
	b.WriteString("\nTimes are since the fault. \"verified\" is when the target was proven clear; \"closed\" comes after its probation.\n")
	return b.String()
}

func sentence(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:] + "."
}

// md keeps text from formatting anything.
func md(s string) string {
	return strings.NewReplacer("\n", " ", "\r", " ", "|", `\|`, "<", "&lt;", "*", `\*`, "`", "'", "[", `\[`, "]", `\]`).Replace(s)
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 MST") }

func seconds(s float64) string {
	d := time.Duration(s * float64(time.Second))
	switch {
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Minute:
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}

func after(s *float64) string {
	if s == nil {
		return "-"
	}
	return "+" + seconds(*s)
}
