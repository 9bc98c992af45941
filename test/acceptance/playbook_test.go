package acceptance

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/test/lab"
)

// playbookConfig is the usual configuration with the runbook's full system recovery. The code server
// is acted on only when a person wants it.
func playbookConfig() string {
	c := strings.Replace(config(), `    memory: {limit: 200MiB}
`, `    memory: {limit: 200MiB}
    mode: propose
    caches: [/var/cache/mcp/codebase]
    synthetic: [{name: search, url: "http://127.0.0.1:8000/search", body: '{"query": "recoveryd"}', match: '"results"', timeout: 900ms, every: 1h}]
`, 1)
	return c + `
playbooks:
  - name: full-recovery
    description: stop both servers, clear their caches, ensure the database, start them in order and try them
    timeout: 2m
    steps:
      - {do: check, disk: /var/lib/postgresql, free: 1MiB}
      - {do: stop, targets: [codebase-mcp, workflow-mcp]}
      - {do: clean, directories: [/var/cache/mcp]}
      - {do: command, name: say so, command: [/bin/echo, caches are cleared], repeatable: true}
      - {do: ensure, targets: [postgres]}
      - {do: start, targets: [workflow-mcp]}
      - {do: wait, targets: [workflow-mcp]}
      - {do: start, targets: [codebase-mcp]}
      - {do: wait, targets: [codebase-mcp]}
      - {do: smoke, targets: [codebase-mcp]}
  - name: dangerous
    steps:
      - {do: command, command: [/bin/false], approval: required}
`
}

func TestTheFullRecoveryOfTheRunbookAndACacheClean(t *testing.T) {
	s := newStage(t, setting{config: playbookConfig(), files: map[string]lab.File{
		"/etc/systemd/system/recoveryd.service.d/50-caches.conf": {Content: "[Service]\nReadWritePaths=/var/cache/mcp\n"},
		"/etc/tmpfiles.d/mcp-cache.conf": {Content: "d /var/cache/mcp 0755 recoveryd recoveryd -\nd /var/cache/mcp/codebase 0755 recoveryd recoveryd -\n" +
			"f /var/cache/mcp/index 0644 recoveryd recoveryd - stale\nL /var/cache/mcp/link - - - - /etc/recoveryd\n"},
	}})
	say := func(code int, args ...string) string {
		t.Helper()
		r, err := s.Exec(t.Context(), append([]string{"/usr/bin/recoveryd"}, args...)...)
		require.NoError(t, err)
		require.Equal(t, code, r.Code, "%v: %s%s", args, r.Stdout, r.Stderr)
		t.Logf("$ recoveryd %s\n%s%s", strings.Join(args, " "), r.Stdout, r.Stderr)
		return r.Stdout + r.Stderr
	}
	in := func(args ...string) string {
		t.Helper()
		r, err := s.Exec(t.Context(), args...)
		require.NoError(t, err)
		return r.Stdout + r.Stderr
	}

	// What must be refused, and what it would do.
	require.Contains(t, say(0, "playbook", "list"), "dangerous  1 steps, needs approval")
	say(0, "playbook", "show", "full-recovery")
	require.Contains(t, say(1, "playbook", "run", "full-recovry"), "there are full-recovery, dangerous")
	say(0, "hold", "workflow-mcp", "--why", "being looked at")
	require.Contains(t, say(1, "playbook", "run", "full-recovery"), "workflow-mcp: held by")
	say(0, "release", "workflow-mcp")
	require.Contains(t, say(0, "playbook", "run", "full-recovery", "--dry-run"), "nothing is done")
	require.Empty(t, s.actions())

	// A person has stopped the database; the playbook brings it back. The daemon is killed in the middle.
	s.ctl("stop", s.pgUnit)
	s.eventually(10*time.Second, "held for the operator", func() bool { return s.target("postgres").Reason == "operator-intent" })
	var begun struct{ Run struct{ ID string } }
	require.NoError(t, json.Unmarshal([]byte(say(0, "playbook", "run", "full-recovery", "--detach", "-o", "json")), &begun))
	id := begun.Run.ID
	s.eventually(20*time.Second, "the servers are stopped", func() bool { return s.show(lab.WorkflowUnit, "ActiveState") == "inactive" })
	s.ctl("kill", "--signal=KILL", "recoveryd.service")
	var run struct {
		Outcome string
		Log     []struct {
			Name, Result, Detail string
			Tries                int
		}
	}
	s.eventually(60*time.Second, "the run is over", func() bool {
		return s.get("/api/v1/playbooks/runs/"+id, &run) == nil && run.Outcome != ""
	})
	told := say(0, "playbook", "status", id)
	require.Equal(t, "playbook-done", run.Outcome, told)
	require.Len(t, run.Log, 11)
	require.Contains(t, told, "clean /var/cache/mcp: done", "whenever it was killed; what is left of it is looked at below")
	require.Contains(t, say(0, "explain", id), "decisions")
	s.healthy(lab.CodebaseAddr, 10*time.Second)
	s.healthy(lab.WorkflowAddr, 10*time.Second)
	require.Equal(t, "active", s.show(s.pgUnit, "ActiveState"))
	require.Less(t, s.show(lab.WorkflowUnit, "ActiveEnterTimestampMonotonic"), s.show(lab.CodebaseUnit, "ActiveEnterTimestampMonotonic"), "workflow first")
	require.Empty(t, in("/bin/ls", "-A", "/var/cache/mcp"), "emptied, the link in it too")
	require.Contains(t, in("/bin/ls", "/etc/recoveryd"), "recoveryd.yaml", "what the link pointed to is as it was")
	s.noPages()

	// A playbook that needs approval waits for it, is approved, fails, and says so.
	say(0, "playbook", "run", "dangerous")
	var now struct{ Run struct{ ID, Stage string } }
	require.NoError(t, s.get("/api/v1/playbooks", &now))
	require.Equal(t, "approval", now.Run.Stage)
	say(0, "playbook", "approve", now.Run.ID, "--by", "bob")
	s.eventually(10*time.Second, "the run is over", func() bool {
		return s.get("/api/v1/playbooks/runs/"+now.Run.ID, &run) == nil && run.Outcome == "playbook-failed"
	})
	require.Contains(t, say(0, "playbook", "status", now.Run.ID), "exit status 1")

	// One rung that a person asks for: clean the cache, then start.
	in("/usr/bin/install", "-d", "-o", "recoveryd", "-g", "recoveryd", "/var/cache/mcp/codebase")
	in("/usr/bin/install", "-o", "recoveryd", "-g", "recoveryd", "/etc/hostname", "/var/cache/mcp/codebase/stale")
	require.Contains(t, say(1, "recover", "codebase-mcp"), "nothing is known to be wrong with it")
	require.NoError(t, s.SignalMain(t.Context(), lab.CodebaseUnit, "KILL"))
	s.eventually(10*time.Second, "held for approval", func() bool { return s.target("codebase-mcp").Reason == "needs-approval" })
	require.Contains(t, say(0, "recover", "codebase-mcp", "--strategy", "clean-start", "--dry-run"), "cache.clean /var/cache/mcp/codebase")
	say(0, "recover", "codebase-mcp", "--strategy", "clean-start")
	s.healthy(lab.CodebaseAddr, 20*time.Second)
	require.Empty(t, in("/bin/ls", "-A", "/var/cache/mcp/codebase"))
	s.eventually(15*time.Second, "watching again", func() bool { return s.target("codebase-mcp").Phase == "watching" })
	list := s.incidents()
	last := list[len(list)-1]
	require.Equal(t, "clean-start", last.Attempts[0].Strategy)
	require.Contains(t, last.Attempts[0].Detail, "removed 1 files")
	require.Equal(t, "verified", last.Attempts[len(last.Attempts)-1].Verdict)
}
