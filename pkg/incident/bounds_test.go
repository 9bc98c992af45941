package incident

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// flapping makes codebase crash again soon after every incident is over.
func flapping(s *story) {
	s.host["postgres"], s.host["workflow"], s.host["codebase"] = database("p1"), well("w1"), crashed("c1")
	run := 1
	s.do = func(strategy.Action) outcome {
		return outcome{result: ResultDone, took: time.Second, then: func() { run++; s.host["codebase"] = well(fmt.Sprintf("c%d", run)) }}
	}
}

func TestTheBudgetOfATargetHoldsAcrossIncidentsAndRestartsOfTheDaemonAndIsPaged(t *testing.T) {
	s := quiet(t)
	flapping(s)
	for range 6 {
		s.host["codebase"] = crashed(s.s.Targets["codebase"].Run)
		s.run(4 * time.Minute)
		s.restart()
	}
	require.Len(t, s.acted, 4)
	s.heldBy("codebase", HoldTarget)
	require.Contains(t, s.incident("codebase").HeldWhy, "4 actions on it within 1h, the budget is 4")
	require.Equal(t, "trigger t0 codebase: target-budget", s.told[len(s.told)-1])
	s.run(time.Hour - 23*time.Minute)
	require.Len(t, s.acted, 5, "the oldest has left the window")
}

func TestTheBudgetOfTheHostCountsAllTargets(t *testing.T) {
	s := quiet(t, func(o *Options) { o.Limits.Host = Budget{2, time.Hour} })
	s.sees("codebase", crashed("c1")).is(Acting, Act)
	s.sees("workflow", crashed("w1")).is(Acting, Act)
	s.sees("postgres", dead("p1")).is(Held, HoldHost)
	s.in(time.Second).restart().sees("postgres", dead("p1")).heldBy("postgres", HoldHost)
	require.Contains(t, s.told, "trigger t0 postgres: host-budget")
	require.Len(t, s.acted, 2)
}

func TestAStormStopsActingAndPages(t *testing.T) {
	s := quiet(t, func(o *Options) { o.Limits.StormTargets = 2 })
	s.sees("codebase", crashed("c1")).is(Acting, Act)
	s.in(time.Second).sees("workflow", crashed("w1")).is(Acting, Act)
	s.in(time.Second).sees("postgres", dead("p1")).is(Held, HoldStorm)
	s.tells("trigger t0 postgres: storm")
	s.in(50*time.Second).sees("postgres", dead("p1")).heldBy("postgres", HoldStorm)
	s.in(2*time.Minute).sees("postgres", dead("p1")).is(Acting, Act)
}

func TestOneDisruptiveActionAtATimeOnTheHost(t *testing.T) {
	s := quiet(t)
	hung := func(run string) detect.Facts { return but(noReply(run), detect.SocketBacklog, 3) }
	s.sees("codebase", hung("c1")).sees("workflow", hung("w1"))
	s.in(time.Second).sees("postgres", database("p1")).sees("codebase", hung("c1")).is(Acting, Act)
	s.sees("workflow", hung("w1")).is(Held, HoldInFlight)
	s.in(time.Second).actionEnds("codebase", ResultDone)
	s.sees("workflow", hung("w1")).is(Acting, Act)
}

func TestADependentIsNotTouchedWhileWhatItNeedsIsBeingTreated(t *testing.T) {
	s := quiet(t)
	hung := but(noReply("c1"), detect.SocketBacklog, 3)
	s.sees("codebase", hung).in(time.Second).sees("postgres", database("p1")).sees("codebase", hung).performed("restart")
	s.in(time.Second).actionEnds("codebase", ResultFailed)
	s.in(time.Second).sees("codebase", hung).heldBy("codebase", HoldBackoff)
	s.sees("postgres", dead("p1")).is(Acting, Act)
	s.in(10*time.Second).sees("postgres", but(database("p2"), detect.SQLOutcome, detect.SQLSaturated)).sees("codebase", hung)
	s.in(time.Second).sees("codebase", hung).in(time.Second).sees("codebase", hung).phase("codebase", Held)
	s.actions("restart codebase-mcp.service", "start postgresql@15-main.service")
}

func TestOurStartsLeaveRoomInTheStartLimitOfTheUnit(t *testing.T) {
	limited := func(f detect.Facts) detect.Facts {
		return but(f, detect.WorkloadStartLimit, 4, detect.WorkloadStartWindow, 600)
	}
	s := quiet(t)
	s.sees("codebase", limited(well("c1")))
	s.in(time.Minute).sees("codebase", limited(well("c2")))
	s.in(time.Minute).sees("codebase", limited(well("c3")))
	s.in(time.Minute).sees("codebase", limited(crashed("c3"))).is(Held, HoldStartLimit).noAction()
	s.at(10*time.Minute).sees("codebase", limited(crashed("c3"))).heldBy("codebase", HoldStartLimit)
	s.in(66*time.Second).sees("codebase", limited(crashed("c3"))).is(Acting, Act)
}

func TestStartsThatWereTooQuickToBeSeenCountForTheStartLimit(t *testing.T) {
	limited := func(f detect.Facts, restarts int) detect.Facts {
		return but(f, detect.WorkloadStartLimit, 5, detect.WorkloadStartWindow, 600, detect.WorkloadPolicy, "on-failure", detect.WorkloadRestarts, restarts)
	}
	s := quiet(t)
	s.sees("codebase", limited(well("c1"), 0))
	// Between two looks systemd restarted it four times.
	s.in(poll).sees("codebase", limited(well("c5"), 4))
	hung := but(limited(noReply("c5"), 4), detect.SocketBacklog, 3)
	s.in(poll).sees("codebase", hung).in(time.Second).sees("postgres", database("p1")).sees("codebase", hung)
	s.is(Held, HoldStartLimit).noAction()
}

func TestEachTargetsPausesAreSpreadAndBounded(t *testing.T) {
	p, err := NewPolicy(options(t))
	require.NoError(t, err)
	failed := func(id string, n int) time.Duration {
		i := &Incident{ID: id}
		for range n {
			i.Attempts = append(i.Attempts, Attempt{Verdict: "no-effect"})
		}
		return p.backoff(i)
	}
	for n, base := range []time.Duration{5, 5, 10, 20, 40, 80, 160, 300, 300} {
		d := failed("x", n)
		require.GreaterOrEqual(t, d, base*time.Second)
		require.LessOrEqual(t, d, base*time.Second*11/10)
	}
	require.NotEqual(t, failed("a", 3), failed("b", 3))
}

func TestAnOldLookIsNoReasonToActOn(t *testing.T) {
	t.Run("when a pause ends long after the last look", func(t *testing.T) {
		s := quiet(t)
		s.says("", Command{Verb: CmdPause})
		s.sees("codebase", crashed("c1")).is(Held, HoldPaused)
		s.in(time.Hour).says("", Command{Verb: CmdResume}).wakesUp("codebase").noAction()
		after, asked := s.lookAsked("codebase")
		require.True(t, asked && after <= time.Second, "it must be looked at first")
		s.sees("codebase", crashed("c1")).is(Acting, Act)
	})
	t.Run("when an approval comes after a restart of the daemon, before its first look", func(t *testing.T) {
		s := quiet(t, func(o *Options) { o.Modes = map[string]Mode{"codebase": Propose} })
		s.sees("codebase", crashed("c1")).is(Held, HoldApproval)
		s.in(3*time.Hour).restart().says("codebase", Command{Verb: CmdApprove}).noAction()
		s.sees("codebase", crashed("c1")).is(Acting, Act)
	})
	t.Run("while a look that took long counts when it is over", func(t *testing.T) {
		s := quiet(t)
		began := s.now
		s.in(time.Minute).sees("postgres", database("p1"))
		s.step(Event{Kind: Observed, Target: "codebase", Observation: &detect.Observation{Target: "codebase", At: began, Facts: crashed("c1")}})
		s.is(Acting, Act)
	})
}

func TestAClockThatIsSetBackDoesNotBlindIt(t *testing.T) {
	s := quiet(t)
	s.sees("codebase", crashed("c1")).is(Acting, Act)
	s.in(time.Second).actionEnds("codebase", ResultDone)
	s.in(time.Second).sees("codebase", well("c2")).in(2*time.Second).sees("codebase", well("c2")).is(Probation, Verified)
	s.in(2*time.Minute).sees("codebase", well("c2")).is(Watching, Closed)
	s.began = s.began.Add(-time.Hour)
	s.now = s.now.Add(-time.Hour)
	s.in(poll).sees("postgres", database("p1")).sees("codebase", crashed("c2")).is(Acting, Act)
}

func TestAnIncidentIsNotClosedByWhatWasSeenBeforeAnAbsence(t *testing.T) {
	s := quiet(t)
	s.host["postgres"], s.host["workflow"], s.host["codebase"] = database("p1"), well("w1"), crashed("c1")
	s.do = func(strategy.Action) outcome {
		s.host["codebase"] = well("c2")
		return outcome{result: ResultDone, took: time.Second}
	}
	for s.s.Targets["codebase"] == nil || s.s.Targets["codebase"].Phase != Probation {
		s.run(time.Second)
	}
	s.in(time.Hour).restart().says("", Command{Verb: CmdPause}).says("codebase", Command{Verb: CmdHold, Until: s.now.Add(time.Hour)})
	s.phase("codebase", Probation)
	s.says("codebase", Command{Verb: CmdRelease}).says("", Command{Verb: CmdResume}).run(time.Minute).phase("codebase", Watching)
}
