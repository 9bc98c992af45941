package acceptance

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/internal/setup"
	"github.com/recoveryd/recoveryd/test/lab"
	"github.com/recoveryd/recoveryd/test/lab/labtest"
)

const everythingUnit = "everything.service"

// TestTheReferenceServerIsHealthyKilledHungAndCured watches the official "everything" server of MCP: a real program without a
// health resource, that nobody here wrote. It is judged by initialize, ping and tools/list; killed it is started, stopped by a
// signal it is restarted, and each cure is verified and closed.
func TestTheReferenceServerIsHealthyKilledHungAndCured(t *testing.T) {
	programs := labtest.MCPServer(t)
	s := newStage(t, setting{programs: programs, config: `
version: 1
host: lab
probation: 4s
http: {listen: "` + apiAddr + `"}
targets:
  - name: everything
    kind: service
    unit: ` + everythingUnit + `
    interval: 4s
    start_grace: 30s
    stop_grace: 1500ms
    health: [{type: mcp, url: "http://127.0.0.1:3901/mcp", timeout: 2s}]
    synthetic: [{name: echo, type: mcp, url: "http://127.0.0.1:3901/mcp", tool: echo, arguments: {message: hello}, match: hello, every: 5s, timeout: 2s}]
budgets:
  backoff: {initial: 1s, factor: 2, max: 5s}
notifiers:
  - {name: pagerduty, type: pagerduty, routing_key_file: /etc/recoveryd/pagerduty.key, endpoint: "http://` + pdAddr + `"}
`, files: map[string]lab.File{
		"/etc/systemd/system/" + everythingUnit: {Content: "[Service]\nUser=mcp\nEnvironment=PORT=3901\nExecStart=" +
			lab.ProgramsDir + "/node " + lab.ProgramsDir + "/" + labtest.EverythingMain + " streamableHttp\n"},
	}, before: func(s *stage) {
		s.ctl("start", everythingUnit)
		s.exec("rm", setup.PolkitRule)
		r := s.says("setup", "--apply", "--yes")
		require.Zero(s.t, r.Code, r.Stdout+r.Stderr)
	}})
	well := func(limit time.Duration) {
		t.Helper()
		s.eventually(limit, "everything is healthy", func() bool { return s.target("everything").Verdict == "healthy" })
	}
	well(30 * time.Second)
	require.Contains(t, s.target("everything").Because, "no resource health://status")
	require.Contains(t, s.daemonLog(), "it has no resource health://status", "one line at start")

	run := s.show(everythingUnit, "InvocationID")
	require.NoError(t, s.SignalMain(t.Context(), everythingUnit, "KILL"))
	killed := s.closed(1, 60*time.Second)[0]
	require.Equal(t, "down", killed.Class)
	require.NotEmpty(t, killed.Attempts)
	require.Equal(t, "verified", killed.Attempts[len(killed.Attempts)-1].Verdict, "%+v", killed)
	require.NotEqual(t, run, s.show(everythingUnit, "InvocationID"))

	well(30 * time.Second)
	run = s.show(everythingUnit, "InvocationID")
	require.NoError(t, s.SignalMain(t.Context(), everythingUnit, "STOP"))
	hung := s.closed(2, 90*time.Second)[1]
	require.Equal(t, "hung", hung.Class)
	require.Equal(t, "verified", hung.Attempts[len(hung.Attempts)-1].Verdict, "%+v", hung)
	require.NotEqual(t, run, s.show(everythingUnit, "InvocationID"))
	well(30 * time.Second)
	for _, p := range s.pages() {
		require.True(t, p.Status == "resolved", "%+v", p)
	}
}
