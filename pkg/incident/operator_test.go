package incident

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

func TestWhatAPersonDoesToAUnitIsNeverUndoneAndNotPaged(t *testing.T) {
	up := well("c1")
	cases := map[string]detect.Facts{
		"a person stopped it":                            stopped("c1"),
		"a person stopped it, and it died of the stop":   but(crashed("c1"), detect.WorkloadDeparture, detect.DepartureStopped),
		"a person masked it":                             but(crashed("c1"), detect.WorkloadDisabled, "masked"),
		"a person masked it while it runs and it hangs":  but(noReply("c1"), detect.WorkloadDisabled, "masked"),
		"a stop job that is not ours is queued":          but(crashed("c1"), detect.WorkloadPending, "stop"),
		"a person stopped it, and starts it again":       but(stopped("c1"), detect.WorkloadPending, "start", detect.WorkloadPendingOurs, false),
		"a person restarts it and it is down in between": but(crashed("c1"), detect.WorkloadDeparture, detect.DepartureRestart),
		"packages are being upgraded":                    but(crashed("c1"), detect.WorkloadMaintenance, "package-upgrade: dpkg"),
	}
	for name, f := range cases {
		t.Run(name, func(t *testing.T) {
			s := quiet(t)
			s.host["postgres"], s.host["workflow"], s.host["codebase"] = database("p1"), well("w1"), f
			s.run(time.Hour)
			s.phase("codebase", Held).noAction().tells()
			require.Contains(t, []Reason{HoldOperator, HoldMaintenance}, s.s.Targets["codebase"].Reason)
			s.host["codebase"] = up
			s.run(10 * time.Minute)
			s.phase("codebase", Watching).noAction().tells()
		})
	}
}

func TestAnOperatorsStopIsPagedOnlyWhenTheConfigurationSaysAfterHowLong(t *testing.T) {
	s := quiet(t, func(o *Options) { o.PageAfter.Operator = 2 * time.Hour })
	s.host["postgres"], s.host["workflow"], s.host["codebase"] = database("p1"), well("w1"), stopped("c1")
	s.run(2*time.Hour - time.Minute).tells()
	s.run(2 * time.Minute).tells("trigger t0 codebase: held-too-long").noAction()
	s.host["codebase"] = well("c2")
	s.run(10*time.Minute).noAction().phase("codebase", Watching)
	s.tells("trigger t0 codebase: held-too-long", "resolve t0 codebase: closed")
}

func TestAStopIsObeyedAlsoWhenSystemdHasForgottenTheUnit(t *testing.T) {
	unloaded := but(stopped("c1"), detect.WorkloadRun, gone, detect.WorkloadSince, gone, detect.WorkloadDeparture, "",
		detect.WorkloadExitKind, gone, detect.WorkloadExitCode, gone)
	s := quiet(t)
	s.host["postgres"], s.host["workflow"], s.host["codebase"] = database("p1"), well("w1"), stopped("c1")
	s.run(time.Minute).heldBy("codebase", HoldOperator)
	s.host["codebase"] = unloaded // seen after a restart of recoveryd, which remembers
	s.run(time.Hour).heldBy("codebase", HoldOperator).noAction().tells()
	s.host["codebase"] = well("c2")
	s.run(10*time.Minute).phase("codebase", Watching).noAction()

	// Of a unit that nobody was seen to stop, nothing is made up.
	s = quiet(t)
	s.sees("codebase", unloaded).is(Acting, Act)
}

func TestAStopThatWasSeenIsWrittenDownAlsoWhenNothingElseFollowsFromIt(t *testing.T) {
	unloaded := but(stopped("c1"), detect.WorkloadRun, gone, detect.WorkloadSince, gone, detect.WorkloadDeparture, "",
		detect.WorkloadExitKind, gone, detect.WorkloadExitCode, gone)
	lost := but(well("c1"), detect.HealthStatus, "unhealthy", detect.HealthDatabase, "disconnected", detect.PoolSize, 0, detect.PoolFree, 0)
	s := quiet(t)
	s.host["postgres"], s.host["workflow"], s.host["codebase"] = database("p1"), well("w1"), well("c1")
	s.run(time.Minute)
	s.says("postgres", Command{Verb: CmdHold, By: "ann"})
	s.host["postgres"], s.host["codebase"] = dead("p1"), lost
	s.run(2*time.Minute).heldBy("codebase", HoldDependency)
	s.host["codebase"] = stopped("c1")
	s.run(2*time.Minute).heldBy("codebase", HoldDependency)
	s.restart()
	require.Equal(t, "a person stopped the unit", s.s.Targets["codebase"].Intent)
	s.host["codebase"] = unloaded
	s.run(time.Minute)
	s.host["postgres"] = database("p2")
	s.run(time.Hour).heldBy("codebase", HoldOperator).noAction()
	s.host["codebase"] = well("c2")
	s.run(10*time.Minute).phase("codebase", Watching).restart()
	require.Empty(t, s.s.Targets["codebase"].Intent, "nor is it remembered for ever")
}

func TestAUnitThatNothingAsksForIsLeftAloneWithoutBlamingAPerson(t *testing.T) {
	unasked := but(stopped("c1"), detect.WorkloadRun, gone, detect.WorkloadSince, gone, detect.WorkloadDeparture, detect.DepartureUnasked,
		detect.WorkloadNote, "it is disabled, and systemd knows of no run of it since the boot", detect.WorkloadExitKind, gone, detect.WorkloadExitCode, gone)
	s := quiet(t)
	s.host["postgres"], s.host["workflow"], s.host["codebase"] = database("p1"), well("w1"), unasked
	s.run(time.Hour).heldBy("codebase", HoldOperator).noAction().tells()
	require.Equal(t, "nothing asks for the unit to run (it is disabled, and systemd knows of no run of it since the boot)", s.s.Targets["codebase"].Intent)

	t.Run("once it is enabled, and nobody starts it, it is", func(t *testing.T) {
		s.sees("codebase", but(unasked, detect.WorkloadDeparture, "", detect.WorkloadNote, gone)).is(Acting, Act)
	})
	t.Run("a person who was seen to stop it is still named when it was disabled and unloaded since", func(t *testing.T) {
		s := quiet(t)
		s.host["postgres"], s.host["workflow"], s.host["codebase"] = database("p1"), well("w1"), stopped("c1")
		s.run(time.Minute).heldBy("codebase", HoldOperator)
		s.host["codebase"] = unasked
		s.run(time.Hour).heldBy("codebase", HoldOperator).noAction().tells()
		require.Contains(t, s.s.Targets["codebase"].Intent, "a person stopped the unit")
	})
	t.Run("a start is in hand, whoever has asked for it", func(t *testing.T) {
		s := quiet(t)
		s.sees("codebase", but(unasked, detect.WorkloadPending, "start")).is(Held, HoldHealing)
		require.Empty(t, s.s.Targets["codebase"].Intent)
	})
}

// Timers, sockets, paths and other units queue starts; a unit that another one is bound to (BindsTo=) queues
// a stop as it dies. Nobody said anything.
func TestSystemdsOwnJobsAreNobodysWord(t *testing.T) {
	for name, f := range map[string]detect.Facts{
		"a start":                       but(crashed("c1"), detect.WorkloadPending, "start", detect.WorkloadPendingOurs, false),
		"a job whose type is not known": but(crashed("c1"), detect.WorkloadPending, "unknown", detect.WorkloadPendingOurs, false),
		"a reload of one that hangs":    but(noReply("c1"), detect.SocketBacklog, 5, detect.WorkloadPending, "reload", detect.WorkloadPendingOurs, false),
		"a stop that another unit's crash has brought along, and that waits": but(noReply("c1"), detect.SocketBacklog, 5,
			detect.WorkloadPending, "stop", detect.WorkloadPendingOurs, false, detect.WorkloadPendingWith, "db.service"),
	} {
		t.Run(name, func(t *testing.T) {
			s := quiet(t)
			s.host["postgres"], s.host["workflow"], s.host["codebase"] = database("p1"), well("w1"), f
			s.run(4*time.Minute).heldBy("codebase", HoldHealing).noAction().tells()
			require.Empty(t, s.s.Targets["codebase"].Intent)
			require.Contains(t, s.incident("codebase").HeldWhy, "which is not ours")
			require.Zero(t, s.incident("codebase").Stood, "no clock stands still for it")
			s.run(2 * time.Minute).noAction().tells("trigger t0 codebase: held-too-long")
			s.host["codebase"] = crashed("c1")
			s.do = func(strategy.Action) outcome {
				s.host["codebase"] = well("c2")
				return outcome{result: ResultDone, took: time.Second}
			}
			s.run(10*time.Minute).phase("codebase", Watching).actions("start codebase-mcp.service")
		})
	}
}

func TestAJobOfOurOwnIsNoOperator(t *testing.T) {
	s := quiet(t)
	s.sees("codebase", but(crashed("c1"), detect.WorkloadPending, "start", detect.WorkloadPendingOurs, true)).is(Acting, Act)
}

func TestAUnitStartedByThePersonAgainThatCannotBeJudgedIsPagedInTheEnd(t *testing.T) {
	s := quiet(t)
	s.host["postgres"], s.host["workflow"], s.host["codebase"] = database("p1"), well("w1"), stopped("c1")
	s.run(time.Hour).heldBy("codebase", HoldOperator).tells()
	garbage := but(noReply("c2"), detect.HTTPOutcome, detect.OutcomeGarbage, detect.HTTPStatus, 200)
	s.host["codebase"] = garbage
	s.run(11 * time.Minute).noAction().tells("trigger t0 codebase: unknown-too-long")
}

func TestAStopBetweenTwoActionsOfOnePlanEndsThePlan(t *testing.T) {
	s := quiet(t)
	hung := but(noReply("c1"), detect.SocketBacklog, 5)
	s.sees("codebase", hung)
	s.in(time.Second).sees("postgres", database("p1")).sees("codebase", hung).is(Acting, Act).performed("restart")
	s.in(time.Second).actionEnds("codebase", ResultFailed).is(Verifying, ActionFailed)
	s.in(time.Second).sees("codebase", hung).is(Held, HoldBackoff)
	s.in(10*time.Second).sees("postgres", database("p1")).sees("codebase", hung).is(Acting, Act).performed("kill")
	s.in(time.Second).sees("codebase", stopped("c1")) // a person was quicker than the kill
	s.in(time.Second).actionEnds("codebase", ResultDone).is(Verifying, ActionOver)
	s.in(time.Second).sees("codebase", stopped("c1"))
	s.in(time.Minute).sees("codebase", stopped("c1")).heldBy("codebase", HoldOperator)
	s.actions("restart codebase-mcp.service", "kill codebase-mcp.service")
}

func TestAHoldKeepsHandsOffUntilItExpires(t *testing.T) {
	s := quiet(t)
	s.says("codebase", Command{Verb: CmdHold, Why: "debugging", Until: s.now.Add(time.Hour)})
	require.Equal(t, "a person said: hold by ann: debugging", s.last.Sentence)
	s.in(time.Second).sees("codebase", crashed("c1")).is(Held, HoldCommand)
	require.Contains(t, s.last.Sentence, "held by ann: debugging, until 2026-11-22 04:00 UTC")
	s.host["postgres"], s.host["workflow"], s.host["codebase"] = database("p1"), well("w1"), crashed("c1")
	s.run(59*time.Minute).heldBy("codebase", HoldCommand).noAction().tells()
	s.run(2 * time.Minute)
	require.Equal(t, "start codebase-mcp.service", s.acted[0])
}

func TestAHoldSurvivesARestartAndEndsByRelease(t *testing.T) {
	s := quiet(t)
	s.says("codebase", Command{Verb: CmdHold})
	s.in(time.Second).restart()
	s.sees("postgres", database("p1")).sees("codebase", crashed("c1")).is(Held, HoldCommand)
	s.in(time.Hour).restart().sees("codebase", crashed("c1")).heldBy("codebase", HoldCommand).noAction().tells()
	s.says("codebase", Command{Verb: CmdRelease}).looksAgain("codebase").performed("start")
}

func TestAPauseStopsEverythingButWatching(t *testing.T) {
	s := quiet(t)
	s.says("", Command{Verb: CmdPause, Why: "data centre move"})
	require.Equal(t, "everything is paused by ann: data centre move", s.last.Sentence)
	s.in(time.Second).restart()
	s.sees("postgres", dead("p1")).is(Held, HoldPaused)
	s.sees("workflow", crashed("w1"))
	s.host["postgres"], s.host["workflow"], s.host["codebase"] = dead("p1"), crashed("w1"), crashed("c1")
	s.run(3 * time.Hour).noAction().tells()
	s.says("", Command{Verb: CmdResume})
	require.Equal(t, "the pause is over, by ann", s.last.Sentence)
	s.run(time.Second)
	require.Equal(t, []string{"start postgresql@15-main.service"}, s.acted, "its dependents wait")
}

func TestAPauseEndsByItself(t *testing.T) {
	s := quiet(t)
	s.says("", Command{Verb: CmdPause, Until: s.now.Add(time.Hour)})
	s.host["postgres"], s.host["workflow"], s.host["codebase"] = dead("p1"), well("w1"), well("c1")
	s.run(59*time.Minute).heldBy("postgres", HoldPaused).noAction()
	s.run(2 * time.Minute)
	require.NotEmpty(t, s.acted)
}

func TestAMaintenanceWindowHoldsItsTargetsOnly(t *testing.T) {
	s := quiet(t, func(o *Options) {
		end := time.Date(2026, 11, 22, 4, 0, 0, 0, time.UTC)
		o.Windows = []Window{{Name: "nightly", Targets: []string{"workflow"}, Open: func(now time.Time) (time.Time, bool) { return end, now.Before(end) }}}
	})
	s.sees("workflow", crashed("w1")).is(Held, HoldMaintenance)
	require.Contains(t, s.last.Sentence, "maintenance window nightly")
	s.sees("codebase", crashed("c1")).is(Acting, Act)
	s.at(time.Hour).sees("codebase", well("c2")).sees("workflow", crashed("w1")).is(Acting, Act)
}

func TestAProposalWaitsForApprovalAndIsPagedMeanwhile(t *testing.T) {
	propose := func(o *Options) { o.Modes = map[string]Mode{"codebase": Propose} }
	s := quiet(t, propose)
	s.sees("codebase", crashed("c1")).is(Held, HoldApproval).noAction().tells("trigger t0 codebase: needs-approval")
	require.Contains(t, s.last.Sentence, "waits for approval of: start codebase-mcp.service")
	id := s.incident("codebase").ID
	s.in(time.Minute).sees("codebase", crashed("c1")).heldBy("codebase", HoldApproval)
	s.says("codebase", Command{Verb: CmdApprove, Incident: id}).looksAgain("codebase").is(Acting, Act).performed("start")
	s.in(time.Second).actionEnds("codebase", ResultFailed)
	s.in(time.Second).sees("codebase", crashed("c1")).heldBy("codebase", HoldApproval)
	s.actions("start codebase-mcp.service") // one yes, one action
}

func TestAnApprovalOfNothingIsNoBlankCheque(t *testing.T) {
	propose := func(o *Options) { o.Modes = map[string]Mode{"codebase": Propose} }
	t.Run("given while nothing is wrong", func(t *testing.T) {
		s := quiet(t, propose)
		s.says("codebase", Command{Verb: CmdApprove})
		s.in(time.Hour).sees("codebase", crashed("c1")).is(Held, HoldApproval).noAction()
	})
	t.Run("given for an earlier incident", func(t *testing.T) {
		s := quiet(t, propose)
		s.sees("codebase", crashed("c1")).is(Held, HoldApproval)
		s.says("codebase", Command{Verb: CmdApprove, Incident: "codebase-20200101-000000"}).noAction()
		s.in(time.Second).sees("codebase", crashed("c1")).heldBy("codebase", HoldApproval).noAction()
	})
	t.Run("lapses when the proposed action is not needed any more", func(t *testing.T) {
		s := quiet(t, propose)
		s.says("", Command{Verb: CmdPause})
		s.in(time.Second).sees("codebase", crashed("c1")).is(Held, HoldPaused)
		s.says("codebase", Command{Verb: CmdApprove})
		s.in(time.Second).sees("codebase", well("c2")).in(5*time.Second).sees("codebase", well("c2")).is(Probation, ClearedByItself)
		s.says("", Command{Verb: CmdResume})
		s.in(time.Second).sees("codebase", crashed("c2")).is(Held, HoldApproval).noAction()
	})
}

func TestObserveModePagesAndNeverActs(t *testing.T) {
	s := quiet(t, func(o *Options) { o.Modes = map[string]Mode{"codebase": Observe} })
	s.host["postgres"], s.host["workflow"], s.host["codebase"] = database("p1"), well("w1"), crashed("c1")
	s.run(time.Minute).noAction().tells("trigger t0 codebase: observe-mode")
	require.Contains(t, s.incident("codebase").HeldWhy, "it would do: start codebase-mcp.service")
	s.host["codebase"] = well("c2")
	s.run(5*time.Minute).noAction().tells("trigger t0 codebase: observe-mode", "resolve t0 codebase: closed")
}

func TestARetryForgetsTheSpentLadderEvenAcrossARestart(t *testing.T) {
	s := quiet(t)
	s.host["postgres"], s.host["workflow"], s.host["codebase"] = database("p1"), well("w1"), crashed("c1")
	s.do = func(strategy.Action) outcome { return outcome{result: ResultFailed, took: time.Second} }
	s.run(20*time.Minute).phase("codebase", Escalated)
	n := len(s.acted)
	s.run(20*time.Minute).phase("codebase", Escalated)
	require.Len(t, s.acted, n)
	s.says("", Command{Verb: CmdPause})
	s.says("codebase", Command{Verb: CmdRetry, Incident: s.incident("codebase").ID})
	require.Contains(t, s.last.Sentence, "not acting yet (paused): everything is paused by ann", "who asks hears why nothing follows")
	s.in(time.Second).restart()
	s.run(time.Minute)
	require.Len(t, s.acted, n, "still paused")
	s.says("", Command{Verb: CmdResume}).run(time.Minute)
	require.Greater(t, len(s.acted), n)
}

func TestAPersonsStopIsRememberedWhileTheUnitCannotBeAsked(t *testing.T) {
	blind := func(f detect.Facts) detect.Facts {
		return but(f, detect.WorkloadState, detect.NotMeasured("no bus"),
			detect.WorkloadDeparture, gone, detect.WorkloadRun, gone)
	}
	off := but(dead("p1"), detect.WorkloadState, detect.StateStopped, detect.WorkloadDeparture, detect.DepartureStopped)
	lost := but(well("c1"), detect.HealthStatus, "unhealthy", detect.HealthDatabase, "disconnected", detect.PoolSize, 0, detect.PoolFree, 0)
	story := func(t *testing.T) *story {
		s := quiet(t)
		s.host["postgres"], s.host["workflow"], s.host["codebase"] = off, lost, lost
		s.run(time.Hour).heldBy("postgres", HoldOperator).tells()
		s.host["postgres"] = blind(off)
		return s
	}
	t.Run("and is paged, not acted on, since nobody can tell whether it still holds", func(t *testing.T) {
		s := story(t)
		s.run(4*time.Minute).heldBy("postgres", HoldUnknown).noAction().tells()
		require.Contains(t, s.incident("postgres").HeldWhy, "when it last could, a person stopped the unit")
		s.run(20 * time.Minute).noAction()
		require.Equal(t, "trigger t0 postgres: held-too-long", s.told[0])
	})
	t.Run("even across a restart of the daemon", func(t *testing.T) {
		s := story(t)
		s.restart().run(10 * time.Minute).noAction()
	})
	t.Run("until the target serves again; but without the unit it is not acted on either", func(t *testing.T) {
		s := story(t)
		s.host["postgres"], s.host["workflow"], s.host["codebase"] = blind(database("p2")), well("w1"), well("c1")
		s.run(10*time.Minute).phase("postgres", Watching)
		s.host["postgres"], s.host["workflow"], s.host["codebase"] = blind(dead("p2")), lost, lost
		s.run(4*time.Minute).heldBy("postgres", HoldUnknown).noAction()
		require.Contains(t, s.incident("postgres").HeldWhy, "it cannot be told whether a person stopped it")
		s.run(20 * time.Minute).noAction()
		require.Equal(t, "trigger t0 postgres: held-too-long", s.told[0])
		s.host["postgres"] = dead("p2")
		s.run(time.Minute)
		require.Equal(t, "start postgresql@15-main.service", s.acted[0])
	})
	t.Run("until the unit can be asked again and says otherwise", func(t *testing.T) {
		s := story(t)
		s.run(time.Minute)
		s.host["postgres"] = dead("p2")
		s.run(time.Minute)
		require.Equal(t, "start postgresql@15-main.service", s.acted[0])
	})
}
