package probe

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

// fake is a witness made of a function.
type fake struct {
	name  string
	look  func(ctx context.Context, unit detect.Facts) detect.Facts
	close func() error
}

func (f fake) Name() string { return f.name }

func (f fake) Look(ctx context.Context, unit detect.Facts) detect.Facts { return f.look(ctx, unit) }

func (f fake) Close() error {
	if f.close == nil {
		return nil
	}
	return f.close()
}

// after makes a witness that takes a while, unless it is told to stop.
func after(name string, d time.Duration, facts detect.Facts) fake {
	return fake{name: name, look: func(ctx context.Context, _ detect.Facts) detect.Facts {
		select {
		case <-time.After(d):
			return facts
		case <-ctx.Done():
			return detect.Facts{name + ".outcome": detect.NotMeasured(context.Cause(ctx).Error())}
		}
	}}
}

func newLooker(t *testing.T, c LookerConfig) *Looker {
	c.Target = "web"
	l, err := NewLooker(c)
	require.NoError(t, err)
	return l
}

func TestALookAsksThePlatformFirstAndTheWitnessesTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sawPID float64
		l := newLooker(t, LookerConfig{
			Inspect: func(context.Context) (detect.Facts, error) {
				time.Sleep(100 * time.Millisecond)
				return detect.Facts{detect.WorkloadPID: detect.Num(42), detect.WorkloadState: detect.Word(detect.StateRunning)}, nil
			},
			Witnesses: []Witness{
				after("a", time.Second, detect.Facts{"a.x": detect.Num(1)}),
				after("b", 2*time.Second, detect.Facts{"b.x": detect.Num(2)}),
				fake{name: "c", look: func(_ context.Context, unit detect.Facts) detect.Facts {
					sawPID, _ = unit.Num(detect.WorkloadPID)
					return nil
				}},
			},
		})
		start := time.Now()
		o := l.Look(t.Context(), "poll")
		require.Equal(t, detect.Observation{
			Target: "web", At: start, Took: 2.1, Cause: "poll",
			Facts: detect.Facts{
				detect.WorkloadPID: detect.Num(42), detect.WorkloadState: detect.Word(detect.StateRunning),
				"a.x": detect.Num(1), "b.x": detect.Num(2),
			},
		}, o)
		require.EqualValues(t, 42, sawPID)
	})
}

func TestALookEndsAtItsDeadlineWhateverHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var stuckLooks, stuckQuestions atomic.Int32
		l := newLooker(t, LookerConfig{
			Deadline: 3 * time.Second,
			Inspect: func(context.Context) (detect.Facts, error) { // ignores its context, as a dead D-Bus call may
				stuckQuestions.Add(1)
				<-release
				return nil, nil
			},
			Witnesses: []Witness{
				fake{name: "stuck", look: func(context.Context, detect.Facts) detect.Facts {
					stuckLooks.Add(1)
					<-release
					return nil
				}},
				after("slow", time.Hour, nil),
				after("quick", time.Second, detect.Facts{"quick.x": detect.Num(1)}),
				fake{name: "broken", look: func(context.Context, detect.Facts) detect.Facts { panic("index out of range") }},
			},
		})
		for range 2 {
			o := l.Look(t.Context(), "poll")
			require.Equal(t, 3.25, o.Took)
			require.Equal(t, detect.Num(1), o.Facts["quick.x"])
			require.Contains(t, o.Facts["slow.outcome"].Err, "deadline")
			require.Contains(t, o.Facts["stuck.outcome"].Err, "did not come back in time")
			require.Equal(t, "the broken witness failed: index out of range", o.Facts["broken.outcome"].Err)
			require.Contains(t, o.Facts[detect.WorkloadState].Err, "did not answer")
			require.NotEmpty(t, o.Facts.Text(detect.WorkloadError))
			require.EqualValues(t, 1, stuckLooks.Load(), "never started a second time")
			require.EqualValues(t, 1, stuckQuestions.Load())
			stuckIsBusy := l.Look(t.Context(), "poll")
			require.Contains(t, stuckIsBusy.Facts["stuck.outcome"].Err, "busy with an earlier look")
			require.Contains(t, stuckIsBusy.Facts.Text(detect.WorkloadError), "earlier question")
			break
		}
		close(release)
		synctest.Wait()
		l.Look(t.Context(), "poll")
		require.EqualValues(t, 2, stuckLooks.Load())
		require.EqualValues(t, 2, stuckQuestions.Load())
	})
}

func TestANewerLookCallsTheOlderOneOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLooker(t, LookerConfig{Witnesses: []Witness{
			after("slow", 2*time.Second, detect.Facts{"slow.outcome": detect.Word("ok")}),
			after("quick", 100*time.Millisecond, detect.Facts{"quick.outcome": detect.Word("ok")}),
		}})
		first := make(chan detect.Observation, 1)
		go func() { first <- l.Look(t.Context(), "poll") }()
		time.Sleep(time.Second)
		second := l.Look(t.Context(), "signal")
		o := <-first
		require.Equal(t, 1.0, o.Took, "it ended at once")
		require.Equal(t, "ok", o.Facts.Text("quick.outcome"), "what it had seen counts")
		require.Equal(t, "a newer look began", o.Facts["slow.outcome"].Err)
		require.Equal(t, 2.0, second.Took)
		require.Equal(t, "ok", second.Facts.Text("slow.outcome"), "%v", second.Facts)
		require.Equal(t, "signal", second.Cause)
	})
}

func TestALookThatItsCallerEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLooker(t, LookerConfig{
			Inspect:   func(ctx context.Context) (detect.Facts, error) { return nil, ctx.Err() },
			Witnesses: []Witness{after("slow", time.Hour, nil)},
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		o := l.Look(ctx, "asked")
		require.Equal(t, 1.0, o.Took)
		require.NotEmpty(t, o.Facts["slow.outcome"].Err)
	})
}

func TestAPlatformThatFailsKeepsWhatItSaw(t *testing.T) {
	for name, inspect := range map[string]Inspect{
		"an error": func(context.Context) (detect.Facts, error) {
			return detect.Facts{detect.WorkloadNoun: detect.Word("unit")}, errors.New("D-Bus is away")
		},
		"a panic": func(context.Context) (detect.Facts, error) { panic("D-Bus is away") },
	} {
		t.Run(name, func(t *testing.T) {
			o := newLooker(t, LookerConfig{Inspect: inspect}).Look(t.Context(), "poll")
			require.Contains(t, o.Facts.Text(detect.WorkloadError), "D-Bus is away")
			require.Contains(t, o.Facts[detect.WorkloadState].Err, "D-Bus is away")
			require.Equal(t, name == "an error", o.Facts.Text(detect.WorkloadNoun) == "unit")
		})
	}
}

func TestAPollIsContentWithAGlanceWhileAllIsWell(t *testing.T) {
	stale := detect.Facts{detect.WorkloadState: detect.Word(detect.StateRunning), detect.ProcessState: detect.Word("S"), detect.MemoryMax: detect.Num(9)}
	fresh := detect.Facts{detect.WorkloadState: detect.Word(detect.StateRunning), detect.ProcessState: detect.Word("T")}
	tests := []struct {
		name, cause, outcome string
		known                bool
		asked                int
	}{
		{"a poll of a target that is well asks nobody", "poll", "reply", true, 0},
		{"without a glance the platform is asked", "poll", "reply", false, 1},
		{"a poll that finds trouble asks in the same look", "poll", "no-reply", true, 1},
		{"a look after a bad one asks", "again", "reply", true, 1},
		{"a look after a signal asks", "signal", "reply", true, 1},
		{"a look that proves a cure asks", "verify", "reply", true, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			asked := 0
			l := newLooker(t, LookerConfig{
				Inspect: func(context.Context) (detect.Facts, error) { asked++; return fresh, nil },
				Glance:  func() (detect.Facts, bool) { return stale, tt.known },
				Fine:    func(f detect.Facts) bool { return f.Text(detect.HTTPOutcome) == "reply" },
				Witnesses: []Witness{fake{name: "http", look: func(_ context.Context, unit detect.Facts) detect.Facts {
					require.Equal(t, detect.StateRunning, unit.Text(detect.WorkloadState), "the witnesses know the unit")
					return detect.Facts{detect.HTTPOutcome: detect.Word(tt.outcome)}
				}}},
			})
			o := l.Look(t.Context(), tt.cause)
			require.Equal(t, tt.asked, asked)
			require.Equal(t, tt.outcome, o.Facts.Text(detect.HTTPOutcome))
			_, remains := o.Facts.Num(detect.MemoryMax)
			require.Equal(t, asked == 0, remains, "nothing of the glance is left in facts that were measured")
			require.Equal(t, asked == 0, o.Facts.Text(detect.ProcessState) == "S")
		})
	}
}

func TestAGlanceNeedsSomebodyToAskAndAJudge(t *testing.T) {
	glance := func() (detect.Facts, bool) { return nil, false }
	_, err := NewLooker(LookerConfig{Target: "t", Glance: glance})
	require.ErrorContains(t, err, "needs Fine and Inspect")
}

func TestALookRemembersWhichProcessHasAnswered(t *testing.T) {
	id, outcome := "one", detect.OutcomeNoReply
	l := newLooker(t, LookerConfig{
		Inspect: func(context.Context) (detect.Facts, error) {
			return detect.Facts{detect.WorkloadRun: detect.Word(id)}, nil
		},
		Witnesses: []Witness{fake{name: "http", look: func(context.Context, detect.Facts) detect.Facts {
			return detect.Facts{detect.HTTPOutcome: detect.Word(outcome)}
		}}},
	})
	look := func() detect.Reading { return l.Look(t.Context(), "poll").Facts[detect.HTTPAnswered] }
	require.Equal(t, detect.Flag(false), look())
	outcome = detect.OutcomeReply
	require.Equal(t, detect.Flag(true), look())
	outcome = detect.OutcomeNoReply
	require.Equal(t, detect.Flag(true), look(), "it has answered before")
	id = "two"
	require.Equal(t, detect.Flag(false), look(), "a new process has not")
	id = ""
	require.Equal(t, detect.Reading{}, look(), "nothing is known without an invocation")
}

func TestAMeasuredFactIsNotCoveredByOneThatWasNot(t *testing.T) {
	l := newLooker(t, LookerConfig{
		Inspect: func(context.Context) (detect.Facts, error) {
			return detect.Facts{"x": detect.Num(1), "y": detect.NotMeasured("no")}, nil
		},
		Witnesses: []Witness{fake{name: "w", look: func(context.Context, detect.Facts) detect.Facts {
			return detect.Facts{"x": detect.NotMeasured("no"), "y": detect.Num(2)}
		}}},
	})
	o := l.Look(t.Context(), "poll")
	require.Equal(t, detect.Facts{"x": detect.Num(1), "y": detect.Num(2)}, o.Facts)
}

func TestALookerClosesItsWitnesses(t *testing.T) {
	closed := 0
	l := newLooker(t, LookerConfig{Witnesses: []Witness{
		fake{name: "a", close: func() error { closed++; return errors.New("a") }},
		fake{name: "b", close: func() error { closed++; return errors.New("b") }},
		NewProcess(),
	}})
	require.EqualError(t, l.Close(), "a\nb")
	require.Equal(t, 2, closed)
	_, err := NewLooker(LookerConfig{})
	require.ErrorContains(t, err, "name of its target")
	_, err = NewLooker(LookerConfig{Target: "x", Deadline: -1})
	require.ErrorContains(t, err, "negative")
}

// Every witness of this package names a leading fact, so that one that cannot look is missed
// under the name that its readers know.
func TestEveryWitnessLeadsWithAFactThatIsKnown(t *testing.T) {
	url := "http://127.0.0.1:1"
	var all []Witness
	add := func(w Witness, err error) {
		require.NoError(t, err)
		all = append(all, w)
	}
	add(NewHTTPHealth(Endpoint{URL: url}))
	add(NewMCPHealth(MCPEndpoint{Endpoint: Endpoint{URL: url}}, ""))
	add(NewSyntheticHTTP(Endpoint{URL: url}, Match{}, 0))
	add(NewSyntheticNDJSON(Endpoint{URL: url}, "x", nil, Match{}, 0))
	add(NewSyntheticMCP(MCPEndpoint{Endpoint: Endpoint{URL: url}}, "x", nil, Match{}, 0))
	add(NewSocket(SocketConfig{Addr: "127.0.0.1:1"}))
	add(NewPostgres(PostgresConfig{DSN: "host=127.0.0.1 port=1 user=x"}))
	add(NewRedis(RedisConfig{Addr: "127.0.0.1:1"}))
	add(NewTCP("127.0.0.1:1", 0))
	add(NewHTTPPlain(Endpoint{URL: url}, Match{}))
	add(NewOllama(Endpoint{URL: url}))
	add(NewDisk("/"))
	all = append(all, NewProcess(), NewPressure())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, w := range all {
		_, leads := w.(interface{ Leads() string })
		require.True(t, leads, "%T", w)
		for name := range notLooked(w, "why") {
			got := w.Look(ctx, nil)
			if name == detect.DiskShare+"*" {
				name = detect.DiskShare + "/"
			}
			require.Contains(t, got.Names(), name, "%T", w)
			r := got[name]
			require.False(t, r.Err == "" && r.Text == "" && r.Value == 0 && name != detect.HostMemoryPressure,
				"%T must not make something of a look that was called off: %v", w, got)
		}
	}
}
