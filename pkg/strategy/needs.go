package strategy

import (
	"strings"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

// startDependencies starts the plain dependencies of the target (Redis, Ollama) which run on
// this host and are not running, and then the target itself when it is not running either: the
// runbook's "restart dependencies". It never restarts one that runs, and leaves alone what a person
// has a hand in. A database is none of them: it is treated as the culprit it is.
func startDependencies(in Input) (Plan, error) {
	if err := controllable(in); err != nil {
		return Plan{}, err
	}
	p := Plan{Verify: verifyTime(in.Target)}
	var names, left []string
	for _, n := range in.Needs {
		t := n.Target
		if t.Kind != detect.KindPlain || t.External || t.Platform == "" || t.Platform == "none" || t.Object == "" || !dead(n.Facts) {
			continue
		}
		if n.Barred != "" {
			left = append(left, t.Name+": "+n.Barred)
			continue
		}
		a := Action{Verb: Start, Object: t.Object, Timeout: jobTimeout(t), Args: map[string]string{ArgPlatform: t.Platform}}
		if n.Facts.Text(detect.WorkloadState) == detect.StateFailed {
			a.Args[ArgReset] = "yes"
		}
		p.Actions = append(p.Actions, a)
		p.Verify = max(p.Verify, verifyTime(t)) // a model server may need long before it serves
		names = append(names, t.Name)
	}
	switch {
	case len(names) == 0 && len(left) > 0:
		return Plan{}, notApplicable("what it needs is left alone (%s)", strings.Join(left, "; "))
	case len(names) == 0:
		return Plan{}, notApplicable("no plain dependency of it on this host is stopped or failed")
	}
	p.Why = "what it needs is not running: start " + strings.Join(names, ", ") + " first"
	if dead(in.Facts) {
		up, err := start(in)
		if err != nil {
			return Plan{}, err
		}
		p.Actions, p.NewRun = append(p.Actions, up.Actions...), true
	}
	return p, nil
}
