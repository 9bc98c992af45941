package incident

import (
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// needs lists what the target needs, as a strategy may see it. A need that must be left alone says
// why: a rung that starts what others need goes through the same standing reasons as one on the
// need itself.
func (tn *turn) needs() []strategy.Need {
	var out []strategy.Need
	for _, name := range tn.p.targets[tn.t.Name].DependsOn {
		n := strategy.Need{Target: tn.p.targets[name]}
		other := tn.beside(name)
		n.Diagnosis, n.Facts = other.t.Diagnosis, other.t.Last.Facts
		switch h, yes := tn.p.standing(other); {
		case yes:
			n.Barred = h.why
		case tn.p.mode(name) != Auto:
			n.Barred = "its mode is " + string(tn.p.mode(name))
		case other.t.Phase == Acting || other.t.Phase == Verifying:
			n.Barred = "it is being treated already"
		case !other.current():
			n.Barred = "it was not looked at just now"
		}
		out = append(out, n)
	}
	return out
}

// beside is a turn of another target in the same state and at the same time, to ask about it.
// Nothing that is decided in it is kept.
func (tn *turn) beside(name string) *turn {
	t := tn.s.target(name)
	return &turn{p: tn.p, s: tn.s, was: tn.was, now: tn.now, ev: Event{Kind: Woke, Target: name}, t: &t}
}
