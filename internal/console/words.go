package console

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/recoveryd/recoveryd/pkg/incident"
)

func Dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func Clock(t time.Time) string { return t.Local().Format("15:04:05.000") }

// Wrap breaks a line at blanks so that a terminal shows it whole.
func Wrap(s string, width int) (lines []string) {
	for len([]rune(s)) > width {
		r := []rune(s)
		at := strings.LastIndexByte(string(r[:width]), ' ')
		if at < width/3 {
			break // a word that long is not broken
		}
		head := string(r[:width])[:at]
		lines, s = append(lines, head), strings.TrimPrefix(s[len(head):], " ")
	}
	return append(lines, s)
}

// OutcomeOf says in a word what ended the incident.
func OutcomeOf(i incident.Incident) string {
	if i.EndWhy != "" {
		return i.EndWhy
	}
	for _, a := range slices.Backward(i.Attempts) {
		if a.Verdict == incident.Verified {
			return "cured: " + a.Strategy
		}
	}
	return "recovered"
}

// List joins names of any kind.
func List[T ~string](names []T) string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = string(n)
	}
	return strings.Join(out, ",")
}

func UntilWords(s *incident.Standing) string {
	out := ""
	if s.Why != "" {
		out = ": " + s.Why
	}
	if !s.Until.IsZero() {
		out += ", until " + s.Until.Local().Format("2006-01-02 15:04 MST")
	}
	return out
}

// Age prints how long ago something was, in at most two units.
func Age(now, then time.Time) string {
	if then.IsZero() {
		return "-"
	}
	d := now.Sub(then)
	switch {
	case d < time.Minute:
		return d.Round(time.Second).String()
	case d < time.Hour:
		return d.Round(time.Second).String()
	case d < 48*time.Hour:
		return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}

// Ago says how long ago something was, "never" for the zero time.
func Ago(now, then time.Time) string {
	if then.IsZero() {
		return "never"
	}
	return Age(now, then) + " ago"
}
