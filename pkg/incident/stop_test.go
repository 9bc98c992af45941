package incident

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

// stops is the shell's word about the stop file; "" = it is gone.
func (s *story) stops(why string) *story {
	s.t.Helper()
	return s.step(Event{Kind: Stopped, Detail: why})
}

func TestTheStopFileStopsEverythingOnTheHostAndTellsNobody(t *testing.T) {
	s := quiet(t)
	s.stops("/etc/recoveryd/stop: change 4711")
	require.Equal(t, "nothing is done on this host, stopped by the stop file: /etc/recoveryd/stop: change 4711", s.last.Sentence)
	require.True(t, s.last.Durable(), "it must be in the journal, for whoever asks afterwards")
	s.in(time.Second).restart().sees("postgres", dead("p1")).is(Held, HoldStop).noAction()
	require.Contains(t, s.incident("postgres").HeldWhy, "change 4711")
	s.host["postgres"], s.host["workflow"], s.host["codebase"] = dead("p1"), crashed("w1"), crashed("c1")
	s.run(3 * time.Hour).noAction().tells()
	s.heldBy("postgres", HoldStop)
	s.stops("")
	require.Equal(t, "the stop file is gone: recoveryd may act again", s.last.Sentence)
	s.run(time.Second)
	require.Equal(t, []string{"start postgresql@15-main.service"}, s.acted, "its dependents wait")
}

func TestWhatWasNeverLookedAtIsNotCalledUnknownForTooLong(t *testing.T) {
	s := newStory(t)
	s.stops("change 4711").stops("").wakesUp("codebase").is(Watching, NoChange)
	s.tells()
}

func TestAStopFileThatIsWrittenAnewKeepsItsTime(t *testing.T) {
	s := quiet(t).stops("one")
	since := s.s.Host.Stop.Since
	s.in(time.Hour).stops("two")
	require.Equal(t, &Standing{By: "the stop file", Why: "two", Since: since}, s.s.Host.Stop)
	s.in(time.Hour).stops("two")
	require.False(t, s.last.Durable(), "it says what it said")
	s.stops("").in(time.Hour).stops("")
	require.False(t, s.last.Durable(), "it was gone already")
}

func TestTheStopFileEndsAPlanBetweenTwoActions(t *testing.T) {
	s := quiet(t)
	hung := but(noReply("c1"), detect.SocketBacklog, 5)
	s.sees("codebase", hung)
	s.in(time.Second).sees("postgres", database("p1")).sees("codebase", hung).is(Acting, Act).performed("restart")
	s.in(time.Second).actionEnds("codebase", ResultFailed)
	s.in(time.Second).sees("codebase", hung).is(Held, HoldBackoff)
	s.in(10*time.Second).sees("postgres", database("p1")).sees("codebase", hung).is(Acting, Act).performed("kill")
	s.stops("enough").in(time.Second).actionEnds("codebase", ResultDone).is(Verifying, ActionOver)
	s.actions("restart codebase-mcp.service", "kill codebase-mcp.service")
}

func TestTheBudgetOfAFailureClassCountsAllTargets(t *testing.T) {
	s := quiet(t, func(o *Options) { o.Limits.Class = Budget{1, time.Hour} })
	s.sees("codebase", crashed("c1")).is(Acting, Act)
	s.sees("workflow", crashed("w1")).is(Held, HoldClass)
	require.Equal(t, "1 actions against down within 1h, the budget is 1", s.incident("workflow").HeldWhy)
	s.in(time.Second).restart().sees("workflow", crashed("w1")).heldBy("workflow", HoldClass)
	s.tells("trigger t0 workflow: class-budget")
	s.sees("postgres", dead("p1")).is(Acting, Act) // another class has a budget of its own
}
