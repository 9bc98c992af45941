package incident

import (
	"hash/fnv"
	"math"
	"time"
)

// settleAccounts writes off an attempt whose fate is sealed: its time to show an effect is over,
// and the condition is still there or people must look; or it came back within probation. The next
// rung and the pause before it follow from that. It runs before the rules are asked, once per
// attempt.
func (tn *turn) settleAccounts() {
	if tn.inc == nil || len(tn.inc.Attempts) == 0 {
		return
	}
	last := &tn.inc.Attempts[len(tn.inc.Attempts)-1]
	f := tn.view()
	worked := last.Verdict == Verified
	switch {
	case tn.t.Phase == Verifying && last.Verdict == "" && f&verifyOver != 0 && f&(bad|unclear) != 0 && f&masked == 0:
		if last.Verdict = LadderStep(last.Result); f&willed != 0 {
			last.Verdict = HoldOperator // whether it would have helped cannot be told any more
			tn.change()
			return
		}
	case tn.t.Phase == Probation && last.Verdict != Relapse && last.Verdict != "" && f&(bad|confirmed) == bad|confirmed && f&(masked|willed) == 0:
		last.Verdict = Relapse
		tn.inc.Relapses++
	default:
		return
	}
	tn.change()
	tn.learn(*last, false)
	if !last.Undo && (worked || !tn.repeatable(*last)) {
		class := tn.inc.Class
		tn.inc.Rungs[class] = max(tn.inc.Rungs[class], last.Rung+1)
	}
	tn.t.BackoffUntil = tn.now.Add(tn.p.backoff(tn.inc))
}

// LadderStep names why an attempt did not help, from how its action ended.
func LadderStep(r Result) Reason {
	switch r {
	case ResultFailed, ResultDenied:
		return ActionFailed
	case ResultUnknown, ResultTimedOut:
		return ActionUnknown
	case ResultVoid:
		return NotBegun
	}
	return "no-effect"
}

// repeatable reports whether the same rung may be tried once more: when it was not begun, or when the
// outcome of the only attempt at it was lost, since the effect may never have taken place.
func (tn *turn) repeatable(last Attempt) bool {
	switch last.Result {
	case ResultVoid, ResultUnknown:
	default:
		return false
	}
	n := 0
	for _, a := range tn.inc.Attempts {
		if a.Rung == last.Rung && a.Strategy == last.Strategy && a.Result == last.Result && !a.Undo {
			n++
		}
	}
	return n < 2 || last.Result == ResultVoid && n < maxVoid
}

// maxVoid is how often one rung may come too late before it is given up: a target that changes all the time
// is never as it was when something was decided.
const maxVoid = 5

// backoff is the pause after the incident's latest failed plan. The spread is derived from the
// incident's name and not from chance, so that a replay decides the same.
func (p *Policy) backoff(i *Incident) time.Duration {
	b := p.o.Limits.Backoff
	if b.Initial <= 0 {
		return 0
	}
	failed := i.Failed() + max(i.void()-2, 0) // two that come too late are decided anew as if they had not been
	d := float64(b.Initial) * math.Pow(max(b.Factor, 1), float64(max(failed-1, 0)))
	if b.Max > 0 {
		d = min(d, float64(b.Max))
	}
	h := fnv.New32a()
	h.Write([]byte(i.ID))
	h.Write([]byte{byte(failed)})
	return time.Duration(d * (1 + float64(h.Sum32()%1000)/10000))
}
