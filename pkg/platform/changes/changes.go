// Package changes carries unit changes from the goroutine that sees them to the one that
// reports them, without ever making the first wait for the second.
//
// It keeps at most two changes of a unit: the latest one, and before it the latest one that
// tells of a departure, so that a crash which systemd healed within a millisecond is still
// reported to a slow listener. It decides nothing and never drops the last state of a unit.
//
// Start reading at [Mailbox].
package changes

import (
	"context"
	"sync"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/platform"
)

// Mailbox holds the changes that were not reported yet. Put and Next may be called
// concurrently; its size is bounded by the number of units.
type Mailbox struct {
	wake chan struct{} // capacity 1: something may be there

	mu      sync.Mutex // guards everything that follows
	order   []string   // units with something to report, first come first served
	waiting map[string]*pending
}

type pending struct {
	departed *platform.Change // the latest change with a departure
	latest   *platform.Change // the latest change, when it is another one
}

// New returns an empty mailbox.
func New() *Mailbox {
	return &Mailbox{wake: make(chan struct{}, 1), waiting: map[string]*pending{}}
}

// Put adds a change. It never blocks. The facts belong to the mailbox from now on.
func (m *Mailbox) Put(c platform.Change) {
	m.mu.Lock()
	p := m.waiting[c.Unit]
	if p == nil {
		p = &pending{}
		m.waiting[c.Unit] = p
		m.order = append(m.order, c.Unit)
	}
	if c.Facts.Text(detect.WorkloadDeparture) != detect.DepartureNone {
		p.departed, p.latest = &c, nil
	} else {
		p.latest = &c
	}
	m.mu.Unlock()
	select {
	case m.wake <- struct{}{}:
	default: // it is awake already
	}
}

// Next returns the next change to report, and waits for one when there is none. It returns
// false when ctx has ended.
func (m *Mailbox) Next(ctx context.Context) (platform.Change, bool) {
	for {
		if ctx.Err() != nil {
			return platform.Change{}, false
		}
		if c, ok := m.take(); ok {
			return c, true
		}
		select {
		case <-ctx.Done():
			return platform.Change{}, false
		case <-m.wake:
		}
	}
}

func (m *Mailbox) take() (platform.Change, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.order) == 0 {
		return platform.Change{}, false
	}
	unit := m.order[0]
	m.order = m.order[1:]
	p := m.waiting[unit]
	first := p.departed
	if first == nil {
		first, p.latest = p.latest, nil
	}
	p.departed = nil
	if p.latest == nil {
		delete(m.waiting, unit)
	} else {
		m.order = append(m.order, unit)
	}
	return *first, true
}
