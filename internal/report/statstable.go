package report

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Table writes the figures for a terminal.
func (s Stats) Table() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s in %s until %s", counted(s.All.Incidents, "incident"), span(s.To.Sub(s.From)), stamp(s.To))
	if s.Left > 0 {
		fmt.Fprintf(&b, "; %d more left out (--drills)", s.Left)
	}
	b.WriteByte('\n')
	if s.All.Incidents == 0 {
		return b.String()
	}
	rows := [][]string{{"TARGET", "CLASS", "INCIDENTS", "OPEN", "MTTD", "MTTR", "LONGEST", "SELF-HEALED", "ALONE", "PAGED"}}
	for _, f := range s.Parts {
		rows = append(rows, f.cells(f.Target, string(f.Class)))
	}
	rows = append(rows, s.All.cells("all", ""))
	b.WriteByte('\n')
	writeTable(&b, rows, 2)
	return b.String() + `
MTTD: from the first bad look until the problem was confirmed. MTTR: from the first bad look until it
was clear; probation comes after that. SELF-HEALED: cured by recoveryd and nobody paged, of those that
are over. ALONE: recovered by themselves. PAGED: people were paged, of all.
`
}

func (f Figures) cells(target, class string) []string {
	seconds := func(s *Spread, of func(*Spread) float64) string {
		if s == nil {
			return "-"
		}
		return span(time.Duration(of(s) * float64(time.Second)))
	}
	share := func(n int, v float64, ok bool) string {
		if !ok {
			return "-"
		}
		return fmt.Sprintf("%d (%.0f%%)", n, 100*v)
	}
	healed, ok1 := f.HealedShare()
	paged, ok2 := f.PagedShare()
	mean := func(s *Spread) float64 { return s.Mean }
	return []string{target, class, fmt.Sprint(f.Incidents), fmt.Sprint(f.Open), seconds(f.Detect, mean), seconds(f.Repair, mean),
		seconds(f.Repair, func(s *Spread) float64 { return s.Longest }), share(f.Healed, healed, ok1), fmt.Sprint(f.Alone), share(f.Paged, paged, ok2)}
}

// writeTable aligns the first columns to the left and the others, which are numbers, to the right.
func writeTable(b *strings.Builder, rows [][]string, left int) {
	width := make([]int, len(rows[0]))
	for _, r := range rows {
		for i, c := range r {
			width[i] = max(width[i], utf8.RuneCountInString(c))
		}
	}
	for _, r := range rows {
		var line strings.Builder
		for i, c := range r {
			pad := strings.Repeat(" ", width[i]-utf8.RuneCountInString(c))
			if i > 0 {
				line.WriteString("  ")
			}
			if i < left {
				line.WriteString(c + pad)
			} else {
				line.WriteString(pad + c)
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
}
