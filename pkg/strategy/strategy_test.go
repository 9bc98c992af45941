package strategy

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

// server is a service with everything configured that a strategy may use.
func server() detect.Target {
	return detect.Target{Name: "codebase", Kind: detect.KindService, Platform: "systemd", Object: "codebase-mcp.service",
		StartGrace: 15 * time.Second, StopGrace: 5 * time.Second, DependsOn: []string{"postgres"},
		Pool: detect.Pool{Application: "codebase", Database: "postgres", EnvFile: "/run/codebase.env", EnvKey: "POOL_MAX_SIZE",
			Initial: 30, Cap: 50, Factor: 1.5, AdminURL: "http://127.0.0.1:8020/admin/pool"},
		Memory: detect.Memory{Cap: 600, Factor: 1.5}}
}

func cluster() detect.Target {
	return detect.Target{Name: "postgres", Kind: detect.KindPostgres, Platform: "systemd", Object: "postgresql@15-main.service",
		StartGrace: 30 * time.Second, StopGrace: 10 * time.Second}
}

func but(t detect.Target, change func(*detect.Target)) detect.Target { change(&t); return t }

func facts(pairs ...any) detect.Facts {
	f := detect.Facts{}
	for i := 0; i < len(pairs); i += 2 {
		switch v := pairs[i+1].(type) {
		case string:
			f[pairs[i].(string)] = detect.Word(v)
		case int:
			f[pairs[i].(string)] = detect.Num(float64(v))
		}
	}
	return f
}

func texts(as []Action) (out []string) {
	for _, a := range as {
		s := a.String()
		if a.Disrupts {
			s += " !"
		}
		out = append(out, s)
	}
	return out
}

func TestEachStrategyPlansWhatItSaysOrSaysWhyNot(t *testing.T) {
	up, failed, inactive := facts(detect.WorkloadState, detect.StateRunning), facts(detect.WorkloadState, detect.StateFailed), facts(detect.WorkloadState, detect.StateStopped)
	retrying := facts(detect.WorkloadState, detect.StateRetrying)
	limited := facts(detect.WorkloadState, detect.StateRunning, detect.MemoryMax, 300)
	away := but(server(), func(t *detect.Target) { t.External = true })
	unmanaged := but(server(), func(t *detect.Target) { t.Object = "" })
	nowhere := but(server(), func(t *detect.Target) { t.Platform = "none" })
	cases := []struct {
		name     string
		strategy string
		target   detect.Target
		facts    detect.Facts
		do       []string // "!" marks what disrupts
		undo     []string
		not      string // why it is not applicable
	}{
		{"a failed unit is cleared and started", "start", server(), failed, []string{"start codebase-mcp.service (reset=yes)"}, nil, ""},
		{"a stopped unit is started", "start", server(), inactive, []string{"start codebase-mcp.service"}, nil, ""},
		{"a running unit is not started", "start", server(), up, nil, nil, "its service is not stopped or failed"},
		{"a unit that systemd restarts is not started", "start", server(), retrying, nil, nil, "its service is not stopped or failed"},
		{"a unit that could not be asked is not started", "start", server(), facts(), nil, nil, "its service is not stopped or failed"},
		{"nothing is started on another host", "start", away, failed, nil, nil, "it runs on another host"},
		{"nothing is started without a unit", "start", unmanaged, failed, nil, nil, "no platform is configured for it"},
		{"nothing is started without a platform", "start", nowhere, failed, nil, nil, "no platform is configured for it"},

		{"a running unit is restarted", "restart", server(), up, []string{"restart codebase-mcp.service (stop_grace=5s) !"}, nil, ""},
		{"a restart of a dead unit is a start", "restart", server(), failed, []string{"start codebase-mcp.service (reset=yes)"}, nil, ""},
		{"nothing is restarted on another host", "restart", away, up, nil, nil, "it runs on another host"},
		{"nothing is restarted without a unit", "restart", unmanaged, up, nil, nil, "no platform is configured for it"},

		{"a running unit is killed and started", "kill-start", server(), up, []string{"kill codebase-mcp.service !", "start codebase-mcp.service (reset=yes)"}, nil, ""},
		{"a dead unit is not killed", "kill-start", server(), failed, []string{"start codebase-mcp.service (reset=yes)"}, nil, ""},
		{"nothing is killed on another host", "kill-start", away, up, nil, nil, "it runs on another host"},

		{"idle sessions of that application are ended", "terminate-idle", server(), up, []string{"pg.terminate-idle postgres (application=codebase, older_than=5m0s)"}, nil, ""},
		{"long transactions of that application are ended", "terminate-long", server(), up, []string{"pg.terminate-long postgres (application=codebase, older_than=10m0s) !"}, nil, ""},
		{"the configured ages are used", "terminate-idle", but(server(), func(t *detect.Target) { t.Pool.IdleAfter = time.Minute }), up,
			[]string{"pg.terminate-idle postgres (application=codebase, older_than=1m0s)"}, nil, ""},
		{"no sessions are ended without an application", "terminate-idle", but(server(), func(t *detect.Target) { t.Pool.Application = "" }), up, nil, nil, "pool.application or pool.database is not configured"},
		{"no sessions are ended without a database", "terminate-long", but(server(), func(t *detect.Target) { t.Pool.Database = "" }), up, nil, nil, "pool.application or pool.database is not configured"},
		{"a saturated cluster has idle sessions of anybody ended", "terminate-idle", cluster(), up, []string{"pg.terminate-idle postgres (application=, older_than=5m0s)"}, nil, ""},
		{"no sessions are ended on another host", "terminate-idle", but(cluster(), func(t *detect.Target) { t.External = true }), up, nil, nil, "it runs on another host"},

		{"a pool is enlarged while it runs", "resize-pool", server(), up, []string{"http.pool-resize http://127.0.0.1:8020/admin/pool (max_size=45)"},
			[]string{"http.pool-resize http://127.0.0.1:8020/admin/pool (max_size=30)"}, ""},
		{"a pool without an API is not enlarged while it runs", "resize-pool", but(server(), func(t *detect.Target) { t.Pool.AdminURL = "" }), up, nil, nil, "the service has no admin API (pool.admin_url)"},
		{"a larger pool is written and the unit restarted", "grow-pool", server(), up,
			[]string{"set-env codebase-mcp.service (file=/run/codebase.env, key=POOL_MAX_SIZE, value=45)", "restart codebase-mcp.service (reset=yes, stop_grace=5s) !"},
			[]string{"set-env codebase-mcp.service (file=/run/codebase.env, key=POOL_MAX_SIZE, value=)", "restart codebase-mcp.service (reset=yes, stop_grace=5s) !"}, ""},
		{"a pool that runs with a larger size than was written grows from there, to its cap, and goes back to its own size", "grow-pool", server(), facts(detect.WorkloadState, detect.StateRunning, detect.PoolMax, 45),
			[]string{"set-env codebase-mcp.service (file=/run/codebase.env, key=POOL_MAX_SIZE, value=50)", "restart codebase-mcp.service (reset=yes, stop_grace=5s) !"},
			[]string{"set-env codebase-mcp.service (file=/run/codebase.env, key=POOL_MAX_SIZE, value=)", "restart codebase-mcp.service (reset=yes, stop_grace=5s) !"}, ""},
		{"a pool at its cap is not enlarged", "grow-pool", server(), facts(detect.WorkloadState, detect.StateRunning, detect.PoolMax, 50), nil, nil, "the pool is at its cap of 50 already"},
		{"a pool above its cap is not made smaller", "resize-pool", server(), facts(detect.WorkloadState, detect.StateRunning, detect.PoolMax, 80), nil, nil, "the pool is at its cap of 50 already"},
		{"a pool without a cap is not enlarged", "grow-pool", but(server(), func(t *detect.Target) { t.Pool.Cap = 0 }), up, nil, nil, "pool.cap is not configured"},
		{"a pool of unknown size is not enlarged", "grow-pool", but(server(), func(t *detect.Target) { t.Pool.Initial = 0 }), up, nil, nil, "the pool's present size is not known"},
		{"a pool without its variable is not enlarged", "grow-pool", but(server(), func(t *detect.Target) { t.Pool.EnvKey = "" }), up, nil, nil, "pool.env_file and pool.env_key are not configured"},
		{"no pool grows on another host", "grow-pool", away, up, nil, nil, "it runs on another host"},
		{"no pool is resized on another host", "resize-pool", away, up, nil, nil, "it runs on another host"},

		{"a memory limit is raised and a new process started", "raise-memory", server(), limited,
			[]string{"set-memory codebase-mcp.service (bytes=450)", "restart codebase-mcp.service (stop_grace=5s) !"},
			[]string{"set-memory codebase-mcp.service (bytes=300)"}, ""},
		{"a memory limit is raised for a unit that was killed, which is then started", "raise-memory", server(), facts(detect.WorkloadState, detect.StateFailed, detect.MemoryMax, 500),
			[]string{"set-memory codebase-mcp.service (bytes=600)", "start codebase-mcp.service (reset=yes)"},
			[]string{"set-memory codebase-mcp.service (bytes=500)"}, ""},
		{"a memory limit at its cap stays", "raise-memory", server(), facts(detect.WorkloadState, detect.StateRunning, detect.MemoryMax, 600), nil, nil, "the limit is at its cap already"},
		{"a memory limit without a cap stays", "raise-memory", but(server(), func(t *detect.Target) { t.Memory.Cap = 0 }), limited, nil, nil, "memory.cap is not configured"},
		{"a unit without a limit has none to raise", "raise-memory", server(), up, nil, nil, "the service has no memory limit to raise"},
		{"no memory is raised on another host", "raise-memory", away, limited, nil, nil, "it runs on another host"},
	}
	set, err := NewSet(Builtin()...)
	require.NoError(t, err)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s, ok := set.Get(c.strategy)
			require.True(t, ok)
			p, err := s.Plan(Input{Target: c.target, Facts: c.facts})
			if c.not != "" {
				require.ErrorIs(t, err, ErrNotApplicable)
				require.Equal(t, c.not, because(err))
				require.Empty(t, p)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.do, texts(p.Actions))
			require.Equal(t, c.undo, texts(p.Undo))
			require.Equal(t, c.strategy, p.Strategy)
			require.NotEmpty(t, p.Why)
			require.Positive(t, p.Verify)
			for _, a := range append(p.Actions, p.Undo...) {
				require.Equal(t, c.target.Name, a.Target)
				require.Positive(t, a.Timeout)
				require.NotEmpty(t, a.Args[ArgPlatform])
			}
		})
	}
}

func TestAStartIsProvenByANewRunAndASessionsEndIsNot(t *testing.T) {
	set, err := NewSet(Builtin()...)
	require.NoError(t, err)
	for name, want := range map[string]bool{"start": true, "restart": true, "kill-start": true, "grow-pool": true, "raise-memory": true,
		"terminate-idle": false, "terminate-long": false, "resize-pool": false} {
		s, _ := set.Get(name)
		f := facts(detect.WorkloadState, detect.StateRunning, detect.MemoryMax, 300)
		if name == "start" {
			f = facts(detect.WorkloadState, detect.StateFailed)
		}
		p, err := s.Plan(Input{Target: server(), Facts: f})
		require.NoError(t, err)
		require.Equal(t, want, p.NewRun, name)
	}
}

func TestALadderGoesOnAtTheFirstRungThatAppliesAndSaysWhyOthersDoNot(t *testing.T) {
	set, err := NewSet(Builtin()...)
	require.NoError(t, err)
	in := Input{Target: server(), Facts: facts(detect.WorkloadState, detect.StateRunning)}
	rung, p, skipped := set.Next([]string{"start", "nonsense", "restart", "kill-start"}, 0, in)
	require.Equal(t, 2, rung)
	require.Equal(t, "restart", p.Strategy)
	require.Equal(t, []string{"start: its service is not stopped or failed", "nonsense: no such strategy"}, skipped)
	rung, p, _ = set.Next([]string{"start", "restart", "kill-start"}, 2, in)
	require.Equal(t, 2, rung)
	require.Equal(t, "kill-start", p.Strategy)
	rung, p, _ = set.Next([]string{"restart"}, 1, in)
	require.Equal(t, -1, rung)
	require.Empty(t, p)
	rung, _, _ = set.Next([]string{"restart"}, -5, in)
	require.Zero(t, rung)
}

func TestASetRefusesNamesThatAreEmptyOrUsedTwice(t *testing.T) {
	none := func(Input) (Plan, error) { return Plan{}, errors.New("broken") }
	_, err := NewSet(New("a", none), New("a", none))
	require.EqualError(t, err, `strategy name "a" is empty or used twice`)
	_, err = NewSet(New("", none))
	require.Error(t, err)
	set, err := NewSet(New("a", none), New("b", none))
	require.NoError(t, err)
	require.Equal(t, []string{"a", "b"}, set.Names())
	_, ok := set.Get("c")
	require.False(t, ok)
	_, _, skipped := set.Next([]string{"a"}, 0, Input{Target: server()})
	require.Equal(t, []string{"a: strategy a for codebase: broken"}, skipped)
}

func TestAPoolThatDidNotHelpGoesBackToWhatTheFileSaidAndNotToWhatRuns(t *testing.T) {
	for name, c := range map[string]struct {
		kept []Change
		back string
	}{
		"nothing is written":                                                {nil, ""},
		"45 were written and the process has them":                          {[]Change{{Set: Action{Verb: SetEnv}, Now: "45"}}, "45"},
		"31 are written, a step back, and the process still runs as it was": {[]Change{{Set: Action{Verb: SetEnv}, Now: "31"}}, "31"},
		"a limit was raised, which is another setting":                      {[]Change{{Set: Action{Verb: SetMemory}, Now: "402653184"}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := growPool(Input{Target: server(), Facts: facts(detect.WorkloadState, detect.StateRunning, detect.PoolMax, 45), Kept: c.kept})
			require.NoError(t, err)
			require.Equal(t, "50", p.Actions[0].Args[ArgValue])
			require.Equal(t, c.back, p.Undo[0].Args[ArgValue])
		})
	}
}

func TestASizeThatSaysNothingIsNotWhatGrows(t *testing.T) {
	pool := func(size int, factor float64) (now, next int, err error) {
		return grown(Input{Facts: facts(detect.PoolMax, size), Target: but(server(), func(t *detect.Target) { t.Pool.Factor = factor })}, detect.PoolMax)
	}
	for _, factor := range []float64{1.5, 1, 0, -2, math.NaN()} { // what makes nothing larger is not meant
		now, next, err := pool(32, factor)
		require.NoError(t, err)
		require.Equal(t, []int{32, 48}, []int{now, next}, "factor %v", factor)
		p, err := raiseMemory(Input{Facts: facts(detect.WorkloadState, detect.StateRunning, detect.MemoryMax, 300),
			Target: but(server(), func(t *detect.Target) { t.Memory.Factor = factor })})
		require.NoError(t, err)
		require.Equal(t, "450", p.Actions[0].Args[ArgBytes], "factor %v", factor)
	}
	now, next, err := pool(0, 1.5)
	require.NoError(t, err)
	require.Equal(t, []int{30, 45}, []int{now, next}, "a pool of 0 is one that was not told: its first size counts")
	_, err = raiseMemory(Input{Facts: facts(detect.WorkloadState, detect.StateRunning, detect.MemoryMax, 0), Target: server()})
	require.ErrorContains(t, err, "has no memory limit to raise")
}
