package main

import (
	"context"
	"sync"
)

// gate lets at most limit callers in at a time; unlike a pool's own maximum, its limit can be
// changed while callers are inside. Those who are inside when it becomes smaller stay.
type gate struct {
	mu      sync.Mutex
	limit   int
	inside  int
	changed chan struct{} // closed when there may be room, and replaced
}

func newGate(limit int) *gate { return &gate{limit: limit, changed: make(chan struct{})} }

// enter waits for room until ctx ends.
func (g *gate) enter(ctx context.Context) error {
	for {
		g.mu.Lock()
		if g.inside < g.limit {
			g.inside++
			g.mu.Unlock()
			return nil
		}
		changed := g.changed
		g.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// leave is called once after each enter that let its caller in.
func (g *gate) leave() { g.change(func() { g.inside-- }) }

func (g *gate) resize(limit int) { g.change(func() { g.limit = limit }) }

func (g *gate) change(how func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	how()
	close(g.changed)
	g.changed = make(chan struct{})
}

// used is how many are inside: more than the limit allows while they are not back since it became smaller.
func (g *gate) used() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.inside
}
