package escalate

import (
	"fmt"
	"slices"
	"time"
)

// ReceiptResend is the key of a receipt by which a notifier asks that its open alert be repeated:
// the time after which, in RFC 3339. Alertmanager ends an alert that nobody repeats.
const ReceiptResend = "resend_at"

// ResendAt is when the alert of a receipt wants to be repeated, by an Update with the same
// content; ok is false when it need not be.
func (r Receipt) ResendAt() (at time.Time, ok bool) {
	at, err := time.Parse(time.RFC3339, r[ReceiptResend])
	return at, err == nil
}

// repeat queues again what the open alerts say that asked for it, one row for each, and returns
// when the next one wants it. A row that waits for the key makes a repetition needless.
func (b *ChannelBook) repeat(now time.Time) (e Edits, wake time.Time) {
	for _, key := range b.sortedKeys() {
		k := b.Keys[key]
		at, ok := k.Receipt.ResendAt()
		if !ok || !k.Open || k.Last == nil || slices.ContainsFunc(b.Rows, func(q Queued) bool { return q.Key == key }) {
			continue
		}
		if now.Before(at) {
			wake = earlier(wake, at)
			continue
		}
		n := *k.Last
		n.ID, n.Kind, n.At = fmt.Sprintf("%s@%d", key, now.UnixNano()), Update, now
		q := NewQueued(now, n, b.State.Channel)[0]
		q.Origin = FromRepeat
		e.New = append(e.New, q)
	}
	return e, wake
}

func (b *ChannelBook) sortedKeys() []string {
	keys := make([]string, 0, len(b.Keys))
	for k := range b.Keys {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
