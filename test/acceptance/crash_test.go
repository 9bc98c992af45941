package acceptance

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/test/lab"
)

func TestACrashedServerWithoutRestartPolicyIsStartedAtOnce(t *testing.T) {
	s := newStage(t, setting{})
	require.NoError(t, s.SignalMain(t.Context(), lab.CodebaseUnit, "KILL"))
	took := s.healthy(lab.CodebaseAddr, 10*time.Second)
	t.Logf("kill -9 to healthy: %s", took.Round(time.Millisecond))
	inc := s.closed(1, 20*time.Second)[0]
	require.Equal(t, "codebase-mcp", inc.Target)
	require.Equal(t, "down", inc.Class)
	require.Len(t, inc.Attempts, 1)
	require.Equal(t, "start", inc.Attempts[0].Verb)
	require.Equal(t, "verified", inc.Attempts[0].Verdict)
	s.sameRun(lab.WorkflowUnit, s.pgUnit)
	s.noPages()
	require.Len(t, s.pd.Changes(), 1, "the cure is told for the record")
}

func TestACrashedServerThatSystemdRestartsIsOnlyVerified(t *testing.T) {
	s := newStage(t, setting{files: map[string]lab.File{
		"/etc/systemd/system/codebase-mcp.service.d/restart.conf": {Content: "[Service]\nRestart=on-failure\nRestartSec=1s\n"}}})
	require.NoError(t, s.SignalMain(t.Context(), lab.CodebaseUnit, "KILL"))
	s.healthy(lab.CodebaseAddr, 10*time.Second)
	inc := s.closed(1, 20*time.Second)[0]
	require.Empty(t, inc.Attempts, "systemd's own restart is left alone")
	require.Empty(t, s.actions())
	require.Equal(t, "1", s.show(lab.CodebaseUnit, "NRestarts"))
	require.Contains(t, s.daemonLog(), "self-healing")
	s.noPages()
}

func TestAHungServerIsRestartedAndAWedgedOneCostsItsStopGraceAndNotSystemdsTimeout(t *testing.T) {
	s := newStage(t, setting{files: map[string]lab.File{
		"/etc/systemd/system/workflow-mcp.service.d/stop.conf": {Content: "[Service]\nTimeoutStopSec=90s\n"}}})
	require.NoError(t, s.Signal(t.Context(), lab.CodebaseUnit, "STOP"))
	took := s.healthy(lab.CodebaseAddr, 20*time.Second)
	t.Logf("SIGSTOP to healthy: %s (interval 2s, two timeouts of 1.5s)", took.Round(time.Millisecond))
	require.Equal(t, "hung", s.closed(1, 20*time.Second)[0].Class)

	require.NoError(t, s.Control(lab.WorkflowControl).Set(t.Context(), "wedge"))
	took = s.healthy(lab.WorkflowAddr, 25*time.Second)
	t.Logf("wedge to healthy: %s (and a stop grace of 1.5s)", took.Round(time.Millisecond))
	inc := s.closed(2, 20*time.Second)[1]
	require.Equal(t, "hung", inc.Class)
	require.Equal(t, "restart", inc.Attempts[0].Verb)
	require.Contains(t, inc.Attempts[0].Detail, "kill")
	s.sameRun(s.pgUnit)
	s.noPages()
}

func TestAServiceThatDiesAfterEachStartGetsBoundedAttemptsThenOnePageThenAResolve(t *testing.T) {
	s := newStage(t, setting{})
	faults := "/run/lab/faults/" + lab.CodebaseUnit
	require.NoError(t, s.WriteFile(faults, lab.File{Content: "crash?delay=300ms\n"}))
	require.NoError(t, s.SignalMain(t.Context(), lab.CodebaseUnit, "KILL"))
	s.eventually(90*time.Second, "one page", func() bool { return len(s.pages()) == 1 })
	attempts := len(s.incidents()[0].Attempts)
	require.LessOrEqual(t, attempts, 4)
	require.GreaterOrEqual(t, attempts, 2)
	s.never(8*time.Second, "another attempt or page", func() bool {
		return len(s.incidents()[0].Attempts) != attempts || len(s.pages()) != 1
	})
	require.NotContains(t, s.show(lab.CodebaseUnit, "Result"), "start-limit")
	require.False(t, strings.Contains(s.daemonLog(), "start-limit-hit"))
	require.Equal(t, "triggered", s.pages()[0].Status)

	require.NoError(t, s.WriteFile(faults, lab.File{Content: ""}))
	s.ctl("reset-failed", lab.CodebaseUnit)
	s.ctl("start", lab.CodebaseUnit)
	s.eventually(30*time.Second, "the page is resolved", func() bool { return s.pages()[0].Status == "resolved" })
	require.Equal(t, 1, s.pages()[0].Opened)
	s.sameRun(lab.WorkflowUnit, s.pgUnit)
}

func TestASlowStartIsNeverKilled(t *testing.T) {
	s := newStage(t, setting{files: map[string]lab.File{
		"/etc/systemd/system/codebase-mcp.service.d/slow.conf": {Content: "[Service]\nEnvironment=FAULTS=start-delay?delay=8s\n"}}})
	require.NoError(t, s.SignalMain(t.Context(), lab.CodebaseUnit, "KILL"))
	s.healthy(lab.CodebaseAddr, 30*time.Second)
	inc := s.closed(1, 30*time.Second)[0]
	require.Len(t, inc.Attempts, 1, "one start, and patience")
	s.noPages()
}
