package acceptance

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/test/lab"
)

// TestADrillThatIsKilledIsTakenBackWhateverItsFault kills the process of a drill with SIGKILL while each
// fault stands. The only rung of the ladders does not apply (there is no memory.cap), so that recoveryd cures nothing: what comes back was put back by
// the drill's guard.
func TestADrillThatIsKilledIsTakenBackWhateverItsFault(t *testing.T) {
	conf := strings.Replace(config(), "pool: {application: codebase-mcp, database: postgres,", "pool: {application: codebase-mcp, database: postgres, sessions: 40,", 1)
	s := newStage(t, setting{memory: true, config: strings.Replace(conf, "probation: 4s", "probation: 1s", 1) + `
classes:
  - {class: down, ladder: [raise-memory]}
  - {class: hung, ladder: [raise-memory]}
  - {class: pool, ladder: [raise-memory]}
  - {class: memory, ladder: [raise-memory]}
drills:
  targets: [codebase-mcp, workflow-mcp]
  faults: [kill, stop, freeze, fill-pool, fill-memory]
  windows: [{start: "00:00", duration: 1d}]
  timeout: 1m
  notify: [slack]
`})
	sessions := func() string {
		n, err := s.SQL(t.Context(), "postgres", "select count(*) > 40 from pg_stat_activity where application_name = 'codebase-mcp'")
		require.NoError(t, err)
		return strings.TrimSpace(n)
	}
	stopped := func(unit string) func() bool {
		return func() bool { return s.show(unit, "ActiveState") != "active" }
	}
	report := func() (r drillView) {
		t.Helper()
		out := s.exec("/usr/bin/recoveryd", "drill", "report", "-o", "json")
		require.NoError(t, json.Unmarshal([]byte(out), &r), out)
		return r
	}
	quiet := func() {
		t.Helper()
		s.eventually(40*time.Second, "all is watched again", func() bool {
			for _, i := range s.incidents() {
				if i.Closed.IsZero() {
					return false
				}
			}
			return s.target("workflow-mcp").Phase == "watching" && s.target("codebase-mcp").Phase == "watching"
		})
	}
	for _, d := range []struct {
		fault, target, unit, addr string
		broken                    func() bool
		back                      string
	}{
		{"kill", "codebase-mcp", lab.CodebaseUnit, lab.CodebaseAddr, stopped(lab.CodebaseUnit), "start job for " + lab.CodebaseUnit},
		{"stop", "workflow-mcp", lab.WorkflowUnit, lab.WorkflowAddr, stopped(lab.WorkflowUnit), "start job for " + lab.WorkflowUnit},
		{"freeze", "workflow-mcp", lab.WorkflowUnit, lab.WorkflowAddr, func() bool { return strings.Contains(s.mainState(lab.WorkflowUnit), "T") }, "SIGCONT to every process of " + lab.WorkflowUnit},
		{"fill-pool", "codebase-mcp", lab.CodebaseUnit, lab.CodebaseAddr, func() bool { return sessions() == "t" }, "the sessions of the drill are closed"},
		{"fill-memory", "codebase-mcp", lab.CodebaseUnit, lab.CodebaseAddr, func() bool { return s.target("codebase-mcp").Class == "memory" }, ""},
	} {
		if d.fault == "fill-memory" && lab.Probe().Memory == lab.MemoryNone {
			continue // refused: nothing accounts for the memory of a unit here
		}
		s.healthy(d.addr, 20*time.Second)
		quiet()
		s.exec("systemd-run", "--quiet", "--unit=drill-"+d.fault, "/usr/bin/recoveryd", "drill", d.fault, "--target", d.target)
		s.eventually(20*time.Second, d.fault+" has taken place", d.broken)
		s.ctl("kill", "--kill-whom=all", "--signal=KILL", "drill-"+d.fault+".service")
		s.eventually(15*time.Second, "taken back after "+d.fault, func() bool { return !d.broken() })
		s.healthy(d.addr, 20*time.Second)
		s.eventually(10*time.Second, "the report", func() bool { return strings.HasSuffix(report().ID, d.fault+"-"+d.target) })
		r := report()
		require.Equal(t, "aborted", r.Verdict, r.ID)
		if d.back != "" {
			require.Equal(t, d.back, r.Restoration, r.ID)
		}
		require.NotEmpty(t, r.Restoration, r.ID)
	}

	// Its guard killed as well: systemd takes it back all the same.
	quiet()
	s.exec("systemd-run", "--quiet", "--unit=drill-guard", "/usr/bin/recoveryd", "drill", "freeze", "--target", "workflow-mcp")
	s.eventually(20*time.Second, "frozen", func() bool { return strings.Contains(s.mainState(lab.WorkflowUnit), "T") })
	s.ctl("kill", "--kill-whom=all", "--signal=KILL", "recoveryd-drill-guard-*.service", "drill-guard.service")
	s.healthy(lab.WorkflowAddr, 20*time.Second)

	// Its time is over and nothing has cured it: it takes the fault back itself.
	quiet()
	r, err := s.Exec(t.Context(), "/usr/bin/recoveryd", "drill", "stop", "--target", "workflow-mcp", "--timeout", "5s")
	require.NoError(t, err)
	require.NotZero(t, r.Code, r.Stdout)
	require.Contains(t, r.Stdout, "start job for "+lab.WorkflowUnit)
	s.healthy(lab.WorkflowAddr, 20*time.Second)

	require.Empty(t, s.actions(), "recoveryd itself has done nothing in all this")
	require.Equal(t, "", strings.TrimSpace(s.exec("bash", "-c", "ls /var/lib/recoveryd-drills | grep restore || true")), "nothing waits to be taken back")
	require.Equal(t, "0", strings.TrimSpace(s.exec("bash", "-c", "systemctl list-units --no-legend --state=active 'recoveryd-drill-*' | wc -l")), "no guard and no filler is left")
	s.noPages()
	s.sameRun(s.pgUnit)
}
