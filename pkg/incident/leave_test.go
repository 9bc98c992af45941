package incident

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// reloads puts another configuration into force, as the shell does.
func (s *story) reloads(change func(*Options)) *story {
	s.t.Helper()
	o := s.p.o
	o.Targets = slices.Clone(o.Targets)
	change(&o)
	p, err := NewPolicy(o)
	require.NoError(s.t, err)
	s.p = p
	return s.leaves()
}

// leaves tells the core of what the configuration does not have any more.
func (s *story) leaves() *story {
	s.t.Helper()
	for _, name := range s.p.Left(s.s) {
		s.step(Event{Kind: Reconfigured, Target: name})
	}
	return s.step(Event{Kind: Woke})
}

func without(name string) func(*Options) {
	return func(o *Options) {
		o.Targets = slices.DeleteFunc(o.Targets, func(t detect.Target) bool { return t.Name == name })
	}
}

// another makes another thing of a target: its unit, its kind, its name.
func another(name string, change func(*detect.Target)) func(*Options) {
	return func(o *Options) {
		for i := range o.Targets {
			if o.Targets[i].Name == name {
				change(&o.Targets[i])
			}
		}
	}
}

func TestAnIncidentEndsWhenTheConfigurationHasItsTargetNoMore(t *testing.T) {
	cases := map[string]struct {
		change func(*Options)
		why    string
	}{
		"removed": {without("codebase"), "target removed from the configuration"},
		"renamed": {another("codebase", func(x *detect.Target) { x.Name = "code" }),
			"target renamed in the configuration: it is code now, and what is wrong with it is an incident of that name"},
		"another unit": {another("codebase", func(x *detect.Target) { x.Object = "other.service" }),
			"target changed in the configuration: codebase was service systemd codebase-mcp.service and is service systemd other.service"},
		"another kind": {another("codebase", func(x *detect.Target) { x.Kind = detect.KindPlain }),
			"target changed in the configuration: codebase was service systemd codebase-mcp.service and is plain systemd codebase-mcp.service"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := misconfigured(t)
			id := s.incident("codebase").ID
			s.reloads(c.change)
			s.tells("trigger t0 codebase: unknown-too-long", "resolve t0 codebase: target-left")
			require.Empty(t, s.s.Incidents)
			ended := s.kept[len(s.kept)-1].Incident
			require.Equal(t, id, ended.ID)
			require.Equal(t, []any{TargetLeft, c.why, s.now}, []any{ended.Outcome, ended.EndWhy, ended.Closed})
			require.Empty(t, s.p.Left(s.s), "nothing is left to be ended")
			s.leaves().restart().tells("trigger t0 codebase: unknown-too-long", "resolve t0 codebase: target-left")
			require.Empty(t, s.s.Incidents)
			require.Equal(t, Watching, s.s.Targets["codebase"].Phase)
		})
	}
}

func TestWhatStaysTheSameThingKeepsItsIncident(t *testing.T) {
	s := misconfigured(t)
	id := s.incident("codebase").ID
	s.reloads(another("codebase", func(x *detect.Target) { x.Limits.Latency, x.DependsOn = time.Second, nil }))
	require.Equal(t, id, s.incident("codebase").ID)
	require.True(t, s.incident("codebase").Open())
}

func TestAnActionInFlightIsWaitedForBeforeItsTargetIsForgotten(t *testing.T) {
	for _, lost := range []bool{false, true} {
		s := quiet(t)
		s.sees("codebase", crashed("c1")).is(Acting, Act)
		s.reloads(without("codebase"))
		require.Len(t, s.s.Incidents, 1, "its end belongs to the incident")
		require.Equal(t, "no change: target removed from the configuration; the action in flight is waited for", s.kept0(t))
		if lost {
			s.now = s.s.Targets["codebase"].Deadline.Add(time.Second)
			s.wakesUp("codebase")
		} else {
			s.in(time.Second).actionEnds("codebase", ResultDone)
		}
		require.Empty(t, s.s.Incidents)
		a := s.kept[len(s.kept)-1].Incident.Attempts
		require.Len(t, a, 1)
		require.NotZero(t, a[0].Ended)
		require.Empty(t, a[0].Verdict, "nobody has seen whether it helped")
		require.Empty(t, s.s.Targets["codebase"].Efforts, "and nothing is learned of it")
	}
}

// kept0 is the sentence of a step that only wakes the target again.
func (s *story) kept0(t *testing.T) string {
	t.Helper()
	_, rec := s.p.Step(s.s, s.now, Event{Kind: Reconfigured, Target: "codebase"})
	return rec.Sentence
}

func TestAfterARestartWithAnotherConfigurationNothingIsLeftOpen(t *testing.T) {
	s := misconfigured(t)
	o := s.p.o
	o.Targets = slices.Clone(o.Targets)
	without("codebase")(&o)
	p, err := NewPolicy(o)
	require.NoError(t, err)
	s.p = p
	s.restart().leaves()
	s.tells("trigger t0 codebase: unknown-too-long", "resolve t0 codebase: target-left")
	require.Empty(t, s.s.Incidents)
}

func TestWhoWaitedForACulpritThatIsRemovedIsJudgedOnItsOwn(t *testing.T) {
	s := quiet(t)
	lost := but(well("c1"), detect.HealthStatus, "unhealthy", detect.HealthDatabase, "disconnected", detect.PoolSize, 0, detect.PoolFree, 0)
	s.do = func(strategy.Action) outcome { return outcome{result: ResultFailed, took: time.Second} }
	s.host["postgres"], s.host["workflow"], s.host["codebase"] = dead("p1"), well("w1"), lost
	s.run(5*time.Minute).heldBy("codebase", HoldDependency)
	culprit := s.s.Targets["codebase"].Incident
	require.Equal(t, "postgres", s.s.Incidents[culprit].Target)
	s.reloads(func(o *Options) {
		without("postgres")(o)
		for i := range o.Targets {
			o.Targets[i].DependsOn, o.Targets[i].Pool.Database = nil, ""
		}
	})
	delete(s.host, "postgres")
	s.run(time.Minute)
	require.NotContains(t, s.s.Incidents, culprit)
	require.NotEqual(t, culprit, s.s.Targets["codebase"].Incident)
	s.host["codebase"] = well("c1")
	s.run(10*time.Minute).phase("codebase", Watching)
	require.Empty(t, s.s.Incidents)

	t.Run("and who waits and is removed is not affected any more", func(t *testing.T) {
		s := quiet(t)
		s.do = func(strategy.Action) outcome { return outcome{result: ResultFailed, took: time.Second} }
		s.host["postgres"], s.host["workflow"], s.host["codebase"] = dead("p1"), well("w1"), lost
		s.run(5*time.Minute).heldBy("codebase", HoldDependency)
		require.Equal(t, []string{"codebase"}, s.incident("postgres").Affected)
		s.reloads(without("codebase"))
		require.Empty(t, s.incident("postgres").Affected)
		require.True(t, s.incident("postgres").Open())
	})
}

func TestAFailedRunIsOverWhenTheConfigurationHasNothingLeftOfIt(t *testing.T) {
	for name, c := range map[string]struct {
		targets []string
		why     string
	}{
		"its targets are gone":                    {[]string{"codebase"}, "every target that it had in hand was removed from the configuration"},
		"it had none in hand, and itself is gone": {nil, "the playbook was removed from the configuration"},
	} {
		t.Run(name, func(t *testing.T) {
			s := quiet(t)
			s.host["postgres"], s.host["workflow"], s.host["codebase"] = database("p1"), well("w1"), well("c1")
			told := Told{Address: Address{Key: "r/t0"}, Tiers: []string{"a"}, At: s.now}
			s.s.Host.Troubles = []Trouble{{Run: "r", Playbook: "gone", Targets: c.targets, Case: Incident{ID: "r", Opened: s.now, Clock: s.now, Paged: s.now, Told: []Told{told}}}}
			next, rec := s.p.Step(s.s, s.now, Event{Kind: Woke})
			if c.targets != nil {
				require.Len(t, next.Host.Troubles, 1)
				o := s.p.o
				o.Targets = slices.Clone(o.Targets)
				without("codebase")(&o)
				s.p, _ = NewPolicy(o)
				next, rec = s.p.Step(s.s, s.now, Event{Kind: Woke})
			}
			require.Empty(t, next.Host.Troubles)
			require.Contains(t, rec.Sentence, c.why)
			require.Equal(t, NoticeResolve, rec.Effects[0].Notice.Kind)
		})
	}
}

func TestAPersonClosesAnIncident(t *testing.T) {
	s := misconfigured(t)
	id := s.incident("codebase").ID
	s.says("codebase", Command{Verb: CmdClose, Incident: id})
	require.True(t, s.last.Refused)
	require.Contains(t, s.last.Sentence, "a reason is wanted (--reason)")
	s.says("codebase", Command{Verb: CmdClose, Incident: "codebase-1", Why: "x"})
	require.Equal(t, "close by ann: refused, codebase-1 is no open incident of codebase", s.last.Sentence)
	require.True(t, s.last.Refused && s.incident("codebase").Open())

	s.says("codebase", Command{Verb: CmdClose, Incident: id, Why: "false alarm"})
	require.Equal(t, id+" is closed by ann: false alarm", s.last.Sentence)
	require.False(t, s.last.Refused)
	require.Equal(t, []any{ClosedByPerson, "closed by ann: false alarm"}, []any{s.last.Incident.Outcome, s.last.Incident.EndWhy})
	s.tells("trigger t0 codebase: unknown-too-long", "resolve t0 codebase: closed-by-person")
	s.restart()
	require.Empty(t, s.s.Incidents)
	s.says("codebase", Command{Verb: CmdClose, Incident: id, Why: "again"})
	require.True(t, s.last.Refused, "it is closed once")

	t.Run("what is still wrong is a new incident, and told", func(t *testing.T) {
		s := quiet(t)
		s.host["postgres"], s.host["workflow"], s.host["codebase"] = database("p1"), well("w1"), crashed("c1")
		s.do = func(strategy.Action) outcome { return outcome{result: ResultFailed, took: time.Second} }
		s.run(10*time.Minute).phase("codebase", Escalated)
		first := s.incident("codebase").ID
		s.says("codebase", Command{Verb: CmdClose, Incident: first, Why: "seen to"})
		require.Contains(t, s.last.Sentence, "It was last seen to be unwell (")
		require.Contains(t, s.last.Sentence, "recoveryd hold codebase")
		require.Empty(t, s.s.Targets["codebase"].Trust, "nothing is learned from it")
		s.run(time.Minute)
		require.NotEqual(t, first, s.incident("codebase").ID)
	})
	t.Run("but not while an action is in flight", func(t *testing.T) {
		s := quiet(t)
		s.sees("codebase", crashed("c1")).is(Acting, Act)
		s.says("codebase", Command{Verb: CmdClose, Incident: s.incident("codebase").ID, Why: "mine"})
		require.True(t, s.last.Refused)
		require.Contains(t, s.last.Sentence, "is in flight until")
		require.True(t, s.incident("codebase").Open())
		s.is(Acting, OperatorSaid)
	})
}

func TestAWordThatLeadsToNothingSaysSo(t *testing.T) {
	quietly := func(t *testing.T) *story {
		t.Helper()
		s := quiet(t)
		return s.sees("codebase", well("c1"))
	}
	open := func(t *testing.T) *story { t.Helper(); return misconfigured(t) }
	for _, c := range []struct {
		say  string
		from func(*testing.T) *story
		on   string
		c    Command
		want string
	}{
		{"release what is not held", quietly, "codebase", Command{Verb: CmdRelease}, "codebase is not held"},
		{"resume what is not paused", quietly, "", Command{Verb: CmdResume}, "nothing is paused"},
		{"ack with nothing open", quietly, "codebase", Command{Verb: CmdAck, Incident: "x"}, "codebase has no open incident"},
		{"ack of another one", open, "codebase", Command{Verb: CmdAck, Incident: "x"}, "x is not open; the open incident of codebase is codebase-"},
		{"ack of no run", quietly, "", Command{Verb: CmdAck, Incident: "x"}, "x is neither an open incident nor a failed run"},
		{"approve with nothing open", quietly, "codebase", Command{Verb: CmdApprove}, "codebase has no open incident"},
		{"approve with nothing proposed", open, "codebase", Command{Verb: CmdApprove}, "nothing is proposed for codebase-"},
		{"retry with nothing open", quietly, "codebase", Command{Verb: CmdRetry}, "codebase has no open incident"},
		{"retry where nothing was tried", open, "codebase", Command{Verb: CmdRetry}, "nothing was tried in codebase-"},
		{"forget what was not learned", quietly, "codebase", Command{Verb: CmdForget}, "nothing was learned about codebase"},
		{"recover what is well", quietly, "codebase", Command{Verb: CmdRecover}, "nothing is known to be wrong with it"},
		{"run no playbook", quietly, "", Command{Verb: CmdPlay, Playbook: "x"}, `there is no playbook "x"`},
		{"approve no run", quietly, "", Command{Verb: CmdPlayApprove, Run: "x"}, `there is no run "x", and none is under way`},
		{"stop no run", quietly, "", Command{Verb: CmdPlayStop, Run: "x"}, `there is no run "x", and none is under way`},
	} {
		t.Run(c.say, func(t *testing.T) {
			s := c.from(t).says(c.on, c.c)
			if s.last.Waits() {
				s.looksAgain(c.on)
			}
			require.Contains(t, s.last.Sentence, c.want)
			require.True(t, s.last.Refused)
			require.True(t, s.last.Durable(), "it was said, and that is written down")
		})
	}
	t.Run("and one that leads to something does not", func(t *testing.T) {
		s := open(t)
		for _, c := range []Command{{Verb: CmdHold}, {Verb: CmdRelease}, {Verb: CmdAck}, {Verb: CmdAck}} {
			require.False(t, s.says("codebase", c).last.Refused, c.Verb)
		}
		require.False(t, s.says("", Command{Verb: CmdPause}).last.Refused)
		require.False(t, s.says("", Command{Verb: CmdResume}).last.Refused)
	})
}
