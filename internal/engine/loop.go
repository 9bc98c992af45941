package engine

import (
	"context"
	"fmt"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/escalate/queue"
	"github.com/recoveryd/recoveryd/pkg/incident"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// Run turns until ctx ends; then it waits for the actions in flight and writes down how they ended. At first it settles
// what an earlier process left behind: an action without an end has an unknown result, is judged
// by observation and never repeated blindly.
func (e *Engine) Run(ctx context.Context) error {
	e.lastLoop.Store(time.Now().UnixNano())
	defer e.work.Wait()
	e.resume(ctx)
	e.startWatchers(ctx)
	idle := time.NewTicker(e.o.Turn)
	defer idle.Stop()
	for {
		select {
		case <-ctx.Done():
			e.stopTimers()
			e.finish(ctx)
			return context.Cause(ctx)
		case m := <-e.inbox:
			if m.ends {
				e.ended()
			}
			if m.fn != nil {
				m.fn()
			} else {
				e.handle(ctx, m)
				if e.State().Host.Impaired == "" {
					idle.Reset(e.o.Turn) // an event is a turn: nothing else is left for the ticker to do
				}
			}
		case err := <-e.o.Broken:
			if state := e.State(); state.Host.Impaired == "" {
				e.o.Logger.Error("journal cannot be written", zap.Error(err))
				e.impair(ctx, state, time.Now(), err)
			}
		case <-idle.C:
			e.brake(ctx)
			if e.State().Host.Impaired != "" {
				e.handle(ctx, message{ev: incident.Event{Kind: incident.Impaired}}) // durable only if the journal works again
			}
		}
		now := time.Now()
		e.lastLoop.Store(now.UnixNano())
		e.o.Meter.Cycle(now)
	}
}

// finish takes the ends of the actions in flight. Each has a bound of its own. A plan that has begun goes
// on to its end, since half of it may leave a service stopped; nothing else begins.
func (e *Engine) finish(ctx context.Context) {
	e.stopping = true
	ctx = context.WithoutCancel(ctx)
	for e.acting > 0 {
		if m := <-e.inbox; m.ends {
			e.ended()
			e.handle(ctx, m)
		}
	}
}

// begins reports whether a record wants something to be done that is no part of a plan under way.
func begins(before incident.State, rec incident.Record) bool {
	for _, eff := range rec.Effects {
		if t := before.Targets[eff.Target]; eff.Kind == incident.Perform && (t == nil || t.Phase != incident.Acting) {
			return true
		}
	}
	return false
}

// handle is the promise "write first, then act" in code.
func (e *Engine) handle(ctx context.Context, m message) {
	if m.ev.Kind != incident.Stopped {
		e.brake(ctx)
	}
	now := time.Now()
	state := e.State()
	next, rec := e.Policy().Step(state, now, m.ev)
	if e.stopping && begins(state, rec) {
		return // the next process decides it anew, after a look
	}
	if rec.Durable() {
		if err := e.o.Journal.Append(ctx, rec, e.render(next, rec)); err != nil {
			e.journalBroken(ctx, state, m, err)
			if m.done != nil {
				close(m.done)
			}
			return
		}
	}
	e.tape(state, now, m.ev, rec, next)
	e.accept(ctx, next, rec)
	if state.Host.Impaired != "" && next.Host.Impaired == "" {
		e.o.Courier.Emergency(e.o.Own(Mended(BrokenJournal(now, state.Host.Impaired), now)))
	}
	e.reply(m, rec)
}

// reply gives the record to whoever asked with this event, and to whoever waited for what it answers.
func (e *Engine) reply(m message, rec incident.Record) {
	if rec.Answered {
		for _, done := range e.waiting[rec.Target] {
			done <- rec // has room for one
		}
		delete(e.waiting, rec.Target)
	}
	switch {
	case m.done == nil:
	case rec.Waits():
		e.waiting[rec.Target] = append(e.waiting[rec.Target], m.done)
	default:
		m.done <- rec
	}
}

// tape lets the step be recorded.
func (e *Engine) tape(before incident.State, now time.Time, ev incident.Event, rec incident.Record, after incident.State) {
	if e.o.Tape != nil {
		e.o.Tape.Stepped(before, now, ev, rec, after)
	}
}

// accept makes the state the present one and carries out the effects.
func (e *Engine) accept(ctx context.Context, next incident.State, rec incident.Record) {
	e.state.Store(&next)
	e.o.Meter.Decided(rec)
	e.log(rec)
	queued := false
	for _, eff := range rec.Effects {
		switch eff.Kind {
		case incident.Perform:
			e.perform(ctx, eff, rec)
		case incident.Look:
			e.lookAfter(eff.Target, eff.After)
		case incident.Wake:
			e.wakeAt(ctx, eff.Target, eff.At)
		case incident.Conclude:
			e.conclude(eff)
		case incident.Notify:
			queued = true
		}
	}
	if queued {
		e.o.Courier.Wake()
	}
	if e.o.Evidence != nil && rec.To == incident.Escalated && rec.From != rec.To && rec.Incident != nil {
		// Nothing more is done: what there is to see is for the person who was called.
		e.use(e.parts.Load(), func() { e.gather(ctx, rec.Target, rec.Incident.ID, nil) })
	}
}

// journalBroken handles a record that could not be made durable: the decision is dropped, the
// core is told that it may only page, and the event is put to it again. What it then wants to say
// leaves without a journal.
func (e *Engine) journalBroken(ctx context.Context, state incident.State, m message, cause error) {
	e.o.Meter.JournalFailed()
	if m.ev.Kind == incident.Impaired {
		return // it was asked whether the journal works again, and it does not
	}
	e.o.Logger.Error("journal append failed", zap.Error(cause), zap.String("target", m.ev.Target))
	now := time.Now()
	seq := state.Seq // what follows is not in the journal and takes no number of it
	if state.Host.Impaired == "" {
		state = e.impair(ctx, state, now, cause)
	}
	next, rec := e.Policy().Step(state, now, m.ev)
	for _, eff := range rec.Effects {
		if eff.Kind == incident.Perform {
			return // cannot be: the core holds every action while impaired; if it did, it is dropped here
		}
	}
	if notices := e.render(next, rec); len(notices) > 0 {
		e.o.Courier.Emergency(notices)
	}
	next.Seq = seq
	e.tape(state, now, m.ev, rec, next)
	e.accept(ctx, next, rec)
}

// render turns the notices of a record into messages, one for each channel that gets it.
func (e *Engine) render(s incident.State, rec incident.Record) []queue.Queued {
	var out []queue.Queued
	for _, eff := range rec.Effects {
		if eff.Kind != incident.Notify {
			continue
		}
		inc := rec.Incident
		if eff.Notice.Case != nil {
			inc = eff.Notice.Case
		}
		if inc == nil {
			inc = s.Incidents[s.Targets[eff.Target].Incident]
		}
		if inc == nil {
			continue
		}
		n := e.o.Render(*eff.Notice, *inc, rec.At)
		for k, a := range eff.Notice.To {
			n.Key, n.To, n.With = a.Key, a.For, besides(eff.Notice.To, k)
			n.ID = fmt.Sprintf("%s#%d", n.Key, rec.Seq)
			out = append(out, queue.NewQueued(rec.At, n, a.Channel)...)
		}
	}
	return out
}

// besides are the people whom the same decision tells through other channels: "secondary (bob)".
func besides(to []incident.Address, k int) (out []string) {
	for i, a := range to {
		if i == k || len(a.For) == 0 {
			continue
		}
		who := strings.Join(a.For, ", ")
		if who != a.Channel {
			who += " (" + a.Channel + ")"
		}
		out = append(out, who)
	}
	return out
}

// perform runs one action beside the loop and posts its end.
func (e *Engine) perform(ctx context.Context, eff incident.Effect, rec incident.Record) {
	a, id := *eff.Action, eff.ActionID
	inc := ""
	if rec.Incident != nil {
		inc = rec.Incident.ID
	}
	p := e.parts.Load()
	e.act(p, evidenceLimit+a.Timeout+actionRoom, func() incident.Event {
		// An action outlives a stop of the daemon by its own bound: abandoning a restart half-way
		// would leave a service stopped. Evidence takes none of that time.
		over := make(chan struct{})
		defer close(over)
		e.collect(ctx, p, a, inc, over)
		if why := e.braked(); why != "" { // it came while evidence was collected
			e.o.Logger.Warn("action not begun", zap.String("action_id", id), zap.String("target", a.Target), zap.Stringer("action", a), zap.String("stopped", why))
			return incident.Event{Kind: incident.Ended, Target: eff.Target, ActionID: id, Result: incident.ResultUnknown,
				Detail: "not begun: the stop file came first"}
		}
		bound, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), a.Timeout, fmt.Errorf("%s: no end within %s", a, a.Timeout))
		defer cancel()
		began := time.Now()
		result, detail := p.actuator.Do(bound, a)
		e.o.Meter.Acted(a, result, time.Since(began))
		e.o.Logger.Info("action ended", zap.String("action_id", id), zap.String("target", a.Target), zap.Stringer("action", a),
			zap.String("result", string(result)), zap.String("detail", detail), zap.Duration("took", time.Since(began)))
		return incident.Event{Kind: incident.Ended, Target: eff.Target, ActionID: id, Result: result, Detail: detail}
	})
}

// actionRoom is what an action may take beyond its own timeout, to notice that it is over.
const actionRoom = time.Second

// collect gathers evidence. Before a disruptive action it goes first, since the action destroys
// it; it is bounded, and never delays the cure beyond that bound. A start destroys nothing and is the
// cure of a service that is down: evidence waits until it is over and the service had a moment for its
// own start, and holds the facts from before it. Otherwise it runs beside.
func (e *Engine) collect(ctx context.Context, p *parts, a strategy.Action, inc string, over <-chan struct{}) {
	if e.o.Evidence == nil || inc == "" {
		return
	}
	if a.Disrupts {
		e.gather(ctx, a.Target, inc, nil)
		return
	}
	var before detect.Facts
	if ts := e.State().Targets[a.Target]; ts != nil && a.Verb == strategy.Start {
		before = ts.Last.Facts
	}
	e.use(p, func() {
		if a.Verb == strategy.Start {
			<-over
			select {
			case <-time.After(startRoom):
			case <-ctx.Done(): // at once, or never
			}
		}
		e.gather(ctx, a.Target, inc, before)
	})
}

// gather lets the evidence be collected within its limit.
func (e *Engine) gather(ctx context.Context, target, inc string, before detect.Facts) {
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), min(e.o.Evidence.Limit(target), evidenceLimit))
	defer cancel()
	e.o.Evidence.Collect(bounded, target, inc, before)
}

// startRoom is how long a service that was started is left alone with the processor before evidence is
// collected: on two cores that had cost its start some milliseconds.
const startRoom = time.Second

// evidenceLimit is the most that collecting evidence may delay a cure, whatever the operator's own
// program wants: the core waits for the end of an action for actionMargin (5 s) longer than the
// action may take.
const evidenceLimit = 4500 * time.Millisecond

// wakeAt keeps one timer per target: the core always asks for the earliest time it needs.
func (e *Engine) wakeAt(ctx context.Context, target string, at time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if t := e.timers[target]; t != nil {
		t.Stop()
	}
	if e.stopping {
		return
	}
	e.timers[target] = time.AfterFunc(time.Until(at), func() {
		_ = e.Post(ctx, incident.Event{Kind: incident.Woke, Target: target}) // only fails at shutdown
	})
}

// stopTimers ends everything that would begin by itself; afterwards the work in flight can be waited for.
func (e *Engine) stopTimers() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.endWatchers()
	for _, t := range e.timers {
		t.Stop()
	}
}

// log writes one line per decision. Looks that change nothing are not decisions.
func (e *Engine) log(rec incident.Record) {
	if rec.From == rec.To && !rec.Durable() {
		return
	}
	fields := []zap.Field{zap.Uint64("seq", rec.Seq), zap.String("target", rec.Target), zap.Stringer("from", rec.From),
		zap.Stringer("phase", rec.To), zap.String("reason", string(rec.Reason))}
	if rec.After != nil {
		fields = append(fields, zap.String("class", string(rec.After.Diagnosis.Class)), zap.Stringer("verdict", rec.After.Diagnosis.Verdict))
	}
	if rec.Incident != nil {
		fields = append(fields, zap.String("incident", rec.Incident.ID))
	}
	fields = append(fields, zap.String("because", rec.Sentence))
	called := false // somebody is called
	for _, eff := range rec.Effects {
		switch eff.Kind {
		case incident.Perform:
			fields = append(fields, zap.String("action_id", eff.ActionID), zap.Stringer("action", eff.Action))
		case incident.Notify:
			var to []string
			for _, a := range eff.Notice.To {
				to = append(to, a.Channel)
			}
			fields = append(fields, zap.String("notice", string(eff.Notice.Kind)), zap.Strings("to", to))
			called = called || eff.Notice.Kind == incident.NoticeTrigger
		}
	}
	if called || rec.To == incident.Escalated && rec.From != rec.To {
		e.o.Logger.Warn("decision", fields...)
		return
	}
	e.o.Logger.Info("decision", fields...)
}
