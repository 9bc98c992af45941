package acceptance

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/escalate/escalatetest"
	"github.com/recoveryd/recoveryd/test/lab"
)

// guarded is the usual configuration with one target that asks first, and small budgets.
func guarded() string {
	c := strings.Replace(config(), "  - name: codebase-mcp\n", "  - name: codebase-mcp\n    mode: propose\n", 1)
	return strings.Replace(c, "budgets:\n", "approval: {deadline: 4s}\nbudgets:\n  target: {actions: 2, window: 1h}\n", 1)
}

// TestTheGuardsOfANight is one boot with several guards, one after the other: a proposal that is
// allowed in time, one that is paged at its deadline, a budget that is used up, and the stop file
// through a restart of recoveryd.
func TestTheGuardsOfANight(t *testing.T) {
	s := newStage(t, setting{config: guarded()})
	say := func(args ...string) string {
		t.Helper()
		r, err := s.Exec(t.Context(), append([]string{"/usr/bin/recoveryd"}, args...)...)
		require.NoError(t, err)
		require.Zero(t, r.Code, r.Stderr)
		return r.Stdout
	}
	asked := func() string {
		t.Helper()
		require.NoError(t, s.SignalMain(t.Context(), lab.CodebaseUnit, "KILL"))
		s.eventually(10*time.Second, "it asks before it acts", func() bool { return s.target("codebase-mcp").Reason == "needs-approval" })
		return s.target("codebase-mcp").Incident
	}

	id := asked()
	require.Contains(t, say("explain", id), "nobody has said yes yet")
	say("approve", id, "--by", "alice")
	s.healthy(lab.CodebaseAddr, 10*time.Second)
	first := s.closed(1, 20*time.Second)[0]
	require.Equal(t, "verified", first.Attempts[0].Verdict)
	s.noPages()
	require.Contains(t, strings.Join(s.pd.Changes(), "\n"), "recoveryd proposes start: start codebase-mcp.service", "it was asked without waking anybody")

	id = asked()
	s.eventually(15*time.Second, "a page at the deadline", func() bool { return len(s.pages()) == 1 })
	page := s.pd.Log.Select(func(e escalatetest.Entry) bool { return e.Kind == "trigger" })[0]
	require.Contains(t, page.Body, "recoveryd approve "+id)
	require.Len(t, s.actions(), 1, "nothing was done without a yes")
	say("approve", id, "--by", "alice")
	s.healthy(lab.CodebaseAddr, 10*time.Second)
	s.closed(2, 20*time.Second)

	id = asked()
	say("approve", id, "--by", "alice")
	s.eventually(10*time.Second, "the budget holds it back", func() bool { return s.target("codebase-mcp").Reason == "target-budget" })
	s.eventually(10*time.Second, "and is paged", func() bool { return len(s.pages()) == 2 })
	require.Contains(t, say("status"), "target-budget")

	r, err := s.Exec(t.Context(), "/bin/sh", "-c", "echo 'change 4711, ask bob' > /etc/recoveryd/stop")
	require.NoError(t, err)
	require.Zero(t, r.Code, r.Stderr)
	require.NoError(t, s.SignalMain(t.Context(), lab.WorkflowUnit, "KILL"))
	s.eventually(10*time.Second, "held by the stop file", func() bool { return s.target("workflow-mcp").Reason == "stop-file" })
	s.ctl("restart", "recoveryd.service")
	s.eventually(10*time.Second, "still held after a restart of recoveryd", func() bool { return s.target("workflow-mcp").Reason == "stop-file" })
	require.Contains(t, say("status"), "stopped, nothing is done on this host: /etc/recoveryd/stop: change 4711, ask bob")
	require.Len(t, s.actions(), 2)
	r, err = s.Exec(t.Context(), "/bin/rm", "/etc/recoveryd/stop")
	require.NoError(t, err)
	require.Zero(t, r.Code, r.Stderr)
	s.healthy(lab.WorkflowAddr, 10*time.Second)
	require.Len(t, s.pages(), 2, "nobody is paged for a stop file")
}
