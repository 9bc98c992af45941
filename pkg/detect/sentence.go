package detect

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// healthySentence is the evidence for a healthy verdict, from whichever witness answered.
func healthySentence(o Observation, b Background) string {
	f := o.Facts
	var parts []string
	if s := f.Text(HealthStatus); s != "" {
		parts = append(parts, "health reply says "+s+ownWord(f)+latencyNote(f))
	}
	if ignored := f.Text(HealthIgnored); ignored != "" {
		parts = append(parts, "ignored as configured: "+ignored)
	}
	if endless := f.Text(HTTPError); endless != "" && understood(f) {
		parts = append(parts, endless)
	}
	if s := f.Text(HealthInstead); s != "" && f.Text(HTTPOutcome) == OutcomeReply {
		parts = append(parts, "the MCP server answers"+latencyNote(f)+"; "+s)
	}
	if n, max, ok := poolUse(f); ok {
		parts = append(parts, "pool "+whole(n)+" of "+whole(max)+" in use")
	}
	if b.Target.Kind == KindPostgres && f.Text(SQLOutcome) == SQLOK {
		s := "PostgreSQL answers SELECT 1"
		if used, ok := f.Num(SQLUsed); ok {
			if max, ok := f.Num(SQLMax); ok {
				s += ", " + whole(used) + " of " + whole(max) + " connections used"
			}
		}
		parts = append(parts, s)
	}
	if f.True(SyntheticOK) {
		parts = append(parts, "a call of real work succeeds")
	}
	if f.Text(PlainOutcome) == "ok" {
		parts = append(parts, "the dependency answers")
	}
	if f.Text(WorkloadState) != "" && len(parts) == 0 {
		parts = append(parts, StateWords(f))
	}
	if len(parts) == 0 {
		return "nothing is known to be wrong"
	}
	return sentence(strings.Join(parts, ", "))
}

// ownWord quotes the server's own word for its state, where it is another one.
func ownWord(f Facts) string {
	if w := f.Text(HealthWord); w != "" {
		return fmt.Sprintf(" (%q)", w)
	}
	return ""
}

// whole prints a count.
func whole(n float64) string { return strconv.FormatFloat(n, 'f', 0, 64) }

// sentence makes one line of an evidence that may carry words from outside, without the full stop
// that those may end with.
func sentence(s string) string {
	if strings.ContainsFunc(s, unicode.IsControl) || strings.Contains(s, "  ") {
		s = oneLine(s)
	}
	return strings.TrimRight(s, " .,;:")
}

func latencyNote(f Facts) string {
	if d, ok := f.Duration(HTTPLatency); ok {
		return " in " + short(d)
	}
	return ""
}

// short prints a duration as a person would say it: 3ms, 1.2s, 2m10s.
func short(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Minute:
		return d.Round(100 * time.Millisecond).String()
	default:
		return d.Round(time.Second).String()
	}
}

func bytesOf(v float64) string {
	switch {
	case v >= 1<<30:
		return fmt.Sprintf("%.1f GiB", v/(1<<30))
	case v >= 1<<20:
		return fmt.Sprintf("%.0f MiB", v/(1<<20))
	default:
		return fmt.Sprintf("%.0f KiB", v/(1<<10))
	}
}

func percent(share float64) string { return fmt.Sprintf("%.0f %%", share*100) }
