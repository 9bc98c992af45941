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

// squatter listens on the port of codebase-mcp and answers nobody.
const squatter = `#!/usr/bin/perl
use IO::Socket::INET;
my $s = IO::Socket::INET->new(LocalAddr => "127.0.0.1", LocalPort => 8000, Listen => 5, ReuseAddr => 1) or die "bind: $!";
$| = 1; print "listening\n";
while (my $c = $s->accept) { close $c }
`

func TestAPortThatAStrangerHoldsIsPagedWithItsNameAndNobodyIsKilled(t *testing.T) {
	s := newStage(t, setting{files: map[string]lab.File{
		"/usr/local/bin/squatter":                 {Content: squatter, Mode: 0o755},
		"/etc/systemd/system/old-gateway.service": {Content: "[Service]\nUser=nobody\nExecStart=/usr/local/bin/squatter\n"},
	}})
	s.ctl("stop", "recoveryd.service") // so that the stranger is there first, whoever is quicker
	require.NoError(t, s.SignalMain(t.Context(), lab.CodebaseUnit, "KILL"))
	s.eventually(10*time.Second, "the port is free", func() bool { return s.show(lab.CodebaseUnit, "ActiveState") == "failed" })
	s.ctl("start", "old-gateway.service")
	run := s.show("old-gateway.service", "InvocationID")
	s.ctl("start", "recoveryd.service")

	s.eventually(20*time.Second, "diagnosed as port", func() bool { return s.target("codebase-mcp").Class == "port" })
	s.eventually(20*time.Second, "one page", func() bool { return len(s.pages()) == 1 })
	t.Log(s.target("codebase-mcp").Because)
	require.Contains(t, s.target("codebase-mcp").Because, "old-gateway.service", "who holds the port is named")
	s.never(8*time.Second, "an action", func() bool { return len(s.actions()) > 0 })
	require.Equal(t, run, s.show("old-gateway.service", "InvocationID"), "strangers are not killed")
	require.Equal(t, "active", s.show("old-gateway.service", "ActiveState"))

	// A person stops the stranger: now the service is simply down, and is started.
	s.ctl("stop", "old-gateway.service")
	s.healthy(lab.CodebaseAddr, 40*time.Second)
	s.eventually(30*time.Second, "the page is resolved", func() bool { return s.pages()[0].Status == "resolved" })
	s.sameRun(lab.WorkflowUnit, s.pgUnit)
}
