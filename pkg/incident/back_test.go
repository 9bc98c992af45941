package incident

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// roomy is a well service with a limit and little in use.
func roomy(run string, limit float64) detect.Facts {
	return but(well(run), detect.MemoryMax, limit, detect.MemoryCurrent, 100<<20, detect.ProcessRSS, 90<<20)
}

// raised is a story in which codebase has outgrown its limit of 256 MiB and got 384 MiB.
func raised(t *testing.T, change ...func(*Options)) *story {
	t.Helper()
	change = append([]func(*Options){func(o *Options) {
		for i := range o.Targets {
			o.Targets[i].Memory.Quiet = time.Hour
		}
		o.Overrides = []Override{{Class: detect.ClassDown, Timing: Timing{Ladder: []string{"raise-memory"}}}}
	}}, change...)
	s := quiet(t, change...)
	s.sees("codebase", but(crashed("c1"), detect.MemoryMax, 256<<20)).is(Acting, Act).performed("set-memory")
	s.in(time.Second).actionEnds("codebase", ResultDone)
	require.Len(t, s.s.Targets["codebase"].Kept, 1)
	s.in(time.Second).actionEnds("codebase", ResultDone)
	s.host["postgres"], s.host["workflow"], s.host["codebase"] = database("p1"), well("w1"), roomy("c2", 384<<20)
	s.run(5*time.Minute).phase("codebase", Watching)
	return s
}

func backs(s *story) (n int) {
	for _, id := range s.ids {
		if strings.HasPrefix(id, "codebase/back-") {
			n++
		}
	}
	return n
}

func TestARaisedLimitGoesBackAfterItsQuietTime(t *testing.T) {
	s := raised(t)
	c := s.s.Targets["codebase"].Kept[0]
	require.Equal(t, []string{"raise-memory", "268435456", "402653184"}, []string{c.Strategy, c.Before, c.Now})
	require.Contains(t, s.p.Learned(s.s.Targets["codebase"], s.now)[0], "set-memory codebase-mcp.service (bytes=402653184) since ")
	s.run(50 * time.Minute)
	require.Zero(t, backs(s))
	s.do = func(a strategy.Action) outcome {
		return outcome{ResultDone, time.Second, func() { s.host["codebase"] = roomy("c2", 256<<20) }}
	}
	s.run(15 * time.Minute)
	require.Equal(t, 1, backs(s))
	require.Empty(t, s.s.Targets["codebase"].Kept)
	s.phase("codebase", Watching).run(3 * time.Hour)
	require.Equal(t, 1, backs(s))
	var said []string
	for _, r := range s.kept {
		if r.Eased != "" || r.Reason == BackToNormal {
			said = append(said, r.Sentence)
		}
	}
	require.Equal(t, []string{
		"a change that is not needed any more is taken a step back: set-memory codebase-mcp.service (bytes=268435456)",
		"taken back: set-memory codebase-mcp.service (bytes=268435456): done"}, said)
}

func TestALimitStaysRaisedWhile(t *testing.T) {
	for name, c := range map[string]func(*story){
		"it is needed": func(s *story) {
			s.host["codebase"] = but(roomy("c2", 384<<20), detect.MemoryCurrent, 220<<20)
			s.run(3 * time.Hour)
		},
		"the target is held":   func(s *story) { s.says("codebase", Command{Verb: CmdHold}).run(3 * time.Hour) },
		"the stop file exists": func(s *story) { s.stops("no").run(3 * time.Hour) },
		"nobody looks":         func(s *story) { s.in(3*time.Hour).restart().sees("codebase", roomy("c2", 384<<20)) },
		"trouble comes and goes": func(s *story) {
			for range 4 {
				s.run(40 * time.Minute)
				s.sees("codebase", but(noReply("c2"), detect.MemoryMax, 384<<20))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := raised(t)
			c(s)
			require.Zero(t, backs(s))
			require.Len(t, s.s.Targets["codebase"].Kept, 1)
		})
	}
	t.Run("its strategy must be approved", func(t *testing.T) {
		s := raised(t)
		p, err := NewPolicy(func() Options { o := s.p.o; o.Modes = map[string]Mode{"codebase": Propose}; return o }())
		require.NoError(t, err)
		s.p = p
		s.run(3 * time.Hour)
		require.Zero(t, backs(s))
	})
}

func TestALimitThatSomebodyElseHasSetIsNotOursToTakeBack(t *testing.T) {
	s := raised(t)
	s.host["codebase"] = roomy("c2", 512<<20)
	s.run(3 * time.Hour)
	require.Zero(t, backs(s))
	require.Empty(t, s.s.Targets["codebase"].Kept)
}

func TestACureWaitsForAChangeThatIsBeingTakenBack(t *testing.T) {
	s := raised(t)
	s.do = func(strategy.Action) outcome { return outcome{ResultDone, time.Hour, nil} } // its end does not come
	for backs(s) == 0 {
		s.run(time.Second)
	}
	e := s.s.Targets["codebase"].Easing
	require.NotNil(t, e)
	s.sees("codebase", but(crashed("c2"), detect.MemoryMax, 384<<20)).is(Held, HoldInFlight)
	require.Contains(t, s.incident("codebase").HeldWhy, "is being taken back")
	s.step(Event{Kind: Ended, Target: "codebase", ActionID: e.ActionID, Result: ResultFailed, Detail: "no"})
	require.Nil(t, s.s.Targets["codebase"].Easing)
	require.Len(t, s.s.Targets["codebase"].Kept, 1, "it failed: it is tried again later")
	s.looksAgain("codebase").is(Acting, Act)
}

func TestAfterOneStepBackEveryOtherChangeIsWatchedForItsQuietTimeAnew(t *testing.T) {
	s := raised(t)
	t1 := *s.s.Targets["codebase"]
	pool := strategy.Change{Strategy: "grow-pool", Now: "45", At: t1.Kept[0].At, Set: strategy.Action{Verb: strategy.SetEnv,
		Target: "codebase", Object: "codebase-mcp.service", Timeout: time.Second, Args: map[string]string{strategy.ArgValue: "45"}}}
	t1.Kept = append([]strategy.Change{pool}, t1.Kept...)
	s.s.Targets["codebase"] = &t1
	for i, o := range s.p.o.Targets {
		if o.Name == "codebase" {
			o.Pool.Quiet = time.Hour
			s.p.o.Targets[i], s.p.targets[o.Name] = o, o
		}
	}
	s.host["codebase"] = but(roomy("c2", 384<<20), detect.PoolMax, 45, detect.PoolSize, 20, detect.PoolFree, 18)
	var at []time.Time
	s.do = func(a strategy.Action) outcome {
		at = append(at, s.now)
		return outcome{ResultDone, time.Millisecond, nil} // over before anybody looks again
	}
	for len(at) < 2 {
		s.run(time.Minute)
	}
	require.GreaterOrEqual(t, at[1].Sub(at[0]), time.Hour)
}
