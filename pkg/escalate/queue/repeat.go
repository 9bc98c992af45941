package queue

import (
	"fmt"
	"slices"
	"time"

	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
)

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
		n.ID, n.Kind, n.At = fmt.Sprintf("%s@%d", key, now.UnixNano()), notice.Update, now
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
