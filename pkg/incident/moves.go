package incident

import (
	"fmt"
	"slices"
	"time"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// move is one named thing that a rule does besides changing the phase.
type move struct {
	name string
	do   func(*turn)
}

// The moves. The names are printed in docs/decision-table.md.
var (
	again = move{"look again soon", func(tn *turn) {
		tn.look(tn.t.Name, tn.lookDelay())
	}}
	lookAround = move{"look at what it needs and what needs it", func(tn *turn) {
		for _, n := range tn.p.targets[tn.t.Name].DependsOn {
			tn.look(n, 0)
		}
		for _, n := range tn.p.dependents[tn.t.Name] {
			tn.look(n, 0)
		}
	}}
	open     = move{"open the incident", openIncident}
	join     = move{"wait in the culprit's incident", joinIncident}
	holdBack = move{"state the reason not to act", func(tn *turn) {
		tn.hold(tn.h.reason, tn.h.why)
		tn.why, tn.note = tn.h.reason, tn.h.why
		tn.asks = tn.h.reason == HoldApproval && tn.propose()
	}}
	offer = move{"propose what needs a yes", func(tn *turn) {
		tn.change().Left = tn.h.reason
		if tn.h.reason == HoldApproval {
			tn.asks = tn.propose()
		}
	}}
	ease    = move{"take a change a step back that is not needed any more", (*turn).takeBack}
	perform = move{"perform the next rung's first action", func(tn *turn) { tn.begin(tn.plan, tn.planRung, false) }}
	next    = move{"perform the plan's next action", func(tn *turn) {
		tn.finishAttempt()
		tn.t.Step++
		last := tn.change().Attempts[len(tn.inc.Attempts)-1]
		tn.launch(last.Rung, last.ApprovedBy)
	}}
	undo  = move{"take the change back", func(tn *turn) { tn.begin(tn.plan, tn.planRung, true) }}
	prove = move{"prove the effect by looking", func(tn *turn) {
		tn.finishAttempt()
		t := tn.t
		t.ActionEnded, t.ActionID, t.Deadline = tn.now, "", time.Time{}
		t.SettleUntil = tn.now.Add(t.Plan.Settle)
		t.VerifyUntil = t.SettleUntil.Add(t.Plan.Verify)
		if tn.ev.Kind == Ended && (tn.ev.Result == ResultFailed || tn.ev.Result == ResultVoid) {
			t.SettleUntil, t.VerifyUntil = tn.now, tn.now
		}
		t.GoodLooks, t.GoodSince = 0, time.Time{}
		tn.look(t.Name, 0)
	}}
	refusal = move{"give up the ladder", func(tn *turn) {
		tn.finishAttempt()
		i := tn.change()
		i.Attempts[len(i.Attempts)-1].Verdict = ActionFailed
		i.Rungs[i.Class] = len(tn.timing(i.Class).Ladder) // the host refuses; a person must mend that first
	}}
	vouch = move{"record that it helped", func(tn *turn) {
		if i := tn.change(); len(i.Attempts) > 0 {
			i.Attempts[len(i.Attempts)-1].Verdict = Verified
		}
	}}
	probate = move{"begin the probation", func(tn *turn) {
		i := tn.change()
		i.aside(false, tn.now)
		i.Held, i.HeldWhy, i.HeldSince, i.Left = "", "", time.Time{}, ""
		if tn.why == Mended && len(i.Told) == 0 {
			tn.why = ClearedByItself // before anybody had to be told
		}
		if n := len(i.Attempts); n > 0 && i.Attempts[n-1].Verdict == "" {
			i.Attempts[n-1].Verdict = ClearedByItself
		}
		if !tn.t.Flaps.flapping(tn.now) {
			i.Proposal = nil // what was proposed is not needed any more
		}
		tn.t.ProbationEnd = tn.now.Add(tn.timing(i.Class).Probation)
		for _, n := range tn.p.dependents[tn.t.Name] {
			tn.look(n, 0) // they recover by themselves; see it soon
		}
	}}
	end = move{"close the incident", func(tn *turn) {
		i := tn.change()
		if n := len(i.Attempts); n > 0 && i.Attempts[n-1].Verdict == Verified {
			tn.learn(i.Attempts[n-1], true)
		}
		i.Closed, i.Outcome = tn.now, Closed
		tn.reset()
	}}
	leave = move{"close the incident, and learn nothing", func(tn *turn) {
		i := tn.change()
		i.Closed, i.Outcome = tn.now, LeftToPerson
		tn.reset()
	}}
	forget = move{"forget what was seen", func(tn *turn) { tn.reset() }}
)

// hold writes the present reason not to act into the incident.
func (tn *turn) hold(why Reason, words string) {
	i := tn.change()
	i.aside(byPerson(why), tn.now)
	i.Willed = why == HoldOperator && (i.Willed || tn.was[i.ID] == nil)
	if i.Held == "" {
		i.HeldSince = tn.now
	}
	i.Held, i.HeldWhy = why, words
}

// reset returns the target to a state in which nothing is known to be wrong.
func (tn *turn) reset() {
	t := tn.t
	t.Incident, t.Plan, t.Step, t.ActionID, t.Undoing, t.Asked = "", nil, 0, "", false, nil
	t.BadSince, t.BadClass, t.BadCulprit, t.BadLooks, t.ClassSince = time.Time{}, "", "", 0, time.Time{}
	t.RunBefore, t.Deadline, t.SettleUntil, t.VerifyUntil = "", time.Time{}, time.Time{}, time.Time{}
	t.ActionEnded, t.ProbationEnd, t.BackoffUntil = time.Time{}, time.Time{}, time.Time{}
}

// openIncident opens the target's own incident, or brings the open one up to date.
func openIncident(tn *turn) {
	t, d := tn.t, tn.t.Diagnosis
	if tn.inc == nil {
		since := t.BadSince
		if since.IsZero() {
			since = t.UnknownSince
		}
		if since.IsZero() {
			since = t.DegradedSince
		}
		tn.inc = &Incident{ID: fmt.Sprintf("%s-%s", t.Name, tn.now.UTC().Format("20060102-150405")),
			Target: t.Name, Since: since, Opened: tn.now, Rungs: map[detect.Class]int{}}
		for n := 2; tn.s.Incidents[tn.inc.ID] != nil; n++ { // two within one second
			tn.inc.ID = fmt.Sprintf("%s-%s-%d", t.Name, tn.now.UTC().Format("20060102-150405"), n)
		}
		t.Incident = tn.inc.ID
		for name, o := range tn.s.Targets {
			if name != t.Name && o.Phase == Held && o.BadCulprit == t.Name && !slices.Contains(tn.inc.Affected, name) {
				tn.inc.Affected = append(tn.inc.Affected, name)
			}
		}
		slices.Sort(tn.inc.Affected)
		tn.inc.Drill = tn.drillOf()
	}
	i := tn.change()
	if !tn.isHeld {
		i.aside(false, tn.now) // whoever had it has given it back
	}
	i.Willed = i.Willed && t.Phase != Escalated
	if !tn.willed() || tn.was[i.ID] == nil { // what a person does to it is no evidence of what was wrong
		if i.Class != d.Class {
			i.Class = d.Class
			tn.p.worsen(i, d)
		}
		i.Diagnosis = d
	}
	i.NoMeans, i.Left = tn.noMeans(), ""
	if tn.nextPlan(); len(tn.skipped) > 0 {
		i.Skipped = tn.skipped
	}
}

// noMeans says why nothing may be done about the target's trouble, whatever is tried; "" when something
// may.
func (tn *turn) noMeans() string {
	target, class := tn.p.targets[tn.t.Name], tn.t.Diagnosis.Class
	ladder, _ := tn.ladderNow()
	switch refusal := tn.t.Last.Facts.Text(detect.WorkloadPermission); {
	case target.External:
		return "it runs on another host"
	case refusal != "":
		return "the host refuses actions on it (" + refusal + ")"
	case len(ladder) == 0:
		return "nothing that it may do can help against " + class.Words()
	case target.Object == "":
		return "it is only watched: the configuration names nothing to act on"
	}
	return ""
}

// joinIncident makes the target wait as a dependent: its culprit is treated, not it.
func joinIncident(tn *turn) {
	t, culprit := tn.t, tn.culprit()
	tn.note = culprit + " is the culprit"
	tn.look(culprit, 0)
	if tn.inc != nil { // it had an incident of its own: that one goes on when the culprit is cured
		if h, yes := tn.p.standing(tn); yes && byPerson(h.reason) {
			tn.hold(h.reason, h.why) // who stopped it knows, whatever else is wrong
			return
		}
		if cs := tn.s.Targets[culprit]; cs != nil {
			if ci := tn.s.Incidents[cs.Incident]; ci != nil && ci.Target == culprit && byPerson(ci.Held) {
				tn.hold(ci.Held, tn.note+": "+ci.HeldWhy)
				return
			}
		}
		tn.hold(HoldDependency, tn.note)
		return
	}
	cs, ok := tn.s.Targets[culprit]
	if !ok {
		return
	}
	if ci, ok := tn.s.Incidents[cs.Incident]; ok && ci.Target == culprit {
		t.Incident = ci.ID
		if !slices.Contains(ci.Affected, t.Name) {
			tn.touched = copyIncident(ci)
			tn.touched.Affected = append(tn.touched.Affected, t.Name)
			slices.Sort(tn.touched.Affected)
			tn.p.worsen(tn.touched, ci.Diagnosis)
		}
	}
}

// begin starts a plan with its first action.
func (tn *turn) begin(p *strategy.Plan, rungNo int, undoing bool) {
	t := tn.t
	t.Plan, t.Step, t.Undoing = p, 0, undoing
	t.RunBefore = t.Last.Facts.Text(detect.WorkloadRun)
	if t.Asked != nil && !undoing {
		a := *t.Asked
		a.Begun = true
		t.Asked = &a
	}
	if !undoing { // the pause after a failure outlasts its undoing
		t.BackoffUntil = time.Time{}
	}
	i := tn.change()
	i.aside(false, tn.now)
	i.Held, i.HeldWhy, i.HeldSince, i.Willed = "", "", time.Time{}, false
	approvedBy := ""
	if i.approved(planWords(p)) && !undoing {
		approvedBy = i.Proposal.By
	}
	i.Proposal = nil
	tn.launch(rungNo, approvedBy)
	if !undoing {
		tn.note = p.Why
	}
}

// actionMargin is added to an action's own timeout before the core stops waiting for its end.
const actionMargin = 5 * time.Second

// launch asks for the plan's present action, and charges it to the budgets.
func (tn *turn) launch(rungNo int, approvedBy string) {
	t, i := tn.t, tn.change()
	a := t.Plan.Actions[t.Step]
	a.Seen = tn.decidedOn(a)
	t.ActionID = fmt.Sprintf("%s/a%d", i.ID, len(i.Attempts)+1)
	t.Deadline = tn.now.Add(a.Timeout + actionMargin)
	i.Attempts = append(i.Attempts, Attempt{ID: t.ActionID, Strategy: t.Plan.Strategy, Rung: rungNo, Undo: t.Undoing,
		Action: a.String(), Verb: a.Verb, At: tn.now, ApprovedBy: approvedBy})
	if a.Verb == strategy.PlaybookRun {
		tn.playRung(a)
	} else {
		tn.effect(Effect{Kind: Perform, Target: t.Name, ActionID: t.ActionID, Action: &a})
	}
	if t.Step == 0 { // one plan is one action of the budget, however many steps it has
		h := tn.s.Host
		longest := max(tn.p.o.Limits.Target.Window, tn.p.o.Limits.Class.Window, tn.p.o.Limits.Host.Window)
		h.Actions = slices.DeleteFunc(slices.Clone(h.Actions), func(x ActionStamp) bool { return tn.now.Sub(x.At) >= longest })
		h.Actions = append(h.Actions, ActionStamp{tn.now, t.Name, t.Plan.Disrupts(), i.Class})
		tn.host, tn.s.Host = &h, h
	}
}

// decidedOn is what the target was like at the last look, for an action that starts, stops or
// kills it; nil for any other. Who asked for the ladder may do the rest by hand: that counts as well. After
// an earlier action of the plan it is another anyway, and only somebody else's job counts.
func (tn *turn) decidedOn(a strategy.Action) *strategy.Seen {
	t := tn.t
	if a.Object != tn.p.targets[t.Name].Object || !actsOnWorkload(a.Verb) {
		return nil
	}
	if slices.ContainsFunc(t.Plan.Actions[:t.Step], func(x strategy.Action) bool { return x.Object == a.Object && actsOnWorkload(x.Verb) }) {
		return &strategy.Seen{Own: true}
	}
	return strategy.SeenIn(t.Last.Facts)
}

// finishAttempt writes the end of the action in flight into the incident.
func (tn *turn) finishAttempt() {
	i := tn.change()
	a := &i.Attempts[len(i.Attempts)-1]
	a.Ended, a.Result, a.Detail = tn.now, tn.ev.Result, tn.ev.Detail
	if tn.ev.Kind != Ended {
		a.Result, a.Detail = ResultUnknown, "no end was reported in time"
	}
	tn.keepChange(tn.t.Plan.Actions[tn.t.Step], a.Result)
	if t := tn.t; a.Result == ResultDone && t.Step+1 < len(t.Plan.Actions) {
		a.Verdict = NextStep
	}
	tn.note = a.Action + ": " + string(a.Result)
	if a.Detail != "" {
		tn.note += ", " + a.Detail
	}
}

// lookDelay is how soon to look again. Suspicion and verification look much faster than the
// configured interval, each within its own bound of probes.
func (tn *turn) lookDelay() time.Duration {
	t := tn.t
	switch {
	case !tn.fresh():
		return 0 // a time has come: what was seen last is not decided on
	case t.Phase == Verifying:
		// Dense at first, when a fast service comes back, then sparser: at most 1 s.
		return min(max(tn.now.Sub(t.ActionEnded)/4, 25*time.Millisecond), time.Second)
	default:
		if t.BadLooks < tn.timing(t.Diagnosis.Class).Looks {
			return 0 // fast confirm: ask again at once
		}
		return 250 * time.Millisecond
	}
}
