package strategy

import (
	"time"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

// cacheTimeout bounds the emptying of one cache directory. A million small files take half a minute
// on a slow disk; what is left is removed next time.
const cacheTimeout = 30 * time.Second

// cleanStart empties the target's caches while it is stopped, then starts it: the runbook's remedy
// for a corrupted state, for the directories that the configuration names and no other. A cache
// that cannot be emptied does not keep the target down.
func cleanStart(in Input) (Plan, error) {
	if err := controllable(in); err != nil {
		return Plan{}, err
	}
	switch {
	case len(in.Target.Caches) == 0:
		return Plan{}, notApplicable("caches is not configured")
	case in.Target.Kind == detect.KindPostgres:
		return Plan{}, notApplicable("a database has no caches that may be emptied")
	}
	p := Plan{Why: "what it keeps between runs may be damaged: empty its caches and start it", NewRun: true, Verify: verifyTime(in.Target)}
	if !dead(in.Facts) {
		p.Actions = append(p.Actions, Action{Verb: Stop, Object: in.Target.Object, Timeout: stopGrace(in.Target) + 10*time.Second, Disrupts: true,
			Args: map[string]string{ArgStopGrace: stopGrace(in.Target).String()}})
	}
	for _, dir := range in.Target.Caches {
		p.Actions = append(p.Actions, Action{Verb: CacheClean, Object: dir, Timeout: cacheTimeout,
			Args: map[string]string{ArgDir: dir, ArgTolerate: "yes", ArgPlatform: "host"}})
	}
	p.Actions = append(p.Actions, Action{Verb: Start, Object: in.Target.Object, Timeout: jobTimeout(in.Target), Args: map[string]string{ArgReset: "yes"}})
	return p, nil
}
