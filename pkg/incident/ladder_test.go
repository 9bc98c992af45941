package incident

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

func TestACrashLoopIsTriedABoundedNumberOfTimesWithGrowingPausesAndPagedOnce(t *testing.T) {
	s := quiet(t)
	s.host["postgres"], s.host["workflow"], s.host["codebase"] = database("p1"), well("w1"), crashed("c1")
	var at []time.Time
	s.do = func(strategy.Action) outcome {
		at = append(at, s.now)
		return outcome{result: ResultDone, took: time.Second, then: func() { s.host["codebase"] = crashed("c" + s.now.Format("150405")) }}
	}
	s.run(14 * time.Minute)
	s.actions("start codebase-mcp.service", "start codebase-mcp.service", "start codebase-mcp.service")
	require.Greater(t, at[2].Sub(at[1]), at[1].Sub(at[0]), "the pauses grow")
	s.phase("codebase", Escalated).tells("trigger t0 codebase: ladder-ended")
	s.run(6 * time.Hour)
	require.Len(t, s.acted, 3)
	s.tells("trigger t0 codebase: ladder-ended", "trigger t1 codebase: tier-due", "trigger t2 codebase: tier-due")
	s.host["codebase"] = well("c9")
	s.run(5*time.Minute).phase("codebase", Watching)
	s.tells("trigger t0 codebase: ladder-ended", "trigger t1 codebase: tier-due", "trigger t2 codebase: tier-due",
		"resolve t0 codebase: closed", "resolve t1 codebase: closed", "resolve t2 codebase: closed")
	require.Empty(t, s.s.Incidents)
}

func TestARelapseInProbationContinuesTheSameIncidentOnTheNextRung(t *testing.T) {
	s := quiet(t)
	hung := but(noReply("c1"), detect.SocketBacklog, 3)
	s.sees("codebase", hung).in(time.Second).sees("postgres", database("p1")).sees("codebase", hung).is(Acting, Act).performed("restart")
	first := s.incident("codebase").ID
	s.in(3*time.Second).actionEnds("codebase", ResultDone)
	s.in(time.Second).sees("codebase", well("c2")).in(2*time.Second).sees("codebase", well("c2")).is(Probation, Verified)
	again := but(noReply("c2"), detect.SocketBacklog, 3)
	s.in(time.Minute).sees("postgres", database("p1")).sees("codebase", again).in(time.Second).sees("postgres", database("p1")).sees("codebase", again).is(Held, HoldBackoff)
	require.Equal(t, 1, s.incident("codebase").Relapses)
	require.Equal(t, Relapse, s.incident("codebase").Attempts[0].Verdict)
	s.in(10*time.Second).sees("postgres", database("p1")).sees("codebase", again).is(Acting, Act).performed("kill")
	require.Equal(t, first, s.incident("codebase").ID)
}

func TestAProblemAfterProbationIsANewIncidentFromTheFirstRung(t *testing.T) {
	s := quiet(t)
	s.sees("codebase", crashed("c1")).is(Acting, Act)
	first := s.incident("codebase").ID
	s.in(time.Second).actionEnds("codebase", ResultDone)
	s.in(time.Second).sees("codebase", well("c2")).in(2*time.Second).sees("codebase", well("c2")).is(Probation, Verified)
	s.in(2*time.Minute).sees("codebase", well("c2")).is(Watching, Closed).tells("change t0 codebase: closed")
	s.in(time.Second).sees("codebase", crashed("c2")).is(Acting, Act)
	require.NotEqual(t, first, s.incident("codebase").ID)
	require.Equal(t, 0, s.incident("codebase").Attempts[0].Rung)
}

func TestADeniedActionIsPagedAtOnceAndNotRepeated(t *testing.T) {
	s := quiet(t)
	s.host["postgres"], s.host["workflow"], s.host["codebase"] = database("p1"), well("w1"), crashed("c1")
	s.do = func(strategy.Action) outcome { return outcome{result: ResultDenied, took: 10 * time.Millisecond} }
	s.run(time.Second).tells("trigger t0 codebase: no-permission").phase("codebase", Escalated)
	s.run(14 * time.Minute).tells("trigger t0 codebase: no-permission")
	s.actions("start codebase-mcp.service")
	s.host["codebase"] = well("c2") // a person started it
	s.run(5*time.Minute).phase("codebase", Watching).tells("trigger t0 codebase: no-permission", "resolve t0 codebase: closed")
}

func TestALostResultIsJudgedByObservation(t *testing.T) {
	t.Run("and counts as a cure when the target recovered", func(t *testing.T) {
		s := quiet(t)
		s.sees("codebase", crashed("c1")).is(Acting, Act)
		s.in(time.Second).actionEnds("codebase", ResultUnknown).is(Verifying, ActionFailed)
		s.in(time.Second).sees("codebase", well("c2")).in(2*time.Second).sees("codebase", well("c2")).is(Probation, Verified)
		require.Len(t, s.acted, 1)
	})
	t.Run("and the same rung is tried once more, not twice", func(t *testing.T) {
		s := quiet(t)
		s.host["postgres"], s.host["workflow"], s.host["codebase"] = database("p1"), well("w1"), but(noReply("c1"), detect.SocketBacklog, 3)
		s.do = func(strategy.Action) outcome { return outcome{result: ResultUnknown, took: time.Second} }
		s.run(10 * time.Minute)
		s.actions("restart codebase-mcp.service", "restart codebase-mcp.service",
			"kill codebase-mcp.service", "kill codebase-mcp.service")
	})
	t.Run("and a rung that was seen to help is not repeated when the problem comes back", func(t *testing.T) {
		s := quiet(t)
		hung := func(run string) detect.Facts { return but(noReply(run), detect.SocketBacklog, 3) }
		s.sees("codebase", hung("c1")).in(time.Second).sees("postgres", database("p1")).sees("codebase", hung("c1")).performed("restart")
		s.in(3*time.Second).actionEnds("codebase", ResultUnknown)
		s.in(time.Second).sees("codebase", well("c2")).in(2*time.Second).sees("codebase", well("c2")).is(Probation, Verified)
		s.in(time.Minute).sees("postgres", database("p1")).sees("codebase", hung("c2")).in(time.Second).sees("postgres", database("p1")).sees("codebase", hung("c2"))
		s.in(10*time.Second).sees("postgres", database("p1")).sees("codebase", hung("c2")).is(Acting, Act).performed("kill")
	})
}

func TestAnActionWhoseEndIsNeverReportedIsGivenUpAndJudgedByObservation(t *testing.T) {
	s := quiet(t)
	s.sees("codebase", crashed("c1")).is(Acting, Act)
	deadline := s.s.Targets["codebase"].Deadline
	s.in(deadline.Sub(s.now)).wakesUp("codebase").is(Acting, NoChange)
	s.in(time.Millisecond).wakesUp("codebase").is(Verifying, OverdueAction)
	require.Equal(t, ResultUnknown, s.incident("codebase").Attempts[0].Result)
	s.in(time.Second).sees("codebase", well("c2")).in(2*time.Second).sees("codebase", well("c2")).is(Probation, Verified)
}

func TestAForeignOrLateEndOfAnActionChangesNothing(t *testing.T) {
	s := quiet(t)
	end := func(id string) { s.step(Event{Kind: Ended, Target: "codebase", ActionID: id, Result: ResultDone}) }
	end("never/a1")
	s.is(Watching, NoChange)
	s.sees("codebase", crashed("c1")).is(Acting, Act)
	id := s.ids[0]
	end("another/a1")
	s.is(Acting, NoChange)
	end("")
	s.is(Acting, NoChange)
	s.in(time.Second).actionEnds("codebase", ResultFailed).is(Verifying, ActionFailed)
	end(id) // it comes a second time
	s.is(Verifying, NoChange)
	require.Equal(t, ResultFailed, s.incident("codebase").Attempts[0].Result)
	s.in(time.Second).sees("codebase", crashed("c1")).heldBy("codebase", HoldBackoff)
	end(id)
	s.phase("codebase", Held)
}

func TestALookThatWasOvertakenIsIgnored(t *testing.T) {
	s := quiet(t)
	s.sees("codebase", well("c1"))
	old := detect.Observation{Target: "codebase", At: s.now.Add(-time.Second), Facts: crashed("c0")}
	s.step(Event{Kind: Observed, Target: "codebase", Observation: &old}).is(Watching, NoChange).noAction()
	require.Equal(t, "c1", s.s.Targets["codebase"].Run)
}

func TestALookThatBeganBeforeTheActionEndedProvesNothing(t *testing.T) {
	s := quiet(t)
	s.sees("codebase", crashed("c1")).is(Acting, Act)
	began := s.now.Add(500 * time.Millisecond)
	s.in(time.Second).actionEnds("codebase", ResultDone)
	before := detect.Observation{Target: "codebase", At: began, Facts: crashed("c1")}
	s.in(100*time.Millisecond).step(Event{Kind: Observed, Target: "codebase", Observation: &before}).is(Verifying, NoChange)
	s.in(time.Second).sees("codebase", well("c2")).in(2*time.Second).sees("codebase", well("c2")).is(Probation, Verified)
}

func TestARestartIsVerifiedOnlyByANewProcess(t *testing.T) {
	s := quiet(t)
	hung := but(noReply("c1"), detect.SocketBacklog, 3)
	s.sees("codebase", hung).in(time.Second).sees("postgres", database("p1")).sees("codebase", hung).is(Acting, Act)
	s.in(time.Second).actionEnds("codebase", ResultDone).is(Verifying, ActionOver)
	for range 4 { // it answers again, but it is the old process: the restart did nothing
		s.in(2*time.Second).sees("codebase", well("c1")).is(Verifying, NoChange)
	}
	s.in(15*time.Second).sees("codebase", well("c1")).is(Probation, ClearedByItself)
	require.Equal(t, ClearedByItself, s.incident("codebase").Attempts[0].Verdict)
}

// grown is a codebase server whose larger pool did or did not help.
func growUntil(s *story, cured func(a strategy.Action) bool) {
	s.host["postgres"], s.host["workflow"], s.host["codebase"] = busy("p1", 30), well("w1"), full("c1")
	run := 1
	s.do = func(a strategy.Action) outcome {
		return outcome{result: ResultDone, took: time.Second, then: func() {
			if a.Verb != strategy.Restart {
				return
			}
			run++
			name := "c" + string(rune('0'+run))
			if cured(a) {
				s.host["codebase"], s.host["postgres"] = well(name), busy("p1", 5)
			} else {
				s.host["codebase"] = full(name)
			}
		}}
	}
}

func TestALargerPoolThatDidNotHelpIsTakenBackBeforeTheNextRung(t *testing.T) {
	s := quiet(t, func(o *Options) { o.Limits.Target.Actions = 6 })
	growUntil(s, func(strategy.Action) bool { return false })
	s.run(14 * time.Minute)
	s.actions("pg.terminate-idle postgres", "pg.terminate-long postgres",
		"set-env codebase-mcp.service", "restart codebase-mcp.service", // grow
		"set-env codebase-mcp.service", "restart codebase-mcp.service", // taken back
		"restart codebase-mcp.service") // next rung
	i := s.incident("codebase")
	require.False(t, i.Attempts[3].Undo)
	require.True(t, i.Attempts[4].Undo)
	require.Contains(t, i.Attempts[4].Action, "value=)", "the variable is removed")
	require.False(t, i.Attempts[6].Undo)
}

func TestALargerPoolThatCouldNotBeWrittenIsNotTakenBackByARestart(t *testing.T) {
	s := quiet(t)
	growUntil(s, func(strategy.Action) bool { return false })
	inner := s.do
	s.do = func(a strategy.Action) outcome {
		if a.Verb == strategy.SetEnv {
			return outcome{result: ResultFailed, took: time.Millisecond}
		}
		return inner(a)
	}
	s.run(14 * time.Minute)
	s.actions("pg.terminate-idle postgres", "pg.terminate-long postgres", "set-env codebase-mcp.service", "restart codebase-mcp.service")
	require.Equal(t, "restart", s.incident("codebase").Attempts[3].Strategy)
}

func TestAChangeThatDidNotHelpIsTakenBackEvenWhenAPersonHeldItMeanwhile(t *testing.T) {
	s := quiet(t)
	growUntil(s, func(strategy.Action) bool { return false })
	for len(s.acted) < 4 { // until the larger pool's restart
		s.run(100 * time.Millisecond)
	}
	s.says("codebase", Command{Verb: CmdHold, Until: s.now.Add(2 * time.Minute)})
	s.run(90*time.Second).heldBy("codebase", HoldCommand)
	require.Len(t, s.acted, 4)
	s.run(12 * time.Minute)
	require.Equal(t, []string{"set-env codebase-mcp.service", "restart codebase-mcp.service"}, s.acted[4:6])
	require.True(t, s.incident("codebase").Attempts[4].Undo)
}

func TestTakingBackAChangeThatRestartsNeedsTwoWitnessesToo(t *testing.T) {
	s := quiet(t)
	growUntil(s, func(strategy.Action) bool { return false })
	for len(s.acted) < 4 {
		s.run(100 * time.Millisecond)
	}
	s.host["postgres"] = busy("p1", 3) // from now on only the reply says that the pool is full
	s.run(3 * time.Minute)
	require.Len(t, s.acted, 4)
	s.heldBy("codebase", HoldOneWitness)
	s.host["postgres"] = busy("p1", 30)
	s.run(2 * time.Minute)
	require.True(t, s.incident("codebase").Attempts[4].Undo)
}

func TestAProblemWithANewFaceHasALadderOfItsOwnAndGoesOnWhereItWas(t *testing.T) {
	s := quiet(t)
	hung := but(noReply("c1"), detect.SocketBacklog, 3)
	s.sees("codebase", hung).in(time.Second).sees("postgres", database("p1")).sees("codebase", hung).performed("restart")
	s.in(time.Second).actionEnds("codebase", ResultFailed)
	s.in(time.Second).sees("codebase", crashed("c1")).heldBy("codebase", HoldBackoff)
	s.in(10*time.Second).sees("codebase", crashed("c1")).is(Acting, Act).performed("start")
	require.Equal(t, detect.ClassDown, s.incident("codebase").Class)
	s.in(time.Second).actionEnds("codebase", ResultDone)
	hung = but(noReply("c2"), detect.SocketBacklog, 3)
	s.in(30*time.Second).sees("postgres", database("p1")).sees("codebase", hung).heldBy("codebase", HoldBackoff)
	s.in(time.Minute).sees("postgres", database("p1")).sees("codebase", hung).performed("kill")
}

func TestARelapseMustLastAsLongAsAFirstSign(t *testing.T) {
	s := quiet(t)
	unwell := func(run string) detect.Facts {
		return but(well(run), detect.HealthStatus, "unhealthy", detect.SyntheticOK, false)
	}
	for range 6 {
		s.in(time.Second).sees("postgres", database("p1")).sees("codebase", unwell("c1"))
	}
	s.is(Acting, Act).performed("restart").in(time.Second).actionEnds("codebase", ResultDone)
	s.in(time.Second).sees("codebase", well("c2")).in(6*time.Second).sees("codebase", well("c2")).is(Probation, Verified)
	s.in(time.Minute).sees("postgres", database("p1"))
	for range 4 { // three looks agree, but not for five seconds
		s.in(time.Second).sees("codebase", unwell("c2")).is(Probation, Confirming)
	}
	s.in(time.Second).sees("codebase", well("c2")).is(Probation, NoChange)
	require.Zero(t, s.incident("codebase").Relapses)
}

// onProbation is a story in which codebase hung and was cured by a restart.
func onProbation(t *testing.T) *story {
	t.Helper()
	s := quiet(t)
	hung := but(noReply("c1"), detect.SocketBacklog, 3)
	s.sees("codebase", hung).in(time.Second).sees("postgres", database("p1")).sees("codebase", hung).is(Acting, Act)
	s.in(time.Second).actionEnds("codebase", ResultDone)
	s.in(time.Second).sees("codebase", well("c2")).in(2*time.Second).sees("codebase", well("c2")).is(Probation, Verified)
	return s
}

func TestARelapseIsNotBelievedBeforeTheDatabaseWasSeenSinceItBegan(t *testing.T) {
	s := onProbation(t)
	s.in(time.Minute).sees("postgres", database("p1")).sees("codebase", well("c2"))
	s.in(poll).sees("codebase", noReply("c2")).in(poll).sees("codebase", noReply("c2")).is(Probation, Confirming)
	s.in(time.Second).sees("postgres", frozen("p1"))
	s.in(time.Second).sees("codebase", noReply("c2")).in(time.Second).sees("codebase", noReply("c2"))
	s.heldBy("codebase", HoldDependency).actions("restart codebase-mcp.service")
	require.Zero(t, s.incident("codebase").Relapses, "it is not the old problem that came back")
}

func TestACrashInProbationOfAUnitThatSystemdRestartsIsLeftToSystemd(t *testing.T) {
	s := onProbation(t)
	s.in(time.Minute).sees("codebase", well("c2"))
	s.in(time.Second).sees("codebase", but(crashed("c2"), detect.WorkloadPolicy, "on-failure", detect.WorkloadRetryAfter, 1)).is(Held, HoldHealing)
}

func TestOnePlanOfSeveralActionsThatFailsCountsAsOneFailure(t *testing.T) {
	p, err := NewPolicy(options(t))
	require.NoError(t, err)
	i := &Incident{ID: "x", Attempts: []Attempt{{Verdict: NextStep}, {Verdict: "no-effect"}}}
	require.Less(t, p.backoff(i), 6*time.Second)
}

func TestThePauseAfterAFailureOutlastsTakingItsChangeBack(t *testing.T) {
	s := quiet(t, func(o *Options) { o.Limits.Target.Actions = 9 })
	growUntil(s, func(strategy.Action) bool { return false })
	for len(s.acted) < 6 { // up to the restart that takes the larger pool back
		s.run(100 * time.Millisecond)
	}
	pause := s.s.Targets["codebase"].BackoffUntil
	require.True(t, pause.After(s.now), "there is a pause after the larger pool that did not help")
}

func TestAUnitThatRunsIsNotSaidToBeRestartedBySystemd(t *testing.T) {
	s := quiet(t)
	pool := but(full("c1"), detect.WorkloadPolicy, "always")
	s.sees("postgres", busy("p1", 30))
	for range 2 { // three looks agree within a few milliseconds
		s.in(10*time.Millisecond).sees("codebase", pool).sees("postgres", busy("p1", 30))
	}
	s.in(10*time.Millisecond).sees("codebase", pool)
	s.is(Acting, Act).performed("pg.terminate-idle")
}

func TestAChangeThatDidNotHelpIsTakenBackEvenAfterPeopleWereTold(t *testing.T) {
	s := quiet(t, func(o *Options) { o.Limits.Target.Actions = 9 })
	growUntil(s, func(strategy.Action) bool { return false })
	for len(s.acted) < 4 {
		s.run(100 * time.Millisecond)
	}
	s.run(2*time.Second).phase("codebase", Verifying)
	// What came up cannot be judged for so long that people are told.
	s.host["codebase"] = but(noReply("c2"), detect.HTTPOutcome, detect.OutcomeNotFound)
	s.run(2*time.Minute).phase("codebase", Escalated)
	s.host["codebase"] = crashed("c2")
	s.run(time.Minute)
	require.Equal(t, []string{"set-env codebase-mcp.service", "restart codebase-mcp.service"}, s.acted[4:6])
	require.True(t, s.incident("codebase").Attempts[4].Undo)
}

func TestAfterARefusalNothingIsTakenBackEither(t *testing.T) {
	s := quiet(t, func(o *Options) { o.Limits.Target.Actions = 9 })
	growUntil(s, func(strategy.Action) bool { return false })
	inner := s.do
	s.do = func(a strategy.Action) outcome {
		if a.Verb == strategy.Restart {
			return outcome{result: ResultDenied}
		}
		return inner(a)
	}
	s.run(14 * time.Minute).tells("trigger t0 codebase: no-permission")
	s.actions("pg.terminate-idle postgres", "pg.terminate-long postgres", "set-env codebase-mcp.service", "restart codebase-mcp.service")
}

func TestAnActionThatWasNotBegunSinceSomebodyWasFasterIsNoFailure(t *testing.T) {
	s := quiet(t, func(o *Options) { o.Approval.DemoteAfter = 1; o.Memory = Memory{SkipAfter: 1, Forget: time.Hour} })
	hung := but(noReply("c1"), detect.SocketBacklog, 3)
	s.sees("codebase", hung).in(time.Second).sees("postgres", database("p1")).sees("codebase", hung).is(Acting, Act).performed("restart")
	var seen *strategy.Seen
	for _, e := range s.last.Effects {
		if e.Kind == Perform {
			seen = e.Action.Seen
		}
	}
	require.Equal(t, &strategy.Seen{Run: "c1", Up: true}, seen, "the adapter is told what it was decided on")
	s.in(time.Second).actionEnds("codebase", ResultVoid)
	s.in(time.Second).sees("postgres", database("p1")).sees("codebase", but(noReply("c2"), detect.SocketBacklog, 3))
	i := s.incident("codebase")
	require.Equal(t, NotBegun, i.Attempts[0].Verdict)
	require.Empty(t, i.Rungs, "the rung is not used up")
	require.Empty(t, i.Lessons, "and nothing is learned of it")
	require.Empty(t, s.s.Targets["codebase"].Efforts)
	require.Empty(t, s.s.Targets["codebase"].Trust)
	again := but(noReply("c2"), detect.SocketBacklog, 3)
	s.in(20*time.Second).sees("postgres", database("p1")).sees("codebase", again)
	s.is(Acting, Act).performed("restart")
	require.Equal(t, i.Attempts[0].Strategy, s.incident("codebase").Attempts[1].Strategy)
}

func TestASecondActionOfAPlanMindsOnlySomebodyElsesJob(t *testing.T) {
	s := quiet(t)
	hung := but(noReply("c1"), detect.SocketBacklog, 3)
	s.sees("codebase", hung).in(time.Second).sees("postgres", database("p1")).sees("codebase", hung).performed("restart")
	s.in(time.Second).actionEnds("codebase", ResultFailed)
	for range 2 {
		s.in(20*time.Second).sees("postgres", database("p1")).sees("codebase", hung)
	}
	s.performed("kill").in(time.Second).actionEnds("codebase", ResultDone).performed("start")
	for _, e := range s.last.Effects {
		if e.Kind == Perform {
			require.Equal(t, &strategy.Seen{Own: true}, e.Action.Seen, "its own kill has changed everything else")
		}
	}
}
