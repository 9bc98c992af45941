package page

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

// titleOf names an incident in the words of the notices.
func titleOf(i incident.Incident) string { return i.Target + ": " + i.Class.Words() }

// phaseWords says what a phase means for the one who reads the page.
func phaseWords(p incident.Phase) string {
	switch p {
	case incident.Watching:
		return "watching"
	case incident.Suspect:
		return "asking again"
	case incident.Held:
		return "holding back"
	case incident.Acting:
		return "acting"
	case incident.Verifying:
		return "checking the cure"
	case incident.Probation:
		return "recovered, on probation"
	case incident.Escalated:
		return "left to people"
	}
	return p.String()
}

func phaseMood(p incident.Phase) mood {
	switch p {
	case incident.Watching:
		return moodOK
	case incident.Suspect, incident.Probation, incident.Verifying:
		return moodWarn
	case incident.Held, incident.Acting, incident.Escalated:
		return moodBad
	}
	return moodUnknown
}

func verdictMood(v detect.Verdict) mood {
	switch v {
	case detect.Healthy:
		return moodOK
	case detect.Degraded:
		return moodWarn
	case detect.Unhealthy:
		return moodBad
	case detect.Unknown:
	}
	return moodUnknown
}

func kindWords(k detect.Kind) string {
	switch k {
	case detect.KindPostgres:
		return "PostgreSQL"
	case detect.KindPlain:
		return "dependency"
	case detect.KindService:
	}
	return string(k)
}

func severityWords(s detect.Severity) string {
	switch s {
	case detect.P1:
		return "critical"
	case detect.P2:
		return "high"
	case detect.P3:
		return "medium"
	case detect.P4:
		return "low"
	case detect.SeverityUnset:
	}
	return ""
}

// outcomeOf says in a few words what ended an incident.
func outcomeOf(i incident.Incident) string {
	if i.EndWhy != "" {
		return i.EndWhy
	}
	for _, a := range slices.Backward(i.Attempts) {
		if a.Verdict == incident.Verified {
			return "cured by " + a.Strategy
		}
	}
	if !i.Paged.IsZero() {
		return "recovered"
	}
	return "recovered by itself"
}

// resultWords says what came of one attempt, as the notices do.
func resultWords(a incident.Attempt) string {
	s := string(a.Result)
	if s == "" {
		s = "in flight"
	}
	if a.Detail != "" {
		s += ", " + a.Detail
	}
	if a.Verdict != "" && a.Verdict != incident.NextStep {
		s += "; " + string(a.Verdict)
	}
	return s
}

func resultMood(a incident.Attempt) mood {
	switch {
	case a.Verdict == incident.Verified:
		return moodOK
	case a.Result == "" || a.Verdict == "" || a.Verdict == incident.NextStep || a.Verdict == incident.ClearedByItself || a.Verdict == incident.NotBegun || a.Verdict == incident.HoldOperator:
		return moodUnknown
	}
	return moodBad
}

// wordOf is a person's word in full.
func wordOf(s *incident.Standing, now time.Time) string {
	out := "By " + byAndWhy(s)
	if s.Until.IsZero() {
		return out + ", until it is taken back."
	}
	return out + ", until " + clock(s.Until, now) + "."
}

func byAndWhy(s *incident.Standing) string {
	if s.Why == "" {
		return s.By
	}
	return s.By + ": " + s.Why
}

// witnessWords says which two kinds of evidence agree, or that they do not.
func witnessWords(d detect.Diagnosis) string {
	if len(d.Witnesses) == 0 {
		return ""
	}
	if p, ok := detect.Agree(d.Class, d.Witnesses); ok {
		if p.Why == "" {
			return fmt.Sprintf("Two kinds of evidence agree (%s, %s).", p.A, p.B)
		}
		return fmt.Sprintf("Two kinds of evidence agree (%s, %s): %s.", p.A, p.B, p.Why)
	}
	ws := make([]string, len(d.Witnesses))
	for i, w := range d.Witnesses {
		ws[i] = string(w)
	}
	return "Evidence: " + strings.Join(ws, ", ") + ". That is not enough for anything that disrupts."
}

// clock writes a time of day, with the date when it is not today.
func clock(t, now time.Time) string {
	t = t.In(now.Location())
	if t.YearDay() == now.YearDay() && t.Year() == now.Year() {
		return t.Format("15:04:05")
	}
	if t.Year() == now.Year() {
		return t.Format("2 Jan 15:04")
	}
	return t.Format("2 Jan 2006 15:04")
}

// lasting writes a duration in at most two units, exact enough to compare incidents.
func lasting(d time.Duration) string {
	switch {
	case d < 0:
		return "0 s"
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

// age writes how long ago something was, coarsely, as page.js does: the two must agree.
func age(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", max(0, int(d.Seconds())))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func sortedKeys(m map[string]bool) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// anchor is the id of a target's element.
func anchor(target string) string { return "t-" + target }
