package console

import (
	"fmt"
	"io"
	"strings"
	"unicode"

	"github.com/charmbracelet/x/ansi"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

// Paint colours a text where colours are wanted.
func (c *Console) Paint(h Hue, s string) string {
	if !c.coloured {
		return s
	}
	return h.paint(s)
}

// Hue is the colour of a word. The words say the same without it.
type Hue string

// The colours, as the codes of a terminal: those of its own theme, so that they can be read on a
// dark and on a light ground.
const (
	Plain  Hue = ""
	Good   Hue = "32"
	Warn   Hue = "33"
	Bad    Hue = "31"
	Busy   Hue = "36"
	Faint  Hue = "2"
	Strong Hue = "1"
)

// paint colours a text.
func (h Hue) paint(s string) string {
	if h == Plain || s == "" {
		return s
	}
	return "\x1b[" + string(h) + "m" + s + "\x1b[0m"
}

func VerdictHue(v detect.Verdict) Hue {
	switch v {
	case detect.Healthy:
		return Good
	case detect.Degraded:
		return Warn
	case detect.Unhealthy:
		return Bad
	case detect.Unknown:
	}
	return Warn
}

func PhaseHue(p incident.Phase) Hue {
	switch p {
	case incident.Watching:
		return Plain
	case incident.Suspect, incident.Held:
		return Warn
	case incident.Acting, incident.Verifying, incident.Probation:
		return Busy
	case incident.Escalated:
		return Bad
	}
	return Plain
}

// Cell is one field of a table.
type Cell struct {
	text string
	hue  Hue
}

// Coloured is a field in a colour.
func Coloured(text string, hue Hue) Cell { return Cell{text, hue} }

// table aligns columns by what is seen of them: colours and wide letters count as they look.
type table struct {
	colours bool
	rows    [][]Cell
}

// Table begins a table with its heads.
func (c *Console) Table(heads ...string) *table {
	t := &table{colours: c.coloured}
	row := make([]Cell, len(heads))
	for i, h := range heads {
		row[i] = Cell{h, Strong}
	}
	t.rows = append(t.rows, row)
	return t
}

// Row adds a row of strings, cells and whatever else fmt prints.
func (t *table) Row(fields ...any) {
	row := make([]Cell, len(fields))
	for i, f := range fields {
		x, ok := f.(Cell)
		if !ok {
			x = Cell{text: fmt.Sprint(f)}
		}
		x.text = Printable(x.text)
		row[i] = x
	}
	t.rows = append(t.rows, row)
}

// Print writes the table, two blanks between columns and none at the end of a line.
func (t *table) Print(w io.Writer) error {
	var widths []int
	for _, r := range t.rows {
		for i, x := range r {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], ansi.StringWidth(x.text))
		}
	}
	for _, r := range t.rows {
		var b strings.Builder
		pad := 0
		for i, x := range r {
			if x.text != "" {
				b.WriteString(strings.Repeat(" ", pad))
				pad = 0
			}
			s := x.text
			if t.colours {
				s = x.hue.paint(s)
			}
			b.WriteString(s)
			pad += widths[i] - ansi.StringWidth(x.text) + 2
		}
		if _, err := fmt.Fprintln(w, b.String()); err != nil {
			return err
		}
	}
	return nil
}

// Printable replaces what could command a terminal: a reply of a service or a name of a process is
// no text of ours.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case unicode.IsControl(r):
			return '\ufffd'
		}
		return r
	}, s)
}
