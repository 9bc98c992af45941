package outbox

import (
	"context"
	"maps"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/recoveryd/recoveryd/pkg/escalate"
)

// scheduler is the state of one Run. Only its goroutine touches it.
type scheduler struct {
	*Outbox
	notifiers map[string]escalate.Notifier
	rules     escalate.OutboxRules

	channels  map[string]*channel
	loaded    bool              // the store was read once
	stored    uint64            // highest Seq that was read from it
	order     uint64            // Seq that the books use: order of arrival in this process
	ended     chan ended        // of the calls under way
	calls     context.Context   // their context
	edits     escalate.Edits    // not stored yet
	unstored  map[rowID]bool    // rows that are to be inserted
	mine      map[rowID]bool    // rows that were adopted here and will turn up in the store
	done      []escalate.Queued // left the queue; to be told once stored
	storeAt   time.Time         // when to try the store again after a failure
	storeWait time.Duration
	storeErr  error
	forgetAt  time.Time
}

// rowID names a row for ever.
type rowID struct{ channel, id string }

func idOf(q escalate.Queued) rowID { return rowID{q.Channel, q.ID} }

// channel is one channel in memory.
type channel struct {
	book escalate.ChannelBook
	call *call     // under way, or nil
	wake time.Time // when to look again
}

func (s *scheduler) names() []string { return slices.Sorted(maps.Keys(s.channels)) }

func (s *scheduler) channel(name string) *channel {
	ch, ok := s.channels[name]
	if !ok {
		ch = &channel{book: escalate.ChannelBook{State: escalate.ChannelState{Channel: name}}}
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

// takeConfig makes a replaced configuration the current one.
func (s *scheduler) takeConfig() {
	s.mu.Lock()
	c := s.config
	s.config = nil
	s.mu.Unlock()
	if c == nil {
		return
	}
	s.notifiers, s.rules = c.notifiers, c.rules
	for name := range s.notifiers {
		s.channel(name)
	}
	for _, name := range s.names() {
		ch := s.channels[name]
		book, e := s.rules.Forgive(ch.book)
		ch.book = book
		s.edits = s.edits.Join(e)
	}
}

// takeStored reads the rows that were stored since the last time; the first time also the state
// of the channels, and then it mends what a former process left behind.
func (s *scheduler) takeStored(ctx context.Context, now time.Time) {
	if now.Before(s.storeAt) || !s.setLook(false) {
		return
	}
	rows, keys, states, err := s.store.LoadOutbox(ctx, s.stored)
	if err != nil {
		s.setLook(true)
		s.storeFailed(err, now)
		return
	}
	s.storeWorks()
	books := map[string]*escalate.ChannelBook{}
	bookOf := func(name string) *escalate.ChannelBook {
		if books[name] == nil {
			books[name] = &escalate.ChannelBook{State: escalate.ChannelState{Channel: name}, Keys: map[string]escalate.KeyState{}}
		}
		return books[name]
	}
	for _, st := range states {
		bookOf(st.Channel).State = st
	}
	for _, q := range rows {
		s.stored = max(s.stored, q.Seq)
		if s.mine[idOf(q)] {
			delete(s.mine, idOf(q))
			continue
		}
		b := bookOf(q.Channel)
		b.Rows = append(b.Rows, q)
	}
	for _, k := range keys {
		bookOf(k.Channel).Keys[k.Key] = k
	}
	for _, name := range slices.Sorted(maps.Keys(books)) {
		b := *books[name]
		b.Rows = arrange(b.Rows)
		if !s.loaded {
			var e escalate.Edits
			b, e = s.rules.Recover(b)
			s.note(e)
			ch := s.channel(name)
			ch.book.State = merge(b.State, ch.book.State)
		}
		s.adopt(name, b.Rows, slices.Collect(maps.Values(b.Keys)))
	}
	s.loaded = true
}

// arrange puts rows that were stored late in front of those that were decided after them. The
// others keep the order of the store, whatever a clock that was set back says.
func arrange(rows []escalate.Queued) []escalate.Queued {
	var out, late []escalate.Queued
	for _, q := range rows {
		if q.Late {
			late = append(late, q)
		} else {
			out = append(out, q)
		}
	}
	for _, q := range late {
		i := slices.IndexFunc(out, func(r escalate.Queued) bool { return r.Enqueued.After(q.Enqueued) })
		if i < 0 {
			i = len(out)
		}
		out = slices.Insert(out, i, q)
	}
	return out
}

// merge is the state of a channel when the store could be read only after the channel had been
// used: what happened in this process counts, episodes that were open before it go on.
func merge(stored, here escalate.ChannelState) escalate.ChannelState {
	if here.LastSuccess.IsZero() && here.LastFailure.IsZero() {
		return stored
	}
	here.Episodes += stored.Episodes
	here.Storms = append(stored.Storms, here.Storms...)
	if here.Trouble == nil {
		here.Trouble = stored.Trouble
	}
	return here
}

// takeMail adopts the rows that were handed over.
func (s *scheduler) takeMail() {
	s.mu.Lock()
	mail := s.mail
	s.mail = nil
	s.mu.Unlock()
	for _, m := range mail {
		switch {
		case !m.stored:
			s.adoptNew([]escalate.Queued{m.row})
		case m.row.Seq > s.stored && !s.knows(m.row):
			s.mine[idOf(m.row)] = true
			s.adopt(m.row.Channel, []escalate.Queued{m.row}, nil)
		}
	}
}

// adoptNew adopts rows that no store has yet, and has them inserted by the next save.
func (s *scheduler) adoptNew(rows []escalate.Queued) {
	for _, q := range rows {
		if s.knows(q) {
			continue
		}
		s.unstored[idOf(q)], s.mine[idOf(q)] = true, true
		q.Late = true
		s.edits.New = append(s.edits.New, q)
		s.adopt(q.Channel, []escalate.Queued{q}, nil)
	}
}

func (s *scheduler) knows(q escalate.Queued) bool {
	return s.mine[idOf(q)] || slices.ContainsFunc(s.channel(q.Channel).book.Rows, func(r escalate.Queued) bool { return r.ID == q.ID })
}

// adopt puts rows at the end of a channel's book.
func (s *scheduler) adopt(name string, rows []escalate.Queued, keys []escalate.KeyState) {
	for i := range rows {
		s.order++
		rows[i].Seq = s.order
	}
	ch := s.channel(name)
	ch.book = ch.book.Add(rows, keys)
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
			}
			troubled := ch.book.State.Trouble != nil
			book, e, wake := s.rules.Tidy(ch.book, now, s.others(name))
			ch.book, ch.wake = book, wake
			s.logTrouble(name, troubled, book.State)
			if e.Empty() {
				continue
			}
			again = true
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
func (s *scheduler) note(e escalate.Edits) {
	for _, q := range e.Rows {
		if q.State != escalate.Waiting {
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
		ch.book = ch.book.Forget(now.Add(-keepKeys))
	}
}

// others are the channels that are told of the trouble of one.
func (s *scheduler) others(name string) []string {
	out := slices.Sorted(maps.Keys(s.notifiers))
	return slices.DeleteFunc(out, func(c string) bool { return c == name })
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
		ch.book = book
		s.note(e)
		c := &call{channel: name, row: q, started: now}
		ch.call = c
		d := escalate.Delivery{Notice: q.Outgoing(), Prior: maps.Clone(ch.book.Keys[q.Key].Receipt), Attempt: q.Attempts + 1}
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
	ch.call = nil
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
		ch.call.stalled = true
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
