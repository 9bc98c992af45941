package main

import (
	"context"
	"fmt"
	"time"
)

// Thresholds of the real server, in percent of the open connections. Equal is not over.
const (
	poolDegraded  = 80.0
	poolUnhealthy = 95.0
)

// report is one health check, before it is put into one of the shapes of shapes.go.
type report struct {
	status   string
	at       time.Time
	database string
	pool     poolStats
	uptime   time.Duration
	details  map[string]string // nil is null on the wire
	latency  time.Duration     // of the probe
	failed   string            // type of the exception when the check itself failed; then nothing else counts
}

// check does what the real health service does, in its order.
func (a *app) check(ctx context.Context) report {
	if _, none := a.store.(noStore); none {
		// The real default configuration: max_size is 0, which its own model refuses.
		return report{status: "unhealthy", failed: "ValidationError", at: time.Now(), uptime: a.uptime()}
	}
	began := time.Now()
	// The client going away does not stop the real check.
	database := a.store.probe(context.WithoutCancel(ctx))
	r := judge(database, a.store.stats())
	r.latency, r.at, r.uptime = time.Since(began), time.Now(), a.uptime()
	if _, simulated := a.store.(*simulatedStore); simulated {
		if r.details == nil {
			r.details = map[string]string{}
		}
		r.details["simulated"] = "no database: these pool numbers are simulated"
	}
	if status := a.behaviour.statusOverride(); status != "" {
		r.status = status
	}
	return r
}

// judge turns the probe's word and the pool's numbers into a status.
func judge(database string, pool poolStats) report {
	r := report{status: "healthy", database: database, pool: pool}
	used := pool.utilization()
	switch {
	case database == disconnected:
		r.status = "unhealthy"
		r.details = map[string]string{"error": "Database connection lost"}
	case used > poolUnhealthy:
		r.status = "unhealthy"
		r.details = map[string]string{"error": fmt.Sprintf("Connection pool critically exhausted (utilization: %.1f%%)", used)}
	case used > poolDegraded:
		r.status = degraded
		r.details = map[string]string{"warning": fmt.Sprintf("Connection pool utilization high: %.1f%%", used)}
	case database == degraded:
		r.status = degraded
		r.details = map[string]string{"warning": "Database responding slowly"}
	}
	return r
}

func (a *app) uptime() time.Duration { return time.Since(a.started) }
