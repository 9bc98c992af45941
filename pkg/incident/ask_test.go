package incident

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

func asks(strategyName string) Command {
	return Command{Verb: CmdRecover, By: "ann", Strategy: strategyName}
}

func TestAPersonsWishTakesThePlaceOfTheMode(t *testing.T) {
	for mode, hold := range map[Mode]Reason{Observe: HoldObserve, Propose: HoldApproval} {
		t.Run(string(mode), func(t *testing.T) {
			s := quiet(t, func(o *Options) { o.Modes = map[string]Mode{"codebase": mode} })
			s.sees("codebase", crashed("c1")).is(Held, hold).noAction()
			s.in(time.Second).says("codebase", asks("")).looksAgain("codebase").is(Acting, Act).performed("start codebase-mcp.service (reset=yes)")
			require.Contains(t, s.last.Sentence, "a person said: recover it by its ladder, says ann; acting (start: ")
			s.in(time.Second).actionEnds("codebase", ResultFailed)
			s.host["postgres"], s.host["workflow"], s.host["codebase"] = database("p1"), well("w1"), crashed("c1")
			s.run(time.Minute)
			require.Greater(t, len(s.acted), 1, "the whole ladder was asked for")
			s.host["codebase"] = well("c9")
			s.run(10*time.Minute).phase("codebase", Watching)
			s.in(time.Second).sees("codebase", crashed("c9")).is(Held, hold)
		})
	}
	t.Run("one strategy is asked for once, and the mode holds again", func(t *testing.T) {
		s := quiet(t, func(o *Options) { o.Modes = map[string]Mode{"codebase": Observe} })
		s.host["postgres"], s.host["workflow"], s.host["codebase"] = database("p1"), well("w1"), crashed("c1")
		s.run(10*time.Second).heldBy("codebase", HoldObserve)
		s.says("codebase", asks("kill-start")).looksAgain("codebase")
		require.Equal(t, Acting, s.last.To)
		require.Equal(t, "kill-start", s.incident("codebase").Attempts[0].Strategy)
		s.do = func(strategy.Action) outcome { return outcome{result: ResultFailed, took: time.Second} }
		s.run(10*time.Minute).heldBy("codebase", HoldObserve)
		require.Len(t, s.acted, 1)
		require.Zero(t, s.incident("codebase").Rungs[s.incident("codebase").Class], "it was no rung of the ladder")
	})
}

// Ann asks for the ladder, and restarts the service herself while its next rung is on the way.
func TestWhatIsDoneByHandAfterAWishIsSeenByItsActionsToo(t *testing.T) {
	s := quiet(t, func(o *Options) { o.Modes = map[string]Mode{"codebase": Observe} })
	s.sees("codebase", crashed("c1")).heldBy("codebase", HoldObserve)
	s.in(time.Second).says("codebase", asks("")).looksAgain("codebase").performed("start")
	for _, e := range s.last.Effects {
		if e.Kind == Perform {
			require.Equal(t, strategy.SeenIn(crashed("c1")), e.Action.Seen)
			require.Equal(t, "a restart job that is not ours is on the unit",
				e.Action.Seen.Outdated(e.Action.Verb, but(crashed("c1"), detect.WorkloadPending, "restart", detect.WorkloadPendingOurs, false)))
		}
	}
}

func TestAWishGoesThroughEveryGuardButTheMode(t *testing.T) {
	tests := []struct {
		name string
		make func(*testing.T) *story
		ask  string
		says string
	}{
		{"nothing is wrong", func(t *testing.T) *story { return quiet(t) }, "restart", "refused, nothing is known to be wrong with it"},
		{"a person stopped it", func(t *testing.T) *story {
			return quiet(t).sees("codebase", but(crashed("c1"), "unit.active", "inactive", "workload.departure", "stopped"))
		}, "", "not now (operator-intent), a person stopped the unit"},
		{"everything is paused", func(t *testing.T) *story {
			return quiet(t).says("", Command{Verb: CmdPause, By: "bob"}).in(time.Second).sees("codebase", crashed("c1"))
		}, "", "not now (paused)"},
		{"it is held", func(t *testing.T) *story {
			return quiet(t).says("codebase", Command{Verb: CmdHold, By: "bob"}).in(time.Second).sees("codebase", crashed("c1"))
		}, "kill-start", "not now (hold), held by bob"},
		{"its budget is used up", func(t *testing.T) *story {
			s := quiet(t, func(o *Options) { o.Limits.Target.Actions = 1; o.Modes = map[string]Mode{"codebase": Observe} })
			s.sees("codebase", crashed("c1")).in(time.Second).says("codebase", asks("")).looksAgain("codebase").is(Acting, Act)
			return s.in(time.Second).actionEnds("codebase", ResultFailed).in(time.Minute).sees("codebase", crashed("c1")).
				in(10*time.Minute).sees("codebase", crashed("c1"))
		}, "", "not now (target-budget)"},
		{"only one witness, and it would disrupt", func(t *testing.T) *story {
			return quiet(t).sees("codebase", but(well("c1"), "health.status", "unhealthy", "health.database", "connected"))
		}, "restart", "not now (one-witness)"},
		{"no such strategy here", func(t *testing.T) *story {
			return quiet(t).sees("codebase", crashed("c1")).actionEnds("codebase", ResultFailed).in(time.Minute).sees("codebase", crashed("c1"))
		}, "clean-start", "refused, no rung applies: clean-start: caches is not configured"},
		{"the culprit is another", func(t *testing.T) *story {
			s := quiet(t, func(o *Options) { o.Modes = map[string]Mode{"postgres": Observe} })
			return s.sees("postgres", dead("p1")).in(time.Second).sees("codebase", but(well("c1"), "health.status", "unhealthy", "health.database", "disconnected", "pool.size", 0, "pool.free", 0))
		}, "", "refused, postgres is the culprit: recover that one"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := tt.make(t)
			before := len(s.acted)
			s.says("codebase", asks(tt.ask)).looksAgain("codebase")
			require.Contains(t, s.last.Sentence, tt.says)
			require.NotEqual(t, Acting, s.last.To)
			require.Len(t, s.acted, before)
			require.True(t, s.last.Durable(), "a person's word is written down, also when it is refused")
			if a := s.s.Targets["codebase"].Asked; a != nil {
				require.NotEqual(t, s.now, a.At, "a refused wish is not kept for later")
			}
			require.Nil(t, s.s.Targets["codebase"].Wish, "it is answered")
		})
	}
}

func TestARehearsalIsTheStepThatWouldBeTaken(t *testing.T) {
	s := quiet(t, func(o *Options) { o.Modes = map[string]Mode{"codebase": Observe} }).sees("codebase", crashed("c1"))
	before := asJSON(t, s.s)
	next, rec := s.p.Step(s.s, s.now, Event{Kind: Operator, Target: "codebase", Command: &Command{Verb: CmdRecover, By: "ann"}})
	require.True(t, rec.Waits())
	last := next.Targets["codebase"].Last
	_, rec = s.p.Step(next, s.now, Event{Kind: Observed, Target: "codebase", Observation: &last})
	require.True(t, rec.Answered)
	require.Equal(t, Acting, rec.To)
	require.Equal(t, before, asJSON(t, s.s), "the state is as it was")
	var lines []string
	for _, r := range s.p.Rungs(s.s, s.now, "codebase", "") {
		line := r.Strategy + ": " + r.Not
		if r.Not == "" {
			line = r.Strategy + ": " + r.Actions[0]
		}
		lines = append(lines, line)
	}
	require.Equal(t, []string{"start: start codebase-mcp.service (reset=yes)", "start: start codebase-mcp.service (reset=yes)",
		"start-dependencies: no plain dependency of it on this host is stopped or failed", "clean-start: caches is not configured",
		"kill-start: start codebase-mcp.service (reset=yes)"}, lines)
}

// What a person says is taken at once, and what a look that comes afterwards shows decides whether there is
// anything left to do: whatever came between.
func TestAPersonsWordIsActedOnAfterAFreshLook(t *testing.T) {
	gaps := map[string]func(*story){
		"at once":                      func(*story) {},
		"after a restart":              func(s *story) { s.in(10 * time.Second).restart() },
		"after the clock was set back": func(s *story) { s.in(-30 * time.Minute) },
		"after the clock was set on":   func(s *story) { s.in(30 * time.Minute) },
		"after a pause": func(s *story) {
			s.says("", Command{Verb: CmdPause}).in(time.Second).says("", Command{Verb: CmdResume}).noneBegun()
		},
		"after the journal was mended":   func(s *story) { s.step(Event{Kind: Impaired, Detail: "full"}).step(Event{Kind: Impaired}).noneBegun() },
		"after the stop file was there":  func(s *story) { s.step(Event{Kind: Stopped, Detail: "x"}).step(Event{Kind: Stopped}).noneBegun() },
		"after something else woke it":   func(s *story) { s.in(time.Second).wakesUp("codebase").noneBegun() },
		"after a pause whose time is up": func(s *story) { s.says("", Command{Verb: CmdPause, Until: s.now.Add(time.Second)}).in(2 * time.Second) },
	}
	proposed := func(t *testing.T) *story {
		s := quiet(t, proposing(5*time.Minute))
		return s.sees("codebase", crashed("c1")).is(Held, HoldApproval)
	}
	words := map[string]struct {
		from func(*testing.T) *story
		say  func(*story)
	}{
		"approve": {proposed, func(s *story) { s.says("codebase", Command{Verb: CmdApprove, Incident: s.incident("codebase").ID}) }},
		"recover": {proposed, func(s *story) { s.says("codebase", asks("")) }},
		"release": {func(t *testing.T) *story {
			return quiet(t).says("codebase", Command{Verb: CmdHold}).sees("codebase", crashed("c1")).is(Held, HoldCommand)
		}, func(s *story) { s.says("codebase", Command{Verb: CmdRelease}) }},
		"retry": {func(t *testing.T) *story {
			s := quiet(t, func(o *Options) { o.Memory = Memory{SkipAfter: 1, Forget: 24 * time.Hour} })
			for _, name := range []string{"start", "restart", "kill-start"} {
				s.s.Targets["codebase"].Efforts = append(s.s.Targets["codebase"].Efforts, Effort{detect.ClassDown, name, 1, s.now})
			}
			s.kept = append(s.kept, Record{Seq: s.s.Seq, At: s.now, Target: "codebase", After: s.s.Targets["codebase"]})
			return s.sees("codebase", crashed("c1")).is(Escalated, LadderEnded)
		}, func(s *story) { s.says("codebase", Command{Verb: CmdRetry}) }},
	}
	for word, w := range words {
		for gap, after := range gaps {
			t.Run(word+" "+gap, func(t *testing.T) {
				said := func() *story {
					s := w.from(t)
					after(s)
					w.say(s)
					s.noneBegun()
					require.True(t, s.last.Durable(), "the word is taken at once")
					_, asked := s.lookAsked("codebase")
					require.True(t, asked, "a look is asked for at once")
					return s.in(time.Second).sees("postgres", database("p1"))
				}
				said().sees("codebase", well("c2")).noAction()
				said().sees("codebase", crashed("c1")).performed("start")
			})
		}
	}
}
