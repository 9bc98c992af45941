package incident

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

// Step is the only door into the core. It is total and deterministic: it takes the state, the
// time and one event, and returns the state after it with the record of what was decided. The
// caller must make the record durable (when it says so) before it carries out any effect, and
// must use the returned state only then.
func (p *Policy) Step(s State, now time.Time, ev Event) (State, Record) {
	tn := p.newTurn(s, now, ev)
	from := tn.t.Phase
	rec := Record{Seq: s.Seq + 1, At: now, Target: ev.Target, From: from, To: from, Event: ev}
	target, known := p.targets[ev.Target]
	if _, seen := s.Targets[ev.Target]; seen {
		if why := p.left(tn.t); why != "" {
			return tn.leave(rec, why)
		}
	}
	if !known {
		p.hostEvent(tn, &rec)
		return tn.commit(rec, false)
	}
	tn.t.Thing = thing(target)
	if ev.Command != nil && ev.Command.Verb == CmdClose {
		return tn.closeWord(rec)
	}
	tn.forgetDrill()
	tn.take()
	tn.backEnded()
	tn.settleAccounts()
	for range 2 { // Watching -> Suspect -> decision, when the first look is conclusive
		f := tn.view()
		i := slices.IndexFunc(p.rules[tn.t.Phase], func(r rule) bool { return f&r.need == r.need && f&r.deny == 0 })
		r := p.rules[tn.t.Phase][i] // the coverage test proves that one always matches
		tn.why, tn.row, tn.ruled, tn.seen = r.why, row{tn.t.Phase, i}, true, f
		before := tn.t.Phase
		tn.t.Phase = r.to // moves that ask for the phase mean the new one
		for _, m := range r.do {
			m.do(tn)
		}
		if before != Watching || r.to != Suspect || f&confirmed == 0 {
			break
		}
		tn.effects = slices.DeleteFunc(tn.effects, func(e Effect) bool { return e.Kind == Look && e.Target == tn.t.Name })
	}
	reason := tn.why
	if tn.t.Phase != from || reason != NoChange && reason != tn.t.Reason {
		if tn.t.Phase != from {
			tn.t.Since = now
		}
		if reason != NoChange {
			tn.t.Reason = reason
		}
	}
	rec.To, rec.Reason = tn.t.Phase, reason
	if tn.inc != nil {
		if tn.severe = tn.inc.Severity; tn.was[tn.inc.ID] != nil {
			tn.severe = tn.was[tn.inc.ID].Severity
		}
		tn.review(tn.seen)
	}
	tn.takeForReal()
	tn.notices(&rec)
	tn.wake()
	tn.nudgeRun()
	tn.nudgeTroubles(from)
	rec.Eased, rec.Refused = tn.eased, tn.refused
	rec.Answered = tn.answered
	rec.Sentence = strings.Join(append([]string{tn.sentence(rec)}, tn.lessons...), "; ")
	return tn.commit(rec, true)
}

// take brings the target up to date with the event: the observation, a person's word.
func (tn *turn) take() {
	t := tn.t
	switch tn.ev.Kind {
	case Observed:
		o := *tn.ev.Observation
		if o.At.Before(t.Last.At) && !t.Last.At.After(tn.now) {
			return // an older look that was overtaken (and not a clock that was set back)
		}
		before, last := t.Last.Facts, t.Last.At
		t.Last = o
		t.Diagnosis = tn.p.Diagnose(tn.s, o)
		t.IntentOf, t.Intent = tn.intent()
		tn.seeEnd()
		if run := o.Facts.Text(detect.WorkloadRun); run != "" {
			if run != t.Run && t.Run != "" {
				t.Starts = slices.Clone(t.Starts)
				for range startsBetween(before, o.Facts) {
					t.Starts = append(t.Starts, o.At)
				}
				t.Starts = t.Starts[max(len(t.Starts)-16, 0):]
				t.Churn = t.Churn.more(runsBetween(before, o.Facts), last, o.At)
			}
			t.Run = run
			if answered(o.Facts) {
				t.Answered = run
			}
		}
		tn.count(true)
		tn.watchKept(last)
		tn.answer()
	case Operator:
		tn.obey()
		tn.said = tn.note
		tn.rejudge()
	default:
		tn.rejudge()
		if t.Phase == Probation && !tn.now.Before(t.ProbationEnd) {
			tn.look(t.Name, 0) // one more good look ends it
		}
	}
}

// intent is what a person did to the target. While its platform cannot be asked, and where it has forgotten
// its last run, what was last known still holds: that a witness is gone does not start what a person
// stopped. A target that serves was started again.
func (tn *turn) intent() (Intent, string) {
	t := tn.t
	switch {
	case t.Last.Facts.Text(detect.WorkloadState) != "":
		return tn.wish(t.Last.Facts)
	case t.Diagnosis.Good() && t.IntentOf != IntentDisabled:
		return "", ""
	}
	return t.IntentOf, t.Intent
}

// seeEnd notes when the end of the target's last run was first seen.
func (tn *turn) seeEnd() {
	t := tn.t
	f, run := t.Last.Facts, t.Last.Facts.Text(detect.WorkloadRun)
	switch {
	case f.Text(detect.WorkloadState) == "": // its platform cannot be asked
	case !down(f):
		t.Ended = time.Time{}
	case t.Ended.IsZero() || run != "" && run != t.Run:
		t.Ended = t.Last.At
	}
}

// startsBetween is how many runs began between two looks that saw different ones: its platform
// may have restarted it more than once meanwhile.
func startsBetween(before, after detect.Facts) int { return min(runsBetween(before, after), 16) }

func runsBetween(before, after detect.Facts) int {
	was, okB := before.Num(detect.WorkloadRestarts)
	is, okA := after.Num(detect.WorkloadRestarts)
	if !okB || !okA {
		return 1
	}
	return max(1, int(is-was))
}

// answered reports whether the target has shown that it serves, each kind in its own way.
func answered(f detect.Facts) bool {
	return f.Text(detect.HTTPOutcome) == detect.OutcomeReply || f.Text(detect.SQLOutcome) == detect.SQLOK || f.Text(detect.PlainOutcome) == "ok"
}

// rejudge judges the last look again: a neighbour may have changed since.
func (tn *turn) rejudge() {
	if tn.t.Last.At.IsZero() {
		return
	}
	was := tn.t.Diagnosis
	tn.t.Diagnosis = tn.p.Diagnose(tn.s, tn.t.Last)
	if d := tn.t.Diagnosis; d.Verdict != was.Verdict || d.Class != was.Class || d.Culprit != was.Culprit {
		tn.count(false)
	}
}

// ownWord reports a target that calls itself degraded, or contradicts itself. That a limit is near is no such
// word: who set the limit knows it.
func ownWord(d detect.Diagnosis) bool {
	return d.Verdict == detect.Degraded && d.Class == detect.ClassUnknown
}

// count keeps the present run of looks that agree. A good look ends a bad run; an unknown one
// neither ends nor lengthens it, since a target between two bad states has not recovered.
func (tn *turn) count(newLook bool) {
	t, d, at := tn.t, tn.t.Diagnosis, tn.t.Last.At
	switch {
	case d.Bad(), d.Verdict == detect.Healthy, d.Good() && !ownWord(d):
		t.DegradedSince = time.Time{}
	case d.Good() && t.DegradedSince.IsZero():
		t.DegradedSince = at
	}
	switch {
	case d.Bad():
		t.GoodLooks, t.GoodSince, t.UnknownLooks, t.UnknownSince, t.UnknownClass = 0, time.Time{}, 0, time.Time{}, ""
		if t.BadSince.IsZero() {
			t.BadSince = at
		}
		if t.BadClass != d.Class || t.BadCulprit != d.Culprit || t.BadLooks == 0 {
			t.BadClass, t.BadCulprit, t.BadLooks, t.ClassSince = d.Class, d.Culprit, 0, at
		} else if !newLook {
			return
		}
		t.BadLooks++
	case d.Good():
		t.UnknownLooks, t.UnknownSince, t.UnknownClass = 0, time.Time{}, ""
		if t.GoodLooks == 0 {
			t.GoodSince = at
		}
		if newLook || t.GoodLooks == 0 {
			t.GoodLooks++
		}
		t.BadLooks, t.BadSince = 0, time.Time{}
	default:
		t.GoodLooks, t.GoodSince = 0, time.Time{}
		if t.UnknownSince.IsZero() {
			t.UnknownSince = at
		}
		if t.UnknownClass != d.Class {
			t.UnknownClass, t.UnknownLooks = d.Class, 0
		}
		if newLook {
			t.UnknownLooks++
		}
	}
}

// commit puts the copies into the new state and completes the record.
func (tn *turn) commit(rec Record, target bool) (State, Record) {
	s := tn.s
	if target {
		s.Targets[tn.t.Name] = tn.t
		rec.After = tn.t
	}
	if tn.touched != nil {
		if was := tn.was[tn.touched.ID]; rec.From != rec.To || was == nil || material(was, tn.touched) {
			rec.Incident = tn.touched
		}
		if tn.touched.Open() {
			s.Incidents[tn.touched.ID] = tn.touched
		} else {
			delete(s.Incidents, tn.touched.ID)
		}
	}
	if tn.host != nil {
		rec.Host, s.Host = tn.host, *tn.host
	}
	rec.Effects = tn.effects
	if target {
		tn.keepIntent(&rec)
		tn.coalesce(&rec)
		tn.catchUp(&rec)
	}
	if !rec.Durable() {
		rec.Seq = 0 // only what is journaled is numbered, so that a gap in the journal shows a loss
		return s, rec
	}
	if tn.ruled {
		rec.Rule, rec.Seen = tn.p.rowWords[tn.row.phase][tn.row.n], tn.seen.String()
	}
	s.Seq = rec.Seq
	return s, rec
}

// keepIntent makes sure that what a person was seen to do to the target is written, also when nothing else
// follows from it: its platform may forget it, and the next life of the daemon must not.
func (tn *turn) keepIntent(rec *Record) {
	if h := tn.s.Host; tn.t.Intent != tn.wished && !rec.Durable() {
		rec.Host = &h // makes the record durable
	}
}

// catchUp makes sure that what was decided while the journal was broken is written as soon as it
// works again: the next life of the daemon must know which pages are open, and which are not.
func (tn *turn) catchUp(rec *Record) {
	switch h := tn.s.Host; {
	case h.Impaired != "":
		tn.t.Unsaved = tn.t.Unsaved || rec.Durable()
	case tn.t.Unsaved:
		tn.t.Unsaved = false
		if rec.Host == nil {
			rec.Host = &h // makes the record durable
		}
		if rec.Incident == nil {
			rec.Incident = tn.inc
		}
	}
}

// material reports whether an incident changed in a way that must not be lost: the wording of the
// latest evidence is not worth a durable write at every look.
func material(a, b *Incident) bool {
	if a.Class != b.Class || a.Severity != b.Severity || a.Milder != b.Milder || a.Held != b.Held || a.Left != b.Left || a.NoMeans != b.NoMeans || a.Paged != b.Paged || len(a.Told) != len(b.Told) ||
		a.Ack != b.Ack || a.Drill != b.Drill || a.Proposal != b.Proposal || len(a.Lessons) != len(b.Lessons) || a.Closed != b.Closed || a.Relapses != b.Relapses ||
		len(a.Attempts) != len(b.Attempts) || len(a.Affected) != len(b.Affected) || !maps.Equal(a.Rungs, b.Rungs) {
		return true
	}
	n := len(b.Attempts)
	return n > 0 && a.Attempts[n-1] != b.Attempts[n-1]
}

// wake asks to be woken at the earliest time at which something may change by itself.
func (tn *turn) wake() {
	t := tn.t
	times := []time.Time{}
	switch t.Phase {
	case Acting:
		times = append(times, t.Deadline.Add(time.Millisecond))
	case Verifying:
		times = append(times, t.SettleUntil, t.VerifyUntil)
	case Probation:
		times = append(times, t.ProbationEnd)
	case Held, Suspect:
		if tn.isHeld {
			times = append(times, tn.h.until)
		}
		times = append(times, t.BackoffUntil)
	}
	if t.Hold != nil {
		times = append(times, t.Hold.Until)
	}
	if d := tn.drillState(); d != nil {
		times = append(times, d.Until)
	}
	times = append(times, tn.noticeTimes()...)
	times = append(times, tn.backTimes()...)
	var at time.Time
	for _, x := range times {
		if x.After(tn.now) && (at.IsZero() || x.Before(at)) {
			at = x
		}
	}
	if !at.IsZero() {
		tn.effect(Effect{Kind: Wake, Target: t.Name, At: at})
	}
}
