package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
	"github.com/recoveryd/recoveryd/pkg/escalate/queue"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

// Subject is one target as the engine sees it: how to look at it, and how often.
type Subject struct {
	Name     string
	Looker   Looker
	Interval time.Duration // between looks when nothing is wrong, at most; a tenth less at the least. More than 0
}

// Options is what an Engine is built from. All fields but Broken, Brake, Evidence and Tape are required.
type Options struct {
	Policy   *incident.Policy
	Subjects []Subject
	State    incident.State // folded from the journal, or incident.NewState()
	Actuator Actuator
	Journal  Journal
	Courier  Courier
	// Broken says that the journal was found to be broken although nothing had to be written: people
	// learn it before an incident needs it. nil = it shows only with the next decision.
	Broken <-chan error
	// Brake says why nothing may be done on this host at all; "" = it may. It is asked before every
	// decision and again before every action, so it must be fast. nil = there is no brake.
	Brake    func() string
	Evidence Evidence // nil = none is collected
	Tape     Tape     // nil = nothing is recorded
	Meter    Meter
	Render   func(incident.Notice, incident.Incident, time.Time) notice.Notice
	// Turn is how long the loop waits at most when nothing happens; 0 = IdleTurn. Who is fed by its turns
	// must be able to wait for two of them.
	Turn time.Duration
	// Own routes a notice about recoveryd itself; what is about an incident is routed by the policy.
	Own    func(notice.Notice) []queue.Queued
	Logger *zap.Logger
}

// Engine runs the loop. Its methods are safe for concurrent use.
type Engine struct {
	o         Options
	inbox     chan message
	state     atomic.Pointer[incident.State]
	policy    atomic.Pointer[incident.Policy]
	parts     atomic.Pointer[parts]
	lastLoop  atomic.Int64 // Unix nanoseconds of the last handled event or idle turn
	busyUntil atomic.Int64 // Unix nanoseconds by when the actions in flight are over; 0 = none is

	acting   int  // actions in flight whose end was not taken yet; of the loop's goroutine alone
	stopping bool // Run is to end: nothing begins any more; of the loop's goroutine alone

	mu       sync.Mutex // guards what follows
	watchers map[string]*watcher
	callOff  context.CancelFunc // of all looks of these watchers; nil before the first
	timers   map[string]*time.Timer

	waiting map[string][]chan incident.Record // who waits for the next look at a target; of the loop alone

	work sync.WaitGroup // actions and lookers in flight
}

// parts is what the configuration in force gave the engine to act with.
type parts struct {
	actuator Actuator
	work     sync.WaitGroup // what is in flight and uses it, or the lookers that came with it
}

// message is an event, or a function to run between two events; done, when set, is closed after.
type message struct {
	ev   incident.Event
	fn   func()
	done chan incident.Record
	ends bool // an action in flight is over
}

// New checks the options and builds an Engine that does nothing until Run.
func New(o Options) (*Engine, error) {
	if o.Policy == nil || o.Actuator == nil || o.Journal == nil || o.Courier == nil || o.Meter == nil || o.Render == nil || o.Own == nil || o.Logger == nil {
		return nil, errors.New("engine: a required option is missing")
	}
	for _, s := range o.Subjects {
		if s.Interval <= 0 {
			return nil, fmt.Errorf("engine: target %s is to be looked at without an interval", s.Name)
		}
	}
	if o.Turn <= 0 {
		o.Turn = IdleTurn
	}
	e := &Engine{o: o, inbox: make(chan message, 256), watchers: map[string]*watcher{}, timers: map[string]*time.Timer{},
		waiting: map[string][]chan incident.Record{}}
	e.state.Store(&o.State)
	e.policy.Store(o.Policy)
	e.parts.Store(&parts{actuator: o.Actuator})
	return e, nil
}

// State returns the present state. It must not be modified.
func (e *Engine) State() incident.State { return *e.state.Load() }

// Policy returns the rule set in force.
func (e *Engine) Policy() *incident.Policy { return e.policy.Load() }

// Post hands an event to the core. It blocks while the inbox is full and gives up when ctx ends.
func (e *Engine) Post(ctx context.Context, ev incident.Event) error {
	select {
	case e.inbox <- message{ev: ev}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("event for %s was not taken: %w", ev.Target, context.Cause(ctx))
	}
}

// Ask hands an event to the core and waits for the record of what was decided, which for a wish to
// recover a target comes with the next look at it.
func (e *Engine) Ask(ctx context.Context, ev incident.Event) (incident.Record, error) {
	m := message{ev: ev, done: make(chan incident.Record, 1)}
	select {
	case e.inbox <- m:
	case <-ctx.Done():
		return incident.Record{}, fmt.Errorf("event for %s was not taken: %w", ev.Target, context.Cause(ctx))
	}
	select {
	case rec, ok := <-m.done:
		if !ok {
			return incident.Record{}, errors.New("the journal cannot be written: what was asked is not recorded, and counts at most until recoveryd ends; ask again when it can be written (recoveryd doctor says what is wrong)")
		}
		return rec, nil
	case <-ctx.Done():
		return incident.Record{}, fmt.Errorf("no decision for %s in time: %w", ev.Target, context.Cause(ctx))
	}
}

// LookNow asks for a look at a target at once; a look in flight is abandoned, because what it
// sees may be older than what caused this call (a unit's signal).
func (e *Engine) LookNow(target, cause string) {
	e.mu.Lock()
	w := e.watchers[target]
	e.mu.Unlock()
	if w != nil {
		w.interrupt(cause)
	}
}

// Reload swaps rule set, subjects and actuator between two events. Open incidents keep their state; that
// of a target which is not configured any more, or is another thing now, is ended. unused waits until
// nothing in flight uses the former actuator and lookers any more. The error is non-nil only when ctx,
// which must be the one given to Run or end with it, has ended.
func (e *Engine) Reload(ctx context.Context, p *incident.Policy, subjects []Subject, act Actuator) (unused func(), err error) {
	done := make(chan struct{})
	former := e.parts.Load()
	m := message{fn: func() {
		e.policy.Store(p)
		e.parts.Store(&parts{actuator: act})
		e.o.Subjects = subjects
		e.startWatchers(ctx)
		e.leave(ctx)
		close(done)
	}}
	select {
	case e.inbox <- m:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	select {
	case <-done:
		return former.work.Wait, nil
	case <-ctx.Done(): // the loop may have ended with the message still in its inbox
		return nil, context.Cause(ctx)
	}
}

// Busy returns how much longer the actions in flight may take; 0 when none is in flight, or all are overdue.
func (e *Engine) Busy(now time.Time) time.Duration {
	until := e.busyUntil.Load()
	if until == 0 {
		return 0
	}
	return max(time.Unix(0, until).Sub(now), 0)
}

// use runs something that uses the parts, beside the loop.
func (e *Engine) use(p *parts, work func()) {
	p.work.Add(1)
	e.work.Go(func() {
		defer p.work.Done()
		work()
	})
}

// act runs an action to its end beside the loop, which takes that end even when it is being stopped. limit
// is how long it may take. Called by the loop only.
func (e *Engine) act(p *parts, limit time.Duration, run func() incident.Event) {
	e.acting++
	e.busyUntil.Store(max(e.busyUntil.Load(), time.Now().Add(limit).UnixNano()))
	e.use(p, func() { e.inbox <- message{ev: run(), ends: true} })
}

// ended notes that an action in flight is over. Called by the loop only.
func (e *Engine) ended() {
	if e.acting--; e.acting == 0 {
		e.busyUntil.Store(0)
	}
}

// Alive reports whether the loop and every looker have completed a cycle recently; the error
// says which has not. The watchdog and the outbound heartbeat are fed from it, never from a timer
// of their own.
func (e *Engine) Alive(now time.Time) error {
	if since := now.Sub(time.Unix(0, e.lastLoop.Load())); since > loopLimit {
		return fmt.Errorf("the decision loop has not turned for %s", since.Round(time.Second))
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	stuck := 0
	var err error
	for _, w := range e.watchers {
		if since, limit := now.Sub(w.lastDone()), w.limit(); since > limit {
			stuck++
			err = fmt.Errorf("target %s has not been looked at for %s (limit %s)", w.s.Name, since.Round(time.Second), limit)
		}
	}
	// One wedged looker is reported by metrics and readiness; only when none works any more is
	// the daemon itself wedged.
	if stuck > 0 && stuck == len(e.watchers) {
		return err
	}
	return nil
}

// Stalled lists the targets that have not been looked at for longer than their limit.
func (e *Engine) Stalled(now time.Time) []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var names []string
	for _, s := range e.o.Subjects {
		if w := e.watchers[s.Name]; w != nil && now.Sub(w.lastDone()) > w.limit() {
			names = append(names, s.Name)
		}
	}
	return names
}

// IdleTurn is how often the loop turns at least: when nothing happens, a stop file is seen that late.
const IdleTurn = 5 * time.Second

// loopLimit is how long the loop may go without a turn: three of them, and half of what the service
// manager waits for.
const loopLimit = 15 * time.Second

// verdictOf is a shorthand for the meter.
func verdictOf(s incident.State, target string) detect.Verdict {
	if t, ok := s.Targets[target]; ok {
		return t.Diagnosis.Verdict
	}
	return detect.Unknown
}
