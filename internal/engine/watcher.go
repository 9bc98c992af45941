package engine

import (
	"context"
	"sync"
	"time"

	"github.com/recoveryd/recoveryd/internal/residency"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

// watcher looks at one target: every interval, sooner when asked, at once when interrupted. While it
// does not look it is a timer and no goroutine, so that a thousand targets cost no thousand stacks.
type watcher struct {
	s     Subject
	parts *parts    // that the subject came with
	began time.Time // of watching
	beat  beat

	mu      sync.Mutex // guards what follows
	timer   *time.Timer
	due     time.Time // of the next look
	cause   string    // of the next look
	looking bool      // a look is in flight; the next is arranged when it ends
	over    bool      // nothing is looked at any more
	urgent  bool      // a signal came: the look in flight is worthless
	cancel  context.CancelFunc
	done    time.Time // when the last look ended (or watching began)
}

// startWatchers replaces the running watchers by those of the present subjects. Called by Run
// and between two events only.
func (e *Engine) startWatchers(ctx context.Context) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.endWatchers()
	now := time.Now()
	ctx, e.callOff = context.WithCancel(ctx)
	places := map[time.Duration]int{}
	for i, s := range e.o.Subjects {
		// The first looks are a few milliseconds apart, so that thousands do not start together.
		w := &watcher{s: s, parts: e.parts.Load(), began: now, beat: beat{s.Interval, places[s.Interval] / together}, due: now.Add(time.Duration(i) * time.Millisecond), cause: "start", done: now}
		places[s.Interval]++
		e.watchers[s.Name] = w
		w.mu.Lock() // the timer may fire at once
		w.timer = time.AfterFunc(time.Until(w.due), func() { e.look(ctx, w) })
		w.mu.Unlock()
	}
}

// endWatchers ends all of them; looks in flight are called off. The lock is held.
func (e *Engine) endWatchers() {
	if e.callOff != nil {
		e.callOff()
	}
	for _, w := range e.watchers {
		w.mu.Lock()
		w.over = true
		w.timer.Stop()
		w.mu.Unlock()
	}
	e.watchers = map[string]*watcher{}
}

// look takes the looks that are due, in the goroutine of the timer.
func (e *Engine) look(ctx context.Context, w *watcher) {
	w.mu.Lock()
	if w.looking || w.over {
		w.mu.Unlock()
		return
	}
	w.looking = true
	e.work.Add(1) // not over, so nobody waits for the work yet
	defer e.work.Done()
	w.parts.work.Add(1)
	defer w.parts.work.Done()
	residency.GrowStack()
	for !w.over && time.Until(w.due) <= 0 {
		w.mu.Unlock()
		e.lookOnce(ctx, w)
		w.mu.Lock()
	}
	w.looking = false
	w.arm()
	w.mu.Unlock()
}

// arm lets the timer fire when the next look is due. The lock is held.
func (w *watcher) arm() {
	if !w.looking && !w.over {
		w.timer.Reset(time.Until(w.due))
	}
}

// lookOnce takes one look and posts what was seen.
func (e *Engine) lookOnce(ctx context.Context, w *watcher) {
	lctx, cancel := context.WithCancel(ctx)
	defer cancel()
	began := time.Now()
	w.mu.Lock()
	cause := w.cause
	w.cancel, w.urgent = cancel, false
	w.due, w.cause = w.began.Add(w.beat.next(began.Sub(w.began))), "poll"
	w.mu.Unlock()
	o := w.s.Looker.Look(lctx, cause)
	w.mu.Lock()
	w.cancel = nil
	overtaken := w.urgent
	w.done = time.Now()
	w.mu.Unlock()
	if overtaken || ctx.Err() != nil {
		return
	}
	if e.Post(ctx, incident.Event{Kind: incident.Observed, Target: w.s.Name, Observation: &o}) == nil {
		e.o.Meter.Looked(w.s.Name, verdictOf(e.State(), w.s.Name), time.Since(began))
	}
}

// lookAfter brings the next look forward.
func (e *Engine) lookAfter(target string, after time.Duration) {
	e.mu.Lock()
	w := e.watchers[target]
	e.mu.Unlock()
	if w == nil {
		return
	}
	at := time.Now().Add(after)
	w.mu.Lock()
	defer w.mu.Unlock()
	if at.Before(w.due) {
		w.due, w.cause = at, "again"
		w.arm()
	}
}

// interrupt abandons a look in flight and looks at once.
func (w *watcher) interrupt(cause string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.due, w.cause = time.Now(), cause
	if w.cancel != nil {
		w.urgent = true
		w.cancel()
	}
	w.arm()
}

func (w *watcher) lastDone() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.done
}

// limit is how long a target may go without a completed look: three intervals and the longest
// look there is (a hung health call and a frozen database in one).
func (w *watcher) limit() time.Duration { return 3*w.s.Interval + 30*time.Second }
