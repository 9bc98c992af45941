package incident

import (
	"fmt"
	"slices"
	"strings"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// barred asks the reasons that stop a run before an action: a broken journal, a stop file, a pause,
// a hold, a window, observe mode. A run waits for them to end, as long as its own time lasts.
func (pl *player) barred(step strategy.Step) (hold, bool) {
	return pl.p.barsRun(pl.tn, pl.r, step.Target)
}

// barsRun asks them for one target, or for the host when target is empty.
func (p *Policy) barsRun(tn *turn, r *Run, target string) (hold, bool) {
	other := tn.beside(target)
	other.hand = r
	if h, yes := p.standing(other); yes {
		return h, true
	}
	if target != "" && p.mode(target) == Observe {
		return hold{reason: HoldObserve, why: target + " is only observed"}, true
	}
	return hold{}, false
}

// overridden reports whether what a person did to the target does not bind the run that has it in
// hand: who runs a playbook by hand says so after whoever stopped it by hand. That it was disabled, what
// somebody else has queued, and every wish while a ladder runs the playbook do bind.
func (tn *turn) overridden(f detect.Facts) bool {
	return tn.hand != nil && tn.hand.CallID == "" && f.Text(detect.WorkloadDisabled) == "" && f.Text(detect.WorkloadPending) == ""
}

// runRefusal says why a run of a playbook may not begin now; "" when it may. A run is one action on
// each target that it disrupts, for the budgets of the target and of the host.
func (p *Policy) runRefusal(tn *turn, r *Run) string {
	if old := tn.s.Host.Run; old != nil {
		if old.Stage == StageHalted {
			return fmt.Sprintf("run %s is halted: end it first (recoveryd playbook stop %s)", old.ID, old.ID)
		}
		return fmt.Sprintf("run %s is under way", old.ID)
	}
	if h, yes := p.barsRun(tn, r, ""); yes {
		return h.why
	}
	for _, name := range r.Targets {
		if name == r.For {
			continue // its own guards were asked by its ladder
		}
		if h, yes := p.barsRun(tn, r, name); yes {
			return fmt.Sprintf("%s: %s (%s)", name, h.why, h.reason)
		}
		if r.CallID != "" && p.mode(name) == Propose {
			return name + " wants a person's approval (mode propose): run the playbook by hand"
		}
		if t := tn.s.Targets[name]; t != nil && (t.Phase == Acting || t.Phase == Verifying) {
			return name + " is being treated now"
		} else if t != nil && t.Drill.active(tn.now) && t.Drill.Ended.IsZero() {
			return fmt.Sprintf("drill %s of %s is under way", t.Drill.ID, name)
		}
	}
	return p.runBudget(tn, r)
}

// runBudget says which budget has no room for the run; "" when all have.
func (p *Policy) runBudget(tn *turn, r *Run) string {
	lim, disrupted := p.o.Limits, r.disrupted()
	for _, name := range disrupted {
		if until, n := spent(tn.s.Host.Actions, lim.Target, tn.now, func(a ActionStamp) bool { return a.Target == name }); lim.Target.Actions > 0 && n >= lim.Target.Actions {
			return fmt.Sprintf("%s: %d actions within %s, the budget is %d; there is room at %s", name, n, words(lim.Target.Window), lim.Target.Actions, until.UTC().Format("15:04:05 MST"))
		}
	}
	until, n := spent(tn.s.Host.Actions, lim.Host, tn.now, func(ActionStamp) bool { return true })
	more := len(disrupted)
	if r.CallID != "" {
		more++ // its rung
	}
	if lim.Host.Actions > 0 && len(disrupted) > 0 && n+more > lim.Host.Actions {
		return fmt.Sprintf("%d actions on this host within %s and %d more for this, the budget is %d; there is room from %s on", n, words(lim.Host.Window),
			more, lim.Host.Actions, until.UTC().Format("15:04:05 MST"))
	}
	return ""
}

// disrupted lists the targets on which the run is an action of the budgets. The one whose ladder it
// is was charged with its rung.
func (r *Run) disrupted() (out []string) {
	for _, s := range r.Steps {
		if s.Disrupts() && s.Target != "" && s.Target != r.For && !slices.Contains(out, s.Target) {
			out = append(out, s.Target)
		}
	}
	return out
}

// inHand says which playbook has the target in hand now: what it does then is the playbook's doing,
// and is judged when that is over.
func (tn *turn) inHand() *Run {
	if r := tn.s.Host.Run; r.has(tn.t.Name) && r != tn.hand && (tn.hand == nil || tn.hand.ID != r.ID) && r.For != tn.t.Name {
		return r
	}
	return nil
}

// handHold is the reason not to act on a target that a playbook has in hand.
func (tn *turn) handHold() (hold, bool) {
	r := tn.s.Host.Run
	if r.has(tn.t.Name) && r.Stage == StageHalted && tn.hand == nil {
		return hold{reason: HoldHalted, why: fmt.Sprintf("playbook run %s halted and keeps it as it is (%s); a person ends it with: recoveryd playbook stop %s", r.ID, r.Because, r.ID)}, true
	}
	if r = tn.inHand(); r.Live() {
		return hold{HoldPlaybook, fmt.Sprintf("playbook run %s has it in hand", r.ID), r.Until}, true
	}
	return hold{}, false
}

// rungRefusal says why a rung that is a playbook cannot be taken now; "" when it can, or is none.
func (tn *turn) rungRefusal(plan *strategy.Plan) string {
	if len(plan.Actions) != 1 || plan.Actions[0].Verb != strategy.PlaybookRun {
		return ""
	}
	b, ok := tn.p.Playbook(plan.Actions[0].Object)
	if !ok {
		return "there is no such playbook any more"
	}
	r := tn.p.newRun(tn, b, "", "")
	r.For, r.CallID = tn.t.Name, "rung"
	return tn.p.runRefusal(tn, r)
}

// playbookWords says what playbooks there are, and which one is meant by a name that is none, as the end of a sentence.
func (p *Policy) playbookWords(meant string) string {
	var names []string
	for _, b := range p.o.Playbooks {
		names = append(names, b.Name)
	}
	if len(names) == 0 {
		return ": none is configured"
	}
	return detect.Meant(meant, names) + " (there are " + strings.Join(names, ", ") + ")"
}
