package incident

import (
	"slices"
	"strings"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// Powers lists the actions that this policy can ever decide on for a target, undoing included, each
// kind of action on each object once. It is what the rights of recoveryd are derived from, so it is
// not a table of its own: it asks every strategy of every ladder that can apply to the target, for
// every state that it may be in, and collects what they would do. Of a target that is only
// watched there are none. Sizes and limits in the arguments are examples.
func (p *Policy) Powers(target string) []strategy.Action {
	t, ok := p.targets[target]
	if !ok || p.mode(target) == Observe {
		return nil
	}
	var out []strategy.Action
	seen := map[string]bool{}
	for _, ladder := range p.ladders(t) {
		for _, name := range ladder.names {
			st, ok := p.o.Strategies.Get(name)
			if !ok || p.configured(target, name) == Observe {
				continue // NewPolicy has refused the name; what is observed is never done
			}
			for _, f := range everyState(t) {
				plan, err := st.Plan(strategy.Input{Target: t, Facts: f, Needs: p.needsIn(t, f),
					Diagnosis: detect.Diagnosis{Target: target, Verdict: detect.Unhealthy, Class: ladder.class}})
				if err != nil {
					continue // this rung has nothing to offer in that state
				}
				for _, a := range slices.Concat(plan.Actions, plan.Undo) {
					if key := kindOf(a); !seen[key] {
						seen[key] = true
						out = append(out, a)
					}
				}
			}
		}
	}
	return out
}

// needsIn are the needs of a target, all in the same state as itself.
func (p *Policy) needsIn(t detect.Target, f detect.Facts) (out []strategy.Need) {
	for _, name := range t.DependsOn {
		n := strategy.Need{Target: p.targets[name], Facts: f}
		if p.mode(name) != Auto {
			n.Barred = "its mode is " + string(p.mode(name)) // as in turn.needs
		}
		out = append(out, n)
	}
	return out
}

type ladderOf struct {
	class detect.Class
	names []string
}

// ladders are those of every class that can be diagnosed on the target.
func (p *Policy) ladders(t detect.Target) (out []ladderOf) {
	var seen []detect.Class
	for _, c := range slices.Concat(detect.Builtin(), p.o.Extra) {
		if slices.Contains(seen, c.Class) {
			continue
		}
		seen = append(seen, c.Class)
		if _, ok := detect.ConditionFor(c.Class, t.Kind, p.o.Extra); ok {
			out = append(out, ladderOf{c.Class, p.timing(t, c.Class).Ladder})
		}
	}
	return out
}

// everyState are the facts on which plans depend, in every combination that makes a difference:
// what it does, and whether the pool and the memory limit leave room to grow.
func everyState(t detect.Target) (out []detect.Facts) {
	for _, state := range []string{"", detect.StateRunning, detect.StateStarting, detect.StateStopping, detect.StateRetrying, detect.StateStopped, detect.StateFailed} {
		for _, sizes := range []bool{false, true} {
			f := detect.Facts{}
			if state != "" {
				f[detect.WorkloadState] = detect.Word(state)
			}
			if sizes {
				f[detect.PoolMax], f[detect.PoolMin] = detect.Num(1), detect.Num(1)
				f[detect.MemoryMax] = detect.Num(float64(t.Memory.Cap / 2))
			}
			out = append(out, f)
		}
	}
	return out
}

// kindOf tells actions apart that need different rights. Numbers are left out.
func kindOf(a strategy.Action) string {
	parts := []string{string(a.Verb), a.Object}
	for _, k := range []string{strategy.ArgPlatform, strategy.ArgApplication, strategy.ArgDir, strategy.ArgFile, strategy.ArgKey, strategy.ArgArgv, strategy.ArgReset} {
		parts = append(parts, a.Args[k])
	}
	if a.Args[strategy.ArgStopGrace] != "" {
		parts = append(parts, "kills after a grace")
	}
	return strings.Join(parts, "\x00")
}
