package live

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/incident"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// Options of [New]. Target is required.
type Options struct {
	// Target describes a target of the configuration in force.
	Target func(name string) (detect.Target, bool)
	// Save keeps one minute of all targets for the next start of the daemon; body is what
	// [Feed.Restore] takes. It is called from the decision loop, when a minute is over, and must not
	// wait. nil = nothing is kept.
	Save func(minute time.Time, body []byte)
}

// Feed is told of every record of the core. Its methods are safe for concurrent use.
type Feed struct {
	o Options

	mu        sync.Mutex // guards what follows
	targets   map[string]*memory
	followers map[*Follower]bool
	decisions uint64
	minute    time.Time // of the latest look
	closed    bool
}

// memory is what is remembered of one target.
type memory struct {
	hour, day ring
	minute    Slot   // what this process saw in the present minute
	version   uint64 // grows with every look and decision
}

// New returns a Feed that has seen nothing.
func New(o Options) *Feed {
	return &Feed{o: o, targets: map[string]*memory{}, followers: map[*Follower]bool{}}
}

// Meter is what the engine counts with.
type Meter interface {
	Looked(target string, verdict detect.Verdict, took time.Duration)
	Decided(rec incident.Record)
	Acted(a strategy.Action, result incident.Result, took time.Duration)
	JournalFailed()
	Cycle(at time.Time)
}

// Tapped is a Meter whose records the feed sees too.
type Tapped struct {
	Meter
	feed *Feed
}

// Decided hands the record to both.
func (t Tapped) Decided(rec incident.Record) {
	t.Meter.Decided(rec)
	t.feed.Decided(rec)
}

// Tap returns m with the feed beside it.
func (f *Feed) Tap(m Meter) Tapped { return Tapped{m, f} }

// Decided remembers the look that led to a record, and tells the followers.
func (f *Feed) Decided(rec incident.Record) {
	ev := Event{At: rec.At, Target: rec.Target, Decision: decisionOf(rec)}
	if t := rec.After; t != nil {
		ev.Phase, ev.Verdict, ev.Class, ev.Because = t.Phase, t.Diagnosis.Verdict, t.Diagnosis.Class, t.Diagnosis.Because
		// A look that was overtaken by a later one is in the event, but not in the state.
		if o := rec.Event.Observation; rec.Event.Kind == incident.Observed && o != nil && o.At.Equal(t.Last.At) {
			target, _ := f.o.Target(t.Name)
			s := SampleOf(t.Last, t.Diagnosis.Verdict, target)
			ev.Look = &s
		}
	}
	if ev.Look == nil && ev.Decision == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if rec.After != nil {
		f.memory(rec.After.Name).version++
	}
	if ev.Look != nil {
		f.remember(rec.After.Name, *ev.Look)
	}
	if ev.Decision != nil {
		f.decisions++
	}
	for w := range f.followers {
		w.offer(ev)
	}
}

// remember takes one look; the lock is held.
func (f *Feed) remember(target string, p Sample) {
	if m := p.At.Truncate(time.Minute); !m.Equal(f.minute) {
		f.saveMinute()
		f.minute = m
	}
	s := slotOf(p)
	m := f.memory(target)
	m.hour.add(s)
	m.day.add(s)
	m.minute.merge(s)
}

// memory returns what is remembered of a target; the lock is held.
func (f *Feed) memory(target string) *memory {
	m := f.targets[target]
	if m == nil {
		m = &memory{hour: newRing(Hour), day: newRing(Day)}
		f.targets[target] = m
	}
	return m
}

// History returns the slots of a span up to now, oldest first. A target that was never looked at
// has empty slots.
func (f *Feed) History(target string, s Span, now time.Time) []Slot {
	f.mu.Lock()
	defer f.mu.Unlock()
	m := f.memory(target)
	if s.Name == Day.Name {
		return m.day.read(now)
	}
	return m.hour.read(now)
}

// Version grows with every look at a target and decision about it: the same number means that
// nothing is to be drawn anew. Decisions counts all decisions.
func (f *Feed) Version(target string) (version, decisions uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if m := f.targets[target]; m != nil {
		version = m.version
	}
	return version, f.decisions
}

// Keep forgets the targets that are not named, after the configuration changed.
func (f *Feed) Keep(names []string) {
	keep := map[string]bool{}
	for _, n := range names {
		keep[n] = true
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for n := range f.targets {
		if !keep[n] {
			delete(f.targets, n)
		}
	}
}

// maxFollowers bounds open streams: a page left open in many tabs must not cost the daemon its
// file descriptors. 64 is far more than the people who look at one host.
const maxFollowers = 64

// ErrTooMany says that no further stream is served now; ErrClosed that the daemon stops.
var (
	ErrTooMany = fmt.Errorf("more than %d streams are open: close some pages, or poll /api/v1/status", maxFollowers)
	ErrClosed  = errors.New("recoveryd is stopping")
)

// Follow begins to hand out events. The caller must call [Follower.Stop].
func (f *Feed) Follow() (*Follower, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil, ErrClosed
	}
	if len(f.followers) >= maxFollowers {
		return nil, ErrTooMany
	}
	w := &Follower{feed: f, events: make(chan Event, 64)}
	f.followers[w] = true
	return w, nil
}

// Close ends all streams, so that a server can stop, and saves the minute that is not over. It is
// idempotent.
func (f *Feed) Close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	f.saveMinute()
	for w := range f.followers {
		delete(f.followers, w)
		close(w.events)
	}
}
