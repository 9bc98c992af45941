package acceptance

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/test/lab"
)

func TestAnOperatorsStopRestartAndMaskAreNeverTouchedAndSaidSo(t *testing.T) {
	s := newStage(t, setting{})

	s.ctl("stop", lab.CodebaseUnit)
	s.eventually(10*time.Second, "held for the operator", func() bool {
		v := s.target("codebase-mcp")
		return v.Phase == "held" && v.Reason == "operator-intent"
	})
	s.never(10*time.Second, "the stopped unit is started", func() bool { return s.show(lab.CodebaseUnit, "ActiveState") != "inactive" })
	require.Contains(t, s.daemonLog(), "a person stopped the unit")
	s.ctl("start", lab.CodebaseUnit)
	s.healthy(lab.CodebaseAddr, 10*time.Second)
	s.eventually(15*time.Second, "watching again", func() bool { return s.target("codebase-mcp").Phase == "watching" })
	s.runs[lab.CodebaseUnit] = s.show(lab.CodebaseUnit, "InvocationID")

	s.ctl("restart", lab.WorkflowUnit)
	s.runs[lab.WorkflowUnit] = s.show(lab.WorkflowUnit, "InvocationID")
	s.healthy(lab.WorkflowAddr, 10*time.Second)
	s.never(4*time.Second, "an action after a person's restart", func() bool { return len(s.actions()) > 0 })

	s.ctl("stop", lab.WorkflowUnit)
	s.ctl("mask", "--runtime", lab.WorkflowUnit)
	s.never(6*time.Second, "an action on a masked unit", func() bool { return len(s.actions()) > 0 })
	s.sameRun(lab.CodebaseUnit, s.pgUnit)
	s.noPages()
}

func TestWhatAnOperatorStoppedWhileRecoverydWasNotRunningIsLeftAlone(t *testing.T) {
	s := newStage(t, setting{})
	s.ctl("stop", "recoveryd.service")
	s.ctl("stop", lab.WorkflowUnit)
	// systemd forgets a stopped unit that nothing starts at boot: only that it is disabled is left to see.
	s.ctl("disable", "--now", lab.CodebaseUnit)
	require.Equal(t, "0", s.show(lab.CodebaseUnit, "InactiveExitTimestampMonotonic"), "it was unloaded")
	s.ctl("start", "recoveryd.service")
	s.eventually(10*time.Second, "held for the operator", func() bool {
		return s.target("workflow-mcp").Reason == "operator-intent" && s.target("codebase-mcp").Reason == "operator-intent"
	})
	// Whether a person stopped it or it was never started cannot be told any more: neither is claimed.
	require.Contains(t, s.target("codebase-mcp").Because, "nothing asks for it to run")
	require.Contains(t, s.target("workflow-mcp").Because, "stopped by a person")
	s.never(6*time.Second, "an action", func() bool { return len(s.actions()) > 0 })
	s.noPages()
}

func TestAPersonsHoldIsObeyedAndEndsWhenReleased(t *testing.T) {
	s := newStage(t, setting{})
	say := func(args ...string) string {
		t.Helper()
		r, err := s.Exec(t.Context(), append([]string{"/usr/bin/recoveryd"}, args...)...)
		require.NoError(t, err)
		require.Zero(t, r.Code, r.Stderr)
		return r.Stdout
	}
	require.Contains(t, say("hold", "codebase-mcp", "--for", "1h", "--why", "debugging", "--by", "alice"), "alice")
	require.NoError(t, s.SignalMain(t.Context(), lab.CodebaseUnit, "KILL"))
	s.eventually(10*time.Second, "held by command", func() bool { return s.target("codebase-mcp").Reason == "hold" })
	s.never(5*time.Second, "an action on a held target", func() bool { return len(s.actions()) > 0 })
	s.ctl("restart", "recoveryd.service")
	s.eventually(10*time.Second, "still held after a restart of recoveryd", func() bool { return s.target("codebase-mcp").Reason == "hold" })
	say("release", "codebase-mcp")
	s.healthy(lab.CodebaseAddr, 10*time.Second)

	r, err := s.ExecAs(t.Context(), "mcp", "/usr/bin/recoveryd", "--socket", "/run/recoveryd/control.sock", "pause")
	require.NoError(t, err)
	require.NotZero(t, r.Code, "another user may not command recoveryd")
}
