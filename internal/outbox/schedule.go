package outbox

import (
	"context"
	"maps"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
	"github.com/recoveryd/recoveryd/pkg/escalate/queue"
)

// scheduler is the state of one Run. Only its goroutine touches it.
type scheduler struct {
	*Outbox
	notifiers map[string]notice.Notifier
	rules     queue.OutboxRules

	channels  map[string]*channel
	loaded    bool            // the store was read once
	stored    uint64          // highest Seq that was read from it
	order     uint64          // Seq that the books use: order of arrival in this process
	ended     chan ended      // of the calls under way
	calls     context.Context // their context
	edits     queue.Edits     // not stored yet
	unstored  map[rowID]bool  // rows that are to be inserted
	mine      map[rowID]bool  // rows that were adopted here and will turn up in the store
	done      []queue.Queued  // left the queue; to be told once stored
	storeAt   time.Time       // when to try the store again after a failure
	storeWait time.Duration
	storeErr  error
	forgetAt  time.Time
}

// rowID names a row for ever.
type rowID struct{ channel, id string }

func idOf(q queue.Queued) rowID { return rowID{q.Channel, q.ID} }

// channel is one channel in memory.
type channel struct {
	book queue.ChannelBook
	call *call     // under way, or nil
	wake time.Time // when to look again
	// changed: the rules were not asked since something about the channel changed; tidyAt is when time
	// alone changes what they say. With many channels and rows, asking for all of them at each delivery
	// would be what limits the rate.
	changed bool
	tidyAt  time.Time
}

// quiet reports whether the rules have nothing new to say of a channel. One in trouble depends on others.
func (ch *channel) quiet(now time.Time) bool {
	st := ch.book.State
	return !ch.changed && st.Trouble == nil && st.Failures == 0 && (ch.tidyAt.IsZero() || now.Before(ch.tidyAt))
}

func (s *scheduler) names() []string { return slices.Sorted(maps.Keys(s.channels)) }

func (s *scheduler) channel(name string) *channel {
	ch, ok := s.channels[name]
	if !ok {
		ch = &channel{book: queue.ChannelBook{State: queue.ChannelState{Channel: name}}}
		s.channels[name] = ch
	}
	return ch
}

// turn takes in what is new, applies the rules, stores what they changed and starts what may
// leave. It returns when to do so again, zero for when something happens.
func (s *scheduler) turn(ctx context.Context, now time.Time) time.Time {
	s.takeConfig()
	s.takeStored(ctx, now)
	s.takeMail()
	s.tidy(now)
	s.forget(now)
	starts := s.begin(now)
	s.save(ctx, now) // before anything leaves; a failure of the store does not hold a page back
	for _, start := range starts {
		start()
	}
	s.publish()
	return s.next()
}

// tidy applies the rules that need no vendor until they have nothing more to say. The rows that
// they make may be for any channel.
func (s *scheduler) tidy(now time.Time) {
	for again := true; again; {
		again = false
		for _, name := range s.names() {
			ch := s.channels[name]
			if s.notifiers[name] == nil {
				s.orphan(ch, now)
			} else if ch.quiet(now) {
				ch.wake = ch.tidyAt
				continue
			}
			troubled := ch.book.State.Trouble != nil
			book, e, wake := s.rules.Tidy(ch.book, now, s.others(name))
			ch.book, ch.wake, ch.tidyAt, ch.changed = book, wake, wake, false
			s.logTrouble(name, troubled, book.State)
			if e.Empty() {
				continue
			}
			again, ch.changed = true, true
			s.note(e)
			s.adoptNew(e.New)
		}
	}
}

func (s *scheduler) orphan(ch *channel, now time.Time) {
	if ch.call != nil {
		return
	}
	book, e := s.rules.Orphan(ch.book, now)
	ch.book = book
	s.note(e)
}

// note keeps edits, but for their new rows, for the next save, and the rows that are through for
// being told.
func (s *scheduler) note(e queue.Edits) {
	for _, q := range e.Rows {
		if q.State != queue.Waiting {
			s.done = append(s.done, q)
			s.logSettled(q)
		}
	}
	e.New = nil
	s.edits = s.edits.Join(e)
}

// keepKeys is how long an alert that is over is remembered, so that a relapse goes to the same
// thread; the store keeps it longer.
const keepKeys = 7 * 24 * time.Hour

// forget drops what is known of alerts that have been over for long.
func (s *scheduler) forget(now time.Time) {
	if now.Before(s.forgetAt) {
		return
	}
	s.forgetAt = now.Add(time.Hour)
	for _, ch := range s.channels {
		ch.changed = true
		ch.book = ch.book.Forget(now.Add(-keepKeys))
	}
}

// others are the channels that may be told of the trouble of one.
func (s *scheduler) others(name string) (out []queue.ChannelBook) {
	for _, other := range s.names() {
		if other != name && s.notifiers[other] != nil {
			out = append(out, s.channels[other].book)
		}
	}
	return out
}

// begin marks one attempt for every channel that is free and has something to send, and returns
// the functions that start them.
func (s *scheduler) begin(now time.Time) (starts []func()) {
	for _, name := range s.names() {
		ch := s.channels[name]
		n := s.notifiers[name]
		if n == nil && len(ch.book.Rows) > 0 {
			ch.wake = earliest(ch.wake, ch.book.Rows[0].Enqueued.Add(s.rules.OrphanAfter))
		}
		if ch.call != nil || n == nil {
			continue
		}
		q, ok, wake := s.rules.Next(ch.book, now)
		if !ok {
			ch.wake = earliest(ch.wake, wake)
			continue
		}
		book, e := s.rules.Begin(ch.book, q.Seq, now)
		ch.book, ch.changed = book, true
		s.note(e)
		c := &call{channel: name, row: q, started: now}
		ch.call = c
		d := ch.book.Delivery(q)
		log := s.log.With(zap.String("channel", name))
		starts = append(starts, func() {
			go func() { // ends with the call; Run waits for it by ch.call
				result := notify(s.calls, s.timeout, n, d, log)
				s.ended <- ended{call: c, result: result, took: time.Since(c.started)}
			}()
		})
	}
	return starts
}

// finish takes in what became of a call.
func (s *scheduler) finish(e ended, now time.Time) {
	ch := s.channels[e.call.channel]
	ch.call, ch.changed = nil, true
	result := "ok"
	if !e.result.OK {
		result = string(e.result.Reason)
	}
	s.metrics.Attempted(e.call.channel, e.call.row.Kind, result, e.took)
	failures := ch.book.State.Failures
	book, edits := s.rules.Settle(ch.book, e.call.row.Seq, e.result, s.jitter(), now)
	ch.book = book
	s.logAttempt(e, failures)
	s.note(edits)
}

// stall reports the calls that do not come back although their time is over.
func (s *scheduler) stall(now time.Time) {
	for _, name := range s.names() {
		ch := s.channels[name]
		if ch.call == nil || ch.call.stalled || now.Before(s.stallAt(ch.call)) {
			continue
		}
		ch.call.stalled, ch.changed = true, true
		book, e := s.rules.Stall(ch.book, now)
		ch.book = book
		s.note(e)
		s.log.Error("notifier does not return", zap.String("channel", name), zap.String("notice", ch.call.row.ID),
			zap.Duration("after", now.Sub(ch.call.started)))
	}
}

func (s *scheduler) stallAt(c *call) time.Time { return c.started.Add(s.timeout + stallGrace) }

// next is the earliest time at which a turn has something to do.
func (s *scheduler) next() time.Time {
	var at time.Time
	for _, ch := range s.channels {
		at = earliest(at, ch.wake)
		if ch.call != nil && !ch.call.stalled {
			at = earliest(at, s.stallAt(ch.call))
		}
	}
	return earliest(at, s.storeAt)
}

// earliest is the earlier of two times, of which zero is never.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
