package probe

import (
	"fmt"
	"net/http"
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
// health payload at all.
func readPayload(doc node, r Reply, f detect.Facts) bool {
	s := takeSurvey(doc, r.Terms)
	if r.Status >= http.StatusInternalServerError && s.word == "" {
		s.blame(doc)
	}
	database := databaseState(doc, r.Terms)
	pool := poolObject(doc)
	if !s.says(r) && database.Text == "" && !poolKnown(pool) {
		return false
	}
	s.tell(f, r.Terms, doc.get("status"))
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

// blame finds the parts that an error is about in an object of parts that says of each "OK" or what is wrong with
// it, in words that nobody can know beforehand (heptiolabs/healthcheck, alexliesenfeld/health).
func (s *survey) blame(doc node) {
	var about []string
	good := false
	for key, v := range doc.fields {
		name := flat(key)
		switch {
		case v.kind != word || v.text == "" || slices.Contains(remarks, name) || slices.Contains(remarkKeys, name):
			return // no such object
		case s.terms.phrase(v.text) == StateHealthy:
			good = true
		case s.terms.phrase(v.text) == StateUnknown:
			about = append(about, key)
		}
	}
	if !good {
		return
	}
	slices.Sort(about)
	for _, key := range about {
		s.parts = slices.DeleteFunc(s.parts, func(p part) bool { return p.path == key })
		s.add(part{path: key, said: doc.fields[key].text, state: StateUnhealthy, sure: true})
	}
}

// says reports whether a survey found a statement about health. An HTTP error is a reply of its own, and its
// body may have a "status" as well: then a number or a word that nobody knows is none; and one of the
// 4xx is a statement about the request, unless the word is one that only a health page uses.
func (s *survey) says(r Reply) bool {
	known := s.overall == StateHealthy || s.overall == StateDegraded || s.overall == StateUnhealthy
	switch {
	case r.Status == http.StatusTooManyRequests: // of Vault and Consul; see standsBy
		return known
	case r.Status >= 400 && r.Status < 500 && r.Status != http.StatusRequestTimeout:
		return slices.Contains([]string{"healthy", "degraded", "unhealthy"}, plainWord(s.word))
	case s.word != "" && r.Status >= 400:
		return known && strings.Trim(s.word, "0123456789") != ""
	case s.word != "":
		return true
	}
	return slices.ContainsFunc(s.parts, func(p part) bool { return p.sure && (p.bad() || p.state == StateHealthy) }) ||
		s.overall != StateUnknown
}

// standsBy reports a reply to which Vault and Consul give the status of a rate limit, and mean a state.
func standsBy(doc node) bool {
	return doc.get("sealed").kind == truth && doc.get("standby").kind == truth || doc.get("AggregatedStatus").kind == word
}

// tell adds the facts of a survey: the verdict on the whole, and the parts that contradict it.
func (s *survey) tell(f detect.Facts, t Terms, status node) {
	var bad, ignored []part
	good := 0
	for _, p := range s.parts {
		switch {
		case p.state == StateHealthy && p.sure:
			good++
		case !p.bad() || p.soft || s.overall != StateHealthy && p.path == "error":
		case p.named(t.Ignored):
			ignored = append(ignored, p)
		default:
			bad = append(bad, p)
		}
	}
	overall := s.overall
	switch {
	case s.word == "" && overall == StateUnknown && len(bad) > 0: // no verdict of its own
		overall = StateDegraded
		if good == 0 && len(ignored) == 0 {
			overall = StateUnhealthy
		}
	case s.word == "" && overall == StateUnknown && good > 0:
		overall = StateHealthy
	case (overall == StateDegraded || overall == StateUnhealthy) && len(ignored) > 0 && len(bad) == 0:
		overall = StateHealthy // what it complains of is to be ignored
	}
	switch {
	case status.twice:
		f[detect.HealthStatus] = stateWord(status)
	case overall == StateHealthy || overall == StateDegraded || overall == StateUnhealthy:
		f[detect.HealthStatus] = detect.Word(string(overall))
		if said := clean(s.word, maxWord); said != "" && !strings.EqualFold(said, string(overall)) {
			f[detect.HealthWord] = detect.Word(said)
		}
	case s.word != "":
		f[detect.HealthStatus] = detect.Word(clean(s.word, maxWord))
	default:
		put(f, detect.HealthStatus, status, stateWord(status))
	}
	put := func(fact string, parts []part) {
		var shown []string
		for _, p := range parts {
			if p.path != "database_status" { // a fact of its own
				shown = append(shown, p.show())
			}
		}
		if len(shown) > 0 {
			f[fact] = detect.Word(cut(strings.Join(shown[:min(len(shown), 8)], "; "), maxSentence))
		}
	}
	put(detect.HealthParts, bad)
	put(detect.HealthIgnored, ignored)
	s.require(f, t.Required)
}

// require adds what is wrong with the parts that the operator calls required.
func (s *survey) require(f detect.Facts, names []string) {
	var bad, unclear []string
	for _, name := range names {
		found := false
		for _, p := range s.parts {
			if !p.named([]string{name}) {
				continue
			}
			found = true
			switch {
			case p.bad():
				bad = append(bad, p.show())
			case p.state != StateHealthy:
				unclear = append(unclear, fmt.Sprintf("%s says %q, which is no known word", clean(p.path, maxWord), clean(p.said, maxWord)))
			}
		}
		if !found {
			unclear = append(unclear, clean(name, maxWord)+" is not in the reply")
		}
	}
	switch {
	case len(bad) > 0:
		f[detect.HealthRequired] = detect.Word(cut(strings.Join(bad, "; "), maxSentence))
	case len(unclear) > 0:
		f[detect.HealthRequired] = detect.NotMeasured(cut(strings.Join(unclear, "; "), maxSentence))
	}
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

// databaseState reads database_status (A, B, C, E) or database.status (D). Other words for good and bad are
// left to the survey, which takes the database for a part like any other.
func databaseState(doc node, t Terms) detect.Reading {
	words := []string{"connected", "degraded", "disconnected"}
	read := func(n node) detect.Reading {
		r := stateWord(n, words...)
		switch {
		case r.Err != "" || slices.Contains(words, r.Text):
		case t.phrase(r.Text) == StateHealthy:
			return detect.Word("connected")
		case t.phrase(r.Text) != StateUnknown:
			return detect.Reading{}
		}
		return r
	}
	if n := doc.get("database_status"); n.kind != absent {
		return read(n)
	}
	r := read(doc.get("database", "status"))
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
		doc.get("database", "last_error"), doc.get("reason"), doc.get("output"), doc.get("description"), doc.get("detail"),
	} {
		if s := clean(n.str(), maxSentence); s != "" && !slices.Contains(parts, s) {
			parts = append(parts, s)
		}
	}
	return cut(strings.Join(parts, "; "), maxSentence)
}
