package probe

import (
	"slices"
	"strings"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

// The health variants that are known, by the letters used in testdata:
//
//	A  codebase-mcp, resource health://status: connection_pool {size,min_size,max_size,free}
//	B  its contract: A and utilization_percent
//	C  its operations guide: total/active/idle_connections, pool_utilization, checks, metadata
//	D  codebase-mcp, resource health://connection-pool: database {status,pool}
//	E  the incident runbook: connection_pool.pool_utilization alone
//	F  an archived plan: pool_stats, checks
//	G  the error shape: {status,error,message} and nothing else
//	and task-mcp-http: {status,timestamp,uptime,version,checks,details}

// maxWord bounds a state word of a server.
const maxWord = 40

// readPayload adds the health.* and pool.* facts of a document and reports whether it is a
// health payload at all. failed says that it came with an HTTP error: then a status word that we
// do not know is not enough, because error bodies have a "status" too.
func readPayload(doc node, f detect.Facts, failed bool) bool {
	if doc.kind != object {
		return false
	}
	status := stateWord(doc.get("status"), "healthy", "degraded", "unhealthy")
	database := databaseState(doc)
	pool := poolObject(doc)

	known := slices.Contains([]string{"healthy", "degraded", "unhealthy"}, status.Text)
	if !known && database.Text == "" && !poolKnown(pool) && (failed || status.Text == "") {
		return false
	}
	put(f, detect.HealthStatus, doc.get("status"), status)
	if database != (detect.Reading{}) {
		f[detect.HealthDatabase] = database
	}
	readPool(pool, f)
	readUptime(doc, f)
	readMemory(doc, f)
	if s := complaint(doc); s != "" {
		f[detect.HealthError] = detect.Word(s)
	}
	return true
}

// put sets a fact when the reply has the key at all.
func put(f detect.Facts, fact string, n node, r detect.Reading) {
	if n.kind != absent {
		f[fact] = r
	}
}

// stateWord reads a word. Known words are recognised in any case; others are kept as they are.
func stateWord(n node, known ...string) detect.Reading {
	if n.kind == absent {
		return detect.Reading{}
	}
	if n.twice {
		return detect.NotMeasured("the key occurs twice with different values")
	}
	s := clean(n.str(), maxWord)
	if s == "" {
		return detect.NotMeasured("not a word")
	}
	for _, k := range known {
		if strings.EqualFold(s, k) {
			return detect.Word(k)
		}
	}
	return detect.Word(s)
}

// databaseState reads database_status (A, B, C, E) or database.status (D).
func databaseState(doc node) detect.Reading {
	words := []string{"connected", "degraded", "disconnected"}
	if n := doc.get("database_status"); n.kind != absent {
		return stateWord(n, words...)
	}
	r := stateWord(doc.get("database", "status"), words...)
	if r.Text == "connected" && doc.get("database", "pool").kind == object {
		// Variant D never asks the database: it went on to say "connected" with PostgreSQL
		// stopped. Its other words do mean something.
		return detect.NotMeasured("this resource says connected without asking the database")
	}
	return r
}

// readUptime adds health.uptime. A bare "uptime" is milliseconds in the shape of task-mcp; in
// any other shape its unit is unknown.
func readUptime(doc node, f detect.Facts) {
	ms := func(n node) detect.Reading {
		r := n.within(0, maxUptime*1000)
		r.Value /= 1000
		return r
	}
	switch {
	case doc.get("uptime_seconds").kind != absent:
		f[detect.HealthUptime] = doc.get("uptime_seconds").within(0, maxUptime)
	case doc.get("uptime_ms").kind != absent:
		f[detect.HealthUptime] = ms(doc.get("uptime_ms"))
	case doc.get("uptime").kind == absent:
	case doc.get("checks").kind == object && doc.get("timestamp").kind == word:
		f[detect.HealthUptime] = ms(doc.get("uptime"))
	default:
		f[detect.HealthUptime] = detect.NotMeasured("uptime without a unit")
	}
}

// readMemory adds health.memory_share from checks.memory (C). The heap figures of task-mcp are
// left out: used/total heap is near 1 on an idle server and says nothing about a limit.
func readMemory(doc node, f detect.Facts) {
	m := doc.get("checks", "memory")
	if m.kind != object {
		return
	}
	used, limit := m.get("usage_mb").within(0, maxMB), m.get("limit_mb").within(0, maxMB)
	if used.Err == "" && limit.Err == "" && limit.Value > 0 && used.Value <= limit.Value {
		f[detect.HealthMemoryShare] = detect.Num(used.Value / limit.Value)
		return
	}
	if p := m.first("percentage", "percent"); p.kind != absent {
		f[detect.HealthMemoryShare] = p.share(true)
	}
}

// complaint joins what the reply says is wrong: evidence for people, never a basis of a decision,
// because these texts lie ("Database connection lost" on a full pool).
func complaint(doc node) string {
	var parts []string
	for _, n := range [...]node{
		doc.get("error"), doc.get("message"), doc.get("details", "error"), doc.get("details", "warning"),
		doc.get("database", "last_error"),
	} {
		if s := clean(n.str(), maxSentence); s != "" && !slices.Contains(parts, s) {
			parts = append(parts, s)
		}
	}
	parts = append(parts, failedChecks(doc)...)
	return cut(strings.Join(parts, "; "), maxSentence)
}

// failedChecks names the checks that do not pass, in order, with their message when there is one.
func failedChecks(doc node) []string {
	checks := doc.get("checks")
	names := make([]string, 0, len(checks.fields))
	for name, c := range checks.fields {
		w := c.str()
		if w == "" {
			w = c.get("status").str()
		}
		if w != "" && !slices.Contains([]string{"pass", "ok", "healthy", "up"}, strings.ToLower(w)) {
			message := doc.get("details", "checks", name, "message").str()
			if message == "" {
				message = c.get("message").str()
			}
			s := clean(name, maxWord) + " " + clean(w, maxWord)
			if message != "" {
				s += " (" + clean(message, 100) + ")"
			}
			names = append(names, s)
		}
	}
	slices.Sort(names)
	return names[:min(len(names), 8)]
}
