package replay

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"pgregory.net/rapid"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/incident"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// host is two servers on one database, and a third that has nothing to do with them.
func host(t require.TestingT, change func(*incident.Options)) *incident.Policy {
	set, err := strategy.NewSet(strategy.Builtin()...)
	require.NoError(t, err)
	service := func(name string, needs ...string) detect.Target {
		return detect.Target{Name: name, Kind: detect.KindService, Platform: "systemd", Object: name + ".service", DependsOn: needs,
			StartGrace: 5 * time.Second, StopGrace: time.Second, Memory: detect.Memory{Limit: 1 << 30, Cap: 2 << 30},
			Pool: detect.Pool{Application: name, Cap: 50, IdleAfter: time.Second, LongAfter: time.Minute}}
	}
	o := incident.Options{Strategies: set,
		Targets: []detect.Target{service("a", "db"), service("b", "db"),
			{Name: "db", Kind: detect.KindPostgres, Platform: "systemd", Object: "db.service", StartGrace: 5 * time.Second, StopGrace: time.Second}, service("other")},
		Limits: incident.Limits{Target: incident.Budget{Actions: 3, Window: time.Minute}, Host: incident.Budget{Actions: 5, Window: time.Minute},
			Backoff: incident.Backoff{Initial: 2 * time.Second, Factor: 2, Max: time.Minute}, StormTargets: 3, StormWindow: time.Minute},
		PageAfter:  incident.PageAfter{Held: 20 * time.Second, Unknown: 30 * time.Second, Unresolved: time.Minute},
		Escalation: incident.Ages{0, time.Minute}, Probation: 10 * time.Second}
	if change != nil {
		change(&o)
	}
	p, err := incident.NewPolicy(o)
	require.NoError(t, err)
	return p
}

// looks are what may be seen of each target.
func looks() map[string][]detect.Facts {
	unit := func(state, run string, more detect.Facts) detect.Facts {
		f := detect.Facts{detect.WorkloadState: detect.Word(state), detect.WorkloadRun: detect.Word(run), detect.WorkloadPolicy: detect.Word("no")}
		for k, v := range more {
			f[k] = v
		}
		return f
	}
	service := []detect.Facts{
		unit(detect.StateRunning, "r1", detect.Facts{detect.HTTPOutcome: detect.Word(detect.OutcomeReply), detect.HealthStatus: detect.Word("healthy")}),
		unit(detect.StateRunning, "r2", detect.Facts{detect.HTTPOutcome: detect.Word(detect.OutcomeReply), detect.HealthStatus: detect.Word("healthy"), detect.HealthDatabase: detect.Word("connected")}),
		unit(detect.StateRunning, "r1", detect.Facts{detect.HTTPOutcome: detect.Word(detect.OutcomeNoReply), detect.HTTPLatency: detect.Num(1.5)}),
		unit(detect.StateFailed, "r1", detect.Facts{detect.HTTPOutcome: detect.Word(detect.OutcomeRefused), detect.WorkloadDeparture: detect.Word(detect.DepartureCrash)}),
		unit(detect.StateStopped, "r1", detect.Facts{detect.HTTPOutcome: detect.Word(detect.OutcomeRefused), detect.WorkloadDeparture: detect.Word(detect.DepartureStopped)}),
		unit(detect.StateRunning, "r1", detect.Facts{detect.HTTPOutcome: detect.Word(detect.OutcomeReply), detect.HealthStatus: detect.Word("unhealthy"), detect.HealthDatabase: detect.Word("disconnected"),
			detect.PoolSize: detect.Num(20), detect.PoolFree: detect.Num(0), detect.PoolMax: detect.Num(20), detect.SyntheticOK: detect.Flag(false)}),
		unit(detect.StateRunning, "r1", detect.Facts{detect.HTTPOutcome: detect.Word(detect.OutcomeNotFound), detect.HTTPStatus: detect.Num(404)}),
		{detect.WorkloadState: detect.NotMeasured("no answer"), detect.HTTPOutcome: detect.NotMeasured("no time")},
	}
	return map[string][]detect.Facts{"a": service, "b": service, "other": service, "db": {
		unit(detect.StateRunning, "d1", detect.Facts{detect.SQLOutcome: detect.Word(detect.SQLOK)}),
		unit(detect.StateRunning, "d1", detect.Facts{detect.SQLOutcome: detect.Word(detect.SQLFrozen), detect.SQLLatency: detect.Num(2)}),
		unit(detect.StateFailed, "d1", detect.Facts{detect.SQLOutcome: detect.Word(detect.SQLRefused), detect.WorkloadDeparture: detect.Word(detect.DepartureCrash)}),
	}}
}

var began = time.Date(2026, 11, 22, 3, 0, 0, 0, time.FixedZone("somewhere", 2*3600))

// stage runs events through a policy, with a recorder beside it.
type stage struct {
	p       *incident.Policy
	s       incident.State
	now     time.Time
	r       *Recorder
	w       writer
	saved   map[string]map[string][]byte // by incident and name
	records int
}

func newStage(t require.TestingT, p *incident.Policy) *stage {
	st := &stage{p: p, s: incident.NewState(), now: began, saved: map[string]map[string][]byte{}}
	r, err := New(Options{Policy: func() *incident.Policy { return st.p }, Config: func() string { return "c1" }, Logger: zap.NewNop(),
		Save: func(_ context.Context, id, name string, _ time.Time, body []byte) error {
			if st.saved[id] == nil {
				st.saved[id] = map[string][]byte{}
			}
			st.saved[id][name] = body
			return nil
		}})
	require.NoError(t, err)
	st.r, st.w = r, writer{o: r.o, reels: map[string]*reel{}}
	return st
}

// tell puts one event to the core, so long after the last.
func (st *stage) tell(after time.Duration, ev incident.Event) incident.Record {
	st.now = st.now.Add(after)
	if ev.Observation != nil {
		o := *ev.Observation
		o.At = st.now.Add(-5 * time.Millisecond)
		ev.Observation = &o
	}
	next, rec := st.p.Step(st.s, st.now, ev)
	st.r.Stepped(st.s, st.now, ev, rec, next)
	st.s = next
	if rec.Durable() {
		st.records++
	}
	for len(st.r.steps) > 0 {
		st.w.take(context.Background(), *<-st.r.steps)
	}
	return rec
}

func (st *stage) see(after time.Duration, target string, f detect.Facts) incident.Record {
	return st.tell(after, incident.Event{Kind: incident.Observed, Target: target, Observation: &detect.Observation{Target: target, Cause: "poll", Facts: f, Took: 0.005}})
}

// tapes returns the recordings of an incident.
func (st *stage) tapes(t require.TestingT, id string) (out []Tape) {
	for _, l := range st.w.reels {
		st.w.save(context.Background(), l)
	}
	for _, body := range st.saved[id] {
		tape, err := Decode(body)
		require.NoError(t, err)
		out = append(out, tape)
	}
	return out
}

// TestTheSameConfigurationDecidesTheSameToTheByte tells random stories: looks of every sort, ends of
// actions right and wrong, people's words, wake-ups. Whatever was recorded of them, the same rules decide
// the same again: each record is equal to the byte, by its checksum.
func TestTheSameConfigurationDecidesTheSameToTheByte(t *testing.T) {
	recorded := 0
	rapid.Check(t, func(t *rapid.T) {
		st := newStage(t, host(t, nil))
		seen := looks()
		names := []string{"a", "b", "db", "other"}
		ids := map[string]bool{}
		for range rapid.IntRange(1, 60).Draw(t, "events") {
			after := time.Duration(rapid.Int64Range(0, int64(4*time.Second)).Draw(t, "after"))
			name := rapid.SampledFrom(names).Draw(t, "target")
			var rec incident.Record
			switch kind := rapid.SampledFrom([]string{"look", "look", "look", "look", "look", "ended", "woke", "word", "pause"}).Draw(t, "kind"); kind {
			case "look":
				rec = st.see(after, name, rapid.SampledFrom(seen[name]).Draw(t, "facts"))
			case "ended":
				id := "nothing/a1"
				if ts := st.s.Targets[name]; ts != nil {
					id = ts.ActionID
				}
				rec = st.tell(after, incident.Event{Kind: incident.Ended, Target: name, ActionID: id, Detail: "it is over",
					Result: rapid.SampledFrom([]incident.Result{incident.ResultDone, incident.ResultFailed, incident.ResultUnknown, incident.ResultDenied}).Draw(t, "result")})
			case "woke":
				rec = st.tell(after, incident.Event{Kind: incident.Woke, Target: name})
			case "word":
				rec = st.tell(after, incident.Event{Kind: incident.Operator, Target: name, Command: &incident.Command{By: "ann", Why: "because",
					Verb: rapid.SampledFrom([]incident.CommandVerb{incident.CmdHold, incident.CmdRelease, incident.CmdRetry, incident.CmdApprove}).Draw(t, "verb"), Until: st.now.Add(10 * time.Second)}})
			default:
				rec = st.tell(after, incident.Event{Kind: incident.Operator, Command: &incident.Command{By: "ann",
					Verb: rapid.SampledFrom([]incident.CommandVerb{incident.CmdPause, incident.CmdResume}).Draw(t, "verb"), Until: st.now.Add(5 * time.Second)}})
			}
			if rec.Incident != nil {
				ids[rec.Incident.ID] = true
			}
		}
		for id := range ids {
			tapes := st.tapes(t, id)
			require.NotEmpty(t, tapes, "every incident is recorded: %s", id)
			c := Run(tapes, host(t, nil))
			require.Zero(t, c.Different, "%+v", c.First())
			require.True(t, c.Bytes)
			require.NotZero(t, c.Decisions)
			recorded++
		}
	})
	require.Greater(t, recorded, 50, "the stories have incidents in them")
}

// hang tells of a server that hangs and is restarted.
func hang(st *stage) string {
	seen := looks()
	st.see(0, "db", seen["db"][0])
	st.see(time.Second, "a", seen["a"][0])
	st.see(time.Second, "a", seen["a"][2])
	st.see(100*time.Millisecond, "other", seen["other"][0])
	st.see(100*time.Millisecond, "db", seen["db"][0])
	rec := st.see(1500*time.Millisecond, "a", seen["a"][2])
	id := rec.Incident.ID
	st.tell(2*time.Second, incident.Event{Kind: incident.Ended, Target: "a", ActionID: rec.After.ActionID, Result: incident.ResultDone})
	for range 10 {
		st.see(3*time.Second, "a", seen["a"][1])
	}
	return id
}

func TestAnotherConfigurationShowsWhichDecisionsWouldChange(t *testing.T) {
	st := newStage(t, host(t, nil))
	id := hang(st)
	require.Empty(t, st.w.reels, "it is quiet again")
	tapes := st.tapes(t, id)
	require.Len(t, tapes, 1)
	require.Equal(t, "a", tapes[0].Head.Target)

	c := Run(tapes, host(t, func(o *incident.Options) { o.Modes = map[string]incident.Mode{"a": incident.Observe} }))
	require.NotZero(t, c.Different)
	require.False(t, c.Bytes)
	first := c.First()
	require.Equal(t, incident.Act, first.Recorded.Reason)
	require.Equal(t, []string{"restart a.service (stop_grace=1s)"}, first.Recorded.Actions)
	require.Equal(t, incident.HoldObserve, first.Replayed.Reason)
	require.Empty(t, first.Replayed.Actions)
	require.False(t, first.Follows)
	for _, s := range c.Steps[2:] {
		require.True(t, s.Follows, "what comes after the first difference followed from it")
	}

	// More looks to confirm: it would have acted later, or not at all.
	c = Run(tapes, host(t, func(o *incident.Options) {
		o.Overrides = []incident.Override{{Class: detect.ClassHung, Timing: incident.Timing{Looks: 5}}}
	}))
	require.Equal(t, incident.Act, c.First().Recorded.Reason)
	require.Equal(t, incident.Confirming, c.First().Replayed.Reason)

	// A target that is not watched any more.
	c = Run(tapes, host(t, func(o *incident.Options) { o.Targets = o.Targets[1:] }))
	require.True(t, c.First().Unwatched)

	// Longer probation changes when it is closed, and nothing before.
	c = Run(tapes, host(t, func(o *incident.Options) { o.Probation = 20 * time.Second }))
	require.Equal(t, incident.Closed, c.First().Recorded.Reason)
}

func TestOtherWordsAreNoOtherDecision(t *testing.T) {
	st := newStage(t, host(t, nil))
	id := hang(st)
	c := Run(st.tapes(t, id), host(t, func(o *incident.Options) { o.Targets[0].StartGrace = 6 * time.Second }))
	require.Zero(t, c.Different)
	require.True(t, c.Bytes)
	c = Run(st.tapes(t, id), host(t, func(o *incident.Options) { o.Limits.Backoff.Initial = 50 * time.Second }))
	require.Zero(t, c.Different, "nothing failed, so nothing waited")
}

func TestABlipIsNotKept(t *testing.T) {
	st := newStage(t, host(t, nil))
	seen := looks()
	st.see(0, "a", seen["a"][0])
	st.see(time.Second, "a", seen["a"][2])
	require.Len(t, st.w.reels, 1)
	st.see(time.Second, "a", seen["a"][0])
	require.Empty(t, st.w.reels)
	require.Empty(t, st.saved)
	require.Empty(t, st.r.loud)
}

func TestARecordingIsBoundedInTimeSizeAndNumber(t *testing.T) {
	st := newStage(t, host(t, nil))
	seen := looks()
	st.see(0, "a", seen["a"][6]) // a wrong page: paged and left to people
	var id string
	for range 400 {
		if rec := st.see(5*time.Second, "a", seen["a"][6]); rec.Incident != nil {
			id = rec.Incident.ID
		}
	}
	tapes := st.tapes(t, id)
	require.Equal(t, "the recording ended after 30m0s", Run(tapes, host(t, nil)).Cut)
	require.True(t, Run(tapes, host(t, nil)).Bytes, "what is there is right")

	st = newStage(t, host(t, nil))
	st.see(0, "a", seen["a"][6])
	for i := range 4000 {
		f := detect.Facts{detect.HTTPError: detect.Word(noise(i, 600))}
		for k, v := range seen["a"][6] {
			f[k] = v
		}
		if rec := st.see(50*time.Millisecond, "a", f); rec.Incident != nil {
			id = rec.Incident.ID
		}
	}
	tapes = st.tapes(t, id)
	require.Equal(t, "the recording grew too large", Run(tapes, host(t, nil)).Cut)
	for _, body := range st.saved[id] {
		require.Less(t, len(body), 1<<20, "what the journal takes")
	}

	st = newStage(t, host(t, func(o *incident.Options) {
		for i := range 20 {
			x := o.Targets[3]
			x.Name = fmt.Sprintf("other%d", i)
			o.Targets = append(o.Targets, x)
		}
	}))
	for i := range 20 {
		st.see(time.Millisecond, fmt.Sprintf("other%d", i), seen["a"][2])
	}
	require.Equal(t, maxReels, st.w.running())
}

// noise is text that does not compress.
func noise(seed, n int) string {
	x := uint64(seed)*2654435761 + 1
	var b strings.Builder
	for b.Len() < n {
		x = x*6364136223846793005 + 1442695040888963407
		fmt.Fprintf(&b, "%x", x>>20)
	}
	return b.String()
}

func TestAReloadInTheMiddleIsNoted(t *testing.T) {
	st := newStage(t, host(t, nil))
	seen := looks()
	st.see(0, "db", seen["db"][0])
	st.see(0, "a", seen["a"][0])
	st.see(time.Second, "a", seen["a"][2])
	st.see(0, "db", seen["db"][0])
	st.p = host(t, func(o *incident.Options) { o.Modes = map[string]incident.Mode{"a": incident.Observe} })
	rec := st.see(time.Second, "a", seen["a"][2])
	require.Equal(t, incident.HoldObserve, rec.Reason)
	c := Run(st.tapes(t, rec.Incident.ID), host(t, nil))
	require.True(t, c.Reloaded)
	require.Equal(t, incident.Act, c.First().Replayed.Reason)
}

func TestStepsThatCannotBeQueuedEndTheRecordings(t *testing.T) {
	st := newStage(t, host(t, nil))
	seen := looks()
	st.see(0, "db", seen["db"][0])
	st.see(0, "a", seen["a"][0])
	st.see(time.Second, "a", seen["a"][2])
	st.r.lost = true // as after a full queue
	st.see(0, "db", seen["db"][0])
	rec := st.see(time.Second, "a", seen["a"][2])
	require.Contains(t, Run(st.tapes(t, rec.Incident.ID), host(t, nil)).Cut, "faster than they could be written")
}

// TestTheRecorderNeverBlocksTheLoop fills the queue while nobody takes from it.
func TestTheRecorderNeverBlocksTheLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := host(t, nil)
		saved := 0
		r, err := New(Options{Policy: func() *incident.Policy { return p }, Config: func() string { return "" }, Logger: zap.NewNop(),
			Save: func(context.Context, string, string, time.Time, []byte) error { saved++; return nil }})
		require.NoError(t, err)
		s := incident.NewState()
		f := looks()["other"][6]
		for range queue + 100 {
			o := detect.Observation{Target: "other", At: time.Now(), Facts: f}
			next, rec := p.Step(s, time.Now(), incident.Event{Kind: incident.Observed, Target: "other", Observation: &o})
			r.Stepped(s, time.Now(), incident.Event{Kind: incident.Observed, Target: "other", Observation: &o}, rec, next)
			s = next
			time.Sleep(20 * time.Millisecond)
		}
		require.True(t, r.lost)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- r.Run(ctx) }()
		synctest.Wait()
		cancel()
		require.NoError(t, <-done)
		require.NotZero(t, saved, "what was recorded is stored at the end")
	})
}

func TestARecordingOfAnotherFormatIsRefused(t *testing.T) {
	_, err := Decode([]byte("no gzip"))
	require.ErrorContains(t, err, "no gzip")
	w := writer{}
	l := &reel{}
	body, err := json.Marshal(Head{Format: 99})
	require.NoError(t, err)
	l.raw.Write(body)
	w.pack(l)
	_, err = Decode(l.done)
	require.ErrorContains(t, err, "format 99")
}
