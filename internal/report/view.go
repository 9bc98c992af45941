package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

// Summary is the head of the template: who, how bad, how long, and what it meant.
func (r Report) Summary() []Fact {
	when := func(t time.Time) string { return after(t.Sub(r.Since)) }
	out := []Fact{
		{"Incident ID", r.ID},
		{"Severity", r.Severity.String()},
		{"State", string(r.State)},
	}
	if r.Runbook != "" {
		out = append(out, Fact{"Runbook", r.Runbook})
	}
	if r.Drill != "" {
		out = append(out, Fact{"Drill", r.Drill})
	}
	if r.Host != "" {
		out = append(out, Fact{"Host", r.Host})
	}
	switch {
	case r.Cleared.IsZero():
		out = append(out, Fact{"Duration", fmt.Sprintf("%s so far (since %s)", span(r.Duration), stamp(r.Since))})
	default:
		out = append(out, Fact{"Duration", fmt.Sprintf("%s (%s to %s)", span(r.Duration), stamp(r.Since), stamp(r.Cleared))})
	}
	impact := r.Target
	if len(r.Affected) > 0 {
		impact += ", and with it " + listed(r.Affected)
	}
	out = append(out, Fact{"Impact", impact + "; users and failed requests are not measured by recoveryd"},
		Fact{"Confirmed", when(r.Confirmed)})
	if !r.Acted.IsZero() {
		out = append(out, Fact{"First action", when(r.Acted)})
	}
	switch {
	case r.Paged.IsZero():
		out = append(out, Fact{"Paged", "nobody"})
	case r.Acked.IsZero():
		out = append(out, Fact{"Paged", when(r.Paged) + "; never acknowledged with recoveryd"})
	default:
		out = append(out, Fact{"Paged", when(r.Paged)}, Fact{"Acknowledged", when(r.Acked)})
	}
	if !r.Cleared.IsZero() {
		out = append(out, Fact{"Clear", when(r.Cleared)})
	}
	if !r.Closed.IsZero() {
		out = append(out, Fact{"Closed", when(r.Closed)})
	}
	return out
}

// Facts lists what speaks for the cause.
func (c Cause) Facts() []Fact {
	out := []Fact{{"Evidence", c.Because}}
	if len(c.Witnesses) > 0 {
		names := make([]string, len(c.Witnesses))
		for i, w := range c.Witnesses {
			names[i] = string(w)
		}
		out = append(out, Fact{"Witnesses", strings.Join(names, ", ")})
	}
	out = append(out, Fact{"Agreement", c.Agreement})
	for _, f := range c.Faces {
		out = append(out, Fact{"Later, at " + f.At.UTC().Format(time.TimeOnly), string(f.Class) + ": " + f.Because})
	}
	for _, s := range c.Considered {
		out = append(out, Fact{"Considered", s})
	}
	if c.Advice != "" {
		out = append(out, Fact{"Advice", c.Advice})
	}
	return out
}

// Name says what was done.
func (t Try) Name() string {
	if t.Undo {
		return "undo of " + t.Strategy + ": " + t.Action
	}
	return t.Strategy + ": " + t.Action
}

func (t Try) tookWords() string {
	if t.Took == 0 {
		return "-"
	}
	return span(t.Took)
}

// Name says what kind of notice it was.
func (t Told) Name() string {
	if t.Kind != notice.Trigger && t.Kind != notice.Resolve { // of all tiers
		return kindWords(t.Kind) + ": " + t.Summary
	}
	return fmt.Sprintf("%s, tier %d: %s", kindWords(t.Kind), t.Tier, t.Summary)
}

// String is the person's word as a sentence.
func (w Word) String() string {
	verb := map[incident.CommandVerb]string{
		incident.CmdHold: "told recoveryd to leave the target alone", incident.CmdRelease: "ended the hold", incident.CmdPause: "paused everything",
		incident.CmdResume: "ended the pause", incident.CmdAck: "acknowledged", incident.CmdClose: "closed the incident", incident.CmdApprove: "approved what was proposed",
		incident.CmdRetry: "had the ladder begun anew", incident.CmdRecover: "asked for it to be recovered now",
		incident.CmdDrill: "announced a drill", incident.CmdDrillEnd: "ended the drill",
	}[w.Verb]
	if verb == "" {
		verb = string(w.Verb)
	}
	s := w.By + " " + verb
	if !w.Until.IsZero() {
		s += " until " + stamp(w.Until)
	}
	if w.Why != "" {
		s += ": " + w.Why
	}
	return s
}

// Title is the name without the bundle that it was collected with.
func (p Piece) Title() string { return notice.OneLine(p.Name[strings.LastIndex(p.Name, "/")+1:]) }

// Footer says where the report comes from.
func (r Report) Footer() string {
	v := ""
	if r.Version != "" {
		v = " " + r.Version
	}
	return fmt.Sprintf("Made by recoveryd%s from its journal at %s. Times are UTC.", v, stamp(r.Made))
}

// clock writes the time of the nth moment, with the day when that is not the day of the one before.
func (r Report) clock(n int) string {
	at := r.Timeline[n].At.UTC()
	day := r.Since.UTC()
	if n > 0 {
		day = r.Timeline[n-1].At.UTC()
	}
	if at.Format(time.DateOnly) != day.Format(time.DateOnly) {
		return at.Format(time.DateTime)
	}
	return at.Format(time.TimeOnly)
}

// since writes the time since the first bad look.
func since(d time.Duration) string {
	if d < 0 {
		return "-" + span(-d)
	}
	return "+" + span(d)
}
