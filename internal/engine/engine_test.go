package engine

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
	"github.com/recoveryd/recoveryd/pkg/escalate/queue"
	"github.com/recoveryd/recoveryd/pkg/incident"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// rig is an engine around a model of one service, with everything written down in order.
type rig struct {
	mu       sync.Mutex
	log      []string // "append act", "do start", ...
	records  []incident.Record
	notices  []notice.Notice
	urgent   []notice.Notice
	appendEr error
	facts    detect.Facts
	look     func(context.Context) // called at the begin of each look
	onDo     func(strategy.Action) (incident.Result, string)
}

func (r *rig) Append(_ context.Context, rec incident.Record, ns []queue.Queued) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.appendEr != nil {
		return r.appendEr
	}
	r.log = append(r.log, "append "+string(rec.Reason))
	r.records = append(r.records, rec)
	r.notices = append(r.notices, noticesOf(ns)...)
	return nil
}

func (r *rig) Do(_ context.Context, a strategy.Action) (incident.Result, string) {
	r.mu.Lock()
	r.log = append(r.log, "do "+string(a.Verb))
	do := r.onDo
	r.mu.Unlock()
	return do(a)
}

func (r *rig) Look(ctx context.Context, cause string) detect.Observation {
	r.mu.Lock()
	look := r.look
	r.mu.Unlock()
	at := time.Now()
	if look != nil {
		look(ctx)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return detect.Observation{Target: "svc", At: at, Cause: cause, Facts: r.facts}
}

func (r *rig) Wake() {}
func (r *rig) Emergency(ns []queue.Queued) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.urgent = append(r.urgent, noticesOf(ns)...)
}
func (r *rig) Looked(string, detect.Verdict, time.Duration)          {}
func (r *rig) Decided(incident.Record)                               {}
func (r *rig) Acted(strategy.Action, incident.Result, time.Duration) {}
func (r *rig) JournalFailed()                                        {}
func (r *rig) Cycle(time.Time)                                       {}
func (r *rig) set(f detect.Facts)                                    { r.mu.Lock(); r.facts = f; r.mu.Unlock() }
func (r *rig) steps() []string                                       { r.mu.Lock(); defer r.mu.Unlock(); return slices.Clone(r.log) }
func (r *rig) count(step string) (n int) {
	for _, s := range r.steps() {
		if s == step {
			n++
		}
	}
	return n
}

func noticesOf(rows []queue.Queued) (out []notice.Notice) {
	for _, q := range rows {
		out = append(out, q.Notice)
	}
	return out
}

func own(n notice.Notice) []queue.Queued { return queue.NewQueued(n.At, n, "pager") }

func healthy(run string) detect.Facts {
	return detect.Facts{detect.WorkloadState: detect.Word(detect.StateRunning), detect.WorkloadRun: detect.Word(run),
		detect.HTTPOutcome: detect.Word(detect.OutcomeReply), detect.HealthStatus: detect.Word("healthy")}
}

func dead(run string) detect.Facts {
	return detect.Facts{detect.WorkloadState: detect.Word(detect.StateFailed), detect.WorkloadRun: detect.Word(run),
		detect.WorkloadDeparture: detect.Word(detect.DepartureCrash), detect.WorkloadPolicy: detect.Word("no"), detect.HTTPOutcome: detect.Word(detect.OutcomeRefused)}
}

func (r *rig) engine(t *testing.T, state incident.State) *Engine {
	t.Helper()
	set, err := strategy.NewSet(strategy.Builtin()...)
	require.NoError(t, err)
	p, err := incident.NewPolicy(incident.Options{Strategies: set,
		Targets:   []detect.Target{{Name: "svc", Kind: detect.KindService, Platform: "systemd", Object: "svc.service", StartGrace: 5 * time.Second, StopGrace: time.Second}},
		Limits:    incident.Limits{Target: incident.Budget{Actions: 4, Window: time.Hour}, Host: incident.Budget{Actions: 10, Window: time.Hour}, Backoff: incident.Backoff{Initial: 5 * time.Second, Factor: 2, Max: time.Minute}},
		PageAfter: incident.PageAfter{Held: 5 * time.Minute, Unknown: 10 * time.Minute, Unresolved: 15 * time.Minute},
		Probation: 30 * time.Second})
	require.NoError(t, err)
	e, err := New(Options{Policy: p, Subjects: []Subject{{Name: "svc", Looker: r, Interval: 5 * time.Second}}, State: state,
		Actuator: r, Journal: r, Courier: r, Meter: r, Render: Renderer{Host: "host1"}.Render, Own: own, Logger: zap.NewNop()})
	require.NoError(t, err)
	return e
}

// run lets the engine turn for d of simulated time, then stops it.
func run(t *testing.T, e *Engine, d time.Duration) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	time.Sleep(d)
	synctest.Wait()
	cancel()
	require.ErrorIs(t, <-done, context.Canceled)
}

func TestTheRecordIsDurableBeforeItsActionIsPerformed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &rig{facts: dead("run1")}
		r.onDo = func(strategy.Action) (incident.Result, string) {
			r.set(healthy("run2"))
			return incident.ResultDone, "job done"
		}
		run(t, r.engine(t, incident.NewState()), time.Minute)
		steps := r.steps()
		require.Equal(t, []string{"append act", "do start", "append action-over", "append verified", "append closed"}, steps)
		require.Len(t, r.notices, 1)
		require.Equal(t, notice.Change, r.notices[0].Kind, "a cure that worked is told for the record and wakes nobody")
	})
}

func TestAJournalThatCannotBeWrittenStopsActionsAndPagesUntilItWorksAgain(t *testing.T) {
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
		require.Zero(t, r.count("do start"), "no record, no action")
		require.NotEmpty(t, r.urgent)
		require.Contains(t, r.urgent[0].Summary, "cannot write its journal")
		require.Contains(t, r.urgent[0].Evidence[0], "disk full")
		pages := 0
		for _, n := range r.urgent {
			if n.Target == "svc" && n.Kind == notice.Trigger {
				pages++
			}
		}
		require.Equal(t, 1, pages, "the service that is down is paged once, without a journal")
		r.mu.Lock()
		r.appendEr = nil
		r.mu.Unlock()
		time.Sleep(30 * time.Second)
		synctest.Wait()
		require.Equal(t, 1, r.count("do start"), "it acts again once the journal works")
		require.Empty(t, e.State().Host.Impaired)
		last := r.urgent[len(r.urgent)-1]
		require.Equal(t, notice.Resolve, last.Kind, "the page about recoveryd itself is resolved")
		require.Equal(t, r.urgent[0].Key, last.Key)
		cancel()
		<-done
	})
}

func TestAnActionFoundInFlightAfterARestartIsVerifiedAndNotRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := &rig{facts: dead("run1")}
		die := make(chan struct{}) // this process dies during the action
		first.onDo = func(strategy.Action) (incident.Result, string) { <-die; return incident.ResultUnknown, "" }
		e := first.engine(t, incident.NewState())
		ctx, cancel := context.WithCancel(t.Context())
		go func() { _ = e.Run(ctx) }()
		time.Sleep(time.Second)
		synctest.Wait()
		state := incident.NewState()
		for _, rec := range first.records { // what the journal holds at its death
			state = incident.Fold(state, rec)
		}
		cancel()
		close(die)
		synctest.Wait()
		require.Equal(t, incident.Acting, state.Targets["svc"].Phase)

		second := &rig{facts: healthy("run2")} // the start did take place
		second.onDo = func(strategy.Action) (incident.Result, string) { return incident.ResultDone, "" }
		run(t, second.engine(t, state), time.Minute)
		require.Zero(t, second.count("do start"))
		require.Equal(t, []string{"append action-failed", "append verified", "append closed"}, second.steps())
		attempts := second.records[0].Incident.Attempts
		require.Len(t, attempts, 1)
		require.Equal(t, incident.ResultUnknown, attempts[0].Result)
	})
}

func TestASignalAbandonsALookInFlightAndLooksAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &rig{facts: healthy("run1")}
		var causes int
		r.look = func(ctx context.Context) {
			causes++
			if causes == 1 {
				<-ctx.Done() // a health call that hangs; its look is called off by the signal
			}
		}
		r.onDo = func(strategy.Action) (incident.Result, string) { return incident.ResultDone, "" }
		e := r.engine(t, incident.NewState())
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- e.Run(ctx) }()
		time.Sleep(100 * time.Millisecond)
		began := time.Now()
		e.LookNow("svc", "signal")
		synctest.Wait()
		require.Equal(t, "signal", e.State().Targets["svc"].Last.Cause)
		require.Zero(t, time.Since(began), "the signal is looked at without waiting for anything")
		cancel()
		<-done
	})
}

func TestOneLookAtATimeHoweverOftenItIsAskedForAndNoneAfterTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &rig{facts: healthy("run1")}
		var now, most, looks atomic.Int32
		r.look = func(ctx context.Context) {
			most.Store(max(most.Load(), now.Add(1)))
			looks.Add(1)
			select {
			case <-ctx.Done():
			case <-time.After(200 * time.Millisecond):
			}
			now.Add(-1)
		}
		e := r.engine(t, incident.NewState())
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- e.Run(ctx) }()
		var asked time.Time
		for range 50 {
			time.Sleep(30 * time.Millisecond)
			asked = time.Now()
			for range 3 {
				go e.LookNow("svc", "signal")
				go e.lookAfter("svc", 10*time.Millisecond)
			}
		}
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(t, int32(1), most.Load())
		require.False(t, e.State().Targets["svc"].Last.At.Before(asked), "what was asked for last was looked at")
		cancel()
		<-done
		before := looks.Load()
		e.LookNow("svc", "signal")
		time.Sleep(time.Minute)
		require.Equal(t, before, looks.Load())
	})
}

func TestAWedgedLookerIsReportedAndADaemonWithoutAnyWorkingLookerIsNotAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &rig{facts: healthy("run1")}
		release := make(chan struct{})
		r.look = func(context.Context) { <-release } // ignores its deadline
		e := r.engine(t, incident.NewState())
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- e.Run(ctx) }()
		time.Sleep(time.Second)
		require.NoError(t, e.Alive(time.Now()))
		time.Sleep(2 * time.Minute)
		require.ErrorContains(t, e.Alive(time.Now()), "svc has not been looked at")
		require.Equal(t, []string{"svc"}, e.Stalled(time.Now()))
		close(release)
		cancel()
		<-done
	})
}

func TestAReloadThatMeetsTheEndOfTheDaemonEndsWithIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &rig{facts: healthy("run1")}
		e := r.engine(t, incident.NewState())
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { _, err := e.Reload(ctx, e.Policy(), e.o.Subjects, r); done <- err }() // the loop is over and takes no message any more
		synctest.Wait()
		stop()
		require.ErrorIs(t, <-done, context.Canceled)
	})
}

func TestWhoAsksForARecoveryHearsWhatAFreshLookShows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &rig{facts: healthy("run1")}
		e := r.engine(t, incident.NewState())
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- e.Run(ctx) }()
		time.Sleep(time.Second)
		r.mu.Lock()
		r.look = func(context.Context) { time.Sleep(300 * time.Millisecond) }
		r.mu.Unlock()
		rec, err := e.Ask(ctx, incident.Event{Kind: incident.Operator, Target: "svc", Command: &incident.Command{Verb: incident.CmdRecover, By: "ann"}})
		require.NoError(t, err)
		require.Equal(t, incident.Observed, rec.Event.Kind)
		require.Contains(t, rec.Sentence, "says ann: refused, nothing is known to be wrong with it")
		r.mu.Lock()
		require.Len(t, r.records, 2, "the word and its answer are written")
		r.mu.Unlock()
		cancel()
		require.ErrorIs(t, <-done, context.Canceled)
	})
}

// What it saw may be older than what the signal is about.
func TestALookThatASignalOvertookCountsForNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &rig{facts: healthy("run1")}
		first, second, looks := make(chan struct{}), make(chan struct{}), 0
		r.look = func(context.Context) { // it does not see that it is called off
			switch looks++; looks {
			case 1:
				<-first
			case 2:
				<-second
			}
		}
		e := r.engine(t, incident.NewState())
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- e.Run(ctx) }()
		time.Sleep(time.Second)
		e.LookNow("svc", "signal")
		close(first)
		synctest.Wait()
		before := len(e.State().Targets)
		close(second)
		synctest.Wait()
		require.Zero(t, before)
		require.Equal(t, "signal", e.State().Targets["svc"].Last.Cause)
		cancel()
		<-done
	})
}
