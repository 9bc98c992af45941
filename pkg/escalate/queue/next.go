package queue

import (
	"slices"
	"strings"
	"time"

	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
)

// Next returns the row of a channel that may be sent now, or the time to look again (zero: only
// when something new is queued). Per key it offers only the oldest waiting row, and no row of a
// key whose attempt is under way; a row that some receivers have holds back only the others. Among keys a page goes before everything else, and a first
// attempt before a repeated one. At most one attempt per channel may be under way: the caller
// does not ask before it has settled the last one.
func (r OutboxRules) Next(b ChannelBook, now time.Time) (row Queued, ok bool, wake time.Time) {
	best := -1
	held := make(map[string]bool, len(b.Rows)) // keys of which nothing more may leave
	waits := map[string][]string{}             // by key, receivers who wait for an earlier row
	for i, q := range b.Rows {
		if held[q.Key] {
			continue
		}
		held[q.Key] = len(q.Left) == 0 || q.Sending
		ahead := waits[q.Key]
		if len(q.Left) > 0 {
			waits[q.Key] = union(ahead, q.Left)
		}
		if q.Sending || len(q.Left) > 0 && len(waits[q.Key]) == len(ahead) { // all who are left wait for that
			continue
		}
		if due := r.due(q, b.State, now); due.After(now) {
			wake = earlier(wake, due)
			continue
		}
		if best < 0 || before(q, b.Rows[best]) {
			best = i
		}
	}
	if best < 0 {
		return Queued{}, false, wake
	}
	// The channel's own limits come last, so that an idle channel never asks to be woken.
	free := r.Rates[b.State.Channel].freeAt(now, b.State.Sends)
	clockWentBack := b.State.LastFailure.After(now)
	if until := b.State.NotBefore; until.After(free) && !clockWentBack {
		free = until
	}
	if free.After(now) {
		return Queued{}, false, free
	}
	return b.Rows[best], true, time.Time{}
}

// due is when a row may be tried again.
func (r OutboxRules) due(q Queued, c ChannelState, now time.Time) time.Time {
	switch {
	case q.TriedAt.After(now): // the clock was set back; its waits mean nothing now
		return now
	case c.RecoveredAt.After(q.TriedAt) && q.Reason != notice.ReasonRateLimited:
		return now
	default:
		return q.NextAt
	}
}

// before orders the heads of different keys.
func before(a, b Queued) bool {
	if ra, rb := rank(a), rank(b); ra != rb {
		return ra < rb
	}
	if fa, fb := a.Attempts == 0, b.Attempts == 0; fa != fb {
		return fa
	}
	return a.Seq < b.Seq
}

func rank(q Queued) int {
	switch q.Kind {
	case notice.Trigger:
		return 0
	case notice.Resolve:
		return 1
	case notice.Update, notice.Change:
		return 2
	}
	return 2
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}

// Begin marks an attempt. Its edits must be stored before the notifier is called: after a crash
// the row still says that the vendor may have it.
func (r OutboxRules) Begin(b ChannelBook, seq uint64, now time.Time) (ChannelBook, Edits) {
	b, i := b.edit(seq)
	if i < 0 {
		return b, Edits{}
	}
	q := &b.Rows[i]
	q.Sending = true
	q.Attempts++
	q.TriedAt = now
	rate := r.Rates[b.State.Channel]
	if b.State.Sends = rate.trim(now, b.State.Sends); rate.N > 0 {
		b.State.Sends = append(b.State.Sends, now.UnixNano())
	}
	return b, Edits{Rows: []Queued{*q}, Channels: []ChannelState{b.State}}
}

// DeliveryResult is what became of one attempt.
type DeliveryResult struct {
	OK      bool
	Receipt notice.Receipt // kept as it was when nil
	Reason  notice.Reason  // of a failure
	Error   string         // its sentence, without secrets
	After   time.Duration  // the vendor's Retry-After, 0 when it named none
	Final   bool           // trying this notice again cannot help
	Unsent  bool           // certain that nothing reached the vendor, such as a refused connection
	Partial bool           // not all receivers fared alike; see [PartialError]
	Took    []string
	Left    []string
	Refused []notice.Refusal
}

// ambiguous reports whether the vendor may have the notice although the attempt failed.
func (d DeliveryResult) ambiguous() bool {
	if d.OK || d.Unsent {
		return false
	}
	switch d.Reason {
	case notice.ReasonRateLimited, notice.ReasonAuth, notice.ReasonConfig, notice.ReasonRejected:
		return false // the vendor, or our own settings, said no
	default:
		return true
	}
}

// Settle records what became of the attempt that Begin marked. Jitter is in [0, 1).
//
// A success delivers the row. A final failure refuses it, unless the reason is auth or config:
// then it is the channel that is broken and not the notice, so the row waits, at the pace of the
// backoff, for somebody to mend the channel. Every other failure is retried for ever.
func (r OutboxRules) Settle(b ChannelBook, seq uint64, d DeliveryResult, jitter float64, now time.Time) (ChannelBook, Edits) {
	b, i := b.edit(seq)
	if i < 0 {
		return b, Edits{}
	}
	q := b.Rows[i]
	q.Sending = false
	// The vendor counts from when the request arrived there, which is before its answer was here.
	if n := len(b.State.Sends); n > 0 && r.Rates[b.State.Channel].N > 0 {
		b.State.Sends = slices.Clone(b.State.Sends)
		b.State.Sends[n-1] = max(b.State.Sends[n-1], now.UnixNano())
	}
	var keys []KeyState
	ahead := b.ahead(q)
	if d.Partial || d.OK && len(ahead) > 0 {
		q, keys = r.settleSome(&b, q, d, ahead, jitter, now)
	} else if d.OK {
		b.State = b.State.took(q)
		q.Reached, q.Left = true, nil
		q = q.through(now)
		q.Reason, q.LastError = "", ""
		b.State = succeeded(b.State, now)
		keys = append(keys, b.setKey(q, d.Receipt, now))
	} else {
		q.Reason, q.LastError = d.Reason, d.Error
		q.Touched = q.Touched || d.ambiguous()
		b.State = failed(b.State, d, now)
		channelBroken := d.Reason == notice.ReasonAuth || d.Reason == notice.ReasonConfig
		attempts := q.Attempts
		wholeChannel := channelBroken || d.Reason == notice.ReasonRateLimited
		if wholeChannel { // the next row would fare no better
			attempts = max(attempts, b.State.Failures)
		}
		q.NextAt = now.Add(max(r.Backoff(attempts, jitter), min(d.After, r.RetryAfterCap)))
		if wholeChannel {
			b.State.NotBefore = q.NextAt
		}
		if d.Final && !channelBroken {
			q.State, q.Settled = Refused, now
			q.Why = "the vendor refuses this notice for good: " + d.Error
			q.NextAt = time.Time{}
			if q.Origin != FromTrouble {
				b.State.Lost = append(slices.Clip(b.State.Lost), lostOf(q, d.Error))
			}
			if _, known := b.Keys[q.Key]; !known || q.Touched && q.alerts() {
				keys = append(keys, b.touchKey(q, now))
			}
		}
	}
	b.put(i, q)
	return b, Edits{Rows: []Queued{q}, Keys: keys, Channels: []ChannelState{b.State}}
}

// Stall records that an attempt did not come back in its time although it was told to stop. The
// row stays under way, because the attempt may still succeed; the channel counts as failing.
func (r OutboxRules) Stall(b ChannelBook, now time.Time) (ChannelBook, Edits) {
	b.State = failed(b.State, DeliveryResult{
		Reason: notice.ReasonTimeout, Error: "the notifier did not return in its time",
	}, now)
	return b, Edits{Channels: []ChannelState{b.State}}
}

// Recover is applied once to what was loaded at start: an attempt that was under way when the
// daemon died may have reached the vendor. And whoever restarts recoveryd has often just mended
// a key or a setting; see [OutboxRules.Forgive].
func (r OutboxRules) Recover(b ChannelBook) (ChannelBook, Edits) {
	b = b.clone()
	var e Edits
	for i := range b.Rows {
		if q := &b.Rows[i]; q.Sending {
			q.Sending, q.Touched = false, true
			e.Rows = append(e.Rows, *q)
		}
	}
	b, f := r.Forgive(b)
	return b, e.Join(f)
}

// Forgive ends the waits that bad credentials or settings imposed. It is applied when the
// configuration was loaded anew.
func (r OutboxRules) Forgive(b ChannelBook) (ChannelBook, Edits) {
	b = b.clone()
	var e Edits
	for i := range b.Rows {
		q := &b.Rows[i]
		if (q.Reason == notice.ReasonAuth || q.Reason == notice.ReasonConfig) && !q.NextAt.IsZero() {
			q.NextAt = time.Time{}
			e.Rows = append(e.Rows, *q)
		}
	}
	if why := b.State.LastReason; (why == notice.ReasonAuth || why == notice.ReasonConfig) && !b.State.NotBefore.IsZero() {
		b.State.NotBefore = time.Time{}
		e.Channels = append(e.Channels, b.State)
	}
	return b, e
}

// OnClock is the time until which something that was stored earlier waits: none (zero) where that is later than
// any of these rules makes it wait, since the clock was set back meanwhile. It has the monotonic reading of now, so
// that it does not matter how the clock is set later.
func (r OutboxRules) OnClock(at, now time.Time) time.Time {
	left := at.Sub(now.Round(0))
	if at.IsZero() || left > 2*max(r.BackoffCap, r.RetryAfterCap) { // with its jitter
		return time.Time{}
	}
	return now.Add(left)
}

// recoveredAfter is how many failures in a row make the next success a recovery of the channel.
// One or two may be the fault of a single notice.
const recoveredAfter = 3

func succeeded(c ChannelState, now time.Time) ChannelState {
	if c.Failures >= recoveredAfter {
		c.RecoveredAt = now
	}
	c.Failures, c.FailingSince, c.LastSuccess = 0, time.Time{}, now
	c.NotBefore = time.Time{}
	return c
}

func failed(c ChannelState, d DeliveryResult, now time.Time) ChannelState {
	if c.Failures == 0 {
		c.FailingSince = now
	}
	c.Failures++
	c.LastFailure, c.LastReason, c.LastError = now, d.Reason, d.Error
	return c
}

// line names a notice for somebody who gets it second hand.
func line(n notice.Notice) string {
	if n.Target == "" || strings.HasPrefix(n.Summary, n.Target+":") || strings.HasPrefix(n.Summary, n.Target+" ") {
		return n.Summary
	}
	return n.Target + ": " + n.Summary
}
