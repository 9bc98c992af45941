package acceptance

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/escalate/escalatetest"
	"github.com/recoveryd/recoveryd/test/lab"
)

type alert = escalatetest.Alert

func TestAMemoryLeakOverItsLimitIsCuredByANewProcess(t *testing.T) {
	s := newStage(t, setting{memory: true})
	require.NoError(t, s.Control(lab.CodebaseControl).Set(t.Context(), "memory-leak", "rate=100", "limit=260"))
	s.eventually(30*time.Second, "diagnosed as memory", func() bool { return s.target("codebase-mcp").Class == "memory" })
	inc := s.closed(1, 60*time.Second)[0]
	require.Equal(t, "memory", inc.Class)
	require.Equal(t, "restart", inc.Attempts[0].Verb)
	require.Equal(t, "verified", inc.Attempts[0].Verdict)
	s.sameRun(s.pgUnit, lab.WorkflowUnit)
	s.noPages()
}

func TestRepliesThatSayNothingAboutTheServiceRestartNothingAndPageWithTheReason(t *testing.T) {
	for _, c := range []struct {
		name  string
		fault []string
		says  string
	}{
		{"a page that does not exist", []string{"reply", "kind=not-found"}, "has no such page (HTTP 404)"},
		{"a web page instead of a health reply", []string{"reply", "kind=html"}, "an HTML page came instead"},
		{"garbage", []string{"reply", "kind=garbage"}, "not a health payload"},
		{"a rate limit answered with 500", []string{"reply", "kind=rate-limited"}, "the server limits requests"},
		{"a configuration that is always unhealthy", []string{"variant", "name=G"}, "ValidationError"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStage(t, setting{})
			require.NoError(t, s.Control(lab.CodebaseControl).Set(t.Context(), c.fault[0], c.fault[1:]...))
			s.eventually(60*time.Second, "one page", func() bool { return len(s.pages()) == 1 })
			entry := s.pd.Log.Select(func(e escalatetest.Entry) bool { return e.Kind == "trigger" })[0]
			require.Contains(t, entry.Body, c.says)
			require.Empty(t, s.actions())
			s.sameRun(lab.CodebaseUnit, lab.WorkflowUnit, s.pgUnit)
			require.NoError(t, s.Control(lab.CodebaseControl).Clear(t.Context(), c.fault[0]))
			if c.fault[1] == "kind=rate-limited" {
				return // asked to wait a minute, it waits: the resolve comes after that
			}
			s.eventually(40*time.Second, "the page is resolved", func() bool { return s.pages()[0].Status == "resolved" })
			require.Len(t, s.pages(), 1)
		})
	}
}

func TestVendorsThatAreDownDuringAnIncidentGetEverythingOnceAndInOrderWhenTheyAreBack(t *testing.T) {
	s := newStage(t, setting{})
	s.pd.Set(escalatetest.Fault{Mode: escalatetest.FaultDown})
	s.slack.Set(escalatetest.Fault{Mode: escalatetest.FaultDown})
	require.NoError(t, s.Control(lab.CodebaseControl).Set(t.Context(), "reply", "kind=not-found"))
	s.eventually(60*time.Second, "the page was tried", func() bool {
		return len(s.incidents()) == 1 && !s.incidents()[0].Paged.IsZero() && strings.Contains(s.daemonLog(), `"notice":"trigger"`)
	})
	s.ctl("restart", "recoveryd.service") // the outbox survives
	s.never(5*time.Second, "anything is accepted", func() bool {
		return len(s.pd.Log.Select(func(e escalatetest.Entry) bool { return e.Verdict == escalatetest.Accepted })) > 0
	})
	s.pd.Set(escalatetest.Fault{})
	s.slack.Set(escalatetest.Fault{})
	s.eventually(60*time.Second, "the page arrives", func() bool { return len(s.pages()) == 1 })
	s.eventually(60*time.Second, "the message arrives", func() bool { return len(s.slack.Messages()) >= 1 })
	require.NoError(t, s.Control(lab.CodebaseControl).Clear(t.Context(), "reply"))
	s.eventually(60*time.Second, "the page is resolved", func() bool { return s.pages()[0].Status == "resolved" })
	require.Equal(t, 1, s.pages()[0].Opened, "opened once")
	var kinds []string
	for _, e := range s.pd.Log.Select(func(e escalatetest.Entry) bool { return e.Verdict == escalatetest.Accepted }) {
		kinds = append(kinds, e.Kind)
	}
	require.Equal(t, "trigger", kinds[0])
	require.Equal(t, "resolve", kinds[len(kinds)-1])
}

func TestRecoverydKilledAtAnyStepOfAnIncidentRepeatsNoActionAndLosesNoPage(t *testing.T) {
	for _, step := range []struct{ name, marker string }{
		{"after the decision to act", `"reason":"act"`},
		{"after the end of the action", `"msg":"action ended"`},
		{"after the action was taken into account", `"reason":"action-over"`},
		{"after verification", `"reason":"verified"`},
	} {
		t.Run(step.name, func(t *testing.T) {
			s := newStage(t, setting{files: map[string]lab.File{
				// A start that takes two seconds, so that there is an action in flight to be killed in.
				"/etc/systemd/system/codebase-mcp.service.d/slow.conf": {Content: "[Service]\nExecStartPre=/bin/sleep 1\n"}}})
			require.NoError(t, s.SignalMain(t.Context(), lab.CodebaseUnit, "KILL"))
			s.eventually(20*time.Second, step.marker, func() bool { return strings.Contains(s.daemonLog(), step.marker) })
			require.NoError(t, s.SignalMain(t.Context(), "recoveryd.service", "KILL"))
			s.healthy(lab.CodebaseAddr, 30*time.Second)
			inc := s.closed(1, 40*time.Second)[0]
			// Killed before the effect, the attempt's outcome is unknown, nothing has happened to the
			// unit, and one new decision follows. The effect itself takes place exactly once.
			require.Equal(t, 1, s.starts(lab.CodebaseUnit), "no action twice, and none lost")
			require.LessOrEqual(t, len(inc.Attempts), 2)
			if len(inc.Attempts) == 2 {
				require.Equal(t, "unknown", inc.Attempts[0].Result)
			}
			s.noPages()
		})
	}
	t.Run("after the decision to page", func(t *testing.T) {
		s := newStage(t, setting{})
		require.NoError(t, s.Control(lab.CodebaseControl).Set(t.Context(), "reply", "kind=not-found"))
		s.eventually(40*time.Second, "the decision", func() bool { return strings.Contains(s.daemonLog(), `"notice":"trigger"`) })
		require.NoError(t, s.SignalMain(t.Context(), "recoveryd.service", "KILL"))
		s.eventually(30*time.Second, "the page", func() bool { return len(s.pages()) == 1 })
		s.never(6*time.Second, "a second page", func() bool { return len(s.pages()) != 1 || s.pages()[0].Opened != 1 })
	})
}

func TestAnOOMKillIsSeenForWhatItIsAndTheServiceIsStartedAgain(t *testing.T) {
	if lab.Supported() == nil && lab.Probe().Memory == lab.MemoryNone {
		t.Skip("needs a memory controller in the lab: this host has none that a lab can use")
	}
	s := newStage(t, setting{memory: true, config: strings.Replace(config(), "    memory: {limit: 200MiB}\n", "", 1)})
	s.exec("systemctl", "set-property", "--runtime", lab.CodebaseUnit, "MemoryMax=128M")
	// The answer may never come: the kernel kills the process while it leaks.
	_ = s.Control(lab.CodebaseControl).Set(t.Context(), "memory-leak", "rate=2000", "limit=1024")
	s.eventually(20*time.Second, "the kernel has killed it", func() bool { return s.show(lab.CodebaseUnit, "InvocationID") != s.runs[lab.CodebaseUnit] })
	s.healthy(lab.CodebaseAddr, 30*time.Second)
	inc := s.closed(1, 40*time.Second)[0]
	require.Contains(t, []string{"memory", "down"}, inc.Class, "on cgroup v1 systemd cannot tell an OOM kill from another SIGKILL")
	require.Contains(t, s.daemonLog(), "kill")
	s.sameRun(lab.WorkflowUnit, s.pgUnit)
	s.noPages()
}
