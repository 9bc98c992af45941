package outbox

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
	"github.com/recoveryd/recoveryd/pkg/escalate/queue"
)

// instant takes whatever it gets.
type instant struct{ taken *atomic.Int64 }

func (c instant) Notify(context.Context, notice.Delivery) (notice.Receipt, error) {
	c.taken.Add(1)
	return nil, nil
}

// tally is a store that only counts.
type tally struct{ writes, rows atomic.Int64 }

func (s *tally) LoadOutbox(context.Context, uint64) ([]queue.Queued, []queue.KeyState, []queue.ChannelState, error) {
	return nil, nil, nil, nil
}

func (s *tally) SaveOutbox(_ context.Context, e queue.Edits) error {
	s.writes.Add(1)
	s.rows.Add(int64(len(e.Rows) + len(e.New)))
	return nil
}

// TestManyNoticesAreLimitedByTheChannels has 20 channels without a limit of their own and a night's
// worth of notices, about 500 a second on two busy processors: all of them get there, and each is written when it is
// tried and when it is through. The wait is no measure of speed.
func TestManyNoticesAreLimitedByTheChannels(t *testing.T) {
	const channels, each = 20, 503
	var taken atomic.Int64
	store := &tally{}
	o := options(store, map[string]notice.Notifier{})
	o.Rules.Rates, o.Rules.StormOver = nil, 0
	var names []string
	for i := range channels {
		names = append(names, fmt.Sprintf("c%02d", i))
		o.Notifiers[names[i]] = instant{&taken}
	}
	var rows []queue.Queued
	for i := range each {
		rows = append(rows, queued(fmt.Sprint("n", i), fmt.Sprint("k", i), notice.Trigger, names...)...)
	}
	for i := range rows {
		rows[i].Seq = uint64(i + 1)
	}
	out := start(t, o)
	defer func() { require.NoError(t, out.stop()) }()
	began := time.Now()
	out.Wake(rows...)
	require.Eventually(t, func() bool { return taken.Load() == channels*each }, 5*time.Minute, 20*time.Millisecond,
		"%d were taken", taken.Load())
	t.Logf("%.0f a second, in %d writes of %d rows", channels*each/time.Since(began).Seconds(), store.writes.Load(), store.rows.Load())
	require.Less(t, store.rows.Load(), int64(3*channels*each), "each notice is written when it is tried and when it is through")
}
