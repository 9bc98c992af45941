package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/pgxpool"
)

// pgStore is a pool of real PostgreSQL sessions which behaves like asyncpg's: it opens min
// connections at start, never refills by itself, drops dead ones as soon as it notices, and cannot
// give up a query that the server does not answer.
type pgStore struct {
	config     *pgxpool.Config
	configured int // connections opened at start
	gate       *gate
	behaviour  *behaviour
	name       string // database and host for the log

	resizing sync.Mutex
	drains   sync.WaitGroup // of the pools that were replaced

	mu       sync.Mutex // held while dropDeadIdle has taken all idle connections, so that stats never reads 0 free for it
	pool     *pgxpool.Pool
	min, max int
	draining []*pgxpool.Pool // replaced, with connections that are still in use
}

var _ store = (*pgStore)(nil)

// openPgStore connects all connections of the minimum. Any failure is final: the real server has no
// retry at start.
func openPgStore(ctx context.Context, cfg settings, b *behaviour) (*pgStore, error) {
	pc, err := pgxpool.ParseConfig(cfg.databaseURL)
	if err != nil {
		return nil, err // pgx leaves the password out of its message
	}
	pc.ConnConfig.RuntimeParams["application_name"] = cfg.application
	pc.MinConns = 0                      // asyncpg does not refill
	pc.MaxConnIdleTime = 5 * time.Minute // the real server's constant
	// Connections are not checked before use: the first health read after a remedy such as
	// pg_terminate_backend must fail, as it does on the real server.
	pc.ShouldPing = func(context.Context, pgxpool.ShouldPingParams) bool { return false }
	// A cancelled query sends a cancel request and waits for the server to obey. A frozen server
	// never does: this is how the real health call comes to hang.
	pc.ConnConfig.BuildContextWatcherHandler = func(c *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.CancelRequestContextWatcherHandler{Conn: c, DeadlineDelay: 24 * time.Hour}
	}
	s := &pgStore{
		config: pc, configured: cfg.minSize, min: cfg.minSize, max: cfg.maxSize, gate: newGate(cfg.maxSize), behaviour: b,
		name: fmt.Sprintf("%s at %s:%d", pc.ConnConfig.Database, pc.ConnConfig.Host, pc.ConnConfig.Port),
	}
	if s.pool, err = s.newPool(ctx, cfg.maxSize, cfg.minSize); err != nil {
		return nil, err
	}
	if err := s.createSchema(ctx); err != nil {
		s.pool.Close()
		return nil, fmt.Errorf("create the table of documents: %w", err)
	}
	return s, nil
}

func (s *pgStore) createSchema(ctx context.Context) error {
	return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		// Two servers on one database must not race: CREATE IF NOT EXISTS alone can still collide.
		const key = 0x6d6370 // "mcp"
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", key); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `CREATE TABLE IF NOT EXISTS documents (
			id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, title text NOT NULL, body text NOT NULL)`)
		return err
	})
}

// probe is the real health check: SELECT 1 through the pool under a guard of one second.
func (s *pgStore) probe(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	began := time.Now()
	err := s.probeOnce(ctx)
	took := time.Since(began)
	switch {
	case err != nil, took >= probeTimeout:
		s.dropDeadIdle()
		return disconnected
	case took >= slowProbe:
		return degraded
	}
	return connected
}

func (s *pgStore) probeOnce(ctx context.Context) error {
	conn, err := s.take(ctx)
	if err != nil {
		return err
	}
	defer conn.release()
	if d := s.behaviour.databaseDelay(); d > 0 {
		_, err = conn.Exec(ctx, "SELECT pg_sleep($1)", d.Seconds())
		return err
	}
	_, err = conn.Exec(ctx, "SELECT 1")
	return err
}

// dropDeadIdle forgets the idle connections that the server has closed. asyncpg's event loop
// notices by itself; here a failed health check is the occasion.
func (s *pgStore) dropDeadIdle() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, conn := range s.pool.AcquireAllIdle(context.Background()) {
		if socketClosed(conn.Conn().PgConn().Conn()) {
			_ = conn.Hijack().Close(context.Background())
			continue
		}
		conn.Release()
	}
}

func (s *pgStore) search(ctx context.Context, text string, limit int) ([]document, error) {
	conn, err := s.acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.release()
	rows, err := conn.Query(ctx, `SELECT id, title, body FROM documents
		WHERE title ILIKE '%' || $1 || '%' OR body ILIKE '%' || $1 || '%' ORDER BY id LIMIT $2`, text, limit)
	if err != nil {
		return nil, fmt.Errorf("search: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[document])
	if err != nil {
		return nil, fmt.Errorf("search: %w", err)
	}
	return found, nil
}

func (s *pgStore) add(ctx context.Context, title, body string) (int64, error) {
	conn, err := s.acquire(ctx)
	if err != nil {
		return 0, err
	}
	defer conn.release()
	var id int64
	if err := conn.QueryRow(ctx, "INSERT INTO documents (title, body) VALUES ($1, $2) RETURNING id", title, body).Scan(&id); err != nil {
		return 0, fmt.Errorf("add a document: %w", err)
	}
	return id, nil
}

func (s *pgStore) acquire(ctx context.Context) (*lease, error) {
	ctx, cancel := context.WithTimeout(ctx, acquireTimeout)
	defer cancel()
	conn, err := s.take(ctx)
	if err != nil {
		return nil, fmt.Errorf("get a connection from the pool: %w", err)
	}
	return conn, nil
}

func (s *pgStore) describe() string { return s.name }

func (s *pgStore) close() {
	s.current().Close()
	s.drains.Wait()
}
