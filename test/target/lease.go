package main

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// lease is a connection taken from the pool, and its place within the pool's size. Either release or
// drop is called once.
type lease struct {
	*pgxpool.Conn
	gate *gate
}

// take waits for a connection until ctx ends.
func (s *pgStore) take(ctx context.Context) (*lease, error) {
	if err := s.gate.enter(ctx); err != nil {
		return nil, err
	}
	for {
		pool := s.current()
		conn, err := pool.Acquire(ctx)
		if err == nil {
			return &lease{Conn: conn, gate: s.gate}, nil
		}
		if pool == s.current() || ctx.Err() != nil { // else it was closed for one of another size
			s.gate.leave()
			return nil, err
		}
	}
}

// session is the connection to PostgreSQL itself.
func (l *lease) session() *pgx.Conn { return l.Conn.Conn() }

// release gives a connection back, or forgets a dead one at once, so that stats are right when the
// caller reads them next (the pool itself would count it until its clean-up is through).
func (l *lease) release() {
	if l.session().IsClosed() {
		l.drop()
		return
	}
	l.Conn.Release()
	l.gate.leave()
}

// drop closes a connection and forgets it.
func (l *lease) drop() {
	_ = l.Conn.Hijack().Close(context.Background())
	l.gate.leave()
}
