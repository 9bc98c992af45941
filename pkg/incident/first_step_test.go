package incident

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

// quiet is a story in which everything was seen well once.
func quiet(t *testing.T, change ...func(*Options)) *story {
	t.Helper()
	s := newStory(t, change...)
	s.sees("postgres", database("p1")).sees("codebase", well("c1")).sees("workflow", well("w1"))
	s.is(Watching, NoChange).noAction()
	return s.in(poll)
}

func TestACrashWithoutRestartIsActedOnInTheVeryStepThatSawIt(t *testing.T) {
	s := quiet(t)
	s.sees("codebase", crashed("c1")).is(Acting, Act).performed("start codebase-mcp.service (reset=yes)")
	require.Equal(t, Watching, s.last.From)
	require.Contains(t, s.last.Sentence, "unit failed (result signal, killed 9), connection refused")
	require.Equal(t, detect.ClassDown, s.incident("codebase").Class)
	_, again := s.lookAsked("codebase")
	require.False(t, again, "nothing is to be confirmed any more")
	s.tells()
}

func TestACrashSeenByOneWitnessAloneIsAskedAgainFirst(t *testing.T) {
	s := quiet(t)
	// The unit is gone, but nobody asked the port.
	half := but(crashed("c1"), detect.SocketConnect, gone, detect.HTTPOutcome, detect.NotMeasured("the probe did not run"))
	s.sees("codebase", half).is(Suspect, FirstSign).noAction()
	// A start disrupts nothing, so after a second look one witness is enough for it.
	s.sees("postgres", database("p1")).sees("codebase", half).is(Acting, Act).performed("start")
}

func TestACrashOfAUnitThatSystemdRestartsIsLeftToSystemdAndClosedWithoutAPage(t *testing.T) {
	s := quiet(t)
	policy := func(f detect.Facts) detect.Facts {
		return but(f, detect.WorkloadPolicy, "on-failure", detect.WorkloadRetryAfter, 2)
	}
	s.sees("codebase", policy(crashed("c1"))).is(Held, HoldHealing).noAction()
	waiting := but(policy(crashed("c1")), detect.WorkloadState, detect.StateRetrying)
	s.in(time.Millisecond).sees("codebase", waiting).noAction()
	s.in(time.Second).sees("codebase", waiting).noAction()
	s.in(2*time.Second).sees("codebase", policy(starting("c2", s.now))).noAction()
	s.in(time.Second).sees("codebase", policy(well("c2")))
	s.in(3*time.Second).sees("codebase", policy(well("c2"))).is(Probation, ClearedByItself)
	s.in(3*time.Minute).sees("codebase", policy(well("c2"))).is(Watching, Closed)
	s.noAction().tells()
}

func TestAUnitWithRestartThatStaysDeadIsStartedAfterTheMomentThatSystemdNeeds(t *testing.T) {
	s := quiet(t)
	gaveUp := but(crashed("c1"), detect.WorkloadPolicy, "on-failure", detect.WorkloadDeparture, detect.DepartureCrash)
	s.sees("codebase", gaveUp).is(Held, HoldHealing)
	s.in(400*time.Millisecond).sees("codebase", gaveUp).is(Held, HoldHealing).noAction()
	s.in(200*time.Millisecond).sees("codebase", gaveUp).is(Acting, Act).performed("start codebase-mcp.service (reset=yes)")
}

func TestEachEndOfAUnitThatFlapsIsLeftToSystemdForThatMoment(t *testing.T) {
	s := quiet(t)
	policy := func(f detect.Facts) detect.Facts {
		return but(f, detect.WorkloadPolicy, "always", detect.WorkloadRetryAfter, 0.01)
	}
	s.sees("codebase", policy(crashed("c1"))).is(Held, HoldHealing)
	for n := range 20 {
		run := fmt.Sprintf("c%d", n+2)
		s.in(time.Second).sees("codebase", policy(starting(run, s.now)))
		s.in(time.Second).sees("codebase", policy(crashed(run))).heldBy("codebase", HoldHealing).noAction()
		// The next life began and ended while nobody looked.
		s.in(time.Second).sees("codebase", policy(crashed(run+"b"))).heldBy("codebase", HoldHealing).noAction()
	}
	t.Run("and not when the clock was set back in between", func(t *testing.T) {
		s.in(-3*time.Hour).sees("codebase", policy(crashed("c21b"))).is(Acting, Act)
	})
}

func TestAStartLimitThatSystemdHitIsActedOnWithoutWaitingForSystemd(t *testing.T) {
	s := quiet(t)
	s.sees("codebase", but(crashed("c1"), detect.WorkloadPolicy, "always", detect.WorkloadDeparture, detect.DepartureLimit))
	s.is(Acting, Act).performed("start codebase-mcp.service (reset=yes)")
}

func TestOneLookWithoutReplyIsAskedAgainAtOnceAndForgottenWhenItWasABlip(t *testing.T) {
	s := quiet(t)
	s.sees("codebase", noReply("c1")).is(Suspect, FirstSign).noAction()
	after, asked := s.lookAsked("codebase")
	require.True(t, asked)
	require.Zero(t, after)
	_, asked = s.lookAsked("postgres")
	require.True(t, asked, "the database is looked at too: a frozen one makes a good service hang")
	s.in(poll).sees("codebase", well("c1")).is(Watching, Blip).noAction().tells()
	require.Empty(t, s.s.Incidents)
}

func TestAHangIsActedOnAfterTwoLooksOnceTheDatabaseWasSeenSinceItBegan(t *testing.T) {
	s := quiet(t)
	s.sees("codebase", noReply("c1")).is(Suspect, FirstSign)
	s.in(5*time.Second).sees("codebase", noReply("c1")).is(Suspect, Confirming).noAction()
	s.in(5*time.Second).sees("codebase", noReply("c1")).is(Suspect, Confirming).noAction()
	s.sees("postgres", database("p1"))
	s.in(5*time.Second).sees("codebase", noReply("c1")).is(Acting, Act)
	s.performed("restart codebase-mcp.service (stop_grace=5s)")
}

func TestAHangIsNotActedOnAtTheFirstLookEvenWhenTheDatabaseWasSeen(t *testing.T) {
	s := quiet(t)
	s.sees("codebase", noReply("c1")).is(Suspect, FirstSign)
	s.in(time.Second).sees("postgres", database("p1"))
	s.wakesUp("codebase").is(Suspect, Confirming).noAction() // the same look, judged again, is no second look
	s.in(time.Second).sees("codebase", noReply("c1")).is(Acting, Act)
}

func TestAGoodLookBetweenTwoBadOnesBeginsTheCountAnew(t *testing.T) {
	s := quiet(t)
	unwell := but(well("c1"), detect.HealthStatus, "unhealthy", detect.SyntheticOK, false)
	for range 10 { // bad, bad, good: three in a row and five seconds are needed
		s.in(3*time.Second).sees("postgres", database("p1")).sees("codebase", unwell)
		s.in(3*time.Second).sees("codebase", unwell)
		s.in(3*time.Second).sees("codebase", well("c1"))
	}
	s.noAction().tells()
}

func TestAFrozenDatabaseGivesOneIncidentAndItsDependentsWait(t *testing.T) {
	s := quiet(t)
	s.sees("codebase", noReply("c1")).is(Suspect, FirstSign)
	s.sees("workflow", noReply("w1")).is(Suspect, FirstSign)
	s.in(time.Second).sees("postgres", frozen("p1")).is(Suspect, FirstSign)
	s.in(time.Second).sees("codebase", noReply("c1")).is(Suspect, Confirming) // it has a new face: counted anew
	s.sees("workflow", noReply("w1")).is(Suspect, Confirming)
	s.in(time.Second).sees("codebase", noReply("c1")).is(Held, HoldDependency)
	s.sees("workflow", noReply("w1")).is(Held, HoldDependency)
	s.in(time.Second).sees("postgres", frozen("p1")).is(Acting, Act).performed("restart postgresql@15-main.service")
	require.Equal(t, []string{"codebase", "workflow"}, s.incident("postgres").Affected)
	require.Len(t, s.s.Incidents, 1)

	for range 4 { // a look at a frozen database and one at a hanging server each take seconds
		s.in(3*time.Second).sees("codebase", noReply("c1")).sees("workflow", noReply("w1")).sees("postgres", frozen("p1"))
	}
	s.actionEnds("postgres", ResultDone).is(Verifying, ActionOver)
	s.in(time.Second).sees("postgres", database("p2"))
	s.in(2*time.Second).sees("postgres", database("p2")).is(Probation, Verified)
	s.sees("codebase", well("c1")).in(2*time.Second).sees("codebase", well("c1")).is(Watching, DependencyCured)
	s.sees("workflow", well("w1")).in(2*time.Second).sees("workflow", well("w1")).is(Watching, DependencyCured)
	s.in(2*time.Minute).sees("postgres", database("p2")).is(Watching, Closed)
	s.actions("restart postgresql@15-main.service").tells("change t0 postgres: closed")
	require.Empty(t, s.s.Incidents)
}

func TestAFrozenDatabaseSeenByOneWitnessAloneIsNotRestarted(t *testing.T) {
	s := quiet(t)
	for range 20 { // the servers answer: they do not miss it
		s.in(3*time.Second).sees("postgres", frozen("p1")).sees("codebase", well("c1")).sees("workflow", well("w1"))
	}
	s.heldBy("postgres", HoldOneWitness).noAction().tells()
	s.in(5*time.Minute).sees("postgres", frozen("p1")).tells("trigger t0 postgres: held-too-long").noAction()
}

func TestADeadClusterIsStartedAtOnceOnTheWordOfSystemdAndOfTheKernel(t *testing.T) {
	s := quiet(t)
	s.sees("postgres", dead("p1")).is(Acting, Act).performed("start postgresql@15-main.service (reset=yes)")
	lost := but(well("c1"), detect.HealthStatus, "unhealthy", detect.HealthDatabase, "disconnected", detect.PoolSize, 0, detect.PoolFree, 0)
	s.in(time.Second).sees("codebase", lost).is(Suspect, FirstSign)
	s.in(time.Millisecond).sees("codebase", lost).is(Suspect, Confirming) // the database must be seen since
	s.sees("postgres", dead("p1")).in(time.Millisecond).sees("codebase", lost).is(Held, HoldDependency)
	s.actions("start postgresql@15-main.service")
}

func TestAServerThatDiedWithItsDatabaseWaitsForItAndIsStartedAfterwards(t *testing.T) {
	s := quiet(t)
	s.sees("postgres", dead("p1")).is(Acting, Act)
	s.sees("codebase", crashed("c1")).is(Suspect, FirstSign)
	s.in(time.Second).sees("postgres", dead("p1")).sees("codebase", crashed("c1")).is(Held, HoldDependency)
	s.in(time.Second).actionEnds("postgres", ResultDone)
	s.in(time.Second).sees("postgres", database("p2")).in(2*time.Second).sees("postgres", database("p2")).is(Probation, Verified)
	s.sees("codebase", crashed("c1")).is(Acting, Act).performed("start codebase-mcp.service")
	require.Equal(t, "codebase", s.incident("codebase").Target)
}

func TestAClassThatSeveralConditionsDeclareHasTheLadderOfTheGeneralOne(t *testing.T) {
	p, err := NewPolicy(options(t))
	require.NoError(t, err)
	require.Equal(t, []string{"restart", "clean-start"}, p.Ladder("codebase", detect.ClassUnknown), "unwell; still starting is of the same class and has no ladder")
	require.Equal(t, 3, p.timing(p.targets["codebase"], detect.ClassUnknown).Looks)
	require.Equal(t, "restart", p.Ladder("codebase", detect.ClassMemory)[0])
	require.Equal(t, []string{"start", "start", "start-dependencies", "clean-start", "kill-start"}, p.Ladder("codebase", detect.ClassDown))
}
