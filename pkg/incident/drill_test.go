package incident

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// calm is a story in which all is well and was looked at.
func calm(t *testing.T, change ...func(*Options)) *story {
	t.Helper()
	s := quiet(t, change...)
	s.host["postgres"], s.host["workflow"], s.host["codebase"] = database("p1"), well("w1"), well("c1")
	return s.run(20 * time.Second)
}

// cured lets every start and restart give a new run that serves.
func (s *story) cured() *story {
	s.do = func(a strategy.Action) outcome {
		return outcome{result: ResultDone, took: time.Second, then: func() {
			s.host["codebase"] = well("c2")
		}}
	}
	return s
}

func drillOrder(s *story, f Fault, d time.Duration) Command {
	return Command{Verb: CmdDrill, By: "root", Until: s.now.Add(d), Drill: &Drill{ID: "d1", Fault: f}}
}

// drills announces a drill and requires that it is taken.
func (s *story) drills(target string, f Fault, d time.Duration) *story {
	s.t.Helper()
	s.says(target, drillOrder(s, f, d))
	require.NotNil(s.t, s.s.Targets[target].Drill, s.last.Sentence)
	return s
}

func TestTheStopOfADrillIsCuredLikeACrash(t *testing.T) {
	s := calm(t).cured().drills("codebase", FaultStop, 2*time.Minute)
	s.host["codebase"] = stopped("c1")
	s.run(20*time.Second).phase("codebase", Probation).actions("start codebase-mcp.service")
	i := s.incident("codebase")
	require.True(t, i.Exercise())
	require.Equal(t, &Drilled{ID: "d1", Fault: FaultStop, Target: "codebase", By: "root"}, i.Drill)
	s.run(5*time.Minute).phase("codebase", Watching).tells("change t0 codebase: closed")
}

func TestWhileADrillIsOnAPersonsWishStillCounts(t *testing.T) {
	for name, f := range map[string]detect.Facts{
		"the unit is masked":             but(stopped("c1"), detect.WorkloadDisabled, "masked"),
		"somebody restarts it":           but(stopped("c1"), detect.WorkloadDeparture, detect.DepartureRestart),
		"another run than the announced": stopped("c2"),
	} {
		t.Run(name, func(t *testing.T) {
			s := calm(t).drills("codebase", FaultStop, 2*time.Minute)
			s.host["codebase"] = f
			s.run(time.Minute).heldBy("codebase", HoldOperator).noAction()
		})
	}
	t.Run("a start that is not ours is nobody's wish, and is waited for", func(t *testing.T) {
		s := calm(t).drills("codebase", FaultStop, 2*time.Minute)
		s.host["codebase"] = but(stopped("c1"), detect.WorkloadPending, "start")
		s.run(time.Minute).heldBy("codebase", HoldHealing).noAction()
		require.Empty(t, s.s.Targets["codebase"].Intent)
	})
	t.Run("the drill is of another fault", func(t *testing.T) {
		s := calm(t).drills("codebase", FaultFreeze, 2*time.Minute)
		s.host["codebase"] = stopped("c1")
		s.run(time.Minute).heldBy("codebase", HoldOperator).noAction()
	})
	t.Run("the drill has said that it is over", func(t *testing.T) {
		s := calm(t).drills("codebase", FaultStop, 2*time.Minute)
		s.says("codebase", Command{Verb: CmdDrillEnd, Drill: &Drill{ID: "d1"}})
		s.host["codebase"] = stopped("c1")
		s.run(time.Minute).heldBy("codebase", HoldOperator).noAction()
	})
	t.Run("the time of the drill is over", func(t *testing.T) {
		s := calm(t).drills("codebase", FaultStop, 2*time.Minute)
		s.run(3 * time.Minute)
		s.host["codebase"] = stopped("c1")
		s.run(time.Minute).heldBy("codebase", HoldOperator).noAction()
		require.Nil(t, s.s.Targets["codebase"].Drill, "and forgotten")
	})
}

func TestADrillSurvivesARestartOfTheDaemon(t *testing.T) {
	s := calm(t).cured().drills("codebase", FaultStop, 2*time.Minute)
	s.restart()
	s.host["codebase"] = stopped("c1")
	s.run(20 * time.Second).actions("start codebase-mcp.service")
	require.True(t, s.incident("codebase").Exercise())
}

func TestWhatOutlivesItsDrillIsToldToEverybodyAsIfItBeganNow(t *testing.T) {
	s := calm(t).drills("codebase", FaultKill, 2*time.Minute)
	s.host["codebase"] = crashed("c1") // and no start helps
	s.run(110 * time.Second)
	require.True(t, s.incident("codebase").Exercise(), "until its time is over it is a drill")
	s.run(10 * time.Minute)
	i := s.incident("codebase")
	require.False(t, i.Exercise())
	require.WithinDuration(t, s.began.Add(20*time.Second+2*time.Minute), i.Drill.Real, 10*time.Second)
	// Once to those who follow drills, once to everybody, under a key of its own: somebody may have
	// acknowledged the drill.
	s.tells("trigger t0 codebase: ladder-ended", "trigger t1 codebase: ladder-ended")
	require.False(t, i.Paged.Before(i.Drill.Real))
}

func TestADrillThatSaidItIsOverExplainsNothingAfterItsGrace(t *testing.T) {
	s := calm(t).drills("codebase", FaultKill, 10*time.Minute)
	s.host["codebase"] = crashed("c1")
	s.run(10 * time.Second)
	s.says("codebase", Command{Verb: CmdDrillEnd, Drill: &Drill{ID: "d1"}, Why: "aborted"})
	s.run(DrillGrace - 2*time.Second)
	require.True(t, s.incident("codebase").Exercise())
	s.run(10 * time.Second)
	require.False(t, s.incident("codebase").Exercise())
}

func TestOnlyWhatADrillCanHaveCausedIsMarked(t *testing.T) {
	for name, c := range map[string]struct {
		fault  Fault
		target string
		see    map[string]detect.Facts
		marked map[string]bool
	}{
		"a killed server": {FaultKill, "codebase", map[string]detect.Facts{"codebase": crashed("c1")}, map[string]bool{"codebase": true}},
		"another server that dies meanwhile": {FaultFreeze, "codebase", map[string]detect.Facts{"workflow": crashed("w1")},
			map[string]bool{"workflow": false}},
		"a server that dies while its database is drilled": {FaultKill, "postgres", map[string]detect.Facts{"workflow": crashed("w1")},
			map[string]bool{"workflow": true}},
		"a full pool while the server is frozen": {FaultFreeze, "codebase", map[string]detect.Facts{"codebase": full("c1"), "postgres": busy("p1", 30)},
			map[string]bool{"codebase": false}},
		"a full pool while it is filled": {FaultPool, "codebase", map[string]detect.Facts{"codebase": full("c1"), "postgres": busy("p1", 30)},
			map[string]bool{"codebase": true}},
		"a saturated database while a pool is filled": {FaultPool, "codebase", map[string]detect.Facts{"postgres": saturated("p1")},
			map[string]bool{"postgres": true}},
		"a saturated database while the server is killed": {FaultKill, "codebase", map[string]detect.Facts{"postgres": saturated("p1")},
			map[string]bool{"postgres": false}},
	} {
		t.Run(name, func(t *testing.T) {
			s := calm(t).drills(c.target, c.fault, 10*time.Minute)
			for n, f := range c.see {
				s.host[n] = f
			}
			s.run(time.Minute)
			for n, want := range c.marked {
				require.Equal(t, want, s.incident(n).Exercise(), n)
			}
		})
	}
}

func TestADrillIsRefused(t *testing.T) {
	cases := map[string]struct {
		change func(*Options)
		before func(*story)
		target string
		why    string
	}{
		"while an incident is open":              {before: func(s *story) { s.host["workflow"] = crashed("w1"); s.run(5 * time.Second) }, why: "is open"},
		"while another drill is under way":       {before: func(s *story) { s.drills("workflow", FaultKill, time.Minute) }, why: "drill d1 of workflow is under way"},
		"while everything is paused":             {before: func(s *story) { s.says("", Command{Verb: CmdPause}) }, why: "paused"},
		"while a person holds it":                {before: func(s *story) { s.says("codebase", Command{Verb: CmdHold, Why: "debugging"}) }, why: "held by ann: debugging"},
		"while a person holds what it needs":     {before: func(s *story) { s.says("postgres", Command{Verb: CmdHold}) }, why: "postgres is held"},
		"in a maintenance window":                {change: func(o *Options) { o.Windows = always() }, why: "maintenance"},
		"when nothing would cure it":             {change: func(o *Options) { o.Modes = map[string]Mode{"codebase": Observe} }, why: "nothing would cure it"},
		"when what it needs is not well":         {before: func(s *story) { s.sees("postgres", frozen("p1")) }, why: "postgres is not seen to be well"},
		"when what it needs cannot be told":      {before: func(s *story) { s.sees("postgres", but(database("p1"), detect.SQLOutcome, gone)) }, why: "postgres, which it needs"},
		"when it is not well itself":             {before: func(s *story) { s.sees("codebase", noReply("c1")) }, why: "not seen to be well"},
		"when something else may begin":          {before: func(s *story) { s.sees("workflow", noReply("w1")) }, why: "workflow is not seen to be well"},
		"when it was not looked at for too long": {before: func(s *story) { s.in(time.Minute) }, why: "not seen to be well"},
		"when the host refuses the cure":         {before: func(s *story) { s.sees("codebase", but(well("c1"), detect.WorkloadPermission, "polkit")) }, why: "may not act on it"},
		"when a person stopped it":               {before: func(s *story) { s.host["codebase"] = stopped("c1"); s.run(5 * time.Second) }, why: "is open"},
		"when it has no unit":                    {change: func(o *Options) { o.Targets[0].Object = "" }, why: "nothing that recoveryd could act on"},
		"when it runs elsewhere":                 {change: func(o *Options) { o.Targets[0].External = true }, why: "another host"},
		"when the budget has one action left":    {change: func(o *Options) { o.Limits.Target.Actions = 1 }, why: "none for a real failure"},
		"when the host's budget has one left":    {change: func(o *Options) { o.Limits.Host.Actions = 1 }, why: "none for a real failure"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := calm(t, func(o *Options) {
				if c.change != nil {
					c.change(o)
				}
			})
			if c.before != nil {
				c.before(s)
			}
			order := drillOrder(s, FaultKill, time.Minute)
			order.Drill.ID = "d2"
			s.says("codebase", order)
			require.Contains(t, s.last.Sentence, "refused: ")
			require.Contains(t, s.last.Sentence, c.why)
			require.Nil(t, s.s.Targets["codebase"].Drill)
		})
	}
}

func always() []Window {
	return []Window{{Name: "maintenance", Open: func(now time.Time) (time.Time, bool) { return now.Add(time.Hour), true }}}
}
