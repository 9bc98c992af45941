package metrics

import (
	"github.com/recoveryd/recoveryd/pkg/detect"
)

// readingHelp names every fact: dashboards and rules are checked against them.
const readingHelp = "Numbers of the target's last look, by fact: pool_utilization (share of a service's pool in use, 0 to 1), " +
	"connections_share (of a cluster's max_connections, 0 to 1), sql_connections, memory_bytes, memory_share (of the limit that applies, 0 to 1), " +
	"health_seconds and sql_seconds (until the health reply, until SELECT 1 was answered), and by trend: health_p95_seconds, " +
	"degraded_seconds (since when it calls itself so), pool_left_seconds and memory_left_seconds (until they are used up at the present pace); " +
	"absent when not measured."

// Limits takes the memory limits of the configured targets, which count where a unit has none of
// its own or a higher one.
func (m *Metrics) Limits(targets []detect.Target) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.limits = map[string]float64{}
	for _, t := range targets {
		if t.Memory.Limit > 0 {
			m.limits[t.Name] = float64(t.Memory.Limit)
		}
	}
}

// readings tells the numbers that dashboards draw; one that was not measured is not told. own is the
// configured memory limit in bytes, 0 = none: the lower of it and the unit's counts, as in diagnosis.
func readings(f detect.Facts, own float64, tell func(fact string, v float64)) {
	plain := func(label, fact string) {
		if v, ok := f.Num(fact); ok {
			tell(label, v)
		}
	}
	plain("pool_utilization", detect.PoolUtilization)
	plain("health_seconds", detect.HTTPLatency)
	plain("sql_seconds", detect.SQLLatency)
	plain("sql_connections", detect.SQLUsed)
	plain("health_p95_seconds", detect.TrendLatencyP95)
	plain("degraded_seconds", detect.TrendDegradedFor)
	plain("pool_left_seconds", detect.TrendPoolLeft)
	plain("memory_left_seconds", detect.TrendMemoryLeft)
	used, okU := f.Num(detect.SQLUsed)
	if most, ok := f.Num(detect.SQLMax); ok && okU && most > 0 {
		tell("connections_share", used/most)
	}
	memory, ok := f.Num(detect.MemoryCurrent)
	if rss, have := f.Num(detect.ProcessRSS); have && (!ok || rss > memory) {
		memory, ok = rss, true
	}
	if !ok {
		return
	}
	tell("memory_bytes", memory)
	limit, limited := f.Num(detect.MemoryMax)
	if own > 0 && (!limited || own < limit) {
		limit, limited = own, true
	}
	if limited && limit > 0 {
		tell("memory_share", memory/limit)
	}
}
