package detect

import (
	"strings"
	"time"
)

func secs(v float64) time.Duration { return time.Duration(v * float64(time.Second)) }

func orDefault(v, def float64) float64 {
	if v > 0 {
		return v
	}
	return def
}

func orNone(s string) string {
	if s == "" {
		return "no reason given"
	}
	return s
}

func join(names []string) string {
	switch len(names) {
	case 0:
		return ""
	case 1:
		return names[0]
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}

func isDiskFact(name string) bool {
	return strings.HasPrefix(name, DiskShare) || strings.HasPrefix(name, InodeShare)
}

func diskPath(name string) string {
	return strings.TrimPrefix(strings.TrimPrefix(name, DiskShare), InodeShare)
}

// oneLine makes one line of a text.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// cutText shortens a text to at most n characters.
func cutText(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n-1]) + "…"
}

// Meant returns `, did you mean x?` for the candidate nearest to a misspelt word, or "". About a
// third of the letters may differ.
func Meant(word string, candidates []string) string {
	best, at := "", max(1, (len(word)+1)/3)+1
	for _, c := range candidates {
		if d := editDistance(word, c); d < at && c != "" {
			best, at = c, d
		}
	}
	if best == "" {
		return ""
	}
	return ", did you mean " + best + "?"
}

// editDistance is the number of letters to insert, delete or replace to turn a into b.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j]+1, row[j+1]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
