package engine

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
	"github.com/recoveryd/recoveryd/pkg/incident"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// doing is an actuator of a test, which sees the context that an action is given.
type doing func(context.Context, strategy.Action) (incident.Result, string)

func (d doing) Do(ctx context.Context, a strategy.Action) (incident.Result, string) { return d(ctx, a) }

// A restart that nobody follows to its end leaves a service stopped: systemd may wait for it for an hour.
func TestAStopWaitsForTheActionInFlightAndWritesDownItsEnd(t *testing.T) {
	for name, result := range map[string]incident.Result{"that works": incident.ResultDone, "that fails": incident.ResultFailed} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := &rig{facts: dead("run1")}
				begun, release, asked := make(chan struct{}), make(chan struct{}), 0
				e := r.engine(t, incident.NewState())
				e.parts.Store(&parts{actuator: doing(func(ctx context.Context, _ strategy.Action) (incident.Result, string) {
					asked++
					close(begun)
					<-release
					require.NoError(t, ctx.Err(), "the action has its own bound and no other")
					_, bounded := ctx.Deadline()
					require.True(t, bounded)
					return result, "the end"
				})})
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan error, 1)
				go func() { done <- e.Run(ctx) }()
				<-begun
				require.Positive(t, e.Busy(time.Now()))
				cancel()
				time.Sleep(10 * time.Second)
				synctest.Wait()
				require.Empty(t, done, "an action is in flight")
				require.Less(t, e.Busy(time.Now()), time.Minute, "what still to wait for is bounded")
				close(release)
				require.ErrorIs(t, <-done, context.Canceled)
				require.Zero(t, e.Busy(time.Now()))
				last := r.records[len(r.records)-1].Incident.Attempts
				require.Equal(t, result, last[len(last)-1].Result)
				require.Equal(t, "the end", last[len(last)-1].Detail)
				require.Equal(t, 1, asked, "nothing else begins any more")
			})
		})
	}
}

// halfway is a state in which the first action of a plan, kill and start, is in flight.
func halfway() incident.State {
	p := strategy.Plan{Strategy: "kill-start", Actions: []strategy.Action{
		{Verb: strategy.Kill, Object: "svc.service", Target: "svc", Timeout: 10 * time.Second, Disrupts: true},
		{Verb: strategy.Start, Object: "svc.service", Target: "svc", Timeout: 10 * time.Second}}, NewRun: true, Verify: time.Minute}
	at, state := time.Now(), incident.NewState()
	state.Incidents["i1"] = &incident.Incident{ID: "i1", Target: "svc", Class: detect.ClassHung, Since: at, Opened: at,
		Attempts: []incident.Attempt{{ID: "i1/a1", Action: "kill", At: at}}}
	state.Targets["svc"] = &incident.TargetState{Name: "svc", Phase: incident.Acting, Since: at, Incident: "i1", Plan: &p, ActionID: "i1/a1", Deadline: at.Add(15 * time.Second)}
	return state
}

func TestAPlanThatHasBegunGoesOnToItsEndWhenTheDaemonIsStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &rig{facts: healthy("run1")}
		e := r.engine(t, incident.NewState())
		var did []strategy.Verb
		e.parts.Store(&parts{actuator: doing(func(_ context.Context, a strategy.Action) (incident.Result, string) {
			did = append(did, a.Verb)
			return incident.ResultDone, "started"
		})})
		ctx, cancel := context.WithCancel(t.Context())
		done, killed := make(chan error, 1), make(chan struct{})
		go func() { done <- e.Run(ctx) }()
		e.inbox <- message{fn: func() {
			e.state.Store(new(halfway()))
			e.act(e.parts.Load(), time.Second, func() incident.Event {
				<-killed
				return incident.Event{Kind: incident.Ended, Target: "svc", ActionID: "i1/a1", Result: incident.ResultDone, Detail: "killed"}
			})
		}}
		synctest.Wait()
		cancel()
		synctest.Wait()
		close(killed)
		require.ErrorIs(t, <-done, context.Canceled)
		require.Equal(t, []strategy.Verb{strategy.Start}, did, "a service that was killed is not left so")
		attempts := r.records[len(r.records)-1].Incident.Attempts
		require.Equal(t, "started", attempts[len(attempts)-1].Detail)
	})
}

func TestOnlyAPlanUnderWayGoesOnAfterAStop(t *testing.T) {
	act := incident.Record{Effects: []incident.Effect{{Kind: incident.Perform, Target: "svc"}}}
	step := incident.Record{Effects: []incident.Effect{{Kind: incident.Perform}}} // of a playbook
	require.False(t, begins(halfway(), act))
	require.False(t, begins(halfway(), incident.Record{Effects: []incident.Effect{{Kind: incident.Notify, Target: "other"}}}))
	require.True(t, begins(halfway(), step))
	require.True(t, begins(incident.NewState(), act))
}

func TestAStopWaitsForTheLookInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &rig{facts: healthy("run1")}
		looking, release := make(chan struct{}), make(chan struct{})
		r.look = func(context.Context) { // it does not see that it is called off
			close(looking)
			<-release
		}
		e := r.engine(t, incident.NewState())
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- e.Run(ctx) }()
		<-looking
		cancel()
		synctest.Wait()
		require.Empty(t, done, "its sockets are closed before what it uses is")
		close(release)
		require.ErrorIs(t, <-done, context.Canceled)
	})
}

func TestWhatTheProcessBeforeBeganIsSeenThroughAndNotBegunAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &rig{}
		e := r.engine(t, halfway())
		f := &finishing{end: make(chan struct{})}
		e.parts.Store(&parts{actuator: f})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- e.Run(ctx) }()
		time.Sleep(time.Second)
		synctest.Wait()
		require.Empty(t, r.records, "it is under way")
		close(f.end)
		synctest.Wait()
		require.Equal(t, []strategy.Verb{strategy.Kill}, f.finished)
		first := r.records[0].Incident.Attempts[0]
		require.Equal(t, incident.ResultUnknown, first.Result)
		require.Contains(t, first.Detail, "recoveryd was restarted while the action was in flight; the stop was cut short")
		cancel()
		<-done
	})
}

// finishing is an actuator at which an action of the process before is still under way.
type finishing struct {
	end      chan struct{}
	finished []strategy.Verb
}

func (f *finishing) Do(context.Context, strategy.Action) (incident.Result, string) {
	return incident.ResultDone, ""
}

func (f *finishing) Finish(_ context.Context, a strategy.Action) string {
	f.finished = append(f.finished, a.Verb)
	<-f.end
	return "the stop was cut short"
}

func TestALoopThatStandsStillIsNotAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &rig{facts: healthy("run1")}
		e := r.engine(t, incident.NewState())
		stuck := make(chan struct{})
		e.o.Brake = func() string { // asked by the loop itself
			if time.Since(time.Unix(0, e.lastLoop.Load())) > 0 && len(e.State().Targets) > 0 {
				<-stuck
			}
			return ""
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- e.Run(ctx) }()
		time.Sleep(20 * time.Second)
		require.ErrorContains(t, e.Alive(time.Now()), "the decision loop has not turned for")
		close(stuck)
		time.Sleep(time.Second)
		synctest.Wait()
		require.NoError(t, e.Alive(time.Now()))
		cancel()
		<-done
	})
}

func TestRecordsAreNumberedWithoutAGapAlsoAfterTheJournalWasBroken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &rig{facts: dead("run1"), appendEr: errors.New("disk full")}
		r.onDo = func(strategy.Action) (incident.Result, string) {
			r.set(healthy("run2"))
			return incident.ResultDone, ""
		}
		e := r.engine(t, incident.NewState())
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- e.Run(ctx) }()
		time.Sleep(20 * time.Second)
		synctest.Wait()
		require.NotEmpty(t, r.urgent, "something durable was to be decided meanwhile")
		r.mu.Lock()
		r.appendEr = nil
		r.mu.Unlock()
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		cancel()
		<-done
		require.NotEmpty(t, r.records)
		for i, rec := range r.records {
			require.Equal(t, uint64(i+1), rec.Seq, "the store refuses a number that does not follow")
		}
		require.Equal(t, notice.Resolve, r.urgent[len(r.urgent)-1].Kind)
	})
}

// What a reload replaced may be closed only when nothing uses it any more.
func TestAReloadSaysWhenNothingUsesWhatItReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &rig{facts: dead("run1")}
		begun, release := make(chan struct{}), make(chan struct{})
		e := r.engine(t, incident.NewState())
		e.parts.Store(&parts{actuator: doing(func(context.Context, strategy.Action) (incident.Result, string) {
			close(begun)
			<-release
			r.set(healthy("run2"))
			return incident.ResultDone, ""
		})})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- e.Run(ctx) }()
		<-begun
		unused, err := e.Reload(ctx, e.Policy(), e.o.Subjects, doing(func(context.Context, strategy.Action) (incident.Result, string) {
			t.Error("the action has begun with the former actuator")
			return incident.ResultFailed, ""
		}))
		require.NoError(t, err)
		free := make(chan struct{})
		go func() { unused(); close(free) }()
		time.Sleep(5 * time.Second)
		synctest.Wait()
		select {
		case <-free:
			t.Fatal("an action that uses the former actuator is in flight")
		default:
		}
		close(release)
		<-free
		cancel()
		<-done
	})
}
