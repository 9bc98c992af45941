package queue

import (
	"maps"
	"slices"
	"time"

	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
)

// The rules return a changed book and leave the one they were given as it was, so that a caller
// whose store failed still has the old one.

func (b ChannelBook) clone() ChannelBook {
	b.Rows = slices.Clone(b.Rows)
	b.Keys = maps.Clone(b.Keys)
	if b.Keys == nil {
		b.Keys = map[string]KeyState{}
	}
	return b
}

// index finds a row, -1 when it does not wait any more.
func (b ChannelBook) index(seq uint64) int {
	i, found := slices.BinarySearchFunc(b.Rows, seq, func(q Queued, s uint64) int {
		switch {
		case q.Seq < s:
			return -1
		case q.Seq > s:
			return 1
		}
		return 0
	})
	if !found {
		return -1
	}
	return i
}

// edit returns a copy and the index of a row in it, or -1.
func (b ChannelBook) edit(seq uint64) (ChannelBook, int) {
	i := b.index(seq)
	if i < 0 {
		return b, i
	}
	return b.clone(), i
}

// put stores a row, or removes it when it no longer waits.
func (b *ChannelBook) put(i int, q Queued) {
	if q.State == Waiting {
		b.Rows[i] = q
		return
	}
	b.Rows = slices.Delete(b.Rows, i, i+1)
}

// setKey records a delivered row.
func (b *ChannelBook) setKey(q Queued, got notice.Receipt, now time.Time) KeyState {
	k, known := b.Keys[q.Key]
	if !known {
		k = KeyState{Channel: q.Channel, Key: q.Key}
	}
	switch q.Kind {
	case notice.Trigger, notice.Update:
		k.Open = true
	case notice.Resolve:
		k.Open = b.reachedAfter(q)
		k.Unclear = k.Unclear && k.Open
	case notice.Change:
	}
	if got != nil {
		k.Receipt = got
	}
	k.Last = nil
	if _, again := k.Receipt.ResendAt(); again && k.Open {
		k.Last = new(q.Outgoing())
	}
	k.At = now
	b.Keys[q.Key] = k
	return k
}

// reachedAfter reports whether some receivers have a later alert of the same key already, while others
// were still to be told of this all-clear.
func (b *ChannelBook) reachedAfter(q Queued) bool {
	return slices.ContainsFunc(b.Rows, func(r Queued) bool {
		return r.Key == q.Key && r.Seq > q.Seq && r.alerts() && r.arrived()
	})
}

// touchKey records that a row ended without a recorded success: the key is known from now on,
// and open if the vendor may have the row.
func (b *ChannelBook) touchKey(q Queued, now time.Time) KeyState {
	k, known := b.Keys[q.Key]
	if !known {
		k = KeyState{Channel: q.Channel, Key: q.Key}
	}
	k.Open = k.Open || q.alerts() && q.arrived()
	k.Unclear = k.Unclear || q.Touched || q.Sending
	k.At = now
	b.Keys[q.Key] = k
	return k
}

// Add returns the book with further rows, whose Seq must be above all that it has had, and what
// is known of their keys.
func (b ChannelBook) Add(rows []Queued, keys []KeyState) ChannelBook {
	b = b.clone()
	b.Rows = append(b.Rows, rows...)
	for _, k := range keys {
		if _, known := b.Keys[k.Key]; !known {
			b.Keys[k.Key] = k
		}
	}
	return b
}

// Forget returns the book without the keys whose alerts have been over since before a time and
// have nothing waiting.
func (b ChannelBook) Forget(before time.Time) ChannelBook {
	b = b.clone()
	busy := make(map[string]bool, len(b.Rows))
	for _, q := range b.Rows {
		busy[q.Key] = true
	}
	maps.DeleteFunc(b.Keys, func(key string, k KeyState) bool {
		return !k.Open && !busy[key] && k.At.Before(before)
	})
	return b
}
