package acceptance

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/test/lab"
)

// onlyTheCluster asserts that the newest incident was the database's, with both servers as
// dependents at most, and that nothing but the cluster unit was acted on.
func onlyTheCluster(t *testing.T, s *stage, n int) incidentView {
	t.Helper()
	inc := s.closed(n, 60*time.Second)[n-1]
	require.Equal(t, "postgres", inc.Target)
	require.Equal(t, "database", inc.Class)
	for _, a := range inc.Attempts {
		require.Contains(t, a.Action, s.pgUnit)
	}
	for _, a := range s.actions() {
		require.Contains(t, a, s.pgUnit, "nothing but the cluster is acted on")
	}
	s.sameRun(lab.CodebaseUnit, lab.WorkflowUnit)
	return inc
}

func TestAKilledClusterIsOneIncidentWithOneActionAndTheServersAreNotRestarted(t *testing.T) {
	s := newStage(t, setting{})
	require.NoError(t, s.Signal(t.Context(), s.pgUnit, "KILL"))
	s.healthy(lab.CodebaseAddr, 40*time.Second)
	s.healthy(lab.WorkflowAddr, 10*time.Second)
	inc := onlyTheCluster(t, s, 1)
	require.Len(t, inc.Attempts, 1)
	require.Equal(t, "start", inc.Attempts[0].Verb)
	s.noPages()
}

func TestAFrozenClusterIsRestartedOnTwoWitnessesAndTheServersWaitAsDependents(t *testing.T) {
	s := newStage(t, setting{})
	require.NoError(t, s.Signal(t.Context(), s.pgUnit, "STOP"))
	s.healthy(lab.CodebaseAddr, 60*time.Second)
	s.healthy(lab.WorkflowAddr, 20*time.Second)
	inc := onlyTheCluster(t, s, 1)
	require.Len(t, inc.Attempts, 1)
	require.Equal(t, "restart", inc.Attempts[0].Verb)
	slices.Sort(inc.Affected)
	require.Equal(t, []string{"codebase-mcp", "workflow-mcp"}, inc.Affected)
	s.noPages()
}

// TestADatabaseThatIsLateWhileTheHostStallsIsLeftAlone freezes the cluster while the kernel seems to say
// that everything waits for memory: only that figure is made up, in the daemon's own view of /proc.
func TestADatabaseThatIsLateWhileTheHostStallsIsLeftAlone(t *testing.T) {
	s := newStage(t, setting{})
	said := func(full string) {
		s.exec("sh", "-c", "echo 'some avg10=93.09 avg60=93.70 avg300=65.91 total=337961591\nfull avg10="+full+" avg60=77.10 avg300=53.86 total=275927855' > /run/pressure-memory")
	}
	said("76.33")
	s.exec("nsenter", "-t", s.show("recoveryd.service", "MainPID"), "-m", "mount", "--bind", "/run/pressure-memory", "/proc/pressure/memory")
	require.NoError(t, s.Signal(t.Context(), s.pgUnit, "STOP"))
	s.eventually(30*time.Second, "held for the host", func() bool { return s.target("postgres").Reason == "host-stalled" })
	s.never(5*time.Second, "an action", func() bool { return len(s.actions()) > 0 })
	said("3.20") // the host is well again, and the cluster is not
	s.healthy(lab.CodebaseAddr, 60*time.Second)
	inc := onlyTheCluster(t, s, 1)
	require.Len(t, inc.Attempts, 1)
	require.Equal(t, "restart", inc.Attempts[0].Verb)
	s.noPages()
}

func TestAClusterThatAPersonStoppedIsLeftAloneAndSoAreItsServers(t *testing.T) {
	s := newStage(t, setting{})
	s.ctl("stop", s.pgUnit)
	s.eventually(15*time.Second, "held for the operator", func() bool { return s.target("postgres").Reason == "operator-intent" })
	s.eventually(15*time.Second, "the servers wait", func() bool {
		return s.target("codebase-mcp").Reason == "dependency" && s.target("workflow-mcp").Reason == "dependency"
	})
	s.never(8*time.Second, "an action", func() bool { return len(s.actions()) > 0 })
	s.ctl("start", s.pgUnit)
	s.eventually(30*time.Second, "all is watched again", func() bool {
		return s.target("postgres").Phase == "watching" && s.target("codebase-mcp").Phase == "watching" && s.target("workflow-mcp").Phase == "watching"
	})
	s.sameRun(lab.CodebaseUnit, lab.WorkflowUnit)
	s.noPages()
}

func TestAClusterWithoutFreeConnectionsIsNeverRestarted(t *testing.T) {
	s := newStage(t, setting{})
	limit, err := s.SQL(t.Context(), "postgres", "show max_connections")
	require.NoError(t, err)
	// A crowd of somebody else's sessions takes every ordinary slot.
	r, err := s.Exec(t.Context(), "runuser", "-u", "postgres", "--", "bash", "-c",
		fmt.Sprintf(`for i in $(seq %s); do PGAPPNAME=crowd PGPASSWORD=mcp_lab setsid psql -q -h 127.0.0.1 -U mcp_user -d codebase_mcp -c 'select pg_sleep(25)' >/dev/null 2>&1 & done; sleep 24`, limit))
	require.NoError(t, err)
	_ = r
	require.Contains(t, s.daemonLog(), "53300")
	for _, a := range s.actions() {
		require.NotContains(t, a, "unit.", "a full database restarts nothing")
	}
	s.sameRun(s.pgUnit, lab.CodebaseUnit, lab.WorkflowUnit)
	s.eventually(40*time.Second, "it is watched again when the crowd has left", func() bool { return s.target("postgres").Phase == "watching" })
	s.eventually(20*time.Second, "every page is resolved", func() bool {
		return !slices.ContainsFunc(s.pages(), func(a alert) bool { return a.Status != "resolved" })
	})
}

func TestALeakedPoolIsRelievedAndTheDatabaseIsNeverTouched(t *testing.T) {
	s := newStage(t, setting{})
	require.NoError(t, s.Control(lab.CodebaseControl).Set(t.Context(), "pool-leak", "count=30", "mode=idle"))
	s.eventually(20*time.Second, "diagnosed as pool", func() bool { return s.target("codebase-mcp").Class == "pool" })
	inc := s.closed(1, 60*time.Second)[0]
	require.Equal(t, "codebase-mcp", inc.Target)
	require.Equal(t, "pool", inc.Class)
	require.Equal(t, "pg.terminate-idle", inc.Attempts[0].Verb)
	s.sameRun(s.pgUnit, lab.WorkflowUnit)
	h, err := s.Health(t.Context(), lab.CodebaseAddr)
	require.NoError(t, err)
	require.NotEqual(t, "unhealthy", h.Status, "connections are free again; at a leak's rest it may still call itself degraded")
	s.noPages()
}

func TestTransactionsThatHoldAPoolForTooLongAreEndedAndNothingIsRestarted(t *testing.T) {
	s := newStage(t, setting{config: strings.Replace(config(), "long_after: 30s", "long_after: 4s", 1)})
	require.NoError(t, s.Control(lab.CodebaseControl).Set(t.Context(), "pool-leak", "count=30", "mode=active"))
	inc := s.closed(1, 120*time.Second)[0]
	require.Equal(t, "pool", inc.Class)
	last := inc.Attempts[len(inc.Attempts)-1]
	require.Equal(t, "pg.terminate-long", last.Verb)
	require.Equal(t, "verified", last.Verdict)
	s.sameRun(s.pgUnit, lab.CodebaseUnit, lab.WorkflowUnit)
	s.noPages()
}

func TestAPoolThatIsReallyTooSmallIsEnlargedWithinItsCapByItsOwnEnvironmentFile(t *testing.T) {
	s := newStage(t, setting{config: strings.Replace(config(), "long_after: 30s", "long_after: 30s, quiet: 6s", 1)})
	// Transactions at work: ending idle sessions does not help, and these are not old enough.
	require.NoError(t, s.Control(lab.CodebaseControl).Set(t.Context(), "pool-leak", "count=30", "mode=active"))
	inc := s.closed(1, 120*time.Second)[0]
	verbs := []string{}
	for _, a := range inc.Attempts {
		verbs = append(verbs, a.Verb)
	}
	require.Contains(t, verbs, "set-env", "%v", verbs)
	require.Contains(t, s.daemonLog(), "value=30")
	h, err := s.Health(t.Context(), lab.CodebaseAddr)
	require.NoError(t, err)
	require.Equal(t, 30, h.Pool.Min, "the new process runs with the larger pool")
	// It is not needed any more: the file goes back to what it said, in steps, without a restart.
	s.eventually(60*time.Second, "the size goes back", func() bool {
		return strings.Contains(s.daemonLog(), "DB_POOL_SIZE was 21, is not set at the next start")
	})
	require.Contains(t, s.daemonLog(), "value=21", "smaller by a factor of 0.7 first; before, the file did not name it")
	s.sameRun(s.pgUnit, lab.WorkflowUnit)
}
