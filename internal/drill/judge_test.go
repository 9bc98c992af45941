package drill_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/internal/drill"
	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
	"github.com/recoveryd/recoveryd/pkg/escalate/queue"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

var base = time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)

// good is a drill after which nothing is to be complained of.
func good() drill.Source {
	at := func(s float64) time.Time { return base.Add(time.Duration(s * float64(time.Second))) }
	i := incident.Incident{ID: "codebase-mcp-20261124-100003", Target: "codebase-mcp", Class: detect.ClassDown, Since: at(0.2), Opened: at(0.3), Closed: at(64),
		Diagnosis: detect.Diagnosis{Because: "unit is failed, connection refused"}, Drill: &incident.Drilled{ID: "d1", Fault: incident.FaultKill, Target: "codebase-mcp"},
		Attempts: []incident.Attempt{{At: at(0.3), Action: "start codebase-mcp.service", Result: incident.ResultDone, Verdict: incident.Verified}}}
	return drill.Source{
		Order: drill.Order{ID: "d1", Fault: incident.FaultKill, Target: "codebase-mcp", By: "ann", Timeout: time.Minute},
		Host:  "h1", Unit: "codebase-mcp.service", Announced: at(-1), Injected: at(0), Injection: "SIGKILL to every process of codebase-mcp.service",
		Incidents: []incident.Incident{i},
		Records: []incident.Record{{At: at(0.3), Target: "codebase-mcp", From: incident.Suspect, To: incident.Acting},
			{At: at(4), Target: "codebase-mcp", From: incident.Verifying, To: incident.Probation}},
		Notices: []queue.Queued{{Channel: "slack", Kind: notice.Change, State: queue.Delivered, Settled: at(64.25), Notice: notice.Notice{At: at(64)}}},
	}
}

func TestTheFirstThingThatWasMissingIsTheVerdict(t *testing.T) {
	own := func(s *drill.Source) *incident.Incident { return &s.Incidents[0] }
	for name, c := range map[string]struct {
		change  func(*drill.Source)
		verdict drill.Verdict
		why     string
	}{
		"all went as it should":          {func(*drill.Source) {}, drill.Passed, "noticed, cured, proven and told"},
		"nobody is to be told":           {func(s *drill.Source) { s.Notices = nil }, drill.Passed, "no channel"},
		"refused":                        {func(s *drill.Source) { s.Refused = "drills are off" }, drill.Refused, "drills are off"},
		"interrupted":                    {func(s *drill.Source) { s.Aborted = "it was interrupted" }, drill.Aborted, "interrupted"},
		"not noticed":                    {func(s *drill.Source) { s.Incidents = nil }, drill.Failed, "not noticed"},
		"not noticed, since it was well": {func(s *drill.Source) { s.Incidents, s.WellAgain = nil, true }, drill.Alone, "new process"},
		"another culprit":                {func(s *drill.Source) { own(s).Target = "postgres" }, drill.Failed, "the culprit was missed: the incident is of postgres"},
		"taken for real":                 {func(s *drill.Source) { own(s).Drill.Real = base }, drill.Failed, "taken for a real problem"},
		"no action": {func(s *drill.Source) {
			own(s).Attempts, own(s).Held, own(s).HeldWhy, s.Records = nil, incident.HoldOneWitness, "only http says so", nil
		}, drill.Failed, "nothing was done about it: held back (one-witness: only http says so)"},
		"no action, and the drill put it back": {func(s *drill.Source) { own(s).Attempts, s.Restored = nil, base.Add(time.Second) }, drill.Failed, "the drill put it back"},
		"no action was needed":                 {func(s *drill.Source) { own(s).Attempts = nil }, drill.Alone, "without an action"},
		"the action did not help":              {func(s *drill.Source) { own(s).Attempts[0].Verdict = "no-effect" }, drill.Failed, "1 action(s) did not cure it"},
		"it was put back and not by the action": {func(s *drill.Source) {
			own(s).Attempts[0].Verdict = incident.ClearedByItself
		}, drill.Failed, "did not cure it"},
		"not closed": {func(s *drill.Source) { own(s).Closed = time.Time{} }, drill.Failed, "did not close"},
		"another target was acted on": {func(s *drill.Source) {
			s.Incidents = append(s.Incidents, incident.Incident{Target: "postgres", Attempts: []incident.Attempt{{Action: "restart pg"}}})
		}, drill.Failed, "postgres was acted on too (restart pg)"},
		"a channel that refuses": {func(s *drill.Source) {
			s.Notices[0].State, s.Notices[0].LastError = queue.Refused, "401"
		}, drill.Failed, "slack did not take the notice: 401"},
		"a channel that still has not": {func(s *drill.Source) { s.Notices[0].State = queue.Waiting }, drill.Failed, "slack did not take the notice"},
	} {
		t.Run(name, func(t *testing.T) {
			s := good()
			c.change(&s)
			r := drill.Judge(s)
			require.Equal(t, c.verdict, r.Verdict, r.Why)
			require.Contains(t, r.Why, c.why)
		})
	}
}

func TestAReportReadsLikeThis(t *testing.T) {
	r := drill.Judge(good())
	require.Equal(t, `drill      d1
verdict    passed: noticed, cured, proven and told
fault      kill
target     codebase-mcp (codebase-mcp.service)
host       h1
by         ann
began      2026-11-24 09:59:59 UTC
done       SIGKILL to every process of codebase-mcp.service
incident   codebase-mcp-20261124-100003
diagnosis  down: unit is failed, connection refused
noticed    +200ms (first bad look)
confirmed  +300ms
acted      +300ms
  +300ms   start codebase-mcp.service: done; verified
verified   +4s
closed     +1m4s
told       250ms after the decision
  slack    change delivered after 250ms
`, r.Text())
	md := r.Markdown()
	require.Contains(t, md, "# Drill d1: kill of codebase-mcp, passed\n")
	require.Contains(t, md, "| verified | +4s |\n")
	s := good()
	s.Refused = "a | b"
	s.Injected = time.Time{}
	require.Contains(t, drill.Judge(s).Markdown(), `A \| b.`)
	require.NotContains(t, drill.Judge(s).Text(), "noticed ", "what did not begin was not measured")
}

func TestAFaultTakesNoMoreThanIsSafe(t *testing.T) {
	const mib, gib = 1 << 20, 1 << 30
	m := drill.Memory{Limit: 1000 * mib, Current: 300 * mib, Full: 0.9, HostTotal: 8 * gib, HostFree: 6 * gib}
	n, err := m.Amount()
	require.NoError(t, err)
	require.EqualValues(t, 650*mib, n, "to the middle between full and the limit")
	for why, change := range map[string]func(*drill.Memory){
		"no memory limit is known":         func(m *drill.Memory) { m.Limit = 0 },
		"where the kernel begins to kill":  func(m *drill.Memory) { m.Full = 1 },
		"nearly full already":              func(m *drill.Memory) { m.Current = 960 * mib },
		"less than 2048 MiB would be left": func(m *drill.Memory) { m.HostFree = 2*gib + 649*mib },
		"less than 512 MiB would be left":  func(m *drill.Memory) { m.HostTotal, m.HostFree = gib, gib },
	} {
		bad := m
		change(&bad)
		_, err := bad.Amount()
		require.ErrorContains(t, err, why)
	}

	s := drill.Sessions{Limit: 40, Present: 20, Used: 30, Max: 100, Reserved: 3, Reserve: 10}
	k, err := s.Amount()
	require.NoError(t, err)
	require.Equal(t, 22, k)
	for why, change := range map[string]func(*drill.Sessions){
		"set pool.sessions":                   func(s *drill.Sessions) { s.Limit = 0 },
		"it has 40 sessions already":          func(s *drill.Sessions) { s.Present = 40 },
		"only 9 be left free at the database": func(s *drill.Sessions) { s.Used = 66 },
	} {
		bad := s
		change(&bad)
		_, err := bad.Amount()
		require.ErrorContains(t, err, why)
	}
}
