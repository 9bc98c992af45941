package acceptance

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/internal/setup"
	"github.com/recoveryd/recoveryd/test/lab"
)

// laddersConfig is the usual configuration with a cache that a small service needs, and with ladders cut
// short to the rungs that no other scenario reaches.
func laddersConfig() string {
	c := strings.NewReplacer(
		"memory: {limit: 200MiB}", "memory: {cap: 400MiB, quiet: 6s, full: 0.7, high: 0.6}",
		"start_grace: 15s", "start_grace: 5s",
		"    pool: {application: workflow-mcp, database: postgres}\n", "    pool: {application: workflow-mcp, database: postgres}\n    latency: 200ms\n",
		"  backoff: {initial: 2s, factor: 2, max: 10s}", "  target: {actions: 20, window: 1h}\n  host: {actions: 50, window: 1h}\n  backoff: {initial: 1s, factor: 1.1, max: 2s}",
	).Replace(config())
	return strings.Replace(c, "budgets:\n", `  - name: cache
    kind: plain
    unit: victim@8110.service
    interval: 2s
    check: {type: tcp, address: "127.0.0.1:8110", timeout: 1s}
  - name: front
    kind: service
    unit: victim@8111.service
    depends_on: [cache]
    interval: 2s
    start_grace: 5s
    health: [{url: "http://127.0.0.1:8111/health/status", timeout: 1500ms}]
classes:
  - {class: memory, ladder: [raise-memory]}
  - {class: pool, ladder: [grow-pool]}
budgets:
`, 1)
}

// TestTheRungsThatNoOtherScenarioReaches is one boot: a server that died with its database, what a
// service needs is started first, a raised memory limit that goes back, a latency that is no reason to
// act, and a larger pool that did not help and is taken back.
func TestTheRungsThatNoOtherScenarioReaches(t *testing.T) {
	s := newStage(t, setting{memory: true, config: laddersConfig(), before: func(s *stage) {
		s.ctl("start", "victim@8110.service", "victim@8111.service")
		s.exec("rm", setup.PolkitRule, "/etc/systemd/system/"+lab.CodebaseUnit+".d/50-recoveryd-env.conf")
		r := s.says("setup", "--apply", "--yes")
		require.Zero(s.t, r.Code, r.Stdout+r.Stderr)
	}})
	of := func(target string) (i incidentView) {
		for _, x := range s.incidents() {
			if x.Target == target {
				i = x
			}
		}
		return i
	}
	over := func(limit time.Duration, target string) incidentView {
		t.Helper()
		s.eventually(limit, "the incident of "+target+" is closed", func() bool { return !of(target).Closed.IsZero() })
		return of(target)
	}
	entered := func(unit string) string { return s.show(unit, "ActiveEnterTimestampMonotonic") }
	verbs := func(i incidentView) (out []string) {
		for _, a := range i.Attempts {
			out = append(out, a.Verb)
		}
		return out
	}

	// The database dies and takes a server with it; what a small service needs dies with the service.
	require.NoError(t, s.Signal(t.Context(), s.pgUnit, "KILL"))
	require.NoError(t, s.SignalMain(t.Context(), lab.CodebaseUnit, "KILL"))
	require.NoError(t, s.SignalMain(t.Context(), "victim@8110.service", "KILL"))
	require.NoError(t, s.SignalMain(t.Context(), "victim@8111.service", "KILL"))
	s.healthy(lab.CodebaseAddr, 60*time.Second)
	require.Contains(t, over(30*time.Second, "postgres").Attempts[0].Action, s.pgUnit)
	s.eventually(30*time.Second, "the small service is watched again", func() bool {
		v := s.target("front")
		return v.Verdict == "healthy" && v.Phase == "watching"
	})
	s.eventually(30*time.Second, "the server is watched again", func() bool { return s.target("codebase-mcp").Phase == "watching" })
	require.Less(t, entered(s.pgUnit), entered(lab.CodebaseUnit), "the database first")
	require.Equal(t, "active", s.show("victim@8110.service", "ActiveState"))

	// It outgrows its memory: the limit is raised within its cap, and goes back when it is not needed.
	if lab.Probe().Memory != lab.MemoryNone {
		s.exec("systemctl", "set-property", "--runtime", lab.CodebaseUnit, "MemoryMax=160M")
		require.NoError(t, s.Control(lab.CodebaseControl).Set(t.Context(), "memory-leak", "rate=100", "limit=110"))
		s.eventually(40*time.Second, "more memory", func() bool { return s.show(lab.CodebaseUnit, "MemoryMax") == "251658240" })
		raised := over(40*time.Second, "codebase-mcp")
		require.Equal(t, "memory", raised.Class)
		require.Equal(t, []string{"set-memory", "restart"}, verbs(raised))
		s.eventually(30*time.Second, "the old limit", func() bool { return s.show(lab.CodebaseUnit, "MemoryMax") == "167772160" })
	}
	s.noPages()

	// Too slow is worse than it should be, and no reason to restart anything or to wake anybody.
	require.NoError(t, s.Control(lab.WorkflowControl).Set(t.Context(), "latency", "delay=500ms"))
	s.eventually(40*time.Second, "degraded", func() bool { return s.target("workflow-mcp").Verdict == "degraded" })
	require.Contains(t, s.target("workflow-mcp").Because, "more than 200ms")
	require.Empty(t, of("workflow-mcp").Attempts)
	s.noPages()
	require.NoError(t, s.Control(lab.WorkflowControl).Clear(t.Context(), "latency"))

	// A larger pool that does not help is taken back, also in the environment file.
	faults := "/run/lab/faults/" + lab.CodebaseUnit
	require.NoError(t, s.WriteFile(faults, lab.File{Content: "pool-leak?count=40&mode=active\n"}))
	require.NoError(t, s.Control(lab.CodebaseControl).Set(t.Context(), "pool-leak", "count=30", "mode=active"))
	s.eventually(90*time.Second, "enlarged, and taken back", func() bool {
		i := of("codebase-mcp")
		return i.Class == "pool" && slices.ContainsFunc(i.Attempts, func(a struct {
			Strategy, Action, Verb, Result, Verdict, Detail string
			Undo                                            bool
		}) bool {
			return a.Undo && a.Verb == "restart" && a.Result != ""
		})
	})
	i := of("codebase-mcp")
	require.Equal(t, []string{"set-env", "restart", "set-env", "restart"}, verbs(i))
	require.Contains(t, i.Attempts[0].Action, "value=30")
	require.NotContains(t, s.exec("bash", "-c", "cat /run/recoveryd/env/codebase-mcp.service.env || true"), "DB_POOL_SIZE", "as it was before")
	require.NoError(t, s.WriteFile(faults, lab.File{Content: ""}))
	over(60*time.Second, "codebase-mcp")
}
