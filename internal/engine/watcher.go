package engine

import (
	"context"
	"hash/fnv"
	"sync"
	"time"

	"github.com/recoveryd/recoveryd/pkg/incident"
)

// watcher looks at one target: every interval, sooner when asked, at once when interrupted.
type watcher struct {
	s    Subject
	stop context.CancelFunc
	wake chan struct{} // capacity 1

	mu     sync.Mutex // guards what follows
	due    time.Time  // of the next look
	cause  string     // of the next look
	urgent bool       // a signal came: the look in flight is worthless
	cancel context.CancelFunc
	done   time.Time // when the last look ended (or watching began)
}

// startWatchers replaces the running watchers by those of the present subjects. Called by Run
// and between two events only.
func (e *Engine) startWatchers(ctx context.Context) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, w := range e.watchers {
		w.stop()
	}
	e.watchers = map[string]*watcher{}
	now := time.Now()
	for i, s := range e.o.Subjects {
		wctx, stop := context.WithCancel(ctx)
		// The first looks are a few milliseconds apart, so that thousands do not start together.
		w := &watcher{s: s, stop: stop, wake: make(chan struct{}, 1), due: now.Add(time.Duration(i) * time.Millisecond), cause: "start", done: now}
		e.watchers[s.Name] = w
		e.work.Go(func() { e.watch(wctx, w) })
	}
}

// watch is the goroutine of one watcher.
func (e *Engine) watch(ctx context.Context, w *watcher) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for round := uint32(0); ; {
		w.mu.Lock()
		wait := time.Until(w.due)
		w.mu.Unlock()
		if wait > 0 {
			timer.Reset(wait)
			select {
			case <-ctx.Done():
				return
			case <-w.wake:
				continue
			case <-timer.C:
			}
		}
		if ctx.Err() != nil {
			return
		}
		round++
		e.lookOnce(ctx, w, round)
	}
}

// lookOnce takes one look and posts what was seen.
func (e *Engine) lookOnce(ctx context.Context, w *watcher, round uint32) {
	lctx, cancel := context.WithCancel(ctx)
	defer cancel()
	began := time.Now()
	w.mu.Lock()
	cause := w.cause
	w.cancel, w.urgent = cancel, false
	w.due, w.cause = began.Add(jitter(w.s.Interval, w.s.Name, round)), "poll"
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

// jitter spreads looks by up to a tenth of the interval, so that polls of this and other tools
// do not fall into step.
func jitter(d time.Duration, name string, round uint32) time.Duration {
	h := fnv.New32a()
	h.Write([]byte(name))
	h.Write([]byte{byte(round), byte(round >> 8)})
	return d - time.Duration(float64(d)*float64(h.Sum32()%1000)/10000)
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
	if at.Before(w.due) {
		w.due, w.cause = at, "again"
	}
	w.mu.Unlock()
	w.nudge()
}

// interrupt abandons a look in flight and looks at once.
func (w *watcher) interrupt(cause string) {
	w.mu.Lock()
	w.due, w.cause = time.Now(), cause
	if w.cancel != nil {
		w.urgent = true
		w.cancel()
	}
	w.mu.Unlock()
	w.nudge()
}

func (w *watcher) nudge() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *watcher) lastDone() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.done
}

// limit is how long a target may go without a completed look: three intervals and the longest
// look there is (a hung health call and a frozen database in one).
func (w *watcher) limit() time.Duration { return 3*w.s.Interval + 30*time.Second }
