package incident

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// fullRecovery is the incident runbook's procedure on the targets of the stories.
func fullRecovery(o *Options) strategy.Playbook {
	of := func(do strategy.StepKind, name string) strategy.Step {
		i := slices.IndexFunc(o.Targets, func(t detect.Target) bool { return t.Name == name })
		return strategy.TargetStep(do, o.Targets[i], 0)
	}
	clean := strategy.Step{Name: "clear caches", Do: strategy.StepClean, Timeout: 30 * time.Second, Again: true,
		Action: &strategy.Action{Verb: strategy.CacheClean, Object: "/var/cache/mcp", Timeout: 30 * time.Second}}
	smoke := strategy.Step{Name: "smoke test", Do: strategy.StepSmoke, Target: "codebase", Timeout: 10 * time.Second, Again: true,
		Action: &strategy.Action{Verb: strategy.CheckWork, Object: "codebase", Timeout: 10 * time.Second}}
	return strategy.Playbook{Name: "full-recovery", Description: "stop both, clear caches, start in order", Timeout: 10 * time.Minute, Steps: []strategy.Step{
		of(strategy.StepStop, "codebase"), of(strategy.StepStop, "workflow"), clean, of(strategy.StepEnsure, "postgres"),
		of(strategy.StepStart, "workflow"), of(strategy.StepWait, "workflow"), of(strategy.StepStart, "codebase"), of(strategy.StepWait, "codebase"), smoke}}
}

func withPlaybooks(change ...func(*strategy.Playbook)) func(*Options) {
	return func(o *Options) {
		b := fullRecovery(o)
		for _, c := range change {
			c(&b)
		}
		o.Playbooks = append(o.Playbooks, b)
		set, err := strategy.NewSet(append(strategy.Builtin(), strategy.RunPlaybook(b))...)
		if err != nil {
			panic(err)
		}
		o.Strategies = set
	}
}

// obeying is a host on which units do as they are told.
func obeying(t *testing.T, change ...func(*Options)) *story {
	s := quiet(t, change...)
	s.host["postgres"], s.host["workflow"], s.host["codebase"] = database("p1"), well("w1"), well("c1")
	n := 1
	s.do = func(a strategy.Action) outcome {
		return outcome{result: ResultDone, took: time.Second, then: func() { s.obey(a, &n) }}
	}
	return s
}

func (s *story) obey(a strategy.Action, n *int) {
	*n++
	run := strings.Repeat("r", *n)
	name := map[string]string{"codebase-mcp.service": "codebase", "workflow-mcp.service": "workflow", "postgresql@15-main.service": "postgres"}[a.Object]
	switch a.Verb {
	case strategy.Stop:
		off := stopped("x")
		s.host[name] = but(off, detect.WorkloadDeparture, detect.DepartureBySelf)
	case strategy.Start, strategy.Restart:
		s.host[name] = well(run)
		if name == "postgres" {
			s.host[name] = database(run)
		}
	}
}

func plays() Command { return Command{Verb: CmdPlay, By: "ann", Playbook: "full-recovery"} }

// steps lists what came of the steps of the latest run.
func (s *story) runLog() (out []string) {
	for i := len(s.kept) - 1; i >= 0; i-- {
		if r := s.kept[i].Run; r != nil {
			for _, l := range r.Log {
				out = append(out, l.Name+": "+string(l.Result))
			}
			return out
		}
	}
	return nil
}

var allDone = []string{"stop codebase: done", "stop workflow: done", "clear caches: done", "ensure postgres: nothing-to-do", "start workflow: done",
	"wait workflow: done", "start codebase: done", "wait codebase: done", "smoke test: done"}

func TestAPlaybookIsCarriedOutStepByStep(t *testing.T) {
	s := obeying(t, withPlaybooks()).run(10 * time.Second)
	s.says("", plays())
	require.Contains(t, s.last.Sentence, "run full-recovery-")
	require.NotNil(t, s.s.Host.Run)
	s.run(3 * time.Minute)
	require.Nil(t, s.s.Host.Run)
	require.Equal(t, allDone, s.runLog())
	s.actions("stop codebase-mcp.service", "stop workflow-mcp.service", "cache.clean /var/cache/mcp", "start workflow-mcp.service",
		"start codebase-mcp.service", "check.work codebase")
	require.Empty(t, s.s.Incidents, "what a playbook does on purpose is no incident")
	s.tells("change t0 : playbook-done")
	require.Equal(t, PlaybookDone, s.s.Host.Runs[0].Outcome)
	require.Len(t, s.s.Host.Actions, 2, "one action of the budget for each target that it disrupts")
}

func TestARunSurvivesAKillAtAnyRecord(t *testing.T) {
	s := obeying(t, withPlaybooks()).run(10*time.Second).says("", plays()).run(3 * time.Minute)
	whole := len(s.kept)
	for kill := 1; kill < whole; kill++ {
		s := obeying(t, withPlaybooks())
		killed := false
		s.after = func() {
			if !killed && len(s.kept) == kill {
				killed = true
				lost := s.ends // what was asked of the host takes effect all the same
				for _, e := range lost {
					if e.do != nil {
						e.do()
					}
				}
				s.restart()
			}
		}
		s.run(10 * time.Second)
		if s.s.Host.Run == nil && len(s.runLog()) == 0 {
			s.says("", plays())
		}
		s.run(4 * time.Minute)
		require.Equal(t, allDone, s.runLog(), "killed after record %d", kill)
		for _, what := range []string{"stop codebase-mcp.service", "start workflow-mcp.service"} {
			n := 0
			for _, a := range s.acted {
				if a == what {
					n++
				}
			}
			require.Equal(t, 1, n, "%s was repeated though it had taken place; killed after record %d", what, kill)
		}
		require.Empty(t, s.s.Incidents)
	}
}

func TestAnActionThatNeverTookPlaceIsAskedForOnceMore(t *testing.T) {
	s := obeying(t, withPlaybooks()).run(10 * time.Second)
	s.says("", plays())
	for s.s.Host.Run.Stage != StageActing {
		s.run(100 * time.Millisecond)
	}
	s.restart().run(4 * time.Minute) // killed before the stop was asked for: the server still runs
	require.Equal(t, allDone, s.runLog())
	require.Equal(t, []string{"stop codebase-mcp.service", "stop codebase-mcp.service", "stop workflow-mcp.service"}, s.acted[:3])
}

func TestACommandWhoseOutcomeWasLostIsNotRepeated(t *testing.T) {
	s := obeying(t, withPlaybooks(func(b *strategy.Playbook) {
		b.Steps = []strategy.Step{{Name: "dump", Do: strategy.StepCommand, Timeout: time.Minute, Action: &strategy.Action{Verb: strategy.CommandRun, Object: "dump", Timeout: time.Minute}}}
	})).run(10 * time.Second)
	s.says("", plays())
	require.Equal(t, StageActing, s.s.Host.Run.Stage)
	s.restart()
	require.Equal(t, PlaybookFailed, s.s.Host.Runs[0].Outcome)
	require.Contains(t, s.s.Host.Runs[0].Because, "it is not repeated")
	require.Len(t, s.acted, 1)
}

func TestWhatHoldsARunBack(t *testing.T) {
	tests := []struct {
		name  string
		begin func(*story)
		end   func(*story)
		why   Reason
	}{
		{"a pause", func(s *story) { s.says("", Command{Verb: CmdPause}) }, func(s *story) { s.says("", Command{Verb: CmdResume}) }, HoldPaused},
		{"a hold of the next target", func(s *story) { s.says("workflow", Command{Verb: CmdHold}) }, func(s *story) { s.says("workflow", Command{Verb: CmdRelease}) }, HoldCommand},
		{"the stop file", func(s *story) { s.step(Event{Kind: Stopped, Detail: "fleet"}) }, func(s *story) { s.step(Event{Kind: Stopped}) }, HoldStop},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := obeying(t, withPlaybooks()).run(10 * time.Second)
			tt.begin(s)
			s.says("", plays())
			require.Nil(t, s.s.Host.Run, "it does not begin: %s", s.last.Sentence)
			require.Contains(t, s.last.Sentence, "refused")
			tt.end(s)
			s.says("", plays())
			tt.begin(s)
			s.run(time.Minute)
			n := len(s.acted)
			require.LessOrEqual(t, n, 1, "only what was in flight")
			require.Equal(t, tt.why, s.s.Host.Run.Held)
			tt.end(s)
			s.run(4 * time.Minute)
			require.Equal(t, allDone, s.runLog(), "it goes on when that is over")
		})
	}
}

func TestWhyARunIsRefused(t *testing.T) {
	tests := []struct {
		name   string
		change func(*Options)
		before func(*story)
		says   string
	}{
		{"no such playbook", func(o *Options) { o.Playbooks[0].Name = "other" }, nil, `there is no playbook "full-recovery" (there are other)`},
		{"a target is only observed", func(o *Options) { o.Modes = map[string]Mode{"workflow": Observe} }, nil, "workflow: workflow is only observed (observe-mode)"},
		{"the host's budget has no room", func(o *Options) { o.Limits.Host.Actions = 1 }, nil, "the budget is 1"},
		{"one runs already", nil, func(s *story) { s.says("", plays()) }, "is under way"},
		{"a person masked a unit", nil, func(s *story) {
			s.host["codebase"] = but(stopped("c1"), detect.WorkloadDisabled, "masked")
			s.run(10 * time.Second)
		}, "a person masked the unit"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := obeying(t, withPlaybooks(), func(o *Options) {
				if tt.change != nil {
					tt.change(o)
				}
			}).run(10 * time.Second)
			if tt.before != nil {
				tt.before(s)
			}
			n := len(s.acted)
			s.says("", plays())
			require.Contains(t, s.last.Sentence, tt.says)
			require.Len(t, s.acted, n)
		})
	}
	t.Run("but a person's own stop is overridden by a person's playbook", func(t *testing.T) {
		s := obeying(t, withPlaybooks()).run(10 * time.Second)
		s.host["codebase"] = stopped("c1")
		s.run(10*time.Second).says("", plays()).run(4 * time.Minute)
		require.Equal(t, "stop codebase: nothing-to-do", s.runLog()[0])
		require.Equal(t, "wait codebase: done", s.runLog()[7])
	})
}

func TestAFailedStepEndsTheRunAndHandsTheTargetsBack(t *testing.T) {
	s := obeying(t, withPlaybooks()).run(10 * time.Second)
	obey := s.do
	s.do = func(a strategy.Action) outcome {
		if a.Verb == strategy.CacheClean {
			return outcome{result: ResultFailed, took: time.Second}
		}
		return obey(a)
	}
	s.says("", plays()).run(5 * time.Minute)
	require.Equal(t, PlaybookFailed, s.s.Host.Runs[0].Outcome)
	require.Contains(t, s.s.Host.Runs[0].Because, "step 3 of 9, clear caches failed")
	require.Contains(t, s.acted, "start codebase-mcp.service", "its own ladder brings back what the run had stopped")
	require.Contains(t, s.acted, "start workflow-mcp.service")
}

func TestARunThatKeepsItsTargetsLeavesThemAloneAndPages(t *testing.T) {
	s := obeying(t, withPlaybooks(func(b *strategy.Playbook) { b.Keep = true })).run(10 * time.Second)
	obey := s.do
	s.do = func(a strategy.Action) outcome {
		if a.Verb == strategy.CacheClean {
			return outcome{result: ResultFailed, took: time.Second}
		}
		return obey(a)
	}
	s.says("", plays()).run(5 * time.Minute)
	require.Equal(t, StageHalted, s.s.Host.Run.Stage)
	require.NotContains(t, s.acted, "start codebase-mcp.service")
	s.heldBy("codebase", HoldHalted)
	require.Equal(t, []string{"trigger t0 : playbook-failed"}, s.told, "one page, of the run: its targets' own incidents tell nothing new")
	require.NotEmpty(t, s.s.Incidents)
	id := s.s.Host.Run.ID
	s.restart().run(time.Minute).heldBy("codebase", HoldHalted)
	s.says("", Command{Verb: CmdPlayStop, Run: id}).run(5 * time.Minute)
	require.Nil(t, s.s.Host.Run)
	require.Contains(t, s.acted, "start codebase-mcp.service", "a person has ended it")
}

func TestADestructiveStepWaitsForAPerson(t *testing.T) {
	s := obeying(t, withPlaybooks(func(b *strategy.Playbook) { b.Steps[2].Approval = true })).run(10 * time.Second)
	s.says("", plays()).run(2 * time.Minute)
	run := s.s.Host.Run
	require.Equal(t, StageApproval, run.Stage)
	require.NotContains(t, s.acted, "cache.clean /var/cache/mcp")
	s.says("", Command{Verb: CmdPlayApprove, Run: "another", By: "bob"})
	require.Equal(t, StageApproval, s.s.Host.Run.Stage)
	s.restart().run(10 * time.Second)
	require.Equal(t, StageApproval, s.s.Host.Run.Stage, "it still waits after a restart")
	s.says("", Command{Verb: CmdPlayApprove, Run: run.ID, By: "bob"}).run(3 * time.Minute)
	require.Equal(t, allDone, s.runLog())

	s = obeying(t, withPlaybooks(func(b *strategy.Playbook) { b.Steps[2].Approval = true })).run(10 * time.Second)
	s.says("", plays()).run(11 * time.Minute)
	require.Contains(t, s.s.Host.Runs[0].Because, "its time was up", "nobody answered")
	require.NotContains(t, s.acted, "cache.clean /var/cache/mcp")
}

func TestAStopConditionEndsARunWell(t *testing.T) {
	s := obeying(t, withPlaybooks(func(b *strategy.Playbook) {
		check := strategy.Step{Name: "all is well already", Do: strategy.StepCheck, Target: "codebase", Timeout: 10 * time.Second, EndIfDone: true, GoOn: true}
		b.Steps = append([]strategy.Step{check}, b.Steps...)
	})).run(10 * time.Second)
	s.says("", plays()).run(time.Minute).noAction()
	require.Equal(t, PlaybookDone, s.s.Host.Runs[0].Outcome)
	require.Contains(t, s.s.Host.Runs[0].Because, "the rest is not needed")
}

func TestAPlaybookIsTheLastRungOfALadder(t *testing.T) {
	ladder := func(o *Options) {
		o.Overrides = []Override{{Class: detect.ClassDown, Timing: Timing{Ladder: []string{"start", strategy.PlaybookPrefix + "full-recovery"}}}}
	}
	broken := func(t *testing.T, change ...func(*Options)) *story {
		s := obeying(t, append([]func(*Options){withPlaybooks(), ladder}, change...)...)
		obey, cleaned := s.do, false
		s.do = func(a strategy.Action) outcome {
			cleaned = cleaned || a.Verb == strategy.CacheClean
			if a.Verb == strategy.Start && a.Object == "codebase-mcp.service" && !cleaned {
				return outcome{result: ResultFailed, took: time.Second}
			}
			return obey(a)
		}
		return s
	}
	t.Run("and cures what nothing milder did", func(t *testing.T) {
		s := broken(t).run(10 * time.Second)
		s.host["codebase"] = crashed("c1")
		s.run(10 * time.Minute)
		require.Equal(t, "stop codebase: nothing-to-do", s.runLog()[0])
		require.Equal(t, allDone[1:], s.runLog()[1:])
		s.phase("codebase", Watching)
		require.Equal(t, "start codebase-mcp.service", s.acted[0])
		require.Empty(t, s.s.Incidents)
		require.Equal(t, s.s.Host.Runs[0].Incident, s.kept[slices.IndexFunc(s.kept, func(r Record) bool { return r.Incident != nil })].Incident.ID)
	})
	t.Run("survives a kill in its middle", func(t *testing.T) {
		s := broken(t).run(10 * time.Second)
		s.host["codebase"] = crashed("c1")
		for s.s.Host.Run == nil || s.s.Host.Run.At < 3 {
			s.run(time.Second)
		}
		s.restart().run(10*time.Minute).phase("codebase", Watching)
		require.Equal(t, PlaybookDone, s.s.Host.Runs[0].Outcome)
	})
	t.Run("and is passed over while another of its targets is held", func(t *testing.T) {
		s := broken(t).says("workflow", Command{Verb: CmdHold}).run(10 * time.Second)
		s.host["codebase"] = crashed("c1")
		s.run(10*time.Minute).phase("codebase", Escalated)
		require.Contains(t, strings.Join(s.incident("codebase").Skipped, "; "), "playbook:full-recovery: workflow: held by ann (hold)")
		require.Empty(t, s.s.Host.Runs)
	})
	t.Run("and is passed over when the host's budget has room for the rung, but not for what it disrupts besides", func(t *testing.T) {
		s := broken(t, func(o *Options) { o.Limits.Host.Actions = 2 }).run(10 * time.Second)
		s.host["codebase"] = crashed("c1")
		s.run(10 * time.Minute)
		require.Contains(t, strings.Join(s.incident("codebase").Skipped, "; "), "1 actions on this host within 1h and 2 more for this, the budget is 2")
		require.Empty(t, s.s.Host.Runs)
	})
	t.Run("and is proposed first where that is the mode", func(t *testing.T) {
		s := broken(t, func(o *Options) { o.Modes = map[string]Mode{"codebase": Propose} }).run(10 * time.Second)
		s.host["codebase"] = crashed("c1")
		s.run(time.Minute).heldBy("codebase", HoldApproval).noAction()
	})
	t.Run("one that needs approval is run by hand only", func(t *testing.T) {
		s := broken(t, func(o *Options) {
			o.Playbooks = nil
			withPlaybooks(func(b *strategy.Playbook) { b.Steps[0].Approval = true })(o)
		}).run(10 * time.Second)
		s.host["codebase"] = crashed("c1")
		s.run(10*time.Minute).phase("codebase", Escalated)
		require.Empty(t, s.s.Host.Runs)
	})
}

func TestAStepMindsAPersonWhoIsFasterAndNotWhatEarlierStepsDid(t *testing.T) {
	s := obeying(t, withPlaybooks()).run(10 * time.Second)
	var seen []*strategy.Seen
	obey := s.do
	s.do = func(a strategy.Action) outcome {
		seen = append(seen, a.Seen)
		return obey(a)
	}
	s.says("", plays()).run(3 * time.Minute)
	require.Equal(t, &strategy.Seen{Run: "c1", Up: true, Own: true}, seen[0], "the stop of codebase")
	require.Nil(t, seen[2], "a cache is no unit")
	require.True(t, seen[3].Own, "the start of workflow")
}

func TestAStepWhoseActionWasNotBegunIsTriedOnceMore(t *testing.T) {
	s := obeying(t, withPlaybooks()).run(10 * time.Second)
	obey, n := s.do, 0
	s.do = func(a strategy.Action) outcome {
		if n++; n == 1 {
			return outcome{result: ResultVoid, took: time.Second}
		}
		return obey(a)
	}
	s.says("", plays()).run(3 * time.Minute)
	require.Equal(t, allDone, s.runLog())
	require.Equal(t, []string{"stop codebase-mcp.service", "stop codebase-mcp.service"}, s.acted[:2])
}

func TestWhatFollowsARunIsDecidedOnANewLook(t *testing.T) {
	s := obeying(t, withPlaybooks()).run(10*time.Second).says("", plays()).run(5 * time.Second)
	require.NotNil(t, s.s.Host.Run)
	s.in(20 * time.Minute).step(Event{Kind: Woke}) // the end of the action in flight was lost
	s.in(time.Second).step(Event{Kind: Woke})
	require.Nil(t, s.s.Host.Run, "its time was up")
	looks := []string{}
	for _, e := range s.last.Effects {
		require.False(t, e.Kind == Wake && e.Target != "", "nothing is decided on what was seen before")
		if e.Kind == Look {
			looks = append(looks, e.Target)
		}
	}
	require.ElementsMatch(t, []string{"codebase", "workflow", "postgres"}, looks)
}
