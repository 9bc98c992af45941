package strictyaml

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// cure says what would be right instead of a value that is not acceptable, where that can be guessed.
func (s Shape) cure(n *node) string {
	if s.Kind == KindText && n.kind == list {
		return "write one text, without brackets or hyphens"
	}
	t := n.text()
	if t == "" || s.Hidden || s.Kind == KindSecret {
		return ""
	}
	if found, _ := Placeholder(t); found != "" {
		return "variables are not expanded: write the value itself"
	}
	if what, cure := oddity(t); n.kind == text && what != "" {
		return "it " + what + ": " + cure
	}
	switch {
	case s.Kind == KindDuration:
		if d := loosely(t); d != "" {
			return "write " + d
		}
	case s.Kind == KindInteger && n.kind == text && strings.Trim(t, "0123456789") == "" && len(t) < 19:
		return "leave the quotes out"
	case s.Kind == KindInteger && exponent.MatchString(t), s.Kind == KindInteger && strings.HasPrefix(strings.TrimLeft(t, "+-"), "0"):
		return "write it in plain digits"
	case s.Form == "moment" && n.kind == integer:
		if minutes, err := strconv.Atoi(t); err == nil && minutes < 24*60 {
			return fmt.Sprintf(`a program has turned the time of day into a number: write "%02d:%02d", in quotes`, minutes/60, minutes%60)
		}
	case s.Owned != nil:
		if s.Owned.Cure != nil {
			return s.Owned.Cure(t)
		}
	case s.Form == "url" && !strings.Contains(t, "://"):
		return "begin with http:// or https://"
	case s.Form == "url" && !strings.HasPrefix(t, "http://") && !strings.HasPrefix(t, "https://"):
		return "only http:// and https:// are asked"
	case s.Form == "url" && strings.Contains(t, "[") && strings.Contains(t, "%"):
		return "a zone of this host (%eth0) cannot be named in an address: give one without a zone"
	case s.Form == "url":
		if u, err := url.Parse(t); err == nil && u.Port() != "" && !isPort(u.Port(), 1) {
			return "a port is a number from 1 to 65535"
		}
	case s.Form == "path" && strings.Contains(t, `\`):
		return "paths of this host begin with / and have no backslash"
	case len(s.Enum) > 0 && s.Enum[0] == "mon":
		return daysOf(t)
	}
	return ""
}

// exponent finds a number such as 1e3, which the parser takes for text.
var exponent = regexp.MustCompile(`^[+-]?[0-9.]+[eE][+-]?[0-9]+$`)

// daysOf reads days as people write them, for a hint: "Mon-Fri", "Saturday", "weekdays".
func daysOf(t string) string {
	all, t := Weekdays(), strings.ToLower(strings.TrimSpace(t))
	day := func(s string) int {
		s = strings.TrimSpace(s)
		return slices.IndexFunc(all, func(d string) bool { return strings.HasPrefix(s, d) })
	}
	switch t {
	case "weekdays", "workdays", "weekday":
		t = "mon-fri"
	case "weekend", "weekends":
		t = "sat-sun"
	case "daily", "all", "*", "every day", "everyday":
		return "leave days out: that is every day"
	}
	for _, dash := range []string{"-", "–", "..", " to ", ":"} {
		if a, b, ok := strings.Cut(t, dash); ok && day(a) >= 0 && day(b) >= 0 {
			var days []string
			for i := day(a); ; i = (i + 1) % len(all) {
				if days = append(days, all[i]); i == day(b) {
					break
				}
			}
			return "write " + strings.Join(days, ", ")
		}
	}
	if i := day(t); i >= 0 {
		return "write " + all[i]
	}
	return ""
}

// amountForm finds numbers with their units in what people write for a duration.
var amountForm = regexp.MustCompile(`(\d+(?:[.,]\d+)?)\s*([A-Za-zµ]*)`)

// loosely reads a duration as people write it, for a hint: "5 min", "10sec", "5m30", "1 hour", "00:05:00".
func loosely(t string) string {
	if p := strings.Split(t, ":"); len(p) == 3 {
		t = p[0] + "h" + p[1] + "m" + p[2] + "s"
	}
	units := map[string]string{"ms": "ms", "msec": "ms", "msecs": "ms", "millis": "ms", "milliseconds": "ms", "s": "s", "sec": "s", "secs": "s", "second": "s", "seconds": "s",
		"m": "m", "min": "m", "mins": "m", "minute": "m", "minutes": "m", "h": "h", "hr": "h", "hrs": "h", "hour": "h", "hours": "h",
		"d": "d", "day": "d", "days": "d", "w": "w", "week": "w", "weeks": "w", "": ""}
	smaller := map[string]string{"h": "m", "m": "s"}
	out, before := "", ""
	t = strings.TrimPrefix(strings.TrimPrefix(strings.ToLower(t), "pt"), "p")
	if strings.Trim(amountForm.ReplaceAllString(t, ""), " ,and") != "" {
		return ""
	}
	for _, m := range amountForm.FindAllStringSubmatch(t, -1) {
		unit, known := units[m[2]]
		if unit == "" {
			unit = smaller[before]
		}
		if !known || unit == "" {
			return ""
		}
		out, before = out+strings.Replace(m[1], ",", ".", 1)+unit, unit
	}
	d, err := parseDuration(out)
	if err != nil {
		return ""
	}
	return WriteDuration(d)
}

// DidYouMean returns `did you mean "x"?` for the candidate nearest to a misspelt word, or "".
// Case, hyphens and underscores do not count as differences; otherwise about a third of the letters
// may differ, at least one.
func DidYouMean(word string, candidates []string) string {
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
