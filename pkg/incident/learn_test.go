package incident

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

// helps lets the action in flight end, and the target be well until its incident is closed.
func (s *story) helps(target, run string) *story {
	s.t.Helper()
	s.in(time.Second).actionEnds(target, ResultDone)
	for range 30 {
		s.in(poll).sees(target, well(run))
	}
	require.Equal(s.t, Watching, s.s.Targets[target].Phase)
	return s
}

// crashesInVain lets the target crash in a way that only a person mends, and ends when it is closed.
func crashesInVain(s *story) {
	s.t.Helper()
	s.host["postgres"], s.host["workflow"], s.host["codebase"] = database("p1"), well("w1"), crashed("c1")
	s.run(20 * time.Minute)
	s.phase("codebase", Escalated)
	s.host["codebase"] = well("c9")
	s.run(2*time.Hour).phase("codebase", Watching)
}

// memory forgets after a day, and has two rungs against a crash.
func memory(o *Options) {
	o.Memory = Memory{SkipAfter: 2, Forget: 24 * time.Hour}
	o.Overrides = []Override{{Class: detect.ClassDown, Timing: Timing{Ladder: []string{"start", "kill-start"}}}}
}

func TestWhatHasNotHelpedIsPassedOverUntilItIsForgotten(t *testing.T) {
	count := func(s *story) (n int) {
		for _, a := range s.acted {
			if a == "start codebase-mcp.service" {
				n++
			}
		}
		return n
	}
	t.Run("in the third incident nothing is left to try, and the page says why", func(t *testing.T) {
		s := quiet(t, memory)
		crashesInVain(s)
		require.Equal(t, 2, count(s), "start and kill-start")
		crashesInVain(s)
		require.Equal(t, 4, count(s))
		s.restart()
		s.sees("codebase", crashed("c9")).is(Escalated, LadderEnded)
		require.Equal(t, 4, count(s))
		i := s.incident("codebase")
		require.Len(t, i.Skipped, 2)
		require.Contains(t, i.Skipped[0], "start: it has not helped the last 2 times, last on 2026-11-22 ")
		require.Len(t, s.p.Learned(s.s.Targets["codebase"], s.now), 2)
	})
	t.Run("a day later it is tried again", func(t *testing.T) {
		s := quiet(t, memory)
		crashesInVain(s)
		crashesInVain(s)
		s.host["codebase"] = well("c9")
		s.run(25*time.Hour).sees("codebase", crashed("c9")).is(Acting, Act)
		require.Empty(t, s.p.Learned(s.s.Targets["codebase"], s.now))
	})
	t.Run("a person may have it forgotten, and it is tried at once", func(t *testing.T) {
		s := quiet(t, memory)
		crashesInVain(s)
		crashesInVain(s)
		s.sees("codebase", crashed("c9")).is(Escalated, LadderEnded)
		s.says("codebase", Command{Verb: CmdForget, Strategy: "kill-start"})
		require.Contains(t, s.last.Sentence, "forget by ann, 1 lessons")
		s.looksAgain("codebase").is(Acting, Act)
		require.Equal(t, "kill-start", s.s.Targets["codebase"].Plan.Strategy)
	})
	t.Run("another class, and another target, are not concerned", func(t *testing.T) {
		s := quiet(t, memory)
		crashesInVain(s)
		crashesInVain(s)
		s.sees("workflow", crashed("w1")).is(Acting, Act)
		require.Empty(t, s.s.Targets["workflow"].Efforts)
	})
}

func TestASuccessEndsTheCountOfFailures(t *testing.T) {
	s := quiet(t, memory)
	crashesInVain(s)
	require.Equal(t, 1, s.s.Targets["codebase"].Efforts[0].Failed)
	s.sees("codebase", crashed("c9")).is(Acting, Act).helps("codebase", "c10")
	for _, e := range s.s.Targets["codebase"].Efforts {
		require.NotEqual(t, "start", e.Strategy)
	}
}

func TestALostOrRefusedActionTeachesNothing(t *testing.T) {
	for _, r := range []Result{ResultUnknown, ResultTimedOut, ResultDenied} {
		s := quiet(t, func(o *Options) { o.Memory = Memory{SkipAfter: 1, Forget: time.Hour} })
		s.sees("codebase", crashed("c1")).is(Acting, Act)
		s.in(time.Second).actionEnds("codebase", r)
		s.in(time.Minute).sees("postgres", database("p1")).sees("codebase", crashed("c1"))
		require.Empty(t, s.s.Targets["codebase"].Efforts, r)
	}
}

func TestAStrategyIsPromotedAfterProposalsThatHelped(t *testing.T) {
	s := quiet(t, proposing(5*time.Minute, func(o *Options) { o.Approval.PromoteAfter = 2 }))
	for n, run := range []string{"c2", "c3"} {
		s.sees("codebase", crashed("c1")).is(Held, HoldApproval)
		s.says("codebase", Command{Verb: CmdApprove, Incident: s.incident("codebase").ID}).looksAgain("codebase").is(Acting, Act).helps("codebase", run)
		if n == 0 {
			s.restart()
			s.sees("codebase", well(run))
		}
	}
	var lesson string
	for _, r := range s.kept {
		if r.Incident != nil && len(r.Incident.Lessons) > 0 {
			lesson = r.Sentence
			require.Equal(t, Closed, r.Reason, "only when it held through probation")
		}
	}
	require.Equal(t, "closed: it stayed clear through probation; start on codebase is now auto: 2 proposals in a row were approved and helped", lesson)
	s.restart().sees("codebase", crashed("c3")).is(Acting, Act)
	learned := s.p.Learned(s.s.Targets["codebase"], s.now)
	require.Len(t, learned, 1)
	require.Contains(t, learned[0], "start: auto since 2026-11-22 03:")
	s.says("codebase", Command{Verb: CmdForget})
	require.Equal(t, Propose, s.p.modeOf(s.s.Targets["codebase"], "start"))
}

func TestAStrategyIsDemotedWhenItDoesNotHelp(t *testing.T) {
	s := quiet(t, memory, func(o *Options) {
		o.Memory = Memory{}
		o.Approval = Approval{Deadline: time.Minute, DemoteAfter: 2}
	})
	crashesInVain(s)
	crashesInVain(s)
	require.Equal(t, Propose, s.p.modeOf(s.s.Targets["codebase"], "start"))
	s.restart().sees("codebase", crashed("c9")).is(Held, HoldApproval)
	require.Contains(t, s.p.Learned(s.s.Targets["codebase"], s.now)[0], "propose since ")
	require.Equal(t, Auto, s.p.modeOf(&TargetState{Name: "workflow"}, "start"))
}

func TestWhatWasLearnedCountsForTheConfigurationUnderWhichItWasLearned(t *testing.T) {
	o := options(t)
	ts := &TargetState{Name: "codebase", Trust: []Trust{{Strategy: "start", From: Propose, Mode: Auto}, {Strategy: "restart", From: Auto, Mode: Propose}}}
	mode := func(change func(*Options)) (start, restart Mode) {
		x := o
		change(&x)
		p, err := NewPolicy(x)
		require.NoError(t, err)
		return p.modeOf(ts, "start"), p.modeOf(ts, "restart")
	}
	for name, c := range map[string]struct {
		change         func(*Options)
		start, restart Mode
	}{
		"off":                 {func(o *Options) { o.Modes = map[string]Mode{"codebase": Propose} }, Propose, Propose},
		"promotion is on":     {func(o *Options) { o.Modes = map[string]Mode{"codebase": Propose}; o.Approval.PromoteAfter = 3 }, Auto, Propose},
		"now configured auto": {func(o *Options) { o.Approval.PromoteAfter, o.Approval.DemoteAfter = 3, 3 }, Auto, Propose},
		"demotion is off":     {func(o *Options) { o.Approval.PromoteAfter = 3 }, Auto, Auto},
		"now only observed":   {func(o *Options) { o.Modes = map[string]Mode{"codebase": Observe}; o.Approval.PromoteAfter = 3 }, Observe, Observe},
	} {
		t.Run(name, func(t *testing.T) {
			start, restart := mode(c.change)
			require.Equal(t, c.start, start)
			require.Equal(t, c.restart, restart)
		})
	}
}
