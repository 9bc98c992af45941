package notice

import (
	"errors"
	"fmt"
	"strings"
	"text/template"
	"time"
)

// Templates are the texts of a notice as Go text/template sources, as an operator may override
// them per channel. An empty one keeps its default. The data is the [Notice]; the functions are
//
//	clock T      "03:12 UTC"
//	stamp T      "2026-11-22 03:12:05 UTC"
//	age T        how long before the notice: "14m"
//	join LIST S  the list with S between
//	last LIST    the last attempt, or nothing
//	line S       S on one line
type Templates struct {
	// Title is one line: PagerDuty's summary, a mail's subject, a chat message's heading.
	Title string `yaml:"title"`
	// Text is the whole message in plain text.
	Text string `yaml:"text"`
	// Step is the newest step in one or two lines, for a thread.
	Step string `yaml:"step"`
}

// The default templates. A message worth waking up for says what is wrong, since when, who is
// affected, the evidence, what was tried, what recoveryd does next, and how to look further.
const (
	DefaultTitle = `{{if .Test}}[TEST] {{end}}[{{.Priority}}] {{.First}}: {{.Summary}}{{if .Host}} ({{.Host}}){{end}}`

	DefaultText = `{{if .Test}}[TEST] This is a test. Nothing is wrong.
{{end}}{{.First}}: {{.Summary}}

What:     {{.Target}}{{if .Class}}, {{.Class}}{{end}}{{if .Host}}, on {{.Host}}{{end}} ({{.Priority}})
{{with .Stage}}Status:   {{.}}
{{end}}{{if not .Since.IsZero}}Since:    {{stamp .Since}}{{with age .Since}}{{if eq $.Kind "resolve"}}, lasted {{.}}{{else}} ({{.}} ago){{end}}{{end}}
{{end}}{{if .Affected}}Affected: {{join .Affected ", "}}
{{end}}{{if .Evidence}}
Evidence:
{{range .Evidence}}- {{line .}}
{{end}}{{end}}{{if .Tried}}
Tried:
{{range .Tried}}- {{clock .At}} {{line .What}}: {{line .Result}}
{{end}}{{end}}{{if .Next}}
Next: {{.Next}}
{{end}}{{with .Runbook}}
Runbook: {{line .}}
{{end}}{{if .Commands}}
Look further:
{{range .Commands}}  {{line .}}
{{end}}{{end}}
Incident: {{.Incident}}{{if .Tier}}, tier {{.Tier}}{{end}}{{with .To}}
Told:     {{join . ", "}}{{with $.With}}; besides {{join . ", "}}{{end}}{{end}}{{with .Because}}
Why now:  {{line .}}{{end}}{{if .Link}}
Page:     {{.Link}}{{end}}
`

	DefaultStep = `{{clock .At}} {{.First}}{{with .Stage}} ({{.}}){{end}}: {{with last .Tried}}{{line .What}}: {{line .Result}}. {{end}}{{if and .Next (ne .Kind "resolve") (not .Status.Over)}}{{.Next}}{{else}}{{.Summary}}{{end}}`
)

// maxMessage bounds what one template may produce, in bytes. The largest vendor limit is
// PagerDuty's 512 KB for everything; a message that people read is far below.
const maxMessage = 128 << 10

// Messages renders notices. It is immutable and safe for concurrent use.
type Messages struct {
	title, text, step *template.Template
}

// NewMessages parses the templates and renders every sample notice with each, so that a mistake
// is found when the configuration is read and not at 3 a.m. The error names every wrong template.
func NewMessages(t Templates) (*Messages, error) {
	var errs []error
	parse := func(name, source, fallback string) *template.Template {
		if source == "" {
			source = fallback
		}
		tpl, err := template.New(name).Funcs(functions(Notice{})).Option("missingkey=error").Parse(source)
		if err != nil {
			errs = append(errs, fmt.Errorf("templates.%s: %w", name, err))
			return nil
		}
		for _, n := range samples() {
			if _, err := render(tpl, n); err != nil {
				errs = append(errs, fmt.Errorf("templates.%s: does not render a %s notice: %w", name, n.Kind, err))
				break
			}
		}
		return tpl
	}
	m := &Messages{
		title: parse("title", t.Title, DefaultTitle),
		text:  parse("text", t.Text, DefaultText),
		step:  parse("step", t.Step, DefaultStep),
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return m, nil
}

// Title renders the one line of n. It is never empty.
func (m *Messages) Title(n Notice) string {
	s := OneLine(m.render(m.title, n))
	if s == "" {
		s = OneLine(plainTitle(n))
	}
	return marked(n, s)
}

// Text renders the whole message of n. It is never empty.
func (m *Messages) Text(n Notice) string {
	s := strings.TrimSpace(m.render(m.text, n))
	if s == "" {
		s = plainTitle(n)
	}
	return marked(n, s) + "\n"
}

// Step renders the newest step of n. It is never empty.
func (m *Messages) Step(n Notice) string {
	s := strings.TrimSpace(m.render(m.step, n))
	if s == "" {
		s = plainTitle(n)
	}
	return marked(n, s)
}

// The marks of what is no real problem. They stand in every text, whatever a template says: a test
// that looks like a page wakes somebody for nothing, and a drill must not be taken for an outage.
const (
	TestMark  = "[TEST]"
	DrillMark = "[DRILL]"
)

// marked puts the mark in front of a text that does not have it.
func marked(n Notice, s string) string {
	if n.Drill != "" && !n.Real && !strings.Contains(s, DrillMark) {
		s = DrillMark + " " + s
	}
	if n.Test && !strings.Contains(s, TestMark) {
		s = TestMark + " " + s
	}
	return s
}

// render never fails: a page with a plain sentence is better than no page because of a template.
func (m *Messages) render(tpl *template.Template, n Notice) string {
	s, err := render(tpl, n)
	if err != nil {
		return plainTitle(n) + "\n(the " + tpl.Name() + " template failed; check it with: recoveryd notify preview)"
	}
	return s
}

// plainTitle is what is said when a template says nothing.
func plainTitle(n Notice) string {
	return Printable(fmt.Sprintf("[%s] %s: %s %s on %s, incident %s", n.Priority, n.First(), n.Target, n.Class, n.Host, n.Incident))
}

func render(tpl *template.Template, n Notice) (string, error) {
	// The functions that need the notice's time are bound on a clone: a template is shared.
	bound, err := tpl.Clone()
	if err != nil {
		return "", err
	}
	out := &bounded{left: maxMessage}
	err = bound.Funcs(functions(n)).Execute(out, n)
	if err != nil && !errors.Is(err, errTooLong) {
		return "", err
	}
	s := Printable(out.String())
	if err != nil {
		s += "\n[cut: the message was longer than this]"
	}
	return s, nil
}

func functions(n Notice) template.FuncMap {
	return template.FuncMap{
		"clock": func(t time.Time) string { return t.UTC().Format("15:04 UTC") },
		"stamp": Stamp,
		"age":   func(t time.Time) string { return Age(t, n.At) },
		"join":  strings.Join,
		"line":  OneLine,
		"last": func(a []Attempt) *Attempt {
			if len(a) == 0 {
				return nil
			}
			return &a[len(a)-1]
		},
	}
}

// Stamp writes a moment as messages show it: UTC, to the second, since the readers of one page
// may sit in several time zones.
func Stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// Age writes how long from was before to, in the two largest units: "45s", "14m", "2h5m", "3d4h".
// It is "" when from is zero or not before to.
func Age(from, to time.Time) string {
	d := to.Sub(from)
	if from.IsZero() || d <= 0 {
		return ""
	}
	two := func(a int64, au string, b int64, bu string) string {
		if b == 0 {
			return fmt.Sprintf("%d%s", a, au)
		}
		return fmt.Sprintf("%d%s%d%s", a, au, b, bu)
	}
	m := int64(d / time.Minute)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", max(int64(d/time.Second), 1))
	case d < time.Hour:
		return fmt.Sprintf("%dm", m)
	case d < 24*time.Hour:
		return two(m/60, "h", m%60, "m")
	}
	return two(m/(24*60), "d", m/60%24, "h")
}

var errTooLong = errors.New("message is too long")

// bounded is a buffer that refuses to grow beyond a limit.
type bounded struct {
	strings.Builder
	left int
}

// Write implements io.Writer.
func (b *bounded) Write(p []byte) (int, error) {
	if len(p) > b.left {
		n, _ := b.Builder.Write(p[:b.left])
		b.left = 0
		return n, errTooLong
	}
	b.left -= len(p)
	return b.Builder.Write(p)
}
