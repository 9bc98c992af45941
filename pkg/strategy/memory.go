package strategy

import (
	"strconv"
	"time"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

// raiseMemory gives the target more memory, within its cap, and starts it anew: the runbook's
// remedy for a service that outgrows its limit. It is taken back when it does not help.
func raiseMemory(in Input) (Plan, error) {
	if err := controllable(in); err != nil {
		return Plan{}, err
	}
	m := in.Target.Memory
	if m.Cap == 0 {
		return Plan{}, notApplicable("memory.cap is not configured")
	}
	limit, ok := in.Facts.Num(detect.MemoryMax)
	if !ok || limit < 1 {
		return Plan{}, notApplicable("the %s has no memory limit to raise", detect.Noun(in.Facts))
	}
	factor := m.Factor
	if !(factor > 1) { // also when it is no number
		factor = 1.5
	}
	next := m.Cap
	if more := limit * factor; more < float64(m.Cap) {
		next = uint64(more)
	}
	if float64(next) <= limit {
		return Plan{}, notApplicable("the limit is at its cap already")
	}
	set := func(v uint64) Action {
		return Action{Verb: SetMemory, Object: in.Target.Object, Timeout: 5 * time.Second,
			Args: map[string]string{ArgBytes: strconv.FormatUint(v, 10)}}
	}
	p, err := restart(in)
	if err != nil {
		return Plan{}, err
	}
	p.Why = "it outgrows its memory limit: raise it, within the cap, and start a new process"
	p.Actions = append([]Action{set(next)}, p.Actions...)
	p.Undo = []Action{set(uint64(limit))}
	p.Keep = true
	return p, nil
}
