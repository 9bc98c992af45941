package escalate

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// A channel may have several receivers behind it: the addresses of a mail, the components of a public
// page. Each is delivered to by itself: who has a notice never gets it again, who cannot take it now is
// tried again without the others, and who refuses it for good is told of through another channel.

// PartialError is how a notifier with several receivers says that not all of them have a notice. It
// tells only of those whom this attempt tried. The receipt that comes with it counts.
type PartialError struct {
	Took    []string      // receivers who accepted it
	Left    []string      // receivers for whom it can be tried again
	Refused []Refusal     // receivers who will never take it
	Reason  Reason        // of the first who did not take it
	After   time.Duration // as in RetryError
	Err     error         // the sentence, without secrets
}

// Error implements error.
func (e *PartialError) Error() string { return fmt.Sprintf("%s: %v", e.Reason, e.Err) }

// Unwrap returns the cause.
func (e *PartialError) Unwrap() error { return e.Err }

// Refusal is one receiver who refused a notice for good.
type Refusal struct {
	Receiver string `json:"receiver"`
	Error    string `json:"error"` // in the vendor's words, without secrets
}

// Several is a notifier with receivers of its own. A receiver that is not among them any more is not
// missed.
type Several interface{ Receivers() []string }

// Wants reports whether a delivery is meant for a receiver.
func (d Delivery) Wants(receiver string) bool {
	return !slices.Contains(d.Skip, receiver) && (len(d.Only) == 0 || slices.Contains(d.Only, receiver))
}

// Delivery is what a notifier is given for a waiting row: without the receivers who are through with
// it, and without those who still wait for an earlier notice of the same key.
func (b ChannelBook) Delivery(q Queued) Delivery {
	ahead := b.ahead(q)
	d := Delivery{Notice: q.Outgoing(), Prior: maps.Clone(b.Keys[q.Key].Receipt), Attempt: q.Attempts + 1, Skip: ahead, Everybody: b.Keys[q.Key].Unclear}
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
	if len(c.Refusing) == 0 || q.Kind != Trigger {
		return c
	}
	c.Refusing = maps.Clone(c.Refusing)
	maps.DeleteFunc(c.Refusing, func(name, _ string) bool { return len(q.Left) == 0 || slices.Contains(q.Left, name) })
	return c
}

// setSome records what some receivers have. The alert stays open until the last of them is through.
func (b *ChannelBook) setSome(q Queued, got Receipt, now time.Time) KeyState {
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
