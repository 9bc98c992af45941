package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

// simulatedStore pretends to have a pool, for machines without PostgreSQL. Every health payload made
// from it says so in details.simulated. Faults move its numbers as they would move a real pool's.
type simulatedStore struct {
	behaviour *behaviour
	cfg       settings

	mu    sync.Mutex
	held  int // leaked connections
	extra int // connections opened beyond the minimum
	docs  []document
}

var _ store = (*simulatedStore)(nil)

// newSimulatedStore starts with the given shape: healthy, full (every connection held) or stopped.
func newSimulatedStore(cfg settings, shape string, b *behaviour) (*simulatedStore, error) {
	s := &simulatedStore{behaviour: b, cfg: cfg}
	switch shape {
	case "healthy":
	case "full":
		if _, err := s.hold(cfg.maxSize, holdIdle); err != nil {
			return nil, err
		}
	case "stopped":
		b.setSimulatedDatabase("stopped")
	default:
		return nil, fmt.Errorf("-no-db-shape: must be healthy, full or stopped (got %q)", shape)
	}
	return s, nil
}

func (s *simulatedStore) probe(ctx context.Context) string {
	switch s.behaviour.simulatedDatabase() {
	case "stopped":
		return disconnected
	case "frozen":
		for s.behaviour.simulatedDatabase() == "frozen" { // as the real one: the guard does not help
			wait(ctx, lookAround)
		}
	}
	if st := s.stats(); st.free == 0 && st.size == st.max {
		wait(ctx, probeTimeout)
		return disconnected
	}
	s.mu.Lock()
	if s.held >= s.cfg.minSize+s.extra { // the probe itself opens another connection
		s.extra++
	}
	s.mu.Unlock()
	delay := min(s.behaviour.databaseDelay(), probeTimeout)
	wait(ctx, delay)
	switch {
	case delay >= probeTimeout:
		return disconnected
	case delay >= slowProbe:
		return degraded
	}
	return connected
}

func (s *simulatedStore) stats() poolStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := poolStats{min: s.cfg.minSize, max: s.cfg.maxSize}
	if s.behaviour.simulatedDatabase() == "stopped" {
		return p
	}
	p.size = s.cfg.minSize + s.extra
	p.free = p.size - s.held
	return p
}

func (s *simulatedStore) hold(n int, _ holdMode) (func(), error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held+n > s.cfg.maxSize {
		return nil, fmt.Errorf("hold %d connections: only %d of %d are left", n, s.cfg.maxSize-s.held, s.cfg.maxSize)
	}
	s.held += n
	s.extra = max(s.extra, s.held-s.cfg.minSize)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.held -= n
	}, nil
}

func (s *simulatedStore) search(_ context.Context, text string, limit int) ([]document, error) {
	if s.behaviour.simulatedDatabase() != "" {
		return nil, errors.New("the simulated database is " + s.behaviour.simulatedDatabase())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	found := []document{}
	for _, d := range s.docs {
		if len(found) < limit && strings.Contains(strings.ToLower(d.Title+" "+d.Body), strings.ToLower(text)) {
			found = append(found, d)
		}
	}
	return found, nil
}

func (s *simulatedStore) add(_ context.Context, title, body string) (int64, error) {
	if s.behaviour.simulatedDatabase() != "" {
		return 0, errors.New("the simulated database is " + s.behaviour.simulatedDatabase())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	d := document{ID: int64(len(s.docs) + 1), Title: title, Body: body}
	s.docs = append(s.docs, d)
	return d.ID, nil
}

func (s *simulatedStore) resize(_ context.Context, size int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cfg.maxSize, s.cfg.minSize = size, min(s.cfg.minSize, size)
	s.extra = max(0, min(s.extra, size-s.cfg.minSize), s.held-s.cfg.minSize)
	return nil
}

func (s *simulatedStore) describe() string { return "simulated, there is no database" }
func (s *simulatedStore) close()           {}

// wait blocks for d or until ctx ends.
func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
