package incident

import (
	"fmt"
	"strings"
	"time"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// Ask is a person's wish that a target be recovered now: by its ladder from the beginning, or by one
// strategy. It takes the place of the target's mode and of nothing else: every other reason not to
// act is asked as always. It confirms what was seen, and never takes the place of seeing it.
type Ask struct {
	By       string    `json:"by"`
	Strategy string    `json:"strategy,omitzero"` // "" = the whole ladder
	Why      string    `json:"why,omitzero"`
	At       time.Time `json:"at"`
	Begun    bool      `json:"begun,omitzero"` // the strategy has been performed
}

// ask takes the wish. A fresh look answers it: see answer.
func (tn *turn) ask(c *Command) {
	tn.t.Wish = &Ask{By: c.By, Strategy: c.Strategy, Why: c.Why, At: tn.now}
	tn.note = tn.t.Wish.String() + ": it is looked at first"
	tn.look(tn.t.Name, 0)
}

// String is the wish in words.
func (a *Ask) String() string {
	s := "its ladder"
	if a.Strategy != "" {
		s = a.Strategy
	}
	s = fmt.Sprintf("recover it by %s, says %s", s, a.By)
	if a.Why != "" {
		s += " (" + a.Why + ")"
	}
	return s
}

// answer grants the wish that waits for a look, or says why it cannot be granted.
func (tn *turn) answer() {
	t, a := tn.t, tn.t.Wish
	if a == nil {
		return
	}
	t.Wish, tn.answered, tn.said = nil, true, a.String()
	refuse := func(format string, args ...any) {
		tn.refused = true
		tn.said += ": refused, " + fmt.Sprintf(format, args...)
	}
	switch {
	case t.Phase == Acting || t.Phase == Verifying:
		refuse("it is being treated already")
	case !t.Diagnosis.Bad():
		refuse("nothing is known to be wrong with it (%s)", t.Diagnosis.Because)
	case tn.culprit() != "":
		refuse("%s is the culprit: recover that one", tn.culprit())
	case tn.p.targets[t.Name].External:
		refuse("it runs on another host")
	case t.Last.Facts.Text(detect.WorkloadPermission) != "":
		refuse("the host refuses actions on it (%s)", t.Last.Facts.Text(detect.WorkloadPermission))
	default:
		before := t.Asked
		t.Asked = a
		tn.planned = false
		plan := tn.nextPlan()
		h, held := tn.p.holdOf(tn)
		switch {
		case plan == nil:
			refuse("no rung applies: %s", strings.Join(passedOver(tn.skipped, "%[1]s: %[2]s"), "; "))
		case held:
			refuse("not now (%s), %s", h.reason, h.why)
		default:
			if tn.granted = true; tn.inc != nil && a.Strategy == "" {
				clear(tn.change().Rungs)
			}
			return
		}
		t.Asked = before // now means now: a wish that a guard holds back is not kept for later
	}
}

// asked reports whether a person's wish is what is being done.
func (tn *turn) asked() bool {
	a := tn.t.Asked
	return a != nil && (a.Strategy == "" || !a.Begun || tn.t.Phase == Acting || tn.undoing)
}

// modeNow is the mode of a strategy on the target, unless a person asked for what is being done.
func (tn *turn) modeNow(strategy string) Mode {
	if tn.asked() {
		return Auto
	}
	return tn.p.modeOf(tn.t, strategy)
}

// ladderNow is the ladder of the present class, or the one strategy that a person asked for. The
// latter is no rung: it neither uses one up nor passes any over.
func (tn *turn) ladderNow() (ladder []string, from int) {
	if a := tn.t.Asked; a != nil && a.Strategy != "" && !a.Begun {
		return []string{a.Strategy}, 0
	}
	if a := tn.t.Asked; a != nil && !a.Begun {
		return tn.timing(tn.t.Diagnosis.Class).Ladder, 0
	}
	if tn.inc != nil {
		from = tn.inc.Rungs[tn.t.Diagnosis.Class]
	}
	return tn.timing(tn.t.Diagnosis.Class).Ladder, from
}

// RungView is one rung as it would be planned now.
type RungView struct {
	Strategy string   `json:"strategy"`
	Actions  []string `json:"actions,omitzero"` // what it would do, in order
	Not      string   `json:"not,omitzero"`     // why it does not apply now
	Disrupts bool     `json:"disrupts,omitzero"`
}

// Rungs lists what each rung of a target's ladder for its present diagnosis would do, or the one
// strategy named. It decides nothing.
func (p *Policy) Rungs(s State, now time.Time, target, only string) []RungView {
	tn := p.newTurn(s, now, Event{Kind: Woke, Target: target})
	in := tn.planInput()
	ladder := p.Ladder(target, tn.t.Diagnosis.Class)
	if only != "" {
		ladder = []string{only}
	}
	var out []RungView
	for _, name := range ladder {
		v := RungView{Strategy: name}
		rung, plan, skipped := p.o.Strategies.Next([]string{name}, 0, in)
		if rung < 0 {
			v.Not = strings.TrimPrefix(skipped[0], name+": ")
		}
		for _, a := range plan.Actions {
			v.Actions = append(v.Actions, a.String())
		}
		v.Disrupts = plan.Disrupts()
		out = append(out, v)
	}
	return out
}

// planInput is what a strategy is asked with.
func (tn *turn) planInput() strategy.Input {
	return strategy.Input{Diagnosis: tn.t.Diagnosis, Target: tn.p.targets[tn.t.Name], Facts: tn.t.Last.Facts, Needs: tn.needs(), Kept: tn.t.Kept}
}
