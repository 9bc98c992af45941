package queue

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
)

// Delivery is what a notifier is given for a waiting row: without the receivers who are through with
// it, and without those who still wait for an earlier notice of the same key.
func (b ChannelBook) Delivery(q Queued) notice.Delivery {
	ahead := b.ahead(q)
	d := notice.Delivery{Notice: q.Outgoing(), Prior: maps.Clone(b.Keys[q.Key].Receipt), Attempt: q.Attempts + 1, Skip: ahead, Everybody: b.Keys[q.Key].Unclear}
	d.Only = slices.DeleteFunc(slices.Clone(q.Left), func(r string) bool { return slices.Contains(ahead, r) })
	return d
}

// ahead are the receivers who still wait for an earlier notice of the same key.
func (b ChannelBook) ahead(q Queued) (names []string) {
	for _, r := range b.Rows {
		if r.Seq >= q.Seq {
			break
		}
		if r.Key == q.Key {
			names = union(names, r.Left)
		}
	}
	return names
}

func union(a, b []string) []string {
	for _, s := range b {
		if !slices.Contains(a, s) {
			a = append(slices.Clip(a), s)
		}
	}
	return a
}

// settleSome records an attempt that did not reach every receiver. The channel works when one of
// them took it, and those who are left wait alone.
func (r OutboxRules) settleSome(b *ChannelBook, q Queued, d DeliveryResult, ahead []string, jitter float64, now time.Time) (Queued, []KeyState) {
	took := d.OK || len(d.Took) > 0
	switch {
	case took:
		b.State = succeeded(b.State, now)
	case !q.Reached:
		b.State = failed(b.State, d, now)
	}
	q.Touched = q.Touched || d.ambiguous()
	q.Reached = q.Reached || took
	q.Left = union(slices.Clone(d.Left), ahead)
	q.Refused = append(slices.Clip(q.Refused), d.Refused...)
	q.Reason, q.LastError = d.Reason, d.Error
	q.NextAt = now.Add(max(r.Backoff(q.Attempts, jitter), min(d.After, r.RetryAfterCap)))
	b.State.Refusing = maps.Clone(b.State.Refusing)
	for _, name := range d.Took {
		delete(b.State.Refusing, name)
	}
	for _, no := range d.Refused {
		if b.State.Refusing == nil {
			b.State.Refusing = map[string]string{}
		}
		b.State.Refusing[no.Receiver] = no.Error
		if q.Origin != FromTrouble {
			l := lostOf(q, no.Error)
			l.Receiver, l.Reached = no.Receiver, q.Reached
			b.State.Lost = append(slices.Clip(b.State.Lost), l)
		}
	}
	if len(q.Left) == 0 {
		q = q.through(now)
	}
	if q.Touched && len(q.Refused) > 0 { // who refuses it now may have got it before
		b.unclear(q)
	}
	switch {
	case q.State == Delivered:
		return q, []KeyState{b.setKey(q, d.Receipt, now)}
	case q.State == Refused:
		return q, []KeyState{b.touchKey(q, now)}
	case took: // who has it must get what follows, the all-clear too
		return q, []KeyState{b.setSome(q, d.Receipt, now)}
	}
	return q, nil
}

// through ends a row of which no receiver is left.
func (q Queued) through(now time.Time) Queued {
	q.State, q.Settled, q.NextAt = Delivered, now, time.Time{}
	if !q.Reached {
		q.State = Refused
	}
	var not []string
	for _, no := range q.Refused {
		not = append(not, no.Receiver+" ("+no.Error+")")
	}
	if len(not) > 0 {
		q.Why = "refused for good by " + strings.Join(not, ", ")
	}
	return q
}

// took forgets the refusals of those who have a page now. What is no page may be for some only.
func (c ChannelState) took(q Queued) ChannelState {
	if len(c.Refusing) == 0 || q.Kind != notice.Trigger {
		return c
	}
	c.Refusing = maps.Clone(c.Refusing)
	maps.DeleteFunc(c.Refusing, func(name, _ string) bool { return len(q.Left) == 0 || slices.Contains(q.Left, name) })
	return c
}

// setSome records what some receivers have. The alert stays open until the last of them is through.
func (b *ChannelBook) setSome(q Queued, got notice.Receipt, now time.Time) KeyState {
	k := b.Keys[q.Key]
	k.Channel, k.Key = q.Channel, q.Key
	k.Open = k.Open || q.alerts()
	if got != nil {
		k.Receipt = got
	}
	k.At = now
	b.Keys[q.Key] = k
	return k
}

func (b *ChannelBook) unclear(q Queued) {
	k := b.Keys[q.Key]
	k.Channel, k.Key, k.Unclear = q.Channel, q.Key, true
	b.Keys[q.Key] = k
}

// Keep forgets the refusals of receivers whom a channel does not have any more.
func (r OutboxRules) Keep(b ChannelBook, receivers []string) (ChannelBook, Edits) {
	gone := func(name, _ string) bool { return !slices.Contains(receivers, name) }
	if !slices.ContainsFunc(slices.Collect(maps.Keys(b.State.Refusing)), func(name string) bool { return gone(name, "") }) {
		return b, Edits{}
	}
	b.State.Refusing = maps.Clone(b.State.Refusing)
	maps.DeleteFunc(b.State.Refusing, gone)
	return b, Edits{Channels: []ChannelState{b.State}}
}
