package acceptance

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/escalate/escalatetest"
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
	require.Regexp(t, `workload\.pid +`+pid+"\n", out, "of the process that was about to be killed")
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

func TestAFullDiskIsPagedOnceAndNothingIsRestartedForIt(t *testing.T) {
	conf := strings.Replace(config(), "    memory: {limit: 200MiB}\n", "    memory: {limit: 200MiB}\n    disks: [/srv/data]\n", 1)
	s := newStage(t, setting{config: conf, before: func(s *stage) {
		s.exec("mkdir", "-p", "/srv/data")
		s.exec("mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", "/srv/data")
	}})
	s.exec("dd", "if=/dev/zero", "of=/srv/data/fill", "bs=1M", "count=15", "status=none")
	s.exec("sh", "-c", "cat /dev/zero > /srv/data/rest || true")
	s.eventually(20*time.Second, "diagnosed as disk", func() bool { return s.target("codebase-mcp").Class == "disk" })
	s.eventually(30*time.Second, "one page", func() bool { return len(s.pages()) == 1 })
	entry := s.pd.Log.Select(func(e escalatetest.Entry) bool { return e.Kind == "trigger" })[0]
	require.Contains(t, entry.Body, "/srv/data: 100 % of its space is used")
	s.never(6*time.Second, "an action", func() bool { return len(s.actions()) > 0 })
	s.sameRun(lab.CodebaseUnit, lab.WorkflowUnit, s.pgUnit)
	s.exec("rm", "/srv/data/fill", "/srv/data/rest")
	s.eventually(40*time.Second, "the page is resolved", func() bool { return s.pages()[0].Status == "resolved" })
	require.Len(t, s.pages(), 1)
}

// upgrader holds the lock of Debian's package tools, as apt does from before it stops a service until
// after it has started it.
const upgrader = `#!/usr/bin/perl
use Fcntl;
open(my $f, "+>>", "/var/lib/dpkg/lock-frontend") or die "open: $!";
my $whole = pack("s s x4 q q l x4", F_WRLCK, 0, 0, 0, 0);
fcntl($f, F_SETLK, $whole) or die "lock: $!";
$| = 1; print "locked\n"; sleep 600;
`

func TestNothingIsActedOnWhilePackagesAreBeingUpgradedAndEverythingAfterwards(t *testing.T) {
	s := newStage(t, setting{files: map[string]lab.File{
		"/usr/local/bin/upgrader":                  {Content: upgrader, Mode: 0o755},
		"/etc/systemd/system/fake-upgrade.service": {Content: "[Service]\nExecStart=/usr/local/bin/upgrader\n"},
	}})
	s.ctl("start", "fake-upgrade.service")
	s.eventually(5*time.Second, "the lock is held", func() bool {
		out, err := s.Journal(t.Context(), "-u", "fake-upgrade.service", "-o", "cat")
		return err == nil && strings.Contains(out, "locked")
	})
	s.never(4*time.Second, "anything: the lock is noticed within three seconds", func() bool { return len(s.actions()) > 0 })
	require.NoError(t, s.SignalMain(t.Context(), lab.CodebaseUnit, "KILL"))
	s.eventually(15*time.Second, "held for the upgrade", func() bool { return s.target("codebase-mcp").Reason == "maintenance" })
	inc := s.incidents()
	require.Len(t, inc, 1)
	require.Equal(t, "maintenance", inc[0].Held)
	s.never(6*time.Second, "an action", func() bool { return len(s.actions()) > 0 })
	out, errOut, code := s.cli("explain", inc[0].ID)
	require.Zero(t, code, errOut)
	require.Regexp(t, `holds +maintenance: package-upgrade: (upgrader|perl)`, out)

	s.ctl("stop", "fake-upgrade.service")
	s.healthy(lab.CodebaseAddr, 20*time.Second)
	inc = s.closed(1, 30*time.Second)
	require.Equal(t, "start", inc[0].Attempts[0].Verb)
	s.noPages()
}

// overMCP is the configuration with the first server asked in its own protocol, and by a call of real
// work.
func overMCP() string {
	conf := strings.Replace(config(), `health: [{url: "http://127.0.0.1:8000/health/status", timeout: 1500ms}]`,
		`health: [{type: mcp, url: "http://127.0.0.1:8000/mcp", timeout: 1500ms}]
    synthetic: [{name: search, type: mcp, url: "http://127.0.0.1:8000/mcp", tool: search, arguments: {query: recoveryd}, timeout: 1500ms, every: 2s}]`, 1)
	return conf + "alerts:\n  - {alertname: PoolNearlyFull, target_label: service, class: pool}\n"
}

func TestAnMCPServerIsJudgedByItsResourceAndItsTools(t *testing.T) {
	s := newStage(t, setting{config: overMCP()})
	s.eventually(10*time.Second, "healthy over MCP", func() bool { return s.target("codebase-mcp").Verdict == "healthy" })
	s.eventually(10*time.Second, "a call of real work succeeds", func() bool {
		return strings.Contains(s.target("codebase-mcp").Because, "a call of real work succeeds")
	})
	require.Contains(t, s.target("codebase-mcp").Because, " of 30 in use", "the numbers come from the resource")

	// An alert from outside is shown, and nothing is done about it.
	webhook, err := os.ReadFile("../../internal/alerts/testdata/firing.json")
	require.NoError(t, err)
	resp, err := s.HTTPClient().Post("http://"+apiAddr+"/api/v1/alerts", "application/json", strings.NewReader(string(webhook)))
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, 200, resp.StatusCode)
	s.eventually(10*time.Second, "the alert is shown", func() bool {
		return strings.Contains(s.target("codebase-mcp").Because, "an outside alert fires: PoolNearlyFull (pool)")
	})
	require.Equal(t, "healthy", s.target("codebase-mcp").Verdict)

	// Its pool is full: it says so slowly, over MCP, and PostgreSQL agrees.
	require.NoError(t, s.Control(lab.CodebaseControl).Set(t.Context(), "pool-leak", "count=30", "mode=idle"))
	s.eventually(20*time.Second, "diagnosed as pool", func() bool { return s.target("codebase-mcp").Class == "pool" })
	require.Contains(t, s.target("codebase-mcp").Because, "an outside alert fires: PoolNearlyFull (pool)", "the alert agrees")
	inc := s.closed(1, 60*time.Second)[0]
	require.Equal(t, "pg.terminate-idle", inc.Attempts[0].Verb)
	s.sameRun(s.pgUnit, lab.WorkflowUnit)

	// It is frozen: no reply on an accepted connection, from a process that systemd sees running.
	require.NoError(t, s.SignalMain(t.Context(), lab.CodebaseUnit, "STOP"))
	s.healthy(lab.CodebaseAddr, 60*time.Second)
	inc = s.closed(2, 60*time.Second)[1]
	require.Equal(t, "hung", inc.Class)
	require.Equal(t, "restart", inc.Attempts[len(inc.Attempts)-1].Verb)
	require.Equal(t, "verified", inc.Attempts[len(inc.Attempts)-1].Verdict, "over a session of its own with the new process")
	s.noPages()
}

func TestAFailingCallOfRealWorkIsTheSecondWitnessOfAServiceThatCallsItselfUnhealthy(t *testing.T) {
	conf := strings.Replace(config(), "    memory: {limit: 200MiB}\n",
		`    memory: {limit: 200MiB}
    synthetic: [{name: search, url: "http://127.0.0.1:8000/search", body: '{"query": "recoveryd"}', match: '"results"', timeout: 900ms, every: 1s}]
`, 1)
	s := newStage(t, setting{config: conf})
	s.eventually(10*time.Second, "a call of real work succeeds", func() bool {
		return strings.Contains(s.target("codebase-mcp").Because, "a call of real work succeeds")
	})
	require.NoError(t, s.Control(lab.CodebaseControl).Set(t.Context(), "status", "value=unhealthy"))
	s.eventually(20*time.Second, "held for want of a second witness", func() bool { return s.target("codebase-mcp").Reason == "one-witness" })
	s.never(4*time.Second, "an action", func() bool { return len(s.actions()) > 0 })
	require.NoError(t, s.Control(lab.CodebaseControl).Set(t.Context(), "reply", "kind=server-error", "path=/search"))
	inc := s.closed(1, 60*time.Second)[0]
	require.Equal(t, "unknown", inc.Class)
	require.Equal(t, "restart", inc.Attempts[0].Verb)
	require.Equal(t, "verified", inc.Attempts[0].Verdict)
	s.sameRun(s.pgUnit, lab.WorkflowUnit)
}
