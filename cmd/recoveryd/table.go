package main

import (
	"fmt"
	"io"
	"strings"
	"unicode"

	"github.com/charmbracelet/x/ansi"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

// hue is the colour of a word. The words say the same without it.
type hue string

// The colours, as the codes of a terminal: those of its own theme, so that they can be read on a
// dark and on a light ground.
const (
	plainHue hue = ""
	good     hue = "32"
	warn     hue = "33"
	bad      hue = "31"
	busy     hue = "36"
	faint    hue = "2"
	strong   hue = "1"
)

// paint colours a text.
func (h hue) paint(s string) string {
	if h == plainHue || s == "" {
		return s
	}
	return "\x1b[" + string(h) + "m" + s + "\x1b[0m"
}

func verdictHue(v detect.Verdict) hue {
	switch v {
	case detect.Healthy:
		return good
	case detect.Degraded:
		return warn
	case detect.Unhealthy:
		return bad
	case detect.Unknown:
	}
	return warn
}

func phaseHue(p incident.Phase) hue {
	switch p {
	case incident.Watching:
		return plainHue
	case incident.Suspect, incident.Held:
		return warn
	case incident.Acting, incident.Verifying, incident.Probation:
		return busy
	case incident.Escalated:
		return bad
	}
	return plainHue
}

// cell is one field of a table.
type cell struct {
	text string
	hue  hue
}

// table aligns columns by what is seen of them: colours and wide letters count as they look.
type table struct {
	colours bool
	rows    [][]cell
}

// table begins a table with its heads.
func (c *cli) table(heads ...string) *table {
	t := &table{colours: c.coloured}
	row := make([]cell, len(heads))
	for i, h := range heads {
		row[i] = cell{h, strong}
	}
	t.rows = append(t.rows, row)
	return t
}

// row adds a row of strings, cells and whatever else fmt prints.
func (t *table) row(fields ...any) {
	row := make([]cell, len(fields))
	for i, f := range fields {
		x, ok := f.(cell)
		if !ok {
			x = cell{text: fmt.Sprint(f)}
		}
		x.text = printable(x.text)
		row[i] = x
	}
	t.rows = append(t.rows, row)
}

// print writes the table, two blanks between columns and none at the end of a line.
func (t *table) print(w io.Writer) error {
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

// printable replaces what could command a terminal: a reply of a service or a name of a process is
// no text of ours.
func printable(s string) string {
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
