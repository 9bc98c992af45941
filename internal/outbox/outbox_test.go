package outbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/recoveryd/recoveryd/internal/journal"
	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
	"github.com/recoveryd/recoveryd/pkg/escalate/queue"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var _ Store = (*journal.Journal)(nil)

// vendor is a channel that keeps what it accepted. Fail decides about each call; nil accepts.
type vendor struct {
	fail func(ctx context.Context, d notice.Delivery) error

	mu       sync.Mutex
	accepted []notice.Delivery
	at       []time.Time
	calls    []time.Time
}

func (v *vendor) Notify(ctx context.Context, d notice.Delivery) (notice.Receipt, error) {
	v.mu.Lock()
	v.calls = append(v.calls, time.Now())
	v.mu.Unlock()
	var err error
	if v.fail != nil {
		err = v.fail(ctx, d)
	}
	if err != nil && !errors.Is(err, errAnswerLost) {
		return nil, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.accepted = append(v.accepted, d)
	v.at = append(v.at, time.Now())
	if err != nil {
		return nil, &notice.RetryError{Reason: notice.ReasonTimeout, Err: err}
	}
	return notice.Receipt{"last": d.Notice.ID}, nil
}

// ids is what was accepted, of keys that do not belong to the outbox itself.
// deliveries lists what was accepted, in order.
func (v *vendor) deliveries() []notice.Delivery {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.accepted)
}

func (v *vendor) ids() (out []string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, d := range v.accepted {
		if d.Notice.Class != "channel" && d.Notice.Class != "storm" {
			out = append(out, d.Notice.ID)
		}
	}
	return out
}

// told is the summaries and kinds of the notices that the outbox made itself.
func (v *vendor) told(class string) (out []string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, d := range v.accepted {
		if d.Notice.Class == class {
			out = append(out, fmt.Sprintf("%s: %s", d.Notice.Kind, d.Notice.Summary))
		}
	}
	return out
}

func (v *vendor) tries() []time.Time {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.calls)
}

var (
	errAnswerLost = errors.New("the answer was lost")
	// refused is what a notifier makes of a connection that nobody takes.
	refused = &notice.RetryError{Reason: notice.ReasonNetwork, Err: &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}}
)

// memory is a Store that keeps everything as JSON, as the journal does, and can be made to fail.
type memory struct {
	mu       sync.Mutex
	broken   error
	rows     [][]byte
	settled  map[int]bool
	index    map[rowID]int
	keys     map[rowID][]byte
	channels map[string][]byte
}

func newMemory() *memory {
	return &memory{settled: map[int]bool{}, index: map[rowID]int{}, keys: map[rowID][]byte{}, channels: map[string][]byte{}}
}

func (m *memory) breaks(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.broken = err
}

// append stores rows and returns them with their Seq, 0 for those that were there.
func (m *memory) append(rows ...queue.Queued) []queue.Queued {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.insert(rows)
}

func (m *memory) insert(rows []queue.Queued) []queue.Queued {
	rows = slices.Clone(rows)
	for i, q := range rows {
		rows[i].Seq = 0
		if _, known := m.index[idOf(q)]; known {
			continue
		}
		m.index[idOf(q)] = len(m.rows)
		m.rows = append(m.rows, mustJSON(q))
		rows[i].Seq = uint64(len(m.rows))
	}
	return rows
}

func mustJSON(v any) []byte {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return raw
}

func (m *memory) LoadOutbox(_ context.Context, after uint64) (rows []queue.Queued, keys []queue.KeyState, channels []queue.ChannelState, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.broken != nil {
		return nil, nil, nil, m.broken
	}
	for i, raw := range m.rows {
		var q queue.Queued
		err = errors.Join(err, json.Unmarshal(raw, &q))
		q.Seq = uint64(i + 1)
		if q.Seq > after && q.State == queue.Waiting {
			rows = append(rows, q)
		}
	}
	for _, raw := range m.keys {
		var k queue.KeyState
		err = errors.Join(err, json.Unmarshal(raw, &k))
		keys = append(keys, k)
	}
	for _, name := range slices.Sorted(maps.Keys(m.channels)) {
		var c queue.ChannelState
		err = errors.Join(err, json.Unmarshal(m.channels[name], &c))
		channels = append(channels, c)
	}
	return rows, keys, channels, err
}

func (m *memory) SaveOutbox(_ context.Context, e queue.Edits) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.broken != nil {
		return m.broken
	}
	m.insert(e.New)
	for _, q := range e.Rows {
		if i, ok := m.index[idOf(q)]; ok {
			m.rows[i] = mustJSON(q)
		}
	}
	for _, k := range e.Keys {
		m.keys[rowID{k.Channel, k.Key}] = mustJSON(k)
	}
	for _, c := range e.Channels {
		m.channels[c.Channel] = mustJSON(c)
	}
	return nil
}

func (m *memory) row(channel, id string) (q queue.Queued) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := json.Unmarshal(m.rows[m.index[rowID{channel, id}]], &q); err != nil {
		panic(err)
	}
	return q
}

func rules() queue.OutboxRules {
	r := queue.DefaultOutboxRules()
	r.Host = "db1"
	return r
}

func options(store Store, notifiers map[string]notice.Notifier) Options {
	return Options{Store: store, Notifiers: notifiers, Rules: rules(), Jitter: func() float64 { return 0.5 }}
}

// running is one Run of an outbox inside a synctest bubble.
type running struct {
	*Outbox
	cancel context.CancelFunc
	ended  chan error
}

func start(t *testing.T, o Options) *running {
	t.Helper()
	out, err := New(o)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{Outbox: out, cancel: cancel, ended: make(chan error, 1)}
	go func() { r.ended <- out.Run(ctx) }()
	return r
}

func (r *running) stop() error {
	r.cancel()
	return <-r.ended
}

func msg(id, key string, kind notice.Kind) notice.Notice {
	return notice.Notice{ID: id, Key: key, Kind: kind, At: time.Now(), Incident: key, Severity: notice.Error, Summary: "pool exhausted", Target: "svc"}
}

func queued(id, key string, kind notice.Kind, channels ...string) []queue.Queued {
	return queue.NewQueued(time.Now().Round(0), msg(id, key, kind), channels...)
}

func TestNewRefusesWhatCannotWork(t *testing.T) {
	_, err := New(Options{Rules: rules()})
	require.ErrorContains(t, err, "outbox needs a store and rules")
	_, err = New(Options{Store: newMemory()})
	require.ErrorContains(t, err, "outbox needs a store and rules")
}

func TestANoticeLeavesAtOnceAndIsStoredAsDelivered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, pager := newMemory(), &vendor{}
		var settled []queue.Queued
		o := options(store, map[string]notice.Notifier{"pager": pager})
		o.Settled = func(q queue.Queued) { settled = append(settled, q) }
		out := start(t, o)
		synctest.Wait()
		out.Wake(store.append(queued("t", "k", notice.Trigger, "pager")...)...)
		synctest.Wait()
		require.Equal(t, []string{"t"}, pager.ids())
		require.Equal(t, 1, pager.deliveries()[0].Attempt)
		require.Nil(t, pager.deliveries()[0].Prior)
		got := store.row("pager", "t")
		require.Equal(t, queue.Delivered, got.State)
		require.Equal(t, 1, got.Attempts)

		out.Wake(store.append(queued("r", "k", notice.Resolve, "pager")...)...)
		synctest.Wait()
		require.Equal(t, []string{"t", "r"}, pager.ids())
		require.Equal(t, notice.Receipt{"last": "t"}, pager.deliveries()[1].Prior)
		require.Equal(t, []string{"t", "r"}, []string{settled[0].ID, settled[1].ID})
		st := out.Stats()
		require.Empty(t, st.StoreError)
		require.Equal(t, []ChannelStats{{Channel: "pager", Configured: true, LastSuccess: st.Channels[0].LastSuccess}}, st.Channels)
		require.NoError(t, out.stop())
	})
}

// counts is a Metrics that remembers its calls.
type counts struct {
	mu   sync.Mutex
	seen []string
}

func (c *counts) Attempted(channel string, kind notice.Kind, result string, took time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen = append(c.seen, fmt.Sprintf("%s %s %s %s", channel, kind, result, took))
}

func (c *counts) Settled(channel string, kind notice.Kind, state queue.QueueState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen = append(c.seen, fmt.Sprintf("%s %s %s", channel, kind, state))
}

func TestAttemptsAndTheirEndsAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, seen := newMemory(), &counts{}
		pager := &vendor{fail: func(_ context.Context, d notice.Delivery) error {
			time.Sleep(20 * time.Millisecond)
			if d.Attempt == 1 {
				return refused
			}
			return nil
		}}
		o := options(store, map[string]notice.Notifier{"pager": pager})
		o.Metrics = seen
		out := start(t, o)
		out.Wake(store.append(queued("t", "k", notice.Trigger, "pager")...)...)
		time.Sleep(time.Minute)
		require.NoError(t, out.stop())
		require.Equal(t, []string{
			"pager trigger network 20ms", "pager trigger ok 20ms", "pager trigger delivered",
		}, seen.seen)
	})
}

func TestAHungChannelDelaysNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, pager := newMemory(), &vendor{}
		release := make(chan struct{})
		chat := &vendor{fail: func(context.Context, notice.Delivery) error {
			<-release // whatever its context says
			return nil
		}}
		out := start(t, options(store, map[string]notice.Notifier{"pager": pager, "chat": chat}))
		out.Wake(store.append(queued("t", "k", notice.Trigger, "chat", "pager")...)...)
		synctest.Wait()
		require.Equal(t, []string{"t"}, pager.ids(), "at once")

		time.Sleep(15*time.Second + stallGrace)
		synctest.Wait()
		require.Equal(t, "the notifier did not return in its time", out.Stats().Channels[0].LastError)
		time.Sleep(rules().TroubleAfter)
		synctest.Wait()
		require.Len(t, pager.told("channel"), 1, "the pager is told of the chat")
		require.Contains(t, pager.told("channel")[0], "trigger: notifications through chat do not arrive")
		require.Len(t, chat.tries(), 1, "a call that may still succeed is not repeated")

		out.Wake(store.append(queued("t2", "k2", notice.Trigger, "chat", "pager")...)...)
		synctest.Wait()
		require.Equal(t, []string{"t", "t2"}, pager.ids())

		close(release)
		time.Sleep(rules().TroubleHold)
		synctest.Wait()
		require.Equal(t, []string{"t", "t2"}, chat.ids(), "its late answer counted, and the next follows")
		require.Equal(t, "resolve: notifications through chat arrive again", pager.told("channel")[1])
		require.NoError(t, out.stop())
	})
}

func TestAPanicOfANotifierIsContained(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemory()
		chat := &vendor{}
		pager := &vendor{fail: func(_ context.Context, d notice.Delivery) error {
			if d.Attempt == 1 {
				panic("index out of range")
			}
			return nil
		}}
		out := start(t, options(store, map[string]notice.Notifier{"pager": pager, "chat": chat}))
		out.Wake(store.append(queued("t", "k", notice.Trigger, "chat", "pager")...)...)
		synctest.Wait()
		require.Equal(t, []string{"t"}, chat.ids())
		require.Empty(t, pager.ids())
		require.Equal(t, queue.ReasonPanic, store.row("pager", "t").Reason)
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(t, []string{"t"}, pager.ids())
		require.NoError(t, out.stop())
	})
}

func TestRetryAfterHoldsOverARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemory()
		pager := &vendor{fail: func(_ context.Context, d notice.Delivery) error {
			if d.Attempt == 1 && d.Notice.ID == "t" {
				return &notice.RetryError{Reason: notice.ReasonRateLimited, After: 10 * time.Minute, Err: errors.New("429")}
			}
			return nil
		}}
		notifiers := map[string]notice.Notifier{"pager": pager}
		out := start(t, options(store, notifiers))
		begun := time.Now()
		out.Wake(store.append(queued("t", "k", notice.Trigger, "pager")...)...)
		synctest.Wait()
		require.Len(t, pager.tries(), 1)
		time.Sleep(time.Minute)
		require.NoError(t, out.stop())

		out = start(t, options(store, notifiers))
		out.Wake(store.append(queued("other", "k2", notice.Trigger, "pager")...)...)
		time.Sleep(9*time.Minute - time.Second)
		synctest.Wait()
		require.Len(t, pager.tries(), 1, "the vendor asked to wait, also for others")
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(t, []string{"other", "t"}, pager.ids())
		require.Equal(t, begun.Add(10*time.Minute), pager.tries()[1])
		require.NoError(t, out.stop())
	})
}

func TestTimeoutsOfCallsAreRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemory()
		pager := &vendor{fail: func(ctx context.Context, d notice.Delivery) error {
			if d.Attempt < 3 {
				<-ctx.Done()
				return ctx.Err() // not wrapped in a RetryError, and still no reason to lose a page
			}
			return nil
		}}
		out := start(t, options(store, map[string]notice.Notifier{"pager": pager}))
		out.Wake(store.append(queued("t", "k", notice.Trigger, "pager")...)...)
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, []string{"t"}, pager.ids())
		tries := pager.tries()
		require.Equal(t, []time.Duration{15*time.Second + 750*time.Millisecond, 15*time.Second + 1500*time.Millisecond},
			[]time.Duration{tries[1].Sub(tries[0]), tries[2].Sub(tries[1])}, "timeout and backoff")
		require.NoError(t, out.stop())
	})
}

func TestARefusedPageIsToldThroughTheOtherChannel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, chat := newMemory(), &vendor{}
		pager := &vendor{fail: func(_ context.Context, d notice.Delivery) error {
			if d.Notice.ID == "t" {
				return errors.New("400: summary is missing") // any other error is final
			}
			return nil
		}}
		var settled []queue.Queued
		o := options(store, map[string]notice.Notifier{"pager": pager, "chat": chat})
		o.Settled = func(q queue.Queued) { settled = append(settled, q) }
		out := start(t, o)
		out.Wake(store.append(queued("t", "k", notice.Trigger, "pager")...)...)
		synctest.Wait()
		require.Equal(t, queue.Refused, store.row("pager", "t").State)
		require.Equal(t, queue.Refused, settled[0].State)
		require.Len(t, chat.told("channel"), 1)
		require.Contains(t, chat.deliveries()[0].Notice.Evidence, "refused trigger: svc: pool exhausted (400: summary is missing)")
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Len(t, pager.tries(), 1)
		require.NoError(t, out.stop())
	})
}

func TestANewConfigurationIsTriedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, good := newMemory(), &vendor{}
		bad := &vendor{fail: func(context.Context, notice.Delivery) error {
			return &notice.FinalError{Reason: notice.ReasonAuth, Err: errors.New("403 invalid token")}
		}}
		out := start(t, options(store, map[string]notice.Notifier{"pager": bad}))
		out.Wake(store.append(queued("t", "k", notice.Trigger, "pager")...)...)
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Greater(t, len(bad.tries()), 10)
		require.Less(t, len(bad.tries()), 40, "at the pace of the backoff")
		require.Equal(t, queue.Waiting, store.row("pager", "t").State, "a page outlives a bad key")

		out.Replace(map[string]notice.Notifier{"other": good}, rules())
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Equal(t, queue.Waiting, store.row("pager", "t").State, "and a channel that is missing for a while")
		require.Contains(t, good.told("channel")[0], "through pager do not arrive")

		out.Replace(map[string]notice.Notifier{"pager": good, "other": good}, rules())
		synctest.Wait()
		require.Equal(t, []string{"t"}, good.ids())
		require.NoError(t, out.stop())
	})
}

func TestPagesLeaveAlthoughTheStoreIsBroken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, pager := newMemory(), &vendor{}
		store.append(queued("stored", "k0", notice.Trigger, "pager")...)
		store.breaks(errors.New("disk is full"))
		out := start(t, options(store, map[string]notice.Notifier{"pager": pager}))
		synctest.Wait()
		require.Equal(t, "disk is full", out.Stats().StoreError)
		out.Submit(queued("t", "k", notice.Trigger, "pager")...)
		synctest.Wait()
		require.Equal(t, []string{"t"}, pager.ids(), "without waiting for the store")
		require.Equal(t, 1, out.Stats().Unstored)
		out.Submit(queued("r", "k", notice.Resolve, "pager")...)
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		require.Equal(t, []string{"t", "r"}, pager.ids())

		store.breaks(nil)
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, []string{"t", "r", "stored"}, pager.ids())
		require.Equal(t, queue.Delivered, store.row("pager", "t").State, "its history is stored afterwards")
		require.Equal(t, queue.Delivered, store.row("pager", "r").State)
		require.Empty(t, out.Stats().StoreError)
		require.Zero(t, out.Stats().Unstored)

		// The store breaks again in the middle of the life of a stored row.
		out.Wake(store.append(queued("late", "k", notice.Trigger, "pager")...)...)
		synctest.Wait()
		store.breaks(errors.New("disk is full"))
		time.Sleep(time.Hour)
		out.Wake()
		store.breaks(nil)
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Equal(t, []string{"t", "r", "stored", "late"}, pager.ids(), "and nothing is sent twice")
		require.NoError(t, out.stop())
	})
}

func TestAWaitingRowThatWasSubmittedIsStoredAndDeliveredOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemory()
		var up atomic.Bool
		pager := &vendor{fail: func(context.Context, notice.Delivery) error {
			if !up.Load() {
				return refused
			}
			return nil
		}}
		out := start(t, options(store, map[string]notice.Notifier{"pager": pager}))
		rows := queued("t", "k", notice.Trigger, "pager")
		out.Submit(rows...)
		out.Submit(rows...)
		synctest.Wait()
		require.Equal(t, queue.Waiting, store.row("pager", "t").State)
		out.Wake() // the store offers it now
		time.Sleep(time.Minute)
		require.NoError(t, out.stop())
		up.Store(true)
		out = start(t, options(store, map[string]notice.Notifier{"pager": pager}))
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Equal(t, []string{"t"}, pager.ids())
		require.NoError(t, out.stop())
	})
}
