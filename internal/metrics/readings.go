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

// memoryLimit is the limit that diagnosis goes by, too.
func (m *Metrics) memoryLimit(target string, f detect.Facts) (float64, bool) {
	m.mu.Lock()
	own, configured := m.limits[target]
	m.mu.Unlock()
	limit, ok := f.Num(detect.MemoryMax)
	if configured && (!ok || own < limit) {
		limit, ok = own, true
	}
	return limit, ok && limit > 0
}

// readings shows the numbers that dashboards draw; one that was not measured disappears.
func (m *Metrics) readings(target string, f detect.Facts) {
	set := func(label string, v float64, ok bool) {
		if ok {
			m.reading.WithLabelValues(target, label).Set(v)
		} else {
			m.reading.DeleteLabelValues(target, label)
		}
	}
	plain := func(label, fact string) {
		v, ok := f.Num(fact)
		set(label, v, ok)
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
	most, okM := f.Num(detect.SQLMax)
	set("connections_share", used/max(most, 1), okU && okM && most > 0)

	memory, ok := f.Num(detect.MemoryCurrent)
	if rss, have := f.Num(detect.ProcessRSS); have && (!ok || rss > memory) {
		memory, ok = rss, true
	}
	set("memory_bytes", memory, ok)
	limit, limited := m.memoryLimit(target, f)
	set("memory_share", memory/max(limit, 1), ok && limited)
}
