package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"
)

// newPool makes a pool of at most size connections and opens the first of them at once.
func (s *pgStore) newPool(ctx context.Context, size, first int) (*pgxpool.Pool, error) {
	pc := s.config.Copy()
	pc.MaxConns = int32(size)
	pool, err := pgxpool.NewWithConfig(ctx, pc)
	if err != nil {
		return nil, err
	}
	if err := fill(ctx, pool, first); err != nil {
		pool.Close()
		return nil, err
	}
	return pool, nil
}

// fill opens n connections at once.
func fill(ctx context.Context, pool *pgxpool.Pool, n int) error {
	var group errgroup.Group
	conns := make([]*pgxpool.Conn, n)
	for i := range conns {
		group.Go(func() (err error) {
			conns[i], err = pool.Acquire(ctx)
			return err
		})
	}
	err := group.Wait()
	for _, c := range conns {
		if c != nil {
			c.Release()
		}
	}
	return err
}

// resize gives the server another pool while it runs: pgx cannot change the size of one, so a new one
// takes its place. Connections that are in use stay with the old one until they come back, and count as
// before: what is leaked stays leaked, and no more than size are in use together. A pool that becomes
// smaller than what is in use gives out nothing until enough has come back.
func (s *pgStore) resize(ctx context.Context, size int) error {
	s.resizing.Lock()
	defer s.resizing.Unlock()
	first := max(0, min(s.configured, size-s.gate.used()))
	pool, err := s.newPool(ctx, size, first)
	if err != nil {
		return fmt.Errorf("a pool of %d: %w", size, err)
	}
	s.mu.Lock()
	old := s.pool
	s.pool, s.max, s.min = pool, size, min(s.configured, size)
	s.draining = append(s.draining, old)
	s.mu.Unlock()
	s.gate.resize(size)
	s.drains.Go(func() {
		old.Close() // its idle connections now, the others as they come back
		s.mu.Lock()
		defer s.mu.Unlock()
		s.draining = slices.DeleteFunc(s.draining, func(p *pgxpool.Pool) bool { return p == old })
	})
	return nil
}

// current is the pool that new connections come from.
func (s *pgStore) current() *pgxpool.Pool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pool
}

// stats counts what is open: in the pool, and in older ones whose connections are still in use.
func (s *pgStore) stats() poolStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.pool.Stat()
	out := poolStats{size: int(st.TotalConns()), min: s.min, max: s.max, free: int(st.IdleConns())}
	for _, old := range s.draining {
		out.size += int(old.Stat().AcquiredConns())
	}
	return out
}
