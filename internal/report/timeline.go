package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

// Moment is one line of the timeline.
type Moment struct {
	At    time.Time     `json:"at"`
	After time.Duration `json:"after_ns"` // since the first bad look
	What  Sort          `json:"what"`
	Text  string        `json:"text"`
}

// Sort says what a moment is about.
type Sort string

// The sorts of moment.
const (
	Seen    Sort = "seen"
	Decided Sort = "decided"
	Action  Sort = "action"
	Result  Sort = "result"
	Person  Sort = "person"
	Notice  Sort = "notice"
	Clear   Sort = "clear"
	End     Sort = "closed"
)

// timeline puts everything that is known into one order.
func timeline(s Source, r Report) []Moment {
	i := s.Incident
	var all []Moment
	add := func(at time.Time, what Sort, text string) {
		all = append(all, Moment{At: at, After: at.Sub(i.Since), What: what, Text: notice.OneLine(text)})
	}
	if len(s.Records) == 0 || !s.Records[0].At.Equal(i.Since) {
		add(i.Since, Seen, "first bad look at "+i.Target)
	}
	add(i.Opened, Decided, fmt.Sprintf("confirmed: %s (%s)", r.Cause.Kind, i.Severity))
	var last *incident.Incident
	said := map[string]string{} // by target: the evidence that was quoted last
	for _, rec := range s.Records {
		if what, text := moment(rec, last, i.Target); text != "" {
			add(rec.At, what, unquoted(text, rec, said))
		}
		if rec.Incident != nil && rec.Incident.ID == i.ID {
			last = rec.Incident
		}
	}
	if len(s.Records) == 0 {
		add(i.Opened, Seen, i.Diagnosis.Because)
		if !i.Open() {
			add(i.Closed, End, "closed")
		}
	}
	for _, m := range noticeMoments(s.Notices) {
		add(m.At, m.What, m.Text)
	}
	for _, m := range evidenceMoments(s.Evidence) {
		add(m.At, m.What, m.Text)
	}
	slices.SortStableFunc(all, func(a, b Moment) int { return a.At.Compare(b.At) })
	return all
}

// evidenceMoments makes one line of the pieces that were collected at the same time.
func evidenceMoments(pieces []Piece) (out []Moment) {
	for n := 0; n < len(pieces); {
		var names []string
		at, size := pieces[n].At, 0
		for ; n < len(pieces) && pieces[n].At.Sub(at).Abs() < time.Second; n++ {
			names, size = append(names, pieces[n].Title()), size+len(pieces[n].Text)
		}
		out = append(out, Moment{At: at, What: Seen, Text: fmt.Sprintf("evidence kept: %s (%d KiB)", listed(names), (size+1023)/1024)})
	}
	return out
}

// moment is what one record adds; "" when it says nothing new.
func moment(rec incident.Record, last *incident.Incident, culprit string) (Sort, string) {
	text := rec.Sentence
	if rec.From == rec.To && rec.Reason == incident.NoChange && rec.Event.Kind != incident.Operator {
		text = changes(last, rec.Incident)
	}
	if text != "" && rec.Target != culprit && rec.Target != "" {
		text = rec.Target + ": " + text
	}
	performs := slices.ContainsFunc(rec.Effects, func(e incident.Effect) bool { return e.Kind == incident.Perform })
	switch {
	case rec.Event.Kind == incident.Operator:
		return Person, text
	case performs:
		return Action, text
	case rec.Event.Kind == incident.Ended:
		return Result, text + took(rec)
	case rec.To == incident.Probation && rec.From != incident.Probation:
		return Clear, text
	case rec.Reason == incident.Closed || rec.Incident != nil && !rec.Incident.Open():
		return End, text
	case rec.Reason == incident.FirstSign || rec.Reason == incident.Confirming:
		return Seen, text
	}
	return Decided, text
}

// unquoted leaves out evidence that the line before has quoted word for word.
func unquoted(text string, rec incident.Record, said map[string]string) string {
	if rec.After == nil || rec.After.Diagnosis.Because == "" {
		return text
	}
	because := rec.After.Diagnosis.Because
	short, quoted := strings.CutSuffix(text, because)
	again := quoted && said[rec.Target] == because
	if quoted {
		said[rec.Target] = because
	}
	if short = strings.TrimRight(short, ":; "); again && short != "" {
		return short + ", on the same evidence"
	}
	return text
}

// took says how long the action that ended with this record took.
func took(rec incident.Record) string {
	if rec.Incident == nil {
		return ""
	}
	for _, a := range rec.Incident.Attempts {
		if a.ID == rec.Event.ActionID && !a.Ended.IsZero() {
			return " (took " + span(a.Ended.Sub(a.At)) + ")"
		}
	}
	return ""
}

// changes says what is new about an incident in a record that decided nothing.
func changes(was, is *incident.Incident) string {
	if was == nil || is == nil || was.ID != is.ID {
		return ""
	}
	var out []string
	for _, name := range is.Affected {
		if !slices.Contains(was.Affected, name) {
			out = append(out, name+" is affected too")
		}
	}
	if was.Class != is.Class {
		out = append(out, fmt.Sprintf("it shows another face: %s, before %s (%s)", is.Class, was.Class, is.Diagnosis.Because))
	}
	if was.Severity != is.Severity {
		out = append(out, fmt.Sprintf("severity %s, before %s", is.Severity, was.Severity))
	}
	if was.Held != is.Held && is.Held != "" {
		out = append(out, fmt.Sprintf("held back now (%s): %s", is.Held, is.HeldWhy))
	}
	return strings.Join(out, "; ")
}

// Stage is a stretch of time that the target spent in one phase.
type Stage struct {
	Phase incident.Phase `json:"phase"`
	From  time.Time      `json:"from"`
	To    time.Time      `json:"to"`
}

// course lists the phases of the target from the first bad look to the end.
func course(s Source, end time.Time) []Stage {
	i := s.Incident
	if !i.Closed.IsZero() {
		end = i.Closed
	} else if s.At.After(end) {
		end = s.At
	}
	out := []Stage{{Phase: incident.Suspect, From: i.Since, To: i.Opened}}
	for _, r := range s.Records {
		if r.Target != i.Target || r.At.Before(i.Opened) {
			continue
		}
		last := &out[len(out)-1]
		if r.To == last.Phase {
			continue
		}
		last.To = r.At
		if r.To == incident.Watching {
			break
		}
		out = append(out, Stage{Phase: r.To, From: r.At, To: end})
	}
	return slices.DeleteFunc(out, func(st Stage) bool { return !st.To.After(st.From) })
}
