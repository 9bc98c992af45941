package incident

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// misconfigured is a story with one page that nothing will resolve.
func misconfigured(t *testing.T) *story {
	t.Helper()
	s := quiet(t)
	s.host["postgres"], s.host["workflow"] = database("p1"), well("w1")
	s.host["codebase"] = but(noReply("c1"), detect.HTTPOutcome, detect.OutcomeNotFound)
	s.run(time.Minute).tells("trigger t0 codebase: unknown-too-long")
	return s
}

func TestTheNextTierIsToldWhenAPageGrowsOldEvenAcrossARestart(t *testing.T) {
	s := misconfigured(t)
	s.run(10 * time.Minute).restart()
	s.run(3 * time.Minute).tells("trigger t0 codebase: unknown-too-long")
	s.run(2*time.Minute).tells("trigger t0 codebase: unknown-too-long", "trigger t1 codebase: tier-due")
	s.run(50*time.Minute).tells("trigger t0 codebase: unknown-too-long", "trigger t1 codebase: tier-due", "trigger t2 codebase: tier-due")
}

func TestAnAcknowledgementStopsTheTiersForAsLongAsItSays(t *testing.T) {
	s := misconfigured(t)
	s.says("codebase", Command{Verb: CmdAck, Incident: s.incident("codebase").ID, Until: s.now.Add(40 * time.Minute)})
	s.restart().run(35 * time.Minute).tells("trigger t0 codebase: unknown-too-long")
	s.run(10*time.Minute).tells("trigger t0 codebase: unknown-too-long", "trigger t1 codebase: tier-due")
}

func TestAnAcknowledgementWithoutEndStopsTheTiersForGood(t *testing.T) {
	s := misconfigured(t)
	s.says("codebase", Command{Verb: CmdAck})
	s.run(5 * time.Hour).tells("trigger t0 codebase: unknown-too-long")
}

func TestADependentWhoseCulpritHasNoProblemOfItsOwnIsPaged(t *testing.T) {
	s := quiet(t)
	// The service has lost its database; PostgreSQL itself could not be asked, so it is named and
	// cannot be confirmed.
	unasked := but(database("p1"), detect.SQLOutcome, detect.NotMeasured("recoveryd has no login"), detect.SQLUsed, gone, detect.SQLMax, gone)
	lost := but(well("c1"), detect.HealthStatus, "unhealthy", detect.HealthDatabase, "disconnected", detect.PoolSize, 0, detect.PoolFree, 0)
	s.host["postgres"], s.host["workflow"], s.host["codebase"] = unasked, well("w1"), lost
	s.run(4*time.Minute).heldBy("codebase", HoldDependency).noAction().tells()
	s.run(2 * time.Minute).noAction().tells("trigger t0 codebase: held-too-long")
	s.host["codebase"], s.host["postgres"] = well("c1"), database("p1")
	s.run(5*time.Minute).phase("codebase", Watching).tells("trigger t0 codebase: held-too-long", "resolve t0 codebase: closed")
}

func TestWithABrokenJournalItOnlyPages(t *testing.T) {
	s := quiet(t)
	s.step(Event{Kind: Impaired, Detail: "the journal cannot be written: no space left"})
	s.sees("codebase", crashed("c1")).is(Held, HoldJournal).noAction().tells("trigger t0 codebase: journal-broken")
	s.in(time.Minute).sees("codebase", crashed("c1")).noAction()
	s.step(Event{Kind: Impaired}).looksAgain("codebase").is(Acting, Act)
}

func TestABrokenJournalEndsAPlanHalfWay(t *testing.T) {
	s := quiet(t, func(o *Options) {
		o.Overrides = []Override{{Class: detect.ClassHung, Timing: Timing{Ladder: []string{"kill-start"}}}}
	})
	hung := but(noReply("c1"), detect.SocketBacklog, 3)
	s.sees("codebase", hung).in(time.Second).sees("postgres", database("p1")).sees("codebase", hung).performed("kill")
	s.step(Event{Kind: Impaired, Detail: "the journal cannot be written"})
	s.in(time.Second).actionEnds("codebase", ResultDone).is(Verifying, ActionOver)
	s.in(time.Second).sees("codebase", crashed("c1")).in(time.Minute).sees("codebase", crashed("c1")).heldBy("codebase", HoldJournal)
	require.Len(t, s.acted, 1)
	s.step(Event{Kind: Impaired})
	s.in(time.Second).sees("codebase", crashed("c1")).performed("start")
}

func TestWorkThatDragsOnIsPagedAlthoughItGoesOn(t *testing.T) {
	s := quiet(t, func(o *Options) { o.PageAfter.Unresolved = 2 * time.Minute })
	s.host["postgres"], s.host["workflow"], s.host["codebase"] = database("p1"), well("w1"), crashed("c1")
	runs := 0
	s.after = func() { // it comes up, and falls over some seconds later
		if ph := s.s.Targets["codebase"].Phase; ph == Probation {
			s.host["codebase"] = crashed(s.s.Targets["codebase"].Run)
		}
	}
	s.do = func(a strategy.Action) outcome {
		return outcome{result: ResultDone, took: time.Second, then: func() { runs++; s.host["codebase"] = well("n" + string(rune('a'+runs))) }}
	}
	s.run(3 * time.Minute)
	require.NotEmpty(t, s.told)
	require.Contains(t, s.told[0], "trigger t0 codebase")
	n := 0
	for _, w := range s.told {
		if w == s.told[0] {
			n++
		}
	}
	require.Equal(t, 1, n)
}

func TestEveryPageSaysWhatHappensNext(t *testing.T) {
	s := quiet(t)
	s.host["postgres"], s.host["workflow"], s.host["codebase"] = database("p1"), well("w1"), crashed("c1")
	s.do = func(strategy.Action) outcome { return outcome{result: ResultFailed, took: time.Second} }
	s.run(10 * time.Minute)
	found := false
	for _, r := range s.kept {
		for _, e := range r.Effects {
			if e.Kind == Notify && e.Notice.Kind == NoticeTrigger {
				found = true
				require.Equal(t, "recoveryd will do nothing more by itself: everything it may try was tried. "+
					"It keeps watching and resolves this page when the target has recovered.", e.Notice.Next)
			}
		}
	}
	require.True(t, found)
}

func TestAStoppedTargetIsNotPagedBecauseItsDatabaseDiesToo(t *testing.T) {
	s := quiet(t)
	s.host["postgres"], s.host["workflow"], s.host["codebase"] = database("p1"), well("w1"), stopped("c1")
	s.run(time.Hour).heldBy("codebase", HoldOperator)
	s.do = func(strategy.Action) outcome { return outcome{result: ResultFailed, took: time.Second} }
	s.host["postgres"] = dead("p1")
	s.run(14 * time.Minute)
	for _, n := range s.told {
		require.Contains(t, n, "postgres")
	}
}

func TestAnIncidentThatClosedWhileTheJournalWasBrokenDoesNotComeBackFromTheDead(t *testing.T) {
	s := quiet(t)
	s.host["postgres"], s.host["workflow"], s.host["codebase"] = database("p1"), well("w1"), but(noReply("c1"), detect.HTTPOutcome, detect.OutcomeNotFound)
	s.run(time.Minute).phase("codebase", Escalated)
	old := s.incident("codebase").ID
	// The journal breaks: the end of the incident is told, and never written.
	written := len(s.kept)
	s.unwritten = true
	s.step(Event{Kind: Impaired, Detail: "no space left"})
	s.host["codebase"] = well("c1")
	s.run(5*time.Minute).phase("codebase", Watching)
	s.kept = s.kept[:written]
	s.step(Event{Kind: Impaired})
	s.unwritten = false
	s.in(time.Hour).sees("codebase", crashed("c1")).is(Acting, Act)
	require.NotContains(t, s.replayed().Incidents, old)
	require.Len(t, s.replayed().Incidents, 1)
}

func TestNobodyIsPagedForWhatWaitsForADatabaseThatAPersonStopped(t *testing.T) {
	s := quiet(t)
	downFor := but(dead("p1"), detect.WorkloadState, detect.StateStopped, detect.WorkloadDeparture, detect.DepartureStopped)
	lost := but(well("c2"), detect.HealthStatus, "unhealthy", detect.HealthDatabase, "disconnected", detect.PoolSize, 0, detect.PoolFree, 0)
	s.host["postgres"], s.host["workflow"], s.host["codebase"] = database("p1"), well("w1"), crashed("c1")
	s.do = func(strategy.Action) outcome {
		return outcome{result: ResultDone, took: time.Second, then: func() { s.host["codebase"], s.host["postgres"] = lost, downFor }}
	}
	s.run(10*time.Minute).heldBy("codebase", HoldDependency).tells()
	require.Equal(t, HoldOperator, s.incident("codebase").Held)
}

func TestATierThatBecomesDueWhileHeldSaysSo(t *testing.T) {
	s := quiet(t, func(o *Options) { o.Modes = map[string]Mode{"codebase": Observe} })
	s.host["postgres"], s.host["workflow"], s.host["codebase"] = database("p1"), well("w1"), crashed("c1")
	s.run(14 * time.Minute)
	s.in(2*time.Minute).wakesUp("codebase").is(Held, TierDue)
	require.Equal(t, "unresolved for too long, telling the next people: unit failed (result signal, killed 9), connection refused", s.last.Sentence)
}

func TestTheTimeForACureRunsFromTheEndOfAPersonsHold(t *testing.T) {
	s := quiet(t)
	s.says("codebase", Command{Verb: CmdHold})
	s.host["postgres"], s.host["workflow"], s.host["codebase"] = database("p1"), well("w1"), crashed("c1")
	s.run(3*time.Hour).heldBy("codebase", HoldCommand).tells()
	s.do = func(strategy.Action) outcome {
		return outcome{result: ResultDone, took: time.Second, then: func() { s.host["codebase"] = well("c2") }}
	}
	s.says("codebase", Command{Verb: CmdRelease}).run(5*time.Minute).phase("codebase", Watching)
	s.actions("start codebase-mcp.service").tells("change t0 codebase: closed")
}

func TestWhatHappenedWhileTheJournalWasBrokenIsWrittenWhenItWorksAgain(t *testing.T) {
	s := quiet(t)
	wrong := but(noReply("c1"), detect.HTTPOutcome, detect.OutcomeNotFound)
	s.host["postgres"], s.host["workflow"], s.host["codebase"] = database("p1"), well("w1"), wrong
	s.run(time.Minute).tells("trigger t0 codebase: unknown-too-long")
	first := s.incident("codebase").ID
	written := len(s.kept)
	s.unwritten = true
	s.step(Event{Kind: Impaired, Detail: "no space left"})
	s.host["codebase"], s.host["workflow"] = well("c1"), but(noReply("w1"), detect.HTTPOutcome, detect.OutcomeNotFound)
	s.run(5*time.Minute).phase("codebase", Watching).phase("workflow", Escalated)
	s.kept = s.kept[:written]
	s.step(Event{Kind: Impaired})
	s.run(time.Second)
	s.unwritten = false
	// The daemon is killed. The next life knows of the page that is open, and of no other.
	s.in(time.Hour).restart().phase("workflow", Escalated)
	require.NotContains(t, s.s.Incidents, first)
	require.Len(t, s.s.Incidents, 1)
	// A new problem is a new page.
	s.host["codebase"] = wrong
	s.run(time.Minute)
	require.Equal(t, "trigger t0 codebase: unknown-too-long", s.told[len(s.told)-1])
	s.host["codebase"], s.host["workflow"] = well("c1"), well("w1")
	s.run(5 * time.Minute)
	open := map[string]int{}
	for _, n := range s.told {
		word, about, _ := strings.Cut(n, " ")
		about, _, _ = strings.Cut(about, ":")
		open[about] += map[string]int{"trigger": 1, "resolve": -1}[word]
	}
	for about, n := range open {
		require.Zero(t, n, about)
	}
}

// A service that serves and calls itself degraded is left alone. Somebody hears of it when it stays so.
func TestADegradedThatLastsIsHeardOfOnceAndLeftAlone(t *testing.T) {
	for name, degraded := range map[string]detect.Facts{
		"its own word":             but(well("c1"), detect.HealthStatus, "degraded"),
		"a 503 above a good word":  but(well("c1"), detect.HTTPStatus, 503),
		"a part of it that is bad": but(well("c1"), detect.HealthParts, "cache: down"),
	} {
		t.Run(name, func(t *testing.T) {
			s := quiet(t, func(o *Options) { o.PageAfter.Degraded = time.Hour })
			s.host["postgres"], s.host["workflow"], s.host["codebase"] = database("p1"), well("w1"), degraded
			s.run(59 * time.Minute).noAction().tells()
			s.host["codebase"] = well("c1")
			s.run(time.Minute)
			s.host["codebase"] = degraded
			s.run(59 * time.Minute).noAction().tells() // it was well in between
			s.run(2 * time.Minute).noAction().tells("trigger t0 codebase: degraded-too-long")
			require.Equal(t, detect.P3, s.incident("codebase").Severity)
			s.run(5 * time.Minute).tells("trigger t0 codebase: degraded-too-long")
			s.host["codebase"] = well("c1")
			s.run(5*time.Minute).noAction().tells("trigger t0 codebase: degraded-too-long", "resolve t0 codebase: closed")
		})
	}
}

func TestADegradedThatLastsHidesNothingWorse(t *testing.T) {
	s := quiet(t, func(o *Options) { o.PageAfter.Degraded = time.Hour })
	s.host["postgres"], s.host["workflow"], s.host["codebase"] = database("p1"), well("w1"), but(well("c1"), detect.HealthStatus, "degraded")
	s.run(62 * time.Minute).tells("trigger t0 codebase: degraded-too-long")
	s.host["codebase"] = noReply("c1")
	s.run(30 * time.Second)
	require.NotEmpty(t, s.incident("codebase").Attempts, "it hangs, and is restarted")
}
