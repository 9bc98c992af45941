package strategy

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

func need(name, state string) Need {
	return Need{Target: detect.Target{Name: name, Kind: detect.KindPlain, Platform: "systemd", Object: name + ".service", StartGrace: 2 * time.Minute},
		Facts: facts(detect.WorkloadState, state)}
}

func TestWhatItNeedsIsStartedFirst(t *testing.T) {
	but := func(n Need, change func(*Need)) Need { change(&n); return n }
	tests := []struct {
		name  string
		needs []Need
		self  string
		do    []string
		not   string
	}{
		{"a dead Redis, and the server itself runs", []Need{need("redis", detect.StateStopped)}, detect.StateRunning, []string{"start redis.service"}, ""},
		{"a failed Ollama and a failed server, in this order", []Need{need("redis", detect.StateRunning), need("ollama", detect.StateFailed)}, detect.StateFailed,
			[]string{"start ollama.service (reset=yes)", "start codebase-mcp.service (reset=yes)"}, ""},
		{"everything runs", []Need{need("redis", detect.StateRunning)}, detect.StateFailed, nil, "no plain dependency of it on this host is stopped or failed"},
		{"it cannot be told", []Need{need("redis", "")}, detect.StateFailed, nil, "no plain dependency of it on this host is stopped or failed"},
		{"one that a person stopped", []Need{but(need("redis", detect.StateStopped), func(n *Need) { n.Barred = "a person stopped the unit" })}, detect.StateFailed, nil,
			"what it needs is left alone (redis: a person stopped the unit)"},
		{"a database is treated as the culprit it is", []Need{but(need("db", detect.StateFailed), func(n *Need) { n.Target.Kind = detect.KindPostgres })}, detect.StateFailed, nil,
			"no plain dependency of it on this host is stopped or failed"},
		{"one on another host", []Need{but(need("gpu", detect.StateFailed), func(n *Need) { n.Target.External = true })}, detect.StateFailed, nil,
			"no plain dependency of it on this host is stopped or failed"},
		{"one that is only watched", []Need{but(need("gpu", detect.StateFailed), func(n *Need) { n.Target.Platform = "none" })}, detect.StateFailed, nil,
			"no plain dependency of it on this host is stopped or failed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := New("start-dependencies", startDependencies).Plan(Input{Target: server(), Facts: facts(detect.WorkloadState, tt.self), Needs: tt.needs})
			if tt.not != "" {
				require.ErrorIs(t, err, ErrNotApplicable)
				require.Equal(t, tt.not, because(err))
				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.do, texts(p.Actions))
			require.False(t, p.Disrupts(), "a start of what does not run ends no work")
			require.Empty(t, p.Undo, "a dependency that was started stays")
			require.GreaterOrEqual(t, p.Verify, 2*time.Minute, "what was started has its own start grace to serve")
			for _, a := range p.Actions {
				require.Equal(t, "codebase", a.Target, "it is charged to the target whose ladder it is")
				require.Equal(t, "systemd", a.Args[ArgPlatform])
			}
		})
	}
}

func TestCachesAreEmptiedWhileItIsStopped(t *testing.T) {
	cached := server()
	cached.Caches = []string{"/var/cache/a", "/var/cache/b"}
	p, err := New("clean-start", cleanStart).Plan(Input{Target: cached, Facts: facts(detect.WorkloadState, detect.StateRunning)})
	require.NoError(t, err)
	require.Equal(t, []string{"stop codebase-mcp.service (stop_grace=5s) !", "cache.clean /var/cache/a (dir=/var/cache/a, tolerate=yes)",
		"cache.clean /var/cache/b (dir=/var/cache/b, tolerate=yes)", "start codebase-mcp.service (reset=yes)"}, texts(p.Actions))
	require.True(t, p.Disrupts(), "it ends a running server: two witnesses are needed")
	require.True(t, p.NewRun)
	require.Equal(t, "host", p.Actions[1].Args[ArgPlatform])

	p, err = New("clean-start", cleanStart).Plan(Input{Target: cached, Facts: facts(detect.WorkloadState, detect.StateFailed)})
	require.NoError(t, err)
	require.Equal(t, CacheClean, p.Actions[0].Verb, "what does not run need not be stopped")
	require.False(t, p.Disrupts())

	cached.Kind = detect.KindPostgres
	_, err = cleanStart(Input{Target: cached, Facts: facts(detect.WorkloadState, detect.StateFailed)})
	require.ErrorIs(t, err, ErrNotApplicable)
	_, err = cleanStart(Input{Target: server(), Facts: facts(detect.WorkloadState, detect.StateFailed)})
	require.ErrorContains(t, err, "caches is not configured")
}
