package main

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestJudge(t *testing.T) {
	for _, c := range []struct {
		name     string
		database string
		pool     poolStats
		want     string
	}{
		{"exactly 80 % is not over it", connected, poolStats{size: 20, free: 4}, "healthy"},
		{"just over 80 % is degraded", connected, poolStats{size: 100, free: 19}, degraded},
		{"exactly 95 % is not over it", connected, poolStats{size: 20, free: 1}, degraded},
		{"just over 95 % is unhealthy", connected, poolStats{size: 21, free: 1}, "unhealthy"},
		{"no open connections count as 0 %", connected, poolStats{}, "healthy"},
		{"a lost database outranks the pool", disconnected, poolStats{size: 20, free: 20}, "unhealthy"},
		{"a slow database is degraded", degraded, poolStats{size: 20, free: 20}, degraded},
		{"an exhausted pool outranks a slow database", degraded, poolStats{size: 21, free: 1}, "unhealthy"},
	} {
		t.Run(c.name, func(t *testing.T) { require.Equal(t, c.want, judge(c.database, c.pool).status) })
	}
}

func TestShapesOnTheWire(t *testing.T) {
	r := judge(connected, poolStats{size: 20, min: 20, max: 30, free: 1})
	r.at, r.uptime, r.latency = time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC), 1350*time.Millisecond, 2*time.Millisecond
	for variant, want := range map[string]string{
		"A": `{"status":"degraded","timestamp":"2026-01-02T03:04:05.000006Z","database_status":"connected",
			"connection_pool":{"size":20,"min_size":20,"max_size":30,"free":1},"uptime_seconds":"1.35",
			"details":{"warning":"Connection pool utilization high: 95.0%"}}`,
		"B": `{"status":"degraded","timestamp":"2026-01-02T03:04:05.000006Z","database_status":"connected",
			"connection_pool":{"size":20,"min_size":20,"max_size":30,"free":1,"utilization_percent":95},"uptime_seconds":1.35,
			"details":{"warning":"Connection pool utilization high: 95.0%"}}`,
		"D": `{"status":"unhealthy","timestamp":"2026-01-02T03:04:05.000006Z","uptime_seconds":1.35,
			"database":{"status":"connected","pool":{"total":20,"idle":1,"active":19,"waiting":0},"latency_ms":null,"last_error":null,"leak_count":0}}`,
		"E": `{"status":"degraded","database_status":"connected","connection_pool":{"pool_utilization":0.95}}`,
		"F": `{"status":"degraded","timestamp":"2026-01-02T03:04:05.000006Z","pool_stats":{"size":20,"free":1,"max":30},"checks":{"database":true,"pool":true}}`,
		"G": `{"status":"unhealthy","error":"Health check failed: ValidationError","message":"The health check raised an exception"}`,
	} {
		t.Run(variant, func(t *testing.T) {
			got, err := json.Marshal(shape(variant, r))
			require.NoError(t, err)
			require.JSONEq(t, want, string(got))
		})
	}
	c := shape("C", r)
	require.Equal(t, object{
		"total_connections": 20, "active_connections": 19, "idle_connections": 1, "waiting_requests": 0, "pool_utilization": 0.95,
	}, c["connection_pool"])
	require.InDelta(t, 2, c["checks"].(object)["database"].(object)["latency_ms"], 0.001)
}

func TestAHealthyReportHasNullDetails(t *testing.T) {
	text, err := json.Marshal(shape("A", judge(connected, poolStats{size: 20, free: 20})))
	require.NoError(t, err)
	require.Contains(t, string(text), `"details":null`)
}
