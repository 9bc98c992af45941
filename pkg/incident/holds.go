package incident

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// hold is a stated reason not to act.
type hold struct {
	reason Reason
	why    string
	until  time.Time // when it may be over; zero = not known
}

// standing asks the reasons that hold whatever is wrong: a broken journal and a person's word.
// They also stop a plan half-way and forbid taking a change back.
func (p *Policy) standing(tn *turn) (hold, bool) {
	t, now, f := tn.t, tn.now, tn.t.Last.Facts
	if w := tn.s.Host.Impaired; w != "" {
		return hold{reason: HoldJournal, why: w}, true
	}
	if st := tn.s.Host.Stop; st != nil {
		return hold{reason: HoldStop, why: said("stopped", st)}, true
	}
	if ps := tn.s.Host.Pause; ps.active(now) {
		return hold{HoldPaused, said("everything is paused", ps), ps.Until}, true
	}
	if _, why := tn.wish(f); why != "" && !tn.overridden(f) {
		return hold{reason: HoldOperator, why: why}, true
	}
	if t.Hold.active(now) {
		return hold{HoldCommand, said("held", t.Hold), t.Hold.Until}, true
	}
	if h, yes := tn.handHold(); yes {
		return h, true
	}
	if w := f.Text(detect.WorkloadMaintenance); w != "" {
		return hold{reason: HoldMaintenance, why: w}, true
	}
	for _, w := range p.o.Windows {
		if until, open := w.Open(now); open && coversTarget(w.Targets, t.Name) {
			return hold{HoldMaintenance, "maintenance window " + w.Name, until}, true
		}
	}
	if t.Intent != "" && f.Text(detect.WorkloadState) == "" {
		return hold{reason: HoldUnknown, why: "its platform cannot be asked; when it last could, " + t.Intent}, true
	}
	return hold{}, false
}

// holdOf asks every reason not to act, in the fixed order of Holds, and returns the first that
// applies. The order puts the most dangerous question first.
func (p *Policy) holdOf(tn *turn) (hold, bool) {
	if h, yes := p.standing(tn); yes {
		return h, true
	}
	t, now, f := tn.t, tn.now, tn.t.Last.Facts
	target := p.targets[t.Name]
	lim := p.o.Limits
	if t.Diagnosis.Verdict == detect.Unknown {
		return hold{reason: HoldUnknown, why: t.Diagnosis.Because}, true
	}
	plan := tn.nextPlan()
	if plan == nil {
		return hold{}, false // nothing left to hold back
	}
	if f.Text(detect.WorkloadState) == "" && ofWorkload(plan) {
		// A crash and a person's stop look the same from outside: a port that refuses.
		return hold{reason: HoldUnknown, why: "its platform cannot be asked, so it cannot be told whether a person stopped it; it would do: " + firstAction(plan)}, true
	}
	switch tn.modeNow(plan.Strategy) {
	case Observe:
		return hold{reason: HoldObserve, why: "observe mode; it would do: " + firstAction(plan)}, true
	case Propose:
		if !tn.undoing && !tn.inc.approved(planWords(plan)) {
			h := hold{reason: HoldApproval, why: "waits for approval of: " + firstAction(plan)}
			if i := tn.inc; i != nil && i.Proposal != nil {
				h.until = i.Proposal.Until // then people are paged
			}
			return h, true
		}
	}
	if plan.Disrupts() {
		if _, ok := detect.Agree(t.Diagnosis.Class, t.Diagnosis.Witnesses); !ok {
			return hold{reason: HoldOneWitness, why: fmt.Sprintf("%s would disrupt, and only %s says so", firstAction(plan), witnessWords(t.Diagnosis.Witnesses))}, true
		}
	}
	if why := stalled(lim, t); why != "" && plan.Disrupts() {
		return hold{reason: HoldStall, why: why + "; it would do: " + firstAction(plan)}, true
	}
	for _, d := range target.DependsOn {
		if ds, ok := tn.s.Targets[d]; ok && (ds.Phase == Acting || ds.Phase == Verifying && ds.Diagnosis.Bad()) {
			return hold{reason: HoldRecovering, why: d + ", which it needs, is being treated"}, true
		}
	}
	if e := t.Easing; e != nil && now.Before(e.Deadline) {
		return hold{HoldInFlight, "a change of it is being taken back: " + e.Action.String(), e.Deadline}, true
	}
	if plan.Disrupts() {
		busy := 0
		for name, o := range tn.s.Targets {
			if name != t.Name && o.Phase == Acting && o.Plan != nil && o.Plan.Disrupts() {
				busy++
			}
		}
		if busy >= lim.Concurrent {
			return hold{reason: HoldInFlight, why: fmt.Sprintf("%d disruptive action(s) are in flight on this host, %d may be", busy, lim.Concurrent)}, true
		}
	}
	if tn.undoing {
		return hold{}, false // a change that did not help must not stay because a budget is used up
	}
	if until, why := selfHealing(t, f, now); why != "" {
		return hold{HoldHealing, why, until}, true
	}
	if now.Before(t.BackoffUntil) {
		return hold{HoldBackoff, fmt.Sprintf("pause until %s after a failed attempt", t.BackoffUntil.Format(time.TimeOnly)), t.BackoffUntil}, true
	}
	if until, full := startRoomUsed(t, f, now, plan); full {
		return hold{HoldStartLimit, fmt.Sprintf("one more start now would use up %s's start limit of the %s", detect.Manager(f), detect.Noun(f)), until}, true
	}
	actions := tn.s.Host.Actions
	if until, n := spent(actions, lim.Target, now, func(a ActionStamp) bool { return a.Target == t.Name }); n >= lim.Target.Actions && lim.Target.Actions > 0 {
		return hold{HoldTarget, fmt.Sprintf("%d actions on it within %s, the budget is %d", n, words(lim.Target.Window), lim.Target.Actions), until}, true
	}
	if until, n := spent(actions, lim.Class, now, func(a ActionStamp) bool { return a.Class == t.Diagnosis.Class }); n >= lim.Class.Actions && lim.Class.Actions > 0 {
		return hold{HoldClass, fmt.Sprintf("%d actions against %s within %s, the budget is %d", n, t.Diagnosis.Class, words(lim.Class.Window), lim.Class.Actions), until}, true
	}
	if until, n := spent(actions, lim.Host, now, func(ActionStamp) bool { return true }); n >= lim.Host.Actions && lim.Host.Actions > 0 {
		return hold{HoldHost, fmt.Sprintf("%d actions on this host within %s, the budget is %d", n, words(lim.Host.Window), lim.Host.Actions), until}, true
	}
	if n := recentIncidents(tn.s.Incidents, now, lim.StormWindow); lim.StormTargets > 0 && n >= lim.StormTargets {
		return hold{reason: HoldStorm, why: fmt.Sprintf("%d incidents began within %s: something larger is wrong", n, words(lim.StormWindow))}, true
	}
	return hold{}, false
}

// stalled says that the host itself is why a target is late; "" when not. On a host that swaps or waits
// for its disks everything times out at once, a database above all, and a restart adds to its load.
// What does not rest on lateness (a full pool, a target at its own memory limit) is not excused.
func stalled(lim Limits, t *TargetState) string {
	switch t.Diagnosis.Class {
	case detect.ClassDatabase, detect.ClassHung, detect.ClassLatency, detect.ClassUnknown:
	default:
		return ""
	}
	for _, x := range []struct {
		fact, what string
		limit      float64
	}{{detect.HostMemoryStall, "memory", lim.StallMemory}, {detect.HostIOStall, "its disks", lim.StallIO}} {
		if v, ok := t.Last.Facts.Num(x.fact); ok && x.limit > 0 && v >= x.limit {
			return fmt.Sprintf("the host itself stalls: everything on it waited for %s during %.0f %% of the last 10 s", x.what, v)
		}
	}
	return ""
}

// ofWorkload reports whether a plan starts, stops or kills the target itself.
func ofWorkload(p *strategy.Plan) bool {
	return slices.ContainsFunc(p.Actions, func(a strategy.Action) bool { return actsOnWorkload(a.Verb) })
}

func actsOnWorkload(v strategy.Verb) bool {
	return v == strategy.Start || v == strategy.Stop || v == strategy.Restart || v == strategy.Kill
}

// Intent is what a person wants of a target, as far as it can be seen.
type Intent string

// The intents. The zero value: nobody wants anything of it.
const (
	IntentDisabled Intent = "disabled" // it shall not run, also after a restart of the host; it outlives a target that serves
	IntentPending  Intent = "pending"  // something is being done to it now; it ends with that
	IntentStopped  Intent = "stopped"  // it was stopped, or is being restarted
	IntentUnasked  Intent = "unasked"  // nothing asks for it to run
)

// operatorIntent says what a person is doing or has done to the target, and in words; "" when nothing. It
// looks at facts only: a stop or a restart that is not ours, or that was ordered, that it was
// disabled. A start is nobody's word: timers, sockets and others queue them, too, and it wants what we want.
func operatorIntent(f detect.Facts) (Intent, string) {
	noun, pending := detect.Noun(f), foreign(f)
	said := func(i Intent, format string, args ...any) (Intent, string) {
		words := fmt.Sprintf(format, args...)
		if note := f.Text(detect.WorkloadNote); note != "" {
			words += " (" + note + ")"
		}
		return i, words
	}
	// What a person has stopped and somebody starts again is the person's until it is up.
	ended := down(f) || pending == "start"
	switch disabled := f.Text(detect.WorkloadDisabled); {
	case disabled != "":
		return said(IntentDisabled, "a person %s the %s", disabled, noun)
	case endsRun(pending) && f.Text(detect.WorkloadPendingWith) == "":
		return said(IntentPending, "somebody queued a %s job for the %s", pending, noun)
	case ended && f.Text(detect.WorkloadDeparture) == detect.DepartureStopped:
		return said(IntentStopped, "a person stopped the %s", noun)
	case ended && f.Text(detect.WorkloadDeparture) == detect.DepartureRestart:
		return said(IntentStopped, "a person is restarting the %s", noun)
	}
	return "", ""
}

// foreign is what is being done to the target, or is queued, that we have not asked for; "" when nothing.
func foreign(f detect.Facts) string {
	if f.True(detect.WorkloadPendingOurs) {
		return ""
	}
	return f.Text(detect.WorkloadPending)
}

// endsRun reports whether something pending of this kind ends the present run: somebody asks for that, or
// the end of another thing brings it along.
func endsRun(pending string) bool { return pending == "stop" || strings.Contains(pending, "restart") }

// down reports what does not run, and what its platform will not start by itself.
func down(f detect.Facts) bool {
	state := f.Text(detect.WorkloadState)
	return state == detect.StateStopped || state == detect.StateFailed
}

// unasked reports a target that nothing starts and of which no run is known since: no person
// has asked for it to run, or whoever did has stopped it again.
func unasked(f detect.Facts) bool {
	return f.Text(detect.WorkloadState) == detect.StateStopped && f.Text(detect.WorkloadDeparture) == detect.DepartureUnasked && foreign(f) == ""
}

// forgotten reports a target that does not run and of whose last run nothing is known any more: a platform
// may forget what was stopped and what nothing refers to.
func forgotten(f detect.Facts) bool {
	_, since := f.Num(detect.WorkloadSince)
	return unasked(f) || f.Text(detect.WorkloadState) == detect.StateStopped && f.Text(detect.WorkloadDeparture) == detect.DepartureNone &&
		f.Text(detect.WorkloadRun) == "" && !since
}

// selfHealing reports whether the platform itself works on the target, or is about to: something is pending that
// nobody is known to have asked for, or what it restarts by a rule is failed for a moment before its automatic
// restart begins.
func selfHealing(t *TargetState, f detect.Facts, now time.Time) (until time.Time, why string) {
	policy := f.Text(detect.WorkloadPolicy)
	if pending := foreign(f); pending != "" {
		why = fmt.Sprintf("%s has a %s job on the %s, which is not ours", detect.Manager(f), pending, detect.Noun(f))
		if with := f.Text(detect.WorkloadPendingWith); with != "" {
			why += ": it goes together with " + with
		}
		return time.Time{}, why
	}
	if f.Text(detect.WorkloadState) == detect.StateRetrying {
		d, _ := f.Duration(detect.WorkloadRetryAfter)
		return now.Add(d), fmt.Sprintf("%s restarts it by itself (restart policy %s)", detect.Manager(f), policy)
	}
	// Seen within 0.1 ms on an idle host; half a second covers a busy one.
	const moment = 500 * time.Millisecond
	since := now.Sub(t.Ended)
	if policy != "" && policy != "no" && !t.Ended.IsZero() && since >= 0 && since < moment &&
		f.Text(detect.WorkloadDeparture) != detect.DepartureLimit {
		return t.Ended.Add(moment), fmt.Sprintf("the %s has the restart policy %s: %s may restart it by itself", detect.Noun(f), policy, detect.Manager(f))
	}
	return time.Time{}, ""
}

// startRoomUsed reports whether one more start by us would leave the platform no room: its limit
// counts every start, ours too. One start is always left for a person.
func startRoomUsed(t *TargetState, f detect.Facts, now time.Time, plan *strategy.Plan) (time.Time, bool) {
	limit, limited := f.Num(detect.WorkloadStartLimit)
	window, known := f.Duration(detect.WorkloadStartWindow)
	if !plan.NewRun || !limited || !known || window <= 0 || limit <= 0 {
		return time.Time{}, false
	}
	var within []time.Time
	for _, at := range t.Starts {
		if now.Sub(at) < window {
			within = append(within, at)
		}
	}
	room := max(int(limit)-2, 1) // ours, and one for a person
	if len(within) < room {
		return time.Time{}, false
	}
	return within[len(within)-room].Add(window), true
}

// spent counts the actions within a budget's window that it is about, and says when the next is free.
func spent(actions []ActionStamp, b Budget, now time.Time, counts func(ActionStamp) bool) (until time.Time, n int) {
	for _, a := range actions {
		if now.Sub(a.At) >= b.Window || !counts(a) {
			continue
		}
		if n == 0 {
			until = a.At.Add(b.Window)
		}
		n++
	}
	return until, n
}

func recentIncidents(open map[string]*Incident, now time.Time, window time.Duration) (n int) {
	for _, i := range open {
		if now.Sub(i.Opened) < window && !i.Willed {
			n++
		}
	}
	return n
}

func coversTarget(list []string, name string) bool {
	if list == nil {
		return true
	}
	for _, n := range list {
		if n == name {
			return true
		}
	}
	return false
}

func said(what string, s *Standing) string {
	out := what + " by " + s.By
	if s.Why != "" {
		out += ": " + s.Why
	}
	if !s.Until.IsZero() {
		out += ", until " + s.Until.UTC().Format("2006-01-02 15:04 MST")
	}
	return out
}

func firstAction(p *strategy.Plan) string {
	if p == nil || len(p.Actions) == 0 {
		return "nothing"
	}
	out := p.Actions[0].String()
	if n := len(p.Actions) - 1; n > 0 {
		out += fmt.Sprintf(" and %d more", n)
	}
	return out
}

// planWords is the whole plan, as a person says yes to it.
func planWords(p *strategy.Plan) string {
	words := make([]string, len(p.Actions))
	for i, a := range p.Actions {
		words[i] = a.String()
	}
	return p.Strategy + ": " + strings.Join(words, ", then ")
}

func witnessWords(ws []detect.Witness) string {
	switch len(ws) {
	case 0:
		return "nobody"
	case 1:
		return "one kind of evidence (" + string(ws[0]) + ")"
	}
	out := "kinds of evidence that do not suffice together ("
	for i, w := range ws {
		if i > 0 {
			out += ", "
		}
		out += string(w)
	}
	return out + ")"
}

// words prints a duration without trailing zeros: 10m, 1h, 90s.
func words(d time.Duration) string {
	s := d.Round(time.Millisecond).String()
	for _, z := range []string{"m0s", "h0m"} {
		if len(s) > len(z) && s[len(s)-len(z):] == z {
			s = s[:len(s)-2]
		}
	}
	return s
}
