package acceptance

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/test/lab"
)

// drillView is what a scenario reads of a drill's report.
type drillView struct {
	ID, Verdict, Why, Incident, Class, Injection, Restoration string
	Times                                                     struct {
		Noticed   *float64 `json:"noticed_seconds"`
		Acted     *float64 `json:"acted_seconds"`
		Verified  *float64 `json:"verified_seconds"`
		Closed    *float64 `json:"closed_seconds"`
		Told      *float64 `json:"told_seconds"`
		Confirmed *float64 `json:"confirmed_seconds"`
	}
	Actions []struct{ What, Result string }
	Notices []struct{ Channel, Kind, State string }
}

func TestDrillsBreakCureTellAndLeaveNothingBehind(t *testing.T) {
	unit, err := os.ReadFile("../../deploy/systemd/recoveryd-drill@.service")
	require.NoError(t, err)
	conf := strings.Replace(config(), "pool: {application: codebase-mcp, database: postgres,", "pool: {application: codebase-mcp, database: postgres, sessions: 40,", 1) + `
drills:
  targets: [codebase-mcp, workflow-mcp]
  faults: [kill, stop, freeze, fill-pool, fill-memory]
  windows: [{start: "00:00", duration: 1d}]
  timeout: 40s
  notify: [slack]
  plans: [{name: monthly, pause: 0s, steps: [{fault: kill, target: codebase-mcp}, {fault: stop, target: workflow-mcp}]}]
`
	timer, err := os.ReadFile("../../deploy/systemd/recoveryd-drill@.timer")
	require.NoError(t, err)
	s := newStage(t, setting{config: conf, memory: true, files: map[string]lab.File{
		"/etc/systemd/system/recoveryd-drill@.service": {Content: string(unit)}, "/etc/systemd/system/recoveryd-drill@.timer": {Content: string(timer)},
		"/etc/systemd/system/recoveryd-drill@monthly.timer.d/soon.conf": {Content: "[Timer]\nOnActiveSec=1s\nAccuracySec=100ms\n"}}}) // besides its day
	s.healthy(lab.CodebaseAddr, 10*time.Second)
	measured := func(r drillView, class string) {
		t.Helper()
		require.Equal(t, "passed", r.Verdict, "%s: %s", r.ID, r.Why)
		require.Equal(t, class, r.Class)
		for _, d := range []*float64{r.Times.Noticed, r.Times.Confirmed, r.Times.Acted, r.Times.Verified, r.Times.Closed, r.Times.Told} {
			require.NotNil(t, d, "%+v", r)
		}
		require.LessOrEqual(t, *r.Times.Noticed, *r.Times.Confirmed)
		require.LessOrEqual(t, *r.Times.Confirmed, *r.Times.Acted)
		require.Less(t, *r.Times.Acted, *r.Times.Verified)
		require.Less(t, *r.Times.Verified, *r.Times.Closed)
		require.Equal(t, "delivered", r.Notices[0].State)
		require.Equal(t, "slack", r.Notices[0].Channel)
	}
	report := func(args ...string) (r drillView) {
		t.Helper()
		out := s.exec(append([]string{"/usr/bin/recoveryd", "drill", "report", "-o", "json"}, args...)...)
		require.NoError(t, json.Unmarshal([]byte(out), &r), out)
		return r
	}
	run := func(fault, target string) drillView {
		t.Helper()
		r, err := s.Exec(t.Context(), "/usr/bin/recoveryd", "drill", fault, "--target", target)
		require.NoError(t, err)
		require.Zero(t, r.Code, "%s\n%s", r.Stdout, r.Stderr)
		t.Logf("%s", r.Stdout)
		return report()
	}

	// The plan, as its timer starts it: sandboxed.
	began := s.show(lab.WorkflowUnit, "InvocationID")
	s.ctl("start", "recoveryd-drill@monthly.timer")
	s.eventually(90*time.Second, "the timer has run the plan", func() bool {
		log, err := s.Journal(t.Context(), "-u", "recoveryd-drill@monthly.service", "-o", "cat")
		return err == nil && strings.Contains(log, "Finished recoveryd-drill@monthly.service")
	})
	require.Regexp(t, `^Tue \d{4}-\d\d-0[1-7] 10:15:00 UTC`, s.show("recoveryd-drill@monthly.timer", "NextElapseUSecRealtime"), "the first Tuesday of a month")
	t.Log(s.exec("systemctl", "list-timers", "--no-pager", "recoveryd-drill@monthly.timer"))
	stopped := report()
	measured(stopped, "down")
	require.Equal(t, "start "+lab.WorkflowUnit, stopped.Actions[0].What, "the stop of a drill is no person's wish")
	require.NotEqual(t, began, s.show(lab.WorkflowUnit, "InvocationID"))
	log, err := s.Journal(t.Context(), "-u", "recoveryd-drill@monthly.service", "-o", "cat")
	require.NoError(t, err)
	require.Equal(t, 2, strings.Count(log, "passed: noticed, cured, proven and told"), log)

	frozen := run("freeze", "workflow-mcp")
	measured(frozen, "hung")
	filled := run("fill-pool", "codebase-mcp")
	measured(filled, "pool")
	require.Equal(t, "pg.terminate-idle postgres", strings.SplitN(filled.Actions[0].What, " (", 2)[0])
	require.Contains(t, filled.Injection, "sessions opened under the name codebase-mcp")
	n, err := s.SQL(t.Context(), "postgres", "select count(*) < 40 from pg_stat_activity where application_name = 'codebase-mcp'")
	require.NoError(t, err)
	require.Equal(t, "t", strings.TrimSpace(n), "the drill's own sessions are closed")

	if lab.Probe().Memory != lab.MemoryNone {
		eaten := run("fill-memory", "codebase-mcp")
		measured(eaten, "memory")
		require.Contains(t, eaten.Actions[0].What, "restart "+lab.CodebaseUnit)
	}

	// Ctrl-C, and a drill that is killed: a person's hold keeps recoveryd from curing, so that what
	// comes back was put back by the drill, or by its guard.
	left := func(signal string) {
		t.Helper()
		run, before := s.show(lab.WorkflowUnit, "InvocationID"), report().ID
		s.exec("systemd-run", "--quiet", "--unit=drill-"+signal, "/usr/bin/recoveryd", "drill", "freeze", "--target", "workflow-mcp")
		s.eventually(10*time.Second, "frozen", func() bool { return strings.Contains(s.mainState(lab.WorkflowUnit), "T") })
		s.exec("/usr/bin/recoveryd", "hold", "workflow-mcp", "--by", "ann")
		s.ctl("kill", "--kill-whom=main", "--signal="+signal, "drill-"+signal+".service")
		s.healthy(lab.WorkflowAddr, 15*time.Second)
		s.exec("/usr/bin/recoveryd", "release", "workflow-mcp", "--by", "ann")
		s.eventually(30*time.Second, "all is watched again", func() bool {
			for _, i := range s.incidents() {
				if i.Closed.IsZero() {
					return false
				}
			}
			return s.target("workflow-mcp").Phase == "watching"
		})
		require.Equal(t, run, s.show(lab.WorkflowUnit, "InvocationID"), "the frozen process itself goes on")
		s.eventually(10*time.Second, "the report of the drill", func() bool { return report().ID != before })
		require.Equal(t, "aborted", report().Verdict)
		require.Equal(t, "SIGCONT to every process of "+lab.WorkflowUnit, report().Restoration)
	}
	left("KILL")
	left("INT")

	// Who follows drills was told of all of them, marked; nobody was woken, and the figures leave them out.
	s.noPages()
	s.sameRun(s.pgUnit)
	require.NotEmpty(t, s.slack.Messages())
	for _, m := range s.slack.Messages() {
		require.Contains(t, m.Text, "[DRILL]")
	}
	require.Contains(t, s.exec("/usr/bin/recoveryd", "stats"), "0 incidents in ")
	require.Equal(t, "", strings.TrimSpace(s.exec("bash", "-c", "ls /var/lib/recoveryd-drills | grep restore || true")))

	r, err := s.Exec(t.Context(), "/usr/bin/recoveryd", "drill", "kill", "--target", "postgres")
	require.NoError(t, err)
	require.Equal(t, 2, r.Code, "%s%s", r.Stdout, r.Stderr)
	require.Contains(t, r.Stderr, `drill refused: target "postgres" may not be drilled (drills.targets: codebase-mcp, workflow-mcp)`)
	require.Contains(t, s.exec("/usr/bin/recoveryd", "drill", "report", filled.ID, "--format", "markdown"), "| verified | +")
}

// mainState is the state letter of a unit's main process.
func (s *stage) mainState(unit string) string {
	s.t.Helper()
	return s.exec("bash", "-c", "ps -o stat= -p $(systemctl show -P MainPID "+unit+") || true")
}
