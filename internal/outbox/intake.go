package outbox

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
	"github.com/recoveryd/recoveryd/pkg/escalate/queue"
)

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
		ch.book, ch.changed = book, true
		s.edits = s.edits.Join(e)
		s.keepReceivers(name)
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
	books := map[string]*queue.ChannelBook{}
	bookOf := func(name string) *queue.ChannelBook {
		if books[name] == nil {
			books[name] = &queue.ChannelBook{State: queue.ChannelState{Channel: name}, Keys: map[string]queue.KeyState{}}
		}
		return books[name]
	}
	for _, st := range states {
		st.NotBefore = s.rules.OnClock(st.NotBefore, now)
		bookOf(st.Channel).State = st
	}
	for _, q := range rows {
		s.stored = max(s.stored, q.Seq)
		q.NextAt = s.rules.OnClock(q.NextAt, now)
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
			var e queue.Edits
			b, e = s.rules.Recover(b)
			s.note(e)
			ch := s.channel(name)
			ch.book.State = merge(b.State, ch.book.State)
		}
		s.adopt(name, b.Rows, slices.Collect(maps.Values(b.Keys)))
		if !s.loaded {
			s.keepReceivers(name)
		}
	}
	s.loaded = true
}

// keepReceivers drops what is known of receivers whom a channel does not have any more.
func (s *scheduler) keepReceivers(name string) {
	if n, ok := s.notifiers[name].(notice.Several); ok {
		ch := s.channels[name]
		book, e := s.rules.Keep(ch.book, n.Receivers())
		ch.book = book
		s.edits = s.edits.Join(e)
	}
}

// arrange puts rows that were stored late in front of those that were decided after them. The
// others keep the order of the store, whatever a clock that was set back says.
func arrange(rows []queue.Queued) []queue.Queued {
	var out, late []queue.Queued
	for _, q := range rows {
		if q.Late {
			late = append(late, q)
		} else {
			out = append(out, q)
		}
	}
	for _, q := range late {
		i := slices.IndexFunc(out, func(r queue.Queued) bool { return r.Enqueued.After(q.Enqueued) })
		if i < 0 {
			i = len(out)
		}
		out = slices.Insert(out, i, q)
	}
	return out
}

// merge is the state of a channel when the store could be read only after the channel had been
// used: what happened in this process counts, episodes that were open before it go on.
func merge(stored, here queue.ChannelState) queue.ChannelState {
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
	for len(mail) > 0 {
		if !mail[0].stored {
			s.adoptNew([]queue.Queued{mail[0].row})
			mail = mail[1:]
			continue
		}
		n := slices.IndexFunc(mail, func(m letter) bool { return !m.stored })
		if n < 0 {
			n = len(mail)
		}
		s.adoptStored(mail[:n])
		mail = mail[n:]
	}
}

// adoptStored adopts rows that the store has, those of one channel together.
func (s *scheduler) adoptStored(mail []letter) {
	rows := map[string][]queue.Queued{}
	known := map[string]map[string]bool{}
	for _, m := range mail {
		name := m.row.Channel
		if known[name] == nil {
			known[name] = map[string]bool{}
			for i := range s.channel(name).book.Rows {
				known[name][s.channel(name).book.Rows[i].ID] = true
			}
		}
		if m.row.Seq <= s.stored || s.mine[idOf(m.row)] || known[name][m.row.ID] {
			continue
		}
		s.mine[idOf(m.row)], known[name][m.row.ID] = true, true
		rows[name] = append(rows[name], m.row)
	}
	for _, name := range slices.Sorted(maps.Keys(rows)) {
		s.adopt(name, rows[name], nil)
	}
}

// adoptNew adopts rows that no store has yet, and has them inserted by the next save.
func (s *scheduler) adoptNew(rows []queue.Queued) {
	for _, q := range rows {
		if s.knows(q) {
			continue
		}
		s.unstored[idOf(q)], s.mine[idOf(q)] = true, true
		q.Late = true
		s.edits.New = append(s.edits.New, q)
		s.adopt(q.Channel, []queue.Queued{q}, nil)
	}
}

func (s *scheduler) knows(q queue.Queued) bool {
	return s.mine[idOf(q)] || slices.ContainsFunc(s.channel(q.Channel).book.Rows, func(r queue.Queued) bool { return r.ID == q.ID })
}

// adopt puts rows at the end of a channel's book.
func (s *scheduler) adopt(name string, rows []queue.Queued, keys []queue.KeyState) {
	for i := range rows {
		s.order++
		rows[i].Seq = s.order
	}
	ch := s.channel(name)
	ch.book, ch.changed = ch.book.Add(rows, keys), true
}
