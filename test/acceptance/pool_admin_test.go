package acceptance

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/test/lab"
)

// poolAdmin is the usual configuration with a server that can change the size of its pool while it runs.
func poolAdmin(ladder string) string {
	c := strings.NewReplacer(
		"idle_after: 2s, long_after: 30s", `admin_url: "http://`+lab.CodebaseAddr+`/admin/pool/resize", cap: 45, idle_after: 2s, long_after: 30s, quiet: 4s`,
		"initial: 20, cap: 40, ", "",
		"probation: 4s", "probation: 2s", "interval: 2s", "interval: 1600ms",
		"  backoff: {initial: 2s, factor: 2, max: 10s}", "  target: {actions: 50, window: 1h}\n  backoff: {initial: 1s, factor: 1.1, max: 2s}",
	).Replace(config())
	return strings.Replace(c, "budgets:\n", "classes:\n  - {class: pool, looks: 2, clear: 2s, ladder: ["+ladder+"]}\nbudgets:\n", 1)
}

// TestAPoolIsEnlargedThroughTheServicesOwnInterface is one boot: a pool that is too small is enlarged
// while the server runs and becomes what it was when that is not needed any more; a larger pool that did
// not help is taken back; and an interface that fails or refuses changes nothing and bars no other rung.
func TestAPoolIsEnlargedThroughTheServicesOwnInterface(t *testing.T) {
	s := newStage(t, setting{config: poolAdmin("resize-pool"), files: map[string]lab.File{
		"/etc/systemd/system/" + lab.CodebaseUnit + ".d/20-admin.conf": {Content: "[Service]\nExecStart=\nExecStart=/opt/lab/bin/mcp-target -addr " + lab.CodebaseAddr + " -control " + lab.CodebaseControl + " -admin\n"},
	}})
	faults := s.Control(lab.CodebaseControl)
	pid := s.show(lab.CodebaseUnit, "MainPID")
	poolMax := func() int {
		h, err := s.Health(t.Context(), lab.CodebaseAddr)
		if err != nil {
			return 0
		}
		return h.Pool.Max
	}
	verbs := func(i incidentView) (out []string) {
		for _, a := range i.Attempts {
			out = append(out, a.Verb+" "+a.Verdict)
		}
		return out
	}
	untouched := func() {
		t.Helper()
		s.sameRun(lab.CodebaseUnit, lab.WorkflowUnit, s.pgUnit)
		require.Equal(t, pid, s.show(lab.CodebaseUnit, "MainPID"), "the same process all the while")
		for _, a := range s.actions() {
			require.Contains(t, a, "http.pool-resize", "nothing is done to a unit or to its environment file")
		}
	}
	latest := func(n int) (i incidentView) {
		if list := s.incidents(); len(list) >= n {
			i = list[n-1]
		}
		return i
	}
	require.Equal(t, 30, poolMax())

	// It is too small: 30 transactions at work. The cap allows 45.
	require.NoError(t, faults.Set(t.Context(), "pool-leak", "count=30", "mode=active"))
	helped := s.closed(1, 60*time.Second)[0]
	require.Equal(t, "pool", helped.Class)
	require.Equal(t, []string{"http.pool-resize verified"}, verbs(helped))
	h, err := s.Health(t.Context(), lab.CodebaseAddr)
	require.NoError(t, err)
	require.Equal(t, 45, h.Pool.Max)
	require.Equal(t, 30, h.Pool.Size-h.Pool.Free, "whoever works goes on working")
	require.Contains(t, s.says("status").Stdout, "max_size=45")
	require.Contains(t, s.says("status").Stdout, "(before: 30)")
	untouched()
	s.noPages()

	// It is not needed any more: in steps, and never below what it was.
	require.NoError(t, faults.Clear(t.Context(), "pool-leak"))
	s.eventually(40*time.Second, "the size goes back", func() bool { return poolMax() == 30 })
	s.eventually(10*time.Second, "nothing is changed any more", func() bool { return !strings.Contains(s.says("status").Stdout, "(before: 30)") })
	untouched()
	require.Len(t, s.incidents(), 1)

	// A larger pool does not help: everybody waits for one lock, and more are waiting outside.
	locked, unlock := context.WithCancel(t.Context())
	defer unlock()
	go func() {
		_, _ = s.Exec(locked, "runuser", "-u", "postgres", "--", "env", "PGAPPNAME=somebody", "psql", "-X", "-q", "-d", "codebase_mcp",
			"-c", "BEGIN", "-c", "LOCK TABLE documents IN ACCESS EXCLUSIVE MODE", "-c", "SELECT pg_sleep(300)")
	}()
	s.eventually(20*time.Second, "the table is locked", func() bool {
		n, err := s.SQL(t.Context(), "codebase_mcp", "SELECT count(*) FROM pg_locks WHERE relation = 'documents'::regclass AND mode = 'AccessExclusiveLock' AND granted")
		return err == nil && n == "1"
	})
	clients, leave := context.WithCancel(t.Context())
	defer leave()
	for range 60 {
		go func() {
			for clients.Err() == nil {
				req, err := http.NewRequestWithContext(clients, http.MethodPost, "http://"+lab.CodebaseAddr+"/documents", strings.NewReader(`{"title":"a","body":"b"}`))
				if err != nil {
					return
				}
				if resp, err := s.HTTPClient().Do(req); err == nil {
					_ = resp.Body.Close()
				}
			}
		}()
	}
	s.eventually(90*time.Second, "enlarged, and taken back", func() bool {
		i := latest(2)
		return len(i.Attempts) == 2 && i.Attempts[1].Result != ""
	})
	vain := latest(2)
	require.Equal(t, "pool", vain.Class)
	require.Len(t, vain.Attempts, 2, "%v", verbs(vain))
	require.Contains(t, vain.Attempts[0].Action, "max_size=45")
	require.Contains(t, vain.Attempts[1].Action, "max_size=30")
	require.True(t, vain.Attempts[1].Undo)
	require.Equal(t, "done", vain.Attempts[1].Result)
	require.Equal(t, 30, poolMax())
	untouched()
	_, err = s.SQL(t.Context(), "postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'somebody'")
	require.NoError(t, err)
	leave()
	s.closed(2, 60*time.Second)

	// Its interface fails: nothing was changed, so nothing is taken back.
	require.NoError(t, faults.Set(t.Context(), "reply", "kind=server-error", "path=/admin"))
	require.NoError(t, faults.Set(t.Context(), "pool-leak", "count=30", "mode=active"))
	s.eventually(60*time.Second, "told", func() bool { return len(s.incidents()) == 3 && s.target("codebase-mcp").Reason == "ladder-ended" })
	failed := latest(3)
	require.Len(t, failed.Attempts, 1, "%v", verbs(failed))
	require.Equal(t, "failed", failed.Attempts[0].Result)
	require.Contains(t, failed.Attempts[0].Detail, "HTTP 500")
	require.Equal(t, 30, poolMax())
	untouched()
	require.NoError(t, faults.Clear(t.Context(), "pool-leak"))
	s.closed(3, 60*time.Second)
	pages := len(s.pages())

	// Its interface refuses: the next rung, which needs a new process, is taken.
	require.NoError(t, s.WriteFile("/etc/recoveryd/recoveryd.yaml", lab.File{Content: poolAdmin("resize-pool, grow-pool"), Mode: 0o640, GID: lab.UIDRecoveryd}))
	s.ctl("reload", "recoveryd.service")
	s.eventually(15*time.Second, "reloaded", func() bool { return strings.Contains(s.daemonLog(), "configuration reloaded") })
	require.NoError(t, faults.Set(t.Context(), "reply", "kind=forbidden", "path=/admin"))
	require.NoError(t, faults.Set(t.Context(), "pool-leak", "count=30", "mode=active"))
	refused := s.closed(4, 90*time.Second)[3]
	require.Len(t, refused.Attempts, 3, "%v", verbs(refused))
	require.Contains(t, refused.Attempts[0].Detail, "HTTP 403")
	require.Equal(t, "set-env", refused.Attempts[1].Verb)
	require.Equal(t, "restart verified", verbs(refused)[2])
	require.NotEqual(t, pid, s.show(lab.CodebaseUnit, "MainPID"))
	s.sameRun(s.pgUnit, lab.WorkflowUnit)
	require.Len(t, s.pages(), pages, "it was cured, so nobody is woken")
}
