package acceptance

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/test/lab"
)

func TestABadConfigurationIsRefusedAtStartWithExitCode2AndAtReloadWithTheOldOneInForce(t *testing.T) {
	s := newStage(t, setting{})
	bad := strings.Replace(config(), "unit: codebase-mcp.service", "unitt: codebase-mcp.service", 1)
	bad = strings.Replace(bad, "interval: 3s", "interval: soon", 1)
	require.NoError(t, s.WriteFile("/etc/recoveryd/recoveryd.yaml", lab.File{Content: bad, Mode: 0o640, GID: lab.UIDRecoveryd}))
	refused, err := s.Exec(t.Context(), "systemctl", "reload", "recoveryd.service")
	require.NoError(t, err)
	require.NotZero(t, refused.Code, "whoever reloads is told")
	s.eventually(10*time.Second, "the refusal is logged", func() bool { return strings.Contains(s.daemonLog(), "reload refused") })
	require.Contains(t, s.daemonLog(), "did you mean")
	require.Contains(t, s.show("recoveryd.service", "StatusText"), "old configuration stays in force")
	require.Len(t, s.targets(), 3)
	require.NoError(t, s.SignalMain(t.Context(), lab.WorkflowUnit, "KILL"))
	s.healthy(lab.WorkflowAddr, 10*time.Second)

	r, err := s.Exec(t.Context(), "/usr/bin/recoveryd", "validate", "--config", "/etc/recoveryd/recoveryd.yaml")
	require.NoError(t, err)
	require.Equal(t, 2, r.Code)
	require.Contains(t, r.Stderr, "unitt")
	require.Contains(t, r.Stderr, "interval")
	_, err = s.Systemctl(t.Context(), "restart", "recoveryd.service")
	require.NoError(t, err)
	require.Equal(t, "2", s.show("recoveryd.service", "ExecMainStatus"))
	require.Equal(t, "failed", s.show("recoveryd.service", "ActiveState"), "not restarted: starting again cannot help")
}

func TestAReloadTakesANewTargetWithoutARestart(t *testing.T) {
	s := newStage(t, setting{})
	pid := s.show("recoveryd.service", "MainPID")
	more := strings.Replace(config(), "budgets:\n", "  - {name: third, kind: service, unit: victim@8100.service, interval: 2s, health: [{url: \"http://127.0.0.1:8100/health/status\", timeout: 1500ms}]}\nbudgets:\n", 1)
	s.ctl("start", "victim@8100.service")
	require.NoError(t, s.WriteFile("/etc/recoveryd/recoveryd.yaml", lab.File{Content: more, Mode: 0o640, GID: lab.UIDRecoveryd}))
	s.ctl("reload", "recoveryd.service")
	s.eventually(10*time.Second, "the new target is watched", func() bool { return s.target("third").Verdict == "healthy" })
	require.Equal(t, pid, s.show("recoveryd.service", "MainPID"))
}

func TestAnActionThatTheHostRefusesIsPagedAtOnceAndNotTriedAgain(t *testing.T) {
	s := newStage(t, setting{files: map[string]lab.File{
		"/etc/polkit-1/rules.d/50-recoveryd.rules": {Content: "// nothing is allowed\n"}}})
	require.NoError(t, s.SignalMain(t.Context(), lab.CodebaseUnit, "KILL"))
	s.eventually(20*time.Second, "one page", func() bool { return len(s.pages()) == 1 })
	require.Contains(t, s.pd.Log.Entries()[0].Body, "polkit")
	s.never(8*time.Second, "another attempt", func() bool { return len(s.actions()) > 1 })
}

func TestAUnitThatDoesNotExistIsPagedAsMisconfigured(t *testing.T) {
	s := newStage(t, setting{config: strings.Replace(config(), "unit: codebase-mcp.service", "unit: codebase-mpc.service", 1),
		before: func(s *stage) { s.ctl("stop", lab.CodebaseUnit) }})
	s.eventually(40*time.Second, "one page", func() bool { return len(s.pages()) == 1 })
	require.Contains(t, s.pd.Log.Entries()[0].Body, "codebase-mpc.service does not exist")
	require.Empty(t, s.actions())
}

func TestWithoutDBusNothingIsActedOnAndRecoverydGoesOnWhenItIsBack(t *testing.T) {
	s := newStage(t, setting{})
	s.ctl("stop", "dbus.socket", "dbus.service")
	s.never(10*time.Second, "an action without knowing the units", func() bool { return len(s.pages()) > 0 })
	require.Equal(t, "healthy", s.target("codebase-mcp").Verdict, "the health reply is still a witness")
	s.ctl("start", "dbus.socket", "dbus.service")
	require.NoError(t, s.SignalMain(t.Context(), lab.CodebaseUnit, "KILL"))
	s.healthy(lab.CodebaseAddr, 30*time.Second)
}

func TestAFullDiskStopsActionsPagesAndLosesNothing(t *testing.T) {
	s := newStage(t, setting{before: func(s *stage) {
		s.exec("mkdir", "-p", "/var/lib/recoveryd")
		s.exec("mount", "-t", "tmpfs", "-o", "size=12m,uid=2002,gid=2002,mode=0750", "tmpfs", "/var/lib/recoveryd")
	}})
	s.exec("sh", "-c", "head -c 100M /dev/zero > /var/lib/recoveryd/junk; true")
	require.NoError(t, s.SignalMain(t.Context(), lab.CodebaseUnit, "KILL"))
	s.eventually(60*time.Second, "either it still acts from its reserve, or it pages", func() bool {
		return len(s.actions()) > 0 || len(s.pages()) > 0
	})
	s.exec("rm", "/var/lib/recoveryd/junk")
	s.healthy(lab.CodebaseAddr, 60*time.Second)
	s.eventually(60*time.Second, "every page is resolved", func() bool {
		for _, a := range s.pages() {
			if a.Status != "resolved" {
				return false
			}
		}
		return true
	})
}

func TestACorruptJournalIsSetAsideSaidSoAndRecoverydRuns(t *testing.T) {
	s := newStage(t, setting{})
	s.ctl("stop", "recoveryd.service")
	s.exec("sh", "-c", "dd if=/dev/urandom of=/var/lib/recoveryd/recoveryd.db bs=4096 count=4 conv=notrunc; rm -f /var/lib/recoveryd/recoveryd.db-wal")
	s.ctl("start", "recoveryd.service")
	s.eventually(20*time.Second, "it runs", func() bool { return s.target("codebase-mcp").Verdict == "healthy" })
	r, err := s.Exec(t.Context(), "sh", "-c", "ls /var/lib/recoveryd")
	require.NoError(t, err)
	require.Contains(t, r.Stdout, "corrupt", "nothing is deleted")
	require.Contains(t, s.daemonLog(), "corrupt")
	require.NoError(t, s.SignalMain(t.Context(), lab.CodebaseUnit, "KILL"))
	s.healthy(lab.CodebaseAddr, 10*time.Second)
}
