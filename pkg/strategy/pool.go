package strategy

import (
	"math"
	"strconv"
	"time"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

// sessions makes the two plans that end sessions of one application, and of that one only.
func sessions(in Input, verb Verb, older, def time.Duration, disrupts bool, why string) (Plan, error) {
	database, app := in.Target.Pool.Database, in.Target.Pool.Application
	if in.Target.Kind == detect.KindPostgres {
		database = in.Target.Name // saturated: sessions of any application, oldest idle first
	} else if app == "" || database == "" {
		return Plan{}, notApplicable("pool.application or pool.database is not configured")
	}
	if in.Target.External {
		return Plan{}, notApplicable("it runs on another host")
	}
	if older <= 0 {
		older = def
	}
	return Plan{
		Why: why,
		Actions: []Action{{Verb: verb, Object: database, Timeout: 10 * time.Second, Disrupts: disrupts,
			Args: map[string]string{ArgApplication: app, ArgOlderThan: older.String(), ArgPlatform: "postgres"}}},
		// The servers report one false "disconnected" right after their sessions were ended.
		Settle: 2 * time.Second, Verify: 15 * time.Second,
	}, nil
}

func terminateIdle(in Input) (Plan, error) {
	return sessions(in, PGTerminateIdle, in.Target.Pool.IdleAfter, 5*time.Minute, false,
		"sessions that do nothing hold the connections: end the idle ones")
}

func terminateLong(in Input) (Plan, error) {
	return sessions(in, PGTerminateLong, in.Target.Pool.LongAfter, 10*time.Minute, true,
		"transactions that never end hold the connections: end the long ones")
}

// grown returns the pool's present size and the next one: by factor, never above the cap, and
// always larger. The present size is what the service says in the named fact, since it may have
// been enlarged before.
func grown(in Input, says string) (now, next int, err error) {
	now = in.Target.Pool.Initial
	if v, ok := in.Facts.Num(says); ok && v > 0 {
		now = int(v)
	}
	if now <= 0 {
		return 0, 0, notApplicable("the pool's present size is not known")
	}
	limit := in.Target.Pool.Cap
	if limit <= 0 {
		return 0, 0, notApplicable("pool.cap is not configured")
	}
	factor := in.Target.Pool.Factor
	if !(factor > 1) { // also when it is no number
		factor = 1.5 // the incident runbook's adaptive sizing
	}
	next = int(min(math.Ceil(float64(now)*factor), float64(limit)))
	if next <= now {
		return 0, 0, notApplicable("the pool is at its cap of %d already", limit)
	}
	return now, next, nil
}

// sizedBy names the fact that an environment variable sets. The real server's DB_POOL_SIZE is the
// number of connections that are always open (pool.min); up to DB_MAX_OVERFLOW more may be opened
// besides. Any other variable is taken for the maximum.
func sizedBy(envKey string) string {
	if envKey == "DB_POOL_SIZE" {
		return detect.PoolMin
	}
	return detect.PoolMax
}

func resizePool(in Input) (Plan, error) {
	switch {
	case in.Target.External:
		return Plan{}, notApplicable("it runs on another host")
	case in.Target.Pool.AdminURL == "":
		return Plan{}, notApplicable("the service has no admin API (pool.admin_url)")
	}
	now, next, err := grown(in, detect.PoolMax)
	if err != nil {
		return Plan{}, err
	}
	set := func(n int) Action {
		return Action{Verb: HTTPPoolResize, Object: in.Target.Pool.AdminURL, Timeout: 10 * time.Second,
			Args: map[string]string{ArgMaxSize: strconv.Itoa(n), ArgPlatform: "host"}}
	}
	return Plan{Why: "the service can enlarge its pool while it runs",
		Actions: []Action{set(next)}, Undo: []Action{set(now)},
		Settle: time.Second, Verify: 15 * time.Second, Keep: true,
	}, nil
}

// growPool writes a larger pool into the target's own environment file and restarts it. The real
// server refuses to start above its limit, so a start that fails takes the change back.
func growPool(in Input) (Plan, error) {
	if err := controllable(in); err != nil {
		return Plan{}, err
	}
	p := in.Target.Pool
	if p.EnvFile == "" || p.EnvKey == "" {
		return Plan{}, notApplicable("pool.env_file and pool.env_key are not configured")
	}
	_, next, err := grown(in, sizedBy(p.EnvKey))
	if err != nil {
		return Plan{}, err
	}
	before := "" // no variable: the service's own size
	for _, c := range in.Kept {
		if c.Set.Verb == SetEnv {
			// What the file says. The running process may still have an earlier size, which must not come
			// back to stay: see shrinkPool.
			before = c.Now
		}
	}
	set := func(v string) Action {
		return Action{Verb: SetEnv, Object: in.Target.Object, Timeout: 5 * time.Second,
			Args: map[string]string{ArgFile: p.EnvFile, ArgKey: p.EnvKey, ArgValue: v}}
	}
	again := Action{Verb: Restart, Object: in.Target.Object, Timeout: jobTimeout(in.Target), Disrupts: true,
		Args: map[string]string{ArgStopGrace: stopGrace(in.Target).String(), ArgReset: "yes"}}
	return Plan{
		Why:     "a larger pool, within its cap, needs a new process",
		Actions: []Action{set(strconv.Itoa(next)), again},
		Undo:    []Action{set(before), again},
		NewRun:  true, Verify: verifyTime(in.Target), Keep: true,
	}, nil
}
