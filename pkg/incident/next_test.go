package incident

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

func TestWhyNothingMoreIsDoneFollowsFromWhatHappened(t *testing.T) {
	tried := Attempt{Strategy: "restart", Action: "restart mcp.service", Result: ResultDone, Verdict: "no-effect"}
	for name, c := range map[string]struct {
		reason Reason
		class  detect.Class
		i      *Incident
		want   string
	}{
		"tried, and nothing is left":        {LadderEnded, detect.ClassDown, &Incident{Attempts: []Attempt{tried}}, "everything it may try was tried"},
		"tried, and the rest did not apply": {LadderEnded, detect.ClassDown, &Incident{Attempts: []Attempt{tried}, Skipped: []string{"larger-pool: it has no pool"}}, "everything it may try was tried"},
		"tried, and something is left":      {LadderEnded, detect.ClassDown, &Incident{Attempts: []Attempt{tried}, Left: HoldBackoff}, "what it could try next waits (backoff)"},
		"nothing could be tried": {LadderEnded, detect.ClassDown, &Incident{Skipped: []string{"start: it has no unit", "restart: it has no unit", "start: it has no unit", "larger-pool: it has no pool"}},
			"nothing could be tried: it has no unit (start, restart); it has no pool (larger-pool)"},
		"not begun in the end":     {LadderEnded, detect.ClassDown, &Incident{Attempts: []Attempt{{Verdict: NotBegun}}}, "there is nothing that it could try"},
		"only a change taken back": {LadderEnded, detect.ClassDown, &Incident{Attempts: []Attempt{{Undo: true, Verdict: "no-effect"}}}, "there is nothing that it could try"},
		"only half of a plan":      {LadderEnded, detect.ClassDown, &Incident{Attempts: []Attempt{{Verdict: NextStep}}}, "there is nothing that it could try"},
		"nothing at all":           {LadderEnded, detect.ClassDown, &Incident{}, "there is nothing that it could try"},
		"only watched":             {LadderEnded, detect.ClassDown, &Incident{NoMeans: "it is only watched", Skipped: []string{"start: no unit"}}, "it is only watched"},
		"on another host":          {PageFirst, detect.ClassDown, &Incident{NoMeans: "it runs on another host"}, "it runs on another host"},
		"tried, and now nothing may": {PageFirst, detect.ClassPort, &Incident{Attempts: []Attempt{tried}, NoMeans: "nothing that it may do can help against port"},
			"what was tried did not help, and now nothing that it may do can help against port"},
		"refused by the host":          {NoPermission, detect.ClassDown, &Incident{Attempts: []Attempt{tried}}, "the host refuses restart mcp.service"},
		"refused, and nothing is kept": {NoPermission, detect.ClassDown, nil, "no-permission"},
		"unknown for too long":         {UnknownTooLong, detect.ClassUnknown, &Incident{Attempts: []Attempt{tried}}, "it cannot tell what is wrong, and does not act on a guess"},
		"misconfigured":                {UnknownTooLong, detect.ClassMisconfigured, &Incident{}, "restarting cannot help"},
	} {
		t.Run(name, func(t *testing.T) {
			ts := &TargetState{Phase: Escalated, Reason: c.reason, Diagnosis: detect.Diagnosis{Class: c.class}}
			require.Equal(t, c.want, whyNoMore(ts, c.i))
			require.Contains(t, Next(ts, c.i), c.want)
			require.Equal(t, 1, strings.Count(Next(ts, c.i), c.want))
			said := strings.Contains(Next(ts, c.i), "everything it may try was tried")
			require.Equal(t, said, c.i != nil && c.reason == LadderEnded && c.i.tried() > 0 && c.i.Left == "" && c.i.NoMeans == "")
		})
	}
}

// watching is a story with targets about which nothing may be done, each for another reason.
func watching(t *testing.T, lasts time.Duration, change ...func(*Options)) *story {
	t.Helper()
	s := quiet(t, append([]func(*Options){func(o *Options) {
		o.PageAfter.Confirmed = lasts
		for i := range o.Targets {
			if o.Targets[i].Name == "codebase" {
				o.Targets[i].DependsOn = nil
			}
		}
	}}, change...)...)
	s.host["postgres"], s.host["workflow"], s.host["codebase"] = database("p1"), well("w1"), well("c1")
	return s
}

// helpless are the ways in which nothing can be done.
func helpless() map[string]func(*Options) {
	of := func(change func(*detect.Target)) func(*Options) { return another("codebase", change) }
	return map[string]func(*Options){
		"without a unit":   of(func(x *detect.Target) { x.Object, x.Platform = "", "" }),
		"on another host":  of(func(x *detect.Target) { x.External = true }),
		"only observed":    func(o *Options) { o.Modes = map[string]Mode{"codebase": Observe} },
		"a yes is missing": func(o *Options) { o.Modes = map[string]Mode{"codebase": Propose} },
		"an empty ladder": func(o *Options) {
			o.Overrides = []Override{{Class: detect.ClassDown, Timing: Timing{Ladder: []string{}}}}
		},
	}
}

func TestAFlapOfAFewSecondsWakesNobodyWhereNothingCanBeTried(t *testing.T) {
	for name, change := range helpless() {
		for _, flap := range []time.Duration{100 * time.Millisecond, time.Second, 5 * time.Second, 9 * time.Second} {
			t.Run(fmt.Sprintf("%s, for %s", name, flap), func(t *testing.T) {
				s := watching(t, 10*time.Second, change)
				s.run(time.Minute)
				s.host["codebase"] = crashed("c1")
				s.run(flap)
				s.host["codebase"] = well("c1")
				s.run(10*time.Minute).tells().phase("codebase", Watching).noAction()
				require.Empty(t, s.s.Incidents)
			})
		}
	}
}

func TestARealOutageIsToldWithinTheStatedTimeWhereNothingCanBeTried(t *testing.T) {
	for name, change := range helpless() {
		for _, lasts := range []time.Duration{0, 10 * time.Second, time.Minute} {
			t.Run(fmt.Sprintf("%s, after %s", name, lasts), func(t *testing.T) {
				s := watching(t, lasts, change)
				s.run(time.Minute)
				s.host["codebase"] = crashed("c1")
				from := s.now
				s.run(3 * time.Minute)
				require.Len(t, s.told, 1, "one page, and no second one")
				var paged time.Time
				for _, r := range s.kept {
					if r.Incident != nil && !r.Incident.Paged.IsZero() && paged.IsZero() {
						paged = r.Incident.Paged
					}
				}
				since := s.incident("codebase").Since
				require.False(t, paged.Before(since.Add(lasts)), "paged %s after the first bad look", paged.Sub(since))
				require.LessOrEqual(t, paged.Sub(from), lasts+poll+time.Second)
			})
		}
	}
}

func TestTheTimeBeforeSomebodyIsWokenCanBeSetForAClass(t *testing.T) {
	s := watching(t, 10*time.Second, helpless()["without a unit"], func(o *Options) {
		o.Overrides = append(o.Overrides, Override{Class: detect.ClassDown, Targets: []string{"codebase"}, Timing: Timing{Lasts: time.Minute}})
	})
	s.run(time.Minute)
	s.host["codebase"] = crashed("c1")
	s.run(55 * time.Second).tells()
	s.run(12 * time.Second)
	require.Len(t, s.told, 1)
}

func TestAfterATryNobodyWaitsAnyLonger(t *testing.T) {
	s := watching(t, time.Hour)
	s.do = func(strategy.Action) outcome { return outcome{result: ResultFailed, took: time.Second} }
	s.run(time.Minute)
	s.host["codebase"] = crashed("c1")
	s.run(5 * time.Minute)
	require.NotEmpty(t, s.acted)
	require.NotEmpty(t, s.told)
}

func TestALookThatDoesNotComeHoldsNoPageForEver(t *testing.T) {
	s := watching(t, 10*time.Second, helpless()["without a unit"])
	s.run(time.Minute)
	s.sees("codebase", crashed("c1")).in(time.Second).sees("codebase", crashed("c1"))
	s.in(10 * time.Second).wakesUp("codebase").tells()
	require.Contains(t, s.last.Effects, Effect{Kind: Look, Target: "codebase"}, "it is asked for")
	s.in(20 * time.Second).wakesUp("codebase").tells()
	s.in(10 * time.Second).wakesUp("codebase")
	require.Len(t, s.told, 1)
}

// inHand are the ways in which a person has a target.
func inHand() map[string]func(*story) (release func()) {
	say := func(target string, take, give CommandVerb) func(*story) func() {
		return func(s *story) func() {
			s.says(target, Command{Verb: take})
			return func() { s.says(target, Command{Verb: give}) }
		}
	}
	return map[string]func(*story) func(){"held": say("codebase", CmdHold, CmdRelease), "everything paused": say("", CmdPause, CmdResume)}
}

func TestWhatAPersonTakesInHandAfterItWasConfirmedWakesNobodyUntilItIsGivenBack(t *testing.T) {
	for how, take := range inHand() {
		for name, change := range helpless() {
			for _, seen := range []time.Duration{time.Second, 5 * time.Second, 9 * time.Second} { // before it is taken in hand
				t.Run(fmt.Sprintf("%s %s after it was seen, %s", how, seen, name), func(t *testing.T) {
					s := watching(t, 10*time.Second, change)
					s.run(time.Minute)
					s.host["codebase"] = crashed("c1")
					s.run(seen)
					id := s.incident("codebase").ID
					giveBack := take(s)
					s.run(30 * time.Minute).tells()
					require.True(t, byPerson(s.incident("codebase").Held), "it says who has it: %s", s.incident("codebase").Held)
					giveBack()
					s.run(10*time.Second + poll)
					require.Len(t, s.told, 1, "nothing has changed meanwhile")
					require.Equal(t, id, s.incident("codebase").ID)
				})
			}
		}
	}
}

func TestTheTimeForWhichAPersonHadItWakesNobodyWhereNothingCanBeTried(t *testing.T) {
	for how, take := range inHand() {
		for name, change := range helpless() {
			for _, left := range []time.Duration{time.Second, 7 * time.Second} { // until it is well again
				t.Run(fmt.Sprintf("%s, %s, well %s after it was given back", how, name, left), func(t *testing.T) {
					s := watching(t, 10*time.Second, change)
					s.run(time.Minute)
					giveBack := take(s)
					s.host["codebase"] = crashed("c1")
					s.run(4 * time.Minute).tells()
					giveBack()
					s.run(left)
					s.host["codebase"] = well("c1")
					s.run(10*time.Minute).tells().phase("codebase", Watching).noAction()
				})
			}
		}
	}
}

func TestAFlapWithinTheProbationOfAnotherOneWakesNobodyWhereNothingCanBeTried(t *testing.T) {
	for name, change := range helpless() {
		t.Run(name, func(t *testing.T) {
			s := watching(t, 10*time.Second, change, func(o *Options) { o.PageAfter.Unresolved = 15 * time.Minute })
			s.run(time.Minute)
			for range 3 {
				s.host["codebase"] = crashed("c1")
				s.run(6 * time.Second)
				s.host["codebase"] = well("c1")
				s.run(time.Minute)
			}
			s.run(10 * time.Minute).tells()
		})
	}
}

func TestWhatComesAndGoesForLongIsToldWhereNothingCanBeTried(t *testing.T) {
	for name, change := range helpless() {
		t.Run(name, func(t *testing.T) {
			s := watching(t, 10*time.Second, change, func(o *Options) { o.PageAfter.Unresolved = 5 * time.Minute })
			s.run(time.Minute)
			for range 12 {
				s.host["codebase"] = crashed("c1")
				s.run(6 * time.Second)
				s.host["codebase"] = well("c1")
				s.run(24 * time.Second)
			}
			n := 0
			for _, w := range s.told {
				if strings.HasPrefix(w, "trigger") {
					n++
				}
			}
			require.Equal(t, 1, n, s.told)
		})
	}
}

func TestWhatWasNotTriedForTheSameReasonIsSaidOnce(t *testing.T) {
	s := watching(t, 10*time.Second, helpless()["without a unit"])
	s.run(time.Minute)
	s.host["codebase"] = crashed("c1")
	s.run(time.Minute)
	i := s.incident("codebase")
	require.Greater(t, len(i.Skipped), 1)
	require.Len(t, i.NotTried(), 1)
	require.Regexp(t, `^\S+(, \S+)+: [^:]+$`, i.NotTried()[0])
}
