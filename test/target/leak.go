package main

import (
	"context"
	"fmt"
	"sync"
	"time"
)

const (
	// holdTimeout is how long a leak waits for each connection that it wants.
	holdTimeout = 5 * time.Second
	// lookAround is how often a held connection is checked for having been cut by the server.
	lookAround = 20 * time.Millisecond
)

// hold leaks connections: each is owned by a goroutine that keeps it until release, and gives it up
// early only when the server ends the session, as pg_terminate_backend does.
func (s *pgStore) hold(n int, how holdMode) (func(), error) {
	ctx, cancel := context.WithCancel(context.Background())
	var holders sync.WaitGroup
	stop := func() { cancel(); holders.Wait() }
	for i := range n {
		conn, err := s.takeToHold(ctx, how)
		if err != nil {
			stop()
			return nil, fmt.Errorf("hold connection %d of %d: %w", i+1, n, err)
		}
		holders.Go(func() { keep(ctx, conn, how) })
	}
	return stop, nil
}

func (s *pgStore) takeToHold(ctx context.Context, how holdMode) (*lease, error) {
	ctx, cancel := context.WithTimeout(ctx, holdTimeout)
	defer cancel()
	conn, err := s.take(ctx)
	if err != nil {
		return nil, err
	}
	if how == holdInTx || how == holdLock {
		if _, err := conn.Exec(ctx, "BEGIN"); err != nil {
			conn.release()
			return nil, err
		}
	}
	return conn, nil
}

// keep blocks until ctx ends or the server closes the session, then gives the connection back.
func keep(ctx context.Context, conn *lease, how holdMode) {
	var err error
	switch how {
	case holdActive:
		_, err = conn.Exec(ctx, "SELECT pg_sleep(86400)")
	case holdLock:
		_, err = conn.Exec(ctx, "LOCK TABLE documents IN ACCESS EXCLUSIVE MODE")
	}
	if err == nil && waitForEnd(ctx, conn) {
		conn.drop()
		return
	}
	if !conn.session().IsClosed() && how != holdIdle {
		// Leave the transaction, so that the connection is as good as new.
		undo, cancel := context.WithTimeout(context.Background(), probeTimeout)
		defer cancel()
		_, _ = conn.Exec(undo, "ROLLBACK") // a connection that dies now is dropped by release
	}
	conn.release()
}

// waitForEnd blocks until ctx ends, or the server has closed the session; then it returns true.
func waitForEnd(ctx context.Context, conn *lease) bool {
	tick := time.NewTicker(lookAround)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
			if socketClosed(conn.session().PgConn().Conn()) {
				return true
			}
		}
	}
}
