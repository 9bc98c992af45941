package incident

import (
	"fmt"
	"time"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// turn is one step in the making: copies that may be modified, and what was decided so far.
type turn struct {
	p        *Policy
	s        State // becomes the next state; its maps are already copies
	was      map[string]*Incident
	now      time.Time
	ev       Event
	t        *TargetState
	inc      *Incident // the target's own incident, or nil
	touched  *Incident // incident that changed: own, or the one it joined
	host     *Host     // set when the host part changed
	effects  []Effect
	why      Reason
	note     string // what the sentence adds
	said     string // what a person said with this step
	refused  bool   // and it led to nothing
	answered bool   // a person's wish is answered with this look
	granted  bool   // a person's wish to recover the target is taken with this look
	hand     *Run   // the run that asks, when it has the target in hand
	row      row    // of the decision table that decided last, when one was asked
	ruled    bool
	seen     flags // what it was asked with

	plan     *strategy.Plan // next rung, planned at most once
	planRung int
	planned  bool
	undoing  bool // the plan takes a change back
	skipped  []string
	lessons  []string        // what was learned with this step
	asks     bool            // a new proposal is made
	eased    string          // what became of taking a kept change back
	severe   detect.Severity // of the own incident before this step
	wished   string          // what a person was known to have done to the target before this step
	wishedOf Intent
	h        hold
	isHeld   bool
}

// newTurn copies what a step may change.
func (p *Policy) newTurn(s State, now time.Time, ev Event) *turn {
	t := s.target(ev.Target)
	tn := &turn{p: p, s: s.clone(), was: s.Incidents, now: now, ev: ev, t: &t, wished: t.Intent, wishedOf: t.IntentOf}
	if t.Since.IsZero() {
		t.Since = now
	}
	if i, ok := s.Incidents[t.Incident]; ok && i.Target == t.Name {
		tn.inc = copyIncident(i)
	}
	return tn
}

// timing of the class that the target is in trouble with.
func (tn *turn) timing(c detect.Class) Timing { return tn.p.timing(tn.p.targets[tn.t.Name], c) }

// change returns the own incident, marked as changed.
func (tn *turn) change() *Incident {
	tn.touched = tn.inc
	return tn.inc
}

// nextPlan plans the next rung for the present diagnosis, once per view. A change that did not
// help comes first: it is taken back before anything else is tried.
func (tn *turn) nextPlan() *strategy.Plan {
	if tn.planned {
		return tn.plan
	}
	tn.planned, tn.plan, tn.skipped = true, nil, nil
	if tn.undoing = tn.undoPending(); tn.undoing {
		tn.planRung = tn.inc.Attempts[len(tn.inc.Attempts)-1].Rung
		tn.plan = &strategy.Plan{Strategy: tn.t.Plan.Strategy, Why: "it did not help: take the change back",
			Actions: tn.t.Plan.Undo, Verify: tn.t.Plan.Verify}
		return tn.plan
	}
	ladder, from := tn.ladderNow()
	rung, plan, skipped := tn.p.o.Strategies.NextUnless(ladder, from, tn.planInput(), tn.passed)
	tn.skipped = skipped
	if rung >= 0 {
		if why := tn.rungRefusal(&plan); why != "" {
			tn.skipped = append(tn.skipped, plan.Strategy+": "+why)
			return nil
		}
		if tn.exhausted(&plan) {
			tn.skipped = append(tn.skipped, fmt.Sprintf("%s: this incident has had %d actions, and a person must look", plan.Strategy, len(tn.inc.Attempts)))
			return nil
		}
		tn.plan, tn.planRung = &plan, rung
		if a := tn.t.Asked; a != nil && a.Strategy != "" && !a.Begun {
			tn.planRung = -1
		}
	}
	return tn.plan
}

func (tn *turn) effect(e Effect) { tn.effects = append(tn.effects, e) }

func (tn *turn) look(target string, after time.Duration) {
	for _, e := range tn.effects {
		if e.Kind == Look && e.Target == target {
			return
		}
	}
	tn.effect(Effect{Kind: Look, Target: target, After: after})
}

// view reduces everything to the flags that the rules see.
func (tn *turn) view() flags {
	t, d := tn.t, tn.t.Diagnosis
	tm := tn.timing(d.Class)
	var f flags
	set := func(c bool, x flags) {
		if c {
			f |= x
		}
	}
	set(d.Bad(), bad)
	set(d.Good(), good)
	set(tn.culprit() != "", masked)
	if d.Bad() {
		enough := t.BadLooks >= tm.Looks && tn.now.Sub(t.ClassSince) >= tm.For && tn.needsSeen()
		set((d.Conclusive || enough || tn.granted) && tn.fresh() && (tn.inc != nil || !tn.inHand().Live()), confirmed)
		target := tn.p.targets[t.Name]
		ladder, _ := tn.ladderNow()
		set(target.External || len(ladder) == 0 || t.Last.Facts.Text(detect.WorkloadPermission) != "", pageFirst)
		if f&masked == 0 {
			tn.planned = false
			set(tn.nextPlan() != nil, rung)
			set(tn.undoing, undoable)
			tn.h, tn.isHeld = tn.p.holdOf(tn)
			set(tn.isHeld, held)
			set(tn.isHeld && byPerson(tn.h.reason) && tn.inc != nil && tn.inc.Paged.IsZero(), handedOver)
		}
	}
	class := t.BadClass
	if tn.inc != nil {
		class = tn.inc.Class
	}
	set(tn.lingers(), lingers)
	told := t.Phase == Escalated && t.Reason == DegradedTooLong // it is over when it is healthy again
	set(d.Good() && t.GoodLooks >= 2 && tn.now.Sub(t.GoodSince) >= tn.timing(class).Clear && !(told && ownWord(d)), cleared)
	set(d.Verdict == detect.Unknown && tn.unclear(), unclear)
	set(t.Phase == Held && tn.inc == nil, joined)
	set(tn.nextBack() != nil, easy)
	set(tn.willed(), willed)
	switch t.Phase {
	case Acting:
		set(tn.ev.Kind == Ended && tn.ev.ActionID == t.ActionID, ended)
		if f&ended != 0 {
			set(tn.ev.Result == ResultDone, endedOK)
			set(tn.ev.Result == ResultDenied, endedDenied)
		}
		set(t.Plan != nil && t.Step+1 < len(t.Plan.Actions) && !tn.barred(), more)
		set(tn.now.After(t.Deadline), overdue)
	case Verifying:
		run := t.Last.Facts.Text(detect.WorkloadRun)
		set(t.Plan == nil || !t.Plan.NewRun || run != "" && run != t.RunBefore, newRun)
		after := t.Last.At.After(t.ActionEnded) && tn.fresh()
		set(!tn.now.Before(t.SettleUntil), settled)
		set(after && f&settled != 0 && (!tn.now.Before(t.VerifyUntil) || d.Bad() && d.Conclusive), verifyOver)
	case Probation:
		set(!tn.now.Before(t.ProbationEnd) && tn.fresh(), probationOver)
	}
	return f
}

// willed reports whether a person has a hand in what is seen now: it is no failure of anything, and
// nothing is learned from it.
func (tn *turn) willed() bool {
	f := tn.t.Last.Facts
	_, wish := tn.wish(f)
	return (wish != "" || f.Text(detect.WorkloadMaintenance) != "") && !tn.overridden(f)
}

// culprit names the other target that explains this one's trouble; "" when none does. Besides the
// one that the diagnosis names it is a need that is being treated right now: what a service says
// while its database is being restarted is no incident of its own. It is judged again afterwards.
func (tn *turn) culprit() string {
	d := tn.t.Diagnosis
	switch {
	case !d.Bad():
		return ""
	case d.Masked():
		return d.Culprit
	case tn.inc != nil:
		return ""
	}
	for _, name := range tn.p.targets[tn.t.Name].DependsOn {
		n, ok := tn.s.Targets[name]
		if ok && n.Incident != "" && (n.Phase == Acting || n.Phase == Verifying && (n.Diagnosis.Bad() || !d.Conclusive)) {
			return name
		}
	}
	return ""
}

// undoPending reports whether the last plan changed something, did not help, and has not been
// taken back. An action that failed changed nothing; one whose result was lost may have. Where the
// host refuses actions, a person must put things right.
func (tn *turn) undoPending() bool {
	t := tn.t
	if tn.inc == nil || t.Phase != Verifying && t.Phase != Held && t.Phase != Escalated || t.Plan == nil || len(t.Plan.Undo) == 0 || t.Undoing {
		return false
	}
	last := tn.inc.Attempts[len(tn.inc.Attempts)-1]
	switch last.Verdict {
	case LadderStep(last.Result):
		return last.Result != ResultDenied && (t.Step > 0 || last.Result != ResultFailed && last.Result != ResultVoid)
	case NextStep: // a person stopped the plan half-way
		return true
	}
	return false
}

// fresh reports whether this very step takes a look. Nothing is begun or ended on an older one: whatever
// was waited for (a person's word, the end of a pause, a hold or a backoff, a restart of the daemon, a
// clock that was set), what is to be seen afterwards decides whether there is anything left to do.
func (tn *turn) fresh() bool {
	return tn.ev.Kind == Observed && tn.ev.Observation.At.Equal(tn.t.Last.At)
}

// current reports whether the last look is recent enough to be asked about by others: a drill, or what
// needs the target.
func (tn *turn) current() bool {
	last := tn.t.Last
	recent := tn.p.o.Fresh
	if recent == 0 {
		recent = 15 * time.Second // as for neighbours, see detect.Background
	}
	age := tn.now.Sub(last.At) - time.Duration(last.Took*float64(time.Second))
	return age <= recent && age >= -recent
}

// needsSeen reports whether everything that the target needs was looked at after its trouble
// began: a frozen database makes a good service hang, and must be found first.
func (tn *turn) needsSeen() bool {
	for _, name := range tn.p.targets[tn.t.Name].DependsOn {
		if ds, ok := tn.s.Targets[name]; !ok || ds.Last.At.Before(tn.t.BadSince) {
			return false
		}
	}
	return true
}

// unclear reports whether the unknown verdict has lasted so long that a person must look. What is
// misconfigured will not become clearer; other unknowns get more time. While a person has a hand
// in it, that person knows.
func (tn *turn) unclear() bool {
	t := tn.t
	if t.UnknownSince.IsZero() {
		return false // it was not looked at yet
	}
	if h, yes := tn.p.standing(tn); yes && byPerson(h.reason) {
		return false
	}
	if t.UnknownClass == detect.ClassMisconfigured {
		tm := tn.timing(detect.ClassMisconfigured)
		return t.UnknownLooks >= tm.Looks && tn.now.Sub(t.UnknownSince) >= tm.For
	}
	after := tn.p.o.PageAfter.unclear(t.UnknownClass)
	return after > 0 && tn.now.Sub(t.UnknownSince) >= after
}

// lingers reports whether the target has called itself degraded, or contradicted itself, for so long that
// somebody must hear of it: nothing is done about it, and whoever asks the same way may take it for down.
func (tn *turn) lingers() bool {
	t, after := tn.t, tn.p.o.PageAfter.Degraded
	if after <= 0 || t.DegradedSince.IsZero() || !ownWord(t.Diagnosis) || tn.now.Sub(t.DegradedSince) < after {
		return false
	}
	h, yes := tn.p.standing(tn)
	return !yes || !byPerson(h.reason)
}

// barred reports whether nothing at all may be done to the target now, not even to go on with a
// plan: backoff and budgets do not forbid that, a person's word and a broken journal do.
func (tn *turn) barred() bool {
	_, yes := tn.p.standing(tn)
	return yes || tn.t.Plan != nil && tn.modeNow(tn.t.Plan.Strategy) == Observe
}
