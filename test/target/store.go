package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// The three words of database_status.
const (
	connected    = "connected"
	degraded     = "degraded"
	disconnected = "disconnected"
)

const (
	// probeTimeout guards the health probe; it covers waiting for a pooled connection too, which is
	// why a full pool is reported as a lost database.
	probeTimeout = time.Second
	// slowProbe is the latency from which the database counts as degraded.
	slowProbe = 100 * time.Millisecond
	// acquireTimeout is how long a request waits for a connection before it fails.
	acquireTimeout = 30 * time.Second
)

// poolStats are the connections as the real server reports them.
type poolStats struct {
	size, min, max, free int
}

// utilization is the share of the open connections in use, in percent. It is of size and not of
// max, as in the real server, and 0 when nothing is open.
func (p poolStats) utilization() float64 {
	if p.size == 0 {
		return 0
	}
	return float64(p.size-p.free) / float64(p.size) * 100
}

// document is one searchable text.
type document struct {
	ID    int64  `json:"id"`
	Title string `json:"title"`
	Body  string `json:"body"`
}

// store is the database behind the server.
type store interface {
	// probe runs the health query and says connected, degraded or disconnected. It may never return.
	probe(ctx context.Context) string
	stats() poolStats
	search(ctx context.Context, text string, limit int) ([]document, error)
	add(ctx context.Context, title, body string) (int64, error)
	// hold takes n connections and keeps them, in the given way, until release is called. It takes
	// none when it cannot get all.
	hold(n int, how holdMode) (release func(), err error)
	// resize changes the maximum while the server runs.
	resize(ctx context.Context, size int) error
	// describe says for the log what kind of store it is, without secrets.
	describe() string
	// close waits until every connection is back.
	close()
}

// holdMode is the way a leaked connection is held.
type holdMode string

// Every holdMode.
const (
	holdIdle   holdMode = "idle"   // taken from the pool, state "idle" in pg_stat_activity
	holdInTx   holdMode = "in-tx"  // "idle in transaction"
	holdActive holdMode = "active" // running pg_sleep
	holdLock   holdMode = "lock"   // the first locks the documents, the others wait for it
)

var errNoDatabase = errors.New("there is no database: DATABASE_URL is not set")

// openStore chooses the store. Without a database and without a shape it is the real server's
// default configuration, in which health is an error for ever.
func openStore(cfg settings, shape string, b *behaviour) (store, error) {
	switch {
	case cfg.databaseURL != "":
		ctx, cancel := context.WithTimeout(context.Background(), acquireTimeout)
		defer cancel()
		return openPgStore(ctx, cfg, b)
	case shape != "":
		return newSimulatedStore(cfg, shape, b)
	default:
		return noStore{}, nil
	}
}

func parseHoldMode(text string) (holdMode, error) {
	all := []string{string(holdIdle), string(holdInTx), string(holdActive), string(holdLock)}
	for _, m := range all {
		if text == m {
			return holdMode(m), nil
		}
	}
	return "", fmt.Errorf("mode: must be one of %s (got %q)", strings.Join(all, ", "), text)
}

// noStore is the store of a server without DATABASE_URL.
type noStore struct{}

func (noStore) probe(context.Context) string { return disconnected }
func (noStore) stats() poolStats             { return poolStats{} }
func (noStore) search(context.Context, string, int) ([]document, error) {
	return nil, errNoDatabase
}
func (noStore) add(context.Context, string, string) (int64, error) { return 0, errNoDatabase }
func (noStore) hold(int, holdMode) (func(), error)                 { return nil, errNoDatabase }
func (noStore) resize(context.Context, int) error                  { return errNoDatabase }
func (noStore) describe() string                                   { return "none" }
func (noStore) close()                                             {}
