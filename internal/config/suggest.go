package config

import (
	"fmt"
	"strings"
)

// didYouMean returns `did you mean "x"?` for the candidate nearest to a misspelt word, or "".
// Case, hyphens and underscores do not count as differences; otherwise about a third of the letters
// may differ, at least one.
func didYouMean(word string, candidates []string) string {
	plain := func(s string) string {
		return strings.NewReplacer("-", "", "_", "").Replace(strings.ToLower(s))
	}
	w := []rune(plain(word))
	best, at := "", max(1, (len(w)+1)/3)+1
	for _, c := range candidates {
		if d := distance(w, []rune(plain(c)), at); d < at {
			best, at = c, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("did you mean %q?", best)
}

// distance is the number of letters to insert, delete, replace or swap with their neighbour to
// turn a into b (optimal string alignment). It gives up early, with limit, when the lengths alone
// differ by that much.
func distance(a, b []rune, limit int) int {
	if abs(len(a)-len(b)) >= limit {
		return limit
	}
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}

func abs(n int) int { return max(n, -n) }
