package onhost

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/recoveryd/recoveryd/internal/drill"
	"github.com/recoveryd/recoveryd/pkg/egress"
)

// Filling is what fill-pool opens.
type Filling struct {
	DSN         string // of the database, with the daemon's own role; a secret
	Application string // application_name of the sessions
	Limit       int    // pool.sessions
	Reserve     int    // drills.reserve
}

// Fill opens the sessions, tells ready what was done, and holds them until ctx ends. A session that
// somebody ends is not opened again.
func Fill(ctx context.Context, f Filling, ready func(string)) error {
	c, err := pgx.ParseConfig(f.DSN)
	if err != nil {
		return errors.New("the dsn of the database cannot be understood") // the library's text may quote it
	}
	c.ConnectTimeout, c.DialFunc = 5*time.Second, egress.Dial
	c.RuntimeParams["application_name"] = "recoveryd-drill"
	first, err := pgx.ConnectConfig(ctx, c)
	if err != nil {
		return refused(err)
	}
	defer closed(first)
	n, err := amount(ctx, first, f)
	if err != nil {
		return err
	}
	c.RuntimeParams["application_name"] = f.Application
	for range n {
		s, err := pgx.ConnectConfig(ctx, c)
		if err != nil {
			return refused(err)
		}
		defer closed(s)
	}
	ready(fmt.Sprintf("%d sessions opened under the name %s", n, f.Application))
	<-ctx.Done()
	return nil
}

// amount asks the database how many there are and may be.
func amount(ctx context.Context, c *pgx.Conn, f Filling) (int, error) {
	s := drill.Sessions{Limit: f.Limit, Reserve: f.Reserve}
	// reserved_connections came with PostgreSQL 16.
	err := c.QueryRow(ctx, `SELECT current_setting('max_connections')::int,
current_setting('superuser_reserved_connections')::int + coalesce(current_setting('reserved_connections', true), '0')::int,
count(*) FILTER (WHERE backend_type = 'client backend'), count(*) FILTER (WHERE application_name = $1) FROM pg_stat_activity`, f.Application).
		Scan(&s.Max, &s.Reserved, &s.Used, &s.Present)
	if err != nil {
		return 0, refused(err)
	}
	return s.Amount()
}

func closed(c *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = c.Close(ctx) // it may have been ended already
}

// refused keeps what a connection error says and leaves out the rest, which may quote parameters.
func refused(err error) error {
	if c, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return fmt.Errorf("connect to PostgreSQL: %w", c.Unwrap())
	}
	return fmt.Errorf("PostgreSQL: %w", err)
}
