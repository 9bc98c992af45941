package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"strings"
	"time"

	"github.com/recoveryd/recoveryd/pkg/incident"
)

//go:embed report.html.tmpl
var page string

// HTML writes the report as one self-contained page: no script, nothing loaded from elsewhere, fit
// for a mail, a browser and a printer. Everything from outside is escaped.
func (r Report) HTML() (string, error) {
	t, err := template.New("report").Funcs(template.FuncMap{
		"whenCollected": func() string { return whenCollected },
		"clock":         r.clock, "since": since, "took": Try.tookWords, "stamp": stamp,
		"time": func(t time.Time) string { return t.UTC().Format(time.TimeOnly) },
		"day":  func(t time.Time) string { return t.UTC().Format(time.DateOnly) },
	}).Parse(page)
	if err != nil {
		return "", fmt.Errorf("report: its own template: %w", err)
	}
	var b strings.Builder
	if err := t.Execute(&b, r); err != nil {
		return "", fmt.Errorf("report on %s: %w", r.ID, err)
	}
	return b.String(), nil
}

// Bar is one piece of the picture of the course: where it begins and how wide it is, in percent.
type Bar struct {
	Stage
	Left, Width float64
	Words       string
}

// barMin keeps a short stage visible, in percent of the width.
const barMin = 1.2

// Bars lays the course out on a line. Short stages are drawn wider than they were, so that a
// restart of a second is seen beside a probation of a minute.
func (r Report) Bars() []Bar {
	if len(r.Course) == 0 {
		return nil
	}
	total := r.Course[len(r.Course)-1].To.Sub(r.Course[0].From)
	widths, sum := make([]float64, len(r.Course)), 0.0
	for i, s := range r.Course {
		widths[i] = max(100*float64(s.To.Sub(s.From))/float64(total), barMin)
		sum += widths[i]
	}
	var out []Bar
	left := 0.0
	for i, s := range r.Course {
		w := widths[i] * 100 / sum
		out = append(out, Bar{Stage: s, Left: left, Width: w, Words: phaseWords(s.Phase) + " for " + span(s.To.Sub(s.From))})
		left += w
	}
	return out
}

// Legend lists the phases of the picture, each once.
func (r Report) Legend() []Fact {
	var out []Fact
	seen := map[incident.Phase]time.Duration{}
	var order []incident.Phase
	for _, s := range r.Course {
		if _, ok := seen[s.Phase]; !ok {
			order = append(order, s.Phase)
		}
		seen[s.Phase] += s.To.Sub(s.From)
	}
	for _, p := range order {
		out = append(out, Fact{p.String(), phaseWords(p) + ": " + span(seen[p])})
	}
	return out
}

func phaseWords(p incident.Phase) string {
	switch p {
	case incident.Suspect:
		return "until it was confirmed"
	case incident.Held:
		return "held back"
	case incident.Acting:
		return "acting"
	case incident.Verifying:
		return "proving the effect"
	case incident.Probation:
		return "clear, watched for a relapse"
	case incident.Escalated:
		return "left to people"
	}
	return p.String()
}
