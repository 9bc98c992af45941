package acceptance

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/test/lab"
)

// cli runs a verb of recoveryd in the lab as the daemon's own user, and returns what it printed and
// its exit code.
func (s *stage) cli(args ...string) (stdout, stderr string, code int) {
	s.t.Helper()
	r, err := s.ExecAs(s.t.Context(), "recoveryd", append([]string{"/usr/bin/recoveryd"}, args...)...)
	require.NoError(s.t, err)
	return r.Stdout, r.Stderr, r.Code
}

func TestEvidenceOfTheOldProcessIsKeptBeforeAHungServerIsRestarted(t *testing.T) {
	conf := strings.Replace(config(), "    memory: {limit: 200MiB}\n",
		"    memory: {limit: 200MiB}\n    collector: {command: [/usr/local/bin/dump, --all], timeout: 300ms}\n", 1)
	s := newStage(t, setting{config: conf, files: map[string]lab.File{
		"/etc/recoveryd/careful.yaml": {Content: conf + "mode: observe\n", Mode: 0o640, GID: lab.UIDRecoveryd},
		"/usr/local/bin/dump":         {Mode: 0o755, Content: "#!/bin/sh\necho \"dump of $RECOVERYD_PID for $RECOVERYD_INCIDENT\"\necho DATABASE_URL=postgres://mcp_user:mcp_lab@db/x\nexec sleep 60\n"},
	}})
	pid := s.show(lab.CodebaseUnit, "MainPID")
	require.NoError(t, s.SignalMain(t.Context(), lab.CodebaseUnit, "STOP"))
	s.healthy(lab.CodebaseAddr, 60*time.Second)
	inc := s.closed(1, 60*time.Second)[0]
	require.Equal(t, "hung", inc.Class)

	out, errOut, code := s.cli("evidence", inc.ID)
	t.Logf("%s%s", out, errOut)
	require.Zero(t, code, errOut)
	require.Contains(t, out, "unit.main_pid            "+pid, "of the process that was about to be killed")
	require.Contains(t, out, "dump of "+pid+" for "+inc.ID)
	require.Contains(t, out, "(dump was killed: it had not ended after 300ms)")
	require.Contains(t, out, "DATABASE_URL=postgres://<secret>@db/x")
	require.NotContains(t, out, "mcp_lab")
	require.Contains(t, out, "<- main process of codebase-mcp")
	require.Regexp(t, `127\.0\.0\.1:8000 .*established`, out)
	require.Regexp(t, `codebase-mcp +idle`, out, "a sample of the sessions")
	require.Contains(t, out, "Started codebase-mcp.service", "the end of the unit's log")
	s.noPages()

	out, errOut, code = s.cli("explain", inc.ID)
	t.Logf("%s%s", out, errOut)
	require.Zero(t, code)
	require.Contains(t, out, "rule        bad confirmed rung, unless masked held page-first")
	require.Contains(t, out, "see: recoveryd evidence "+inc.ID)

	out, errOut, code = s.cli("replay", inc.ID)
	t.Logf("%s%s", out, errOut)
	require.Zero(t, code)
	require.Regexp(t, `all \d+ decisions stay the same; \d+ events, recorded under the same configuration`, out)
	out, errOut, code = s.cli("replay", inc.ID, "--config", "/etc/recoveryd/careful.yaml")
	t.Logf("%s%s", out, errOut)
	require.Equal(t, 1, code)
	require.Contains(t, out, "observe-mode")
}
