package outbox

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
	"github.com/recoveryd/recoveryd/pkg/escalate/queue"
)

// Store keeps the queue. Both methods are called from one goroutine.
type Store interface {
	// LoadOutbox returns the waiting rows whose Seq is above after, in order, what is known of
	// their keys, and the state of every channel. After 0 it also returns every key that is open
	// or was so lately.
	LoadOutbox(ctx context.Context, after uint64) ([]queue.Queued, []queue.KeyState, []queue.ChannelState, error)
	// SaveOutbox stores a step as a whole and durably. A new row whose ID and Channel are known
	// already is left as it is; the other rows are known by them.
	SaveOutbox(ctx context.Context, e queue.Edits) error
}

// Metrics counts. The labels are from closed sets. Safe for concurrent use.
type Metrics interface {
	// Attempted counts one call of a notifier; result is "ok" or an notice.Reason.
	Attempted(channel string, kind notice.Kind, result string, took time.Duration)
	// Settled counts a row that left the queue.
	Settled(channel string, kind notice.Kind, state queue.QueueState)
}

// Options of [New]. Store, Notifiers and Rules are required.
type Options struct {
	Store     Store
	Notifiers map[string]notice.Notifier // by channel
	Rules     queue.OutboxRules
	Logger    *zap.Logger        // nil: none
	Metrics   Metrics            // nil: none
	Settled   func(queue.Queued) // told of every row that left the queue, delivered or not, once it is stored; must not block; nil: nobody
	Timeout   time.Duration      // of one call; default 15 s
	Flush     time.Duration      // how long Run goes on delivering after its ctx has ended; default 10 s
	Jitter    func() float64     // in [0, 1); nil: math/rand
}

// Outbox delivers. Its methods are safe for concurrent use.
type Outbox struct {
	store   Store
	log     *zap.Logger
	metrics Metrics
	settled func(queue.Queued)
	timeout time.Duration
	flush   time.Duration
	jitter  func() float64

	wake  chan struct{} // capacity 1: there is mail
	stats atomic.Pointer[Stats]

	mu     sync.Mutex // guards the mailbox below
	mail   []letter
	look   bool    // somebody stored rows without handing them over
	config *config // a replacement that was not taken yet
}

// config is what a reload replaces.
type config struct {
	notifiers map[string]notice.Notifier
	rules     queue.OutboxRules
}

// New returns an outbox that does nothing until Run.
func New(o Options) (*Outbox, error) {
	if o.Store == nil || o.Rules.BackoffBase <= 0 {
		return nil, errors.New("outbox needs a store and rules: start from queue.DefaultOutboxRules")
	}
	out := &Outbox{
		look:  true, // at what a former process left behind
		store: o.Store, log: o.Logger, metrics: o.Metrics, settled: o.Settled,
		timeout: o.Timeout, flush: o.Flush, jitter: o.Jitter,
		wake:   make(chan struct{}, 1),
		config: &config{notifiers: o.Notifiers, rules: o.Rules},
	}
	if out.log == nil {
		out.log = zap.NewNop()
	}
	if out.metrics == nil {
		out.metrics = noMetrics{}
	}
	if out.settled == nil {
		out.settled = func(queue.Queued) {}
	}
	if out.timeout <= 0 {
		out.timeout = 15 * time.Second
	}
	if out.flush <= 0 {
		out.flush = 10 * time.Second
	}
	if out.jitter == nil {
		out.jitter = rand.Float64
	}
	out.stats.Store(&Stats{})
	return out, nil
}

// letter is one row that was handed over.
type letter struct {
	row    queue.Queued
	stored bool
}

// Wake tells that rows were stored, and hands them over with the Seq which the store gave them;
// those without one were stored before and are left alone. Rows have to be handed over in the
// order in which they were stored. Without rows it makes the outbox look into the store. It never
// blocks.
func (o *Outbox) Wake(rows ...queue.Queued) {
	o.mu.Lock()
	o.look = o.look || len(rows) == 0
	for _, q := range rows {
		if q.Seq != 0 {
			o.mail = append(o.mail, letter{row: q, stored: true})
		}
	}
	o.mu.Unlock()
	o.ring()
}

// Submit queues rows that the journal could not take, such as the page which says so. They are
// delivered under the same rules and stored as soon as the journal works again; until then a
// crash loses them. Rows that the journal took must not be submitted as well. If the store could
// not even be read since the start, they overtake what waits in it.
func (o *Outbox) Submit(rows ...queue.Queued) {
	o.mu.Lock()
	for _, q := range rows {
		o.mail = append(o.mail, letter{row: q})
	}
	o.mu.Unlock()
	o.ring()
}

// setLook notes whether to look into the store and returns what was noted before.
func (o *Outbox) setLook(look bool) (before bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	before, o.look = o.look, look
	return before
}

func (o *Outbox) ring() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// Replace takes a new configuration. A call under way ends with the old one. Rows of channels
// that are gone wait for their return, see [queue.OutboxRules.Orphan]; waits which a bad key
// or setting imposed are over.
func (o *Outbox) Replace(notifiers map[string]notice.Notifier, rules queue.OutboxRules) {
	o.mu.Lock()
	o.config = &config{notifiers: notifiers, rules: rules}
	o.mu.Unlock()
	o.ring()
}

// Stats is the latest state of all channels. The caller must not change it.
func (o *Outbox) Stats() Stats { return *o.stats.Load() }

type noMetrics struct{}

func (noMetrics) Attempted(string, notice.Kind, string, time.Duration) {}
func (noMetrics) Settled(string, notice.Kind, queue.QueueState)        {}
