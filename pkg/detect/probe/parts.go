package probe

import (
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// part is one thing that a health reply speaks of besides the whole.
type part struct {
	path    string // as in the reply: components.db
	said    string // its state in the reply's own words
	message string // what the reply adds
	state   State
	sure    bool // it stands where only parts stand, or is called like one
	soft    bool // the reply itself says that it may fail: optional, not critical
}

// name is the last piece of the path.
func (p part) name() string { return p.path[strings.LastIndexByte(p.path, '.')+1:] }

// show names the part and quotes what it says.
func (p part) show() string {
	s := clean(p.path, 2*maxWord) + " " + clean(p.said, maxWord)
	if m := clean(p.message, 100); m != "" {
		s += " (" + m + ")"
	}
	return s
}

// Where a value stands decides what a bare word or truth there means.
type place uint8

const (
	atTop     place = iota // the reply itself: settings and parts are mixed
	ofChecks               // checks, components, services: everything there is a part
	ofDetails              // details, info, data: figures, and here and there a part
)

// The keys below, without upper case and without _ and -.
var (
	// overallKeys hold the verdict on the whole, the most telling first.
	overallKeys = []string{"status", "health", "state", "healthstatus", "overallstatus", "overallhealth", "overall", "aggregatedstatus", "servicestatus", "systemstatus", "indicator"}
	// truthKeys mean by their name that true is good and false is bad.
	truthKeys = []string{"healthy", "ishealthy", "ok", "success", "up", "isup", "available", "operational", "online", "running", "serving", "ready", "isready",
		"alive", "isalive", "live", "connected", "reachable", "installed", "working", "passed", "passing"}
	// remarkKeys may hold nothing but a word for the state: {"message": "pong"}.
	remarkKeys = []string{"message", "msg", "result", "res", "response", "ping", "code", "statuscode", "description"}
	// wrappers hold the whole reply.
	wrappers = []string{"data", "result", "response", "payload", "healthcheck", "health", "status"}
	// checksKeys hold parts and nothing else; detailsKeys hold parts among other things.
	checksKeys = []string{"checks", "check", "components", "component", "services", "service", "dependencies", "dependency", "deps", "entries", "subsystems", "modules", "probes", "indicators",
		"healthchecks", "healthindicators", "systems", "resources", "backends", "connections", "integrations", "providers", "upstreams", "nodes", "results", "datastores"}
	detailsKeys = []string{"details", "info", "error", "data", "health", "status", "server", "client", "output", "metadata", "system", "causes"}
	// failureKeys list what has failed.
	failureKeys = []string{"failures", "failed", "failing", "failedchecks", "failingchecks", "unhealthy", "errors", "problems", "unhealthyservices", "failedservices"}
	// badTruths mean by their name that true is bad; softTruths that it is degraded.
	badTruths  = []string{"failed", "failing", "unhealthy", "broken", "sealed", "disconnected", "offline", "haserror", "haserrors", "error", "down"}
	softTruths = []string{"degraded", "isdegraded", "maintenance", "maintenancemode", "draining", "shuttingdown", "needsdbupgrade", "stale"}
	// settings are truths that say how something is set up. False there is never bad.
	settings = []string{"enabled", "disabled", "debug", "debugmode", "maintenance", "maintenancemode", "optional", "required", "critical", "fatal", "cached", "cache", "readonly", "ssl", "tls",
		"secure", "auth", "authenticated", "authentication", "verbose", "paused", "standby", "leader", "isleader", "primary", "isprimary", "master", "draining", "shuttingdown", "degraded",
		"stale", "locked", "dirty", "demo", "test", "dev", "production", "experimental", "deprecated", "truncated", "sealed", "error", "errors", "haserror", "haserrors", "failed", "failing",
		"unhealthy", "down", "offline", "disconnected", "timedout", "timeout", "configured", "required", "registration", "signup", "telemetry", "analytics", "metrics", "tracing", "dryrun"}
	// remarks are texts about something and never its state.
	remarks = []string{"message", "msg", "description", "detail", "reason", "hint", "note", "title", "type", "name", "version", "level", "loglevel", "severity", "mode", "env", "environment",
		"warning", "warnings", "output", "lasterror", "previouserror", "exception", "err", "log", "logs", "url", "uri", "host", "hostname", "id", "tags", "help", "action"}
	// stores are parts by whatever key they stand under; a bare false means that one is away.
	stores = []string{"database", "databases", "db", "maindb", "postgres", "postgresql", "pg", "mysql", "mariadb", "sqlite", "mongo", "mongodb", "redis", "valkey", "memcached", "cassandra",
		"clickhouse", "influxdb", "elasticsearch", "elastic", "opensearch", "solr", "qdrant", "weaviate", "milvus", "chromadb", "pinecone", "rabbitmq", "amqp", "kafka", "nats", "mqtt",
		"minio", "ldap", "vault", "consul", "etcd", "zookeeper", "ollama", "metadatabase", "celery", "sidekiq", "dynamodb", "neo4j", "vectordb", "vectorstore"}
	// helpers are parts too, but a bare false may mean that there is none.
	helpers = []string{"cache", "search", "queue", "queues", "broker", "messagequeue", "worker", "workers", "scheduler", "storage", "s3", "bucket", "filesystem", "disk", "diskspace", "smtp",
		"mail", "mailer", "email", "llm", "embedding", "embeddings", "openai", "backend", "upstream", "websocket", "triggerer", "dagprocessor", "api", "memory", "cpu", "network", "internet", "dns", "sitescache"}
	// stateEndings of a longer key make it the state of a part: redis_status, databaseConnected. Those
	// that may also be a mere fact count only for a store.
	stateEndings = []string{"status", "state", "health", "ok", "up", "connected", "healthy", "reachable", "alive", "working", "connection"}
	factEndings  = []string{"ready", "available", "online", "live", "running", "loaded"}
	// figures are endings of a key that tells about a part, and not its state.
	figures = []string{"url", "uri", "host", "name", "version", "type", "mode", "driver", "engine", "dsn", "path", "id", "size", "count", "error", "message", "at", "time", "policy"}
	// history and strangers before such an ending tell of something else.
	otherwise = []string{"last", "previous", "prev", "client", "user", "session", "update", "upgrade", "version", "job", "http", "subscription", "license", "debugger", "order", "payment", "response", "old"}
)

// survey is all that a health reply says about states.
type survey struct {
	terms   Terms
	used    string // the key that holds the verdict on the whole, so that it is no part
	overall State
	word    string // the reply's own word for the whole, "" when it gives none
	parts   []part
}

// flat makes one of all the spellings of a key.
func flat(key string) string {
	return strings.ToLower(strings.NewReplacer("_", "", "-", "", " ", "", ":", "").Replace(key))
}

// find returns the value whose key is meant by a flat name, and the key.
func (n node) find(name string) (string, node) {
	if v := n.get(name); v.kind != absent {
		return name, v
	}
	best := ""
	for k, v := range n.fields {
		if flat(k) == name && v.kind != null && (best == "" || k < best) {
			best = k
		}
	}
	return best, n.get(best)
}

// takeSurvey reads the states of a whole reply.
func takeSurvey(doc node, terms Terms) survey {
	s := survey{terms: terms}
	switch doc.kind {
	case object:
		s.whole(doc, "", 0)
		at := atTop
		if s.word == "" && s.overall == StateUnknown && s.onlyStates(doc) {
			at = ofChecks
		}
		s.object(doc, "", at, 0)
	case list:
		s.list(doc, "", ofChecks, 0)
	case truth, number, word:
		s.overall, s.word = s.value("status", doc)
	}
	s.settle()
	return s
}

// onlyStates reports an object that holds the states of parts and nothing else, as those of
// django-health-check and Plausible do.
func (s *survey) onlyStates(doc node) bool {
	for key, v := range doc.fields {
		if name := flat(key); name == "error" || slices.Contains(remarks, name) || slices.Contains(remarkKeys, name) {
			return false
		}
		if !hasState(v) && (v.kind != word || s.terms.phrase(v.text) == StateUnknown) {
			return false
		}
	}
	return len(doc.fields) > 0
}

// whole finds the reply's own verdict.
func (s *survey) whole(doc node, path string, depth int) {
	if sealed := doc.get("sealed"); sealed.kind == truth && doc.get("initialized").kind == truth { // Vault
		s.used, s.overall = "sealed", StateHealthy
		if sealed.text == "true" || doc.get("initialized").text == "false" {
			s.overall, s.word = StateUnhealthy, "sealed"
		}
		return
	}
	odd := ""
	for i, keys := range [][]string{overallKeys, truthKeys, remarkKeys} {
		if i == 1 && depth == 0 { // {"success": true, "data": {"status": ...}}
			for _, name := range wrappers {
				if key, v := doc.find(name); v.kind == object {
					if s.whole(v, pathTo(path, key), depth+1); s.word != "" || s.overall != StateUnknown {
						return
					}
				}
			}
		}
		for _, name := range keys {
			key, v := doc.find(name)
			if v.kind == absent || v.twice || v.kind >= list {
				continue
			}
			state, said := s.value(name, v)
			first := slices.Contains(overallKeys[:2], name) // whose unknown word is kept
			if state == StateUnknown && (!first || v.kind != word) || state == stateNeutral && !first {
				if first && odd == "" { // a number that means nothing by itself
					odd = said
				}
				continue
			}
			if slices.Contains(remarkKeys, name) && v.kind == word && s.terms.state(v.text) == StateUnknown &&
				(s.terms.phrase(v.text) != StateHealthy || len(v.text) > maxWord) {
				continue // a remark, not a verdict
			}
			s.used, s.overall, s.word = pathTo(path, key), state, said
			return
		}
	}
	s.word = odd
}

// value reads the state that a scalar under a key stands for, and quotes it.
func (s *survey) value(key string, v node) (State, string) {
	switch v.kind {
	case truth:
		if st := s.terms.taught(v.text); st != StateUnknown {
			return st, v.text
		}
		if v.text == "true" {
			return StateHealthy, v.text
		}
		return StateUnhealthy, v.text
	case number:
		if st := s.terms.taught(v.text); st != StateUnknown {
			return st, v.text
		}
		n, err := strconv.ParseFloat(v.text, 64)
		switch {
		case err != nil:
		case n >= 200 && n < 400, n == 1 && !strings.HasSuffix(key, "code"): // an HTTP status, or a truth
			return StateHealthy, v.text
		case n >= 500 && n < 600, n == 0 && slices.Contains(truthKeys, key):
			return StateUnhealthy, v.text
		}
		return StateUnknown, v.text
	case word:
		if v.text == "" {
			return StateUnknown, ""
		}
		if n, err := strconv.Atoi(strings.TrimSpace(v.text)); err == nil && n != 0 {
			return s.value(key, node{kind: number, text: strconv.Itoa(n)})
		}
		return s.terms.phrase(v.text), v.text
	}
	return StateUnknown, ""
}

func pathTo(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// maxParts bounds how many parts are kept.
const maxParts = 200

func (s *survey) add(p part) {
	if len(s.parts) < maxParts {
		s.parts = append(s.parts, p)
	}
}

// object reads the parts of an object.
func (s *survey) object(n node, path string, at place, depth int) {
	if depth > 6 {
		return
	}
	keys := make([]string, 0, len(n.fields))
	for k := range n.fields {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, key := range keys {
		if here := pathTo(path, key); here != s.used {
			s.field(n.get(key), key, here, at, depth)
		}
	}
}

func (s *survey) field(v node, key, here string, at place, depth int) {
	name := flat(key)
	named := slices.ContainsFunc(append(splitKey(key), name), func(w string) bool {
		return slices.Contains(stores, w) || slices.Contains(helpers, w)
	})
	switch v.kind {
	case object:
		switch {
		case strings.HasPrefix(s.used, here+"."): // it wraps the whole reply
			s.object(v, here, atTop, depth+1)
		case slices.Contains(failureKeys, name):
			for _, k := range sortedKeys(v) {
				s.add(part{path: pathTo(here, k), said: "failed", message: v.fields[k].text, state: StateUnhealthy})
			}
		case slices.Contains(checksKeys, name) && !hasState(v):
			s.object(v, here, ofChecks, depth+1)
		case s.thing(v, here, at == ofChecks || named, depth):
		case at == ofChecks || named:
			s.object(v, here, ofDetails, depth+1)
		case slices.Contains(detailsKeys, name), slices.Contains(wrappers, name):
			s.object(v, here, ofDetails, depth+1)
		}
	case list:
		switch {
		case slices.Contains(failureKeys, name):
			for i, item := range v.items {
				said := item.str()
				if said == "" {
					said = label(item, strconv.Itoa(i))
				}
				s.add(part{path: here, said: said, state: StateUnhealthy})
			}
		case slices.Contains(checksKeys, name), at == ofChecks:
			s.list(v, here, ofChecks, depth+1)
		case slices.Contains(detailsKeys, name), named:
			s.list(v, here, ofDetails, depth+1)
		}
	case truth:
		s.truth(v, name, key, here, at)
	case word, number:
		s.said(v, name, key, here, at, named)
	}
}

// truth reads a bare truth. The rule which false is bad: below a key for checks everything that is no
// setting; elsewhere a store, a key that says what true means, and a key that ends so.
func (s *survey) truth(v node, name, key, here string, at place) {
	state := StateHealthy
	switch {
	case v.text == "true" && slices.Contains(badTruths, name):
		state = StateUnhealthy
	case v.text == "true" && slices.Contains(softTruths, name):
		state = StateDegraded
	case slices.Contains(settings, name):
		return
	case slices.Contains(truthKeys, name) && name != "installed", slices.Contains(stores, name), at == ofChecks, endsAsState(key, true):
		if v.text == "false" {
			state = StateUnhealthy
		}
	default:
		return
	}
	s.add(part{path: here, said: v.text, state: state, sure: at == ofChecks || slices.Contains(stores, name)})
}

// said reads a bare word or number.
func (s *survey) said(v node, name, key, here string, at place, named bool) {
	if slices.Contains(remarks, name) || v.twice {
		return
	}
	if name == "error" && v.kind == word && at == atTop { // beside a good word it contradicts
		if st := s.terms.state(v.text); plainWord(v.text) != "" && st != StateHealthy && st != stateNeutral && !isNothing(v.text) {
			s.add(part{path: here, said: v.text, state: StateUnhealthy})
		}
		return
	}
	exact := slices.Contains(overallKeys, name) || slices.Contains(truthKeys, name)
	ending := ""
	if words := splitKey(key); len(words) > 1 {
		ending = words[len(words)-1]
	}
	if !exact && (!named || slices.Contains(figures, ending)) && at != ofChecks && !endsAsState(key, false) {
		return
	}
	if v.kind == number && !exact && !endsAsState(key, false) {
		return // a figure
	}
	state, said := s.value(name, v)
	if v.kind == number && (said == "1" || said == "0") && !slices.Contains(truthKeys, name) {
		return
	}
	s.add(part{path: here, said: said, state: state, sure: named || at == ofChecks})
}

// thing reads an object that has a state of its own, and reports whether it has.
func (s *survey) thing(v node, here string, sure bool, depth int) bool {
	used := ""
	p := part{path: here, sure: sure}
	for _, keys := range [][]string{overallKeys, truthKeys} {
		for _, name := range keys {
			key, x := v.find(name)
			if x.kind == absent || x.kind >= list || used != "" {
				continue
			}
			if state, said := s.value(name, x); said != "" && (state != StateUnknown || name == "status") {
				used, p.state, p.said = key, state, said
			}
		}
	}
	if used == "" {
		_, e := v.find("error")
		if !sure || e.str() == "" || isNothing(e.text) {
			return false
		}
		used, p.said, p.state = "error", e.text, StateUnhealthy
	}
	for _, name := range []string{"message", "msg", "error", "err", "output", "description", "exception", "reason", "lasterror"} {
		if k, x := v.find(name); k != used && x.str() != "" && p.message == "" && p.state != StateHealthy {
			p.message = x.text
		}
	}
	if _, d := v.find("details"); p.message == "" && p.state != StateHealthy {
		p.message = d.get("error").str()
	}
	p.soft = isFalse(v, "required") || isFalse(v, "critical") || isFalse(v, "fatal") || isTrue(v, "optional") || isTrue(v, "noncritical")
	if isFalse(v, "enabled") || isTrue(v, "disabled") {
		p.state = stateNeutral
	}
	before := len(s.parts)
	for _, key := range sortedKeys(v) {
		name := flat(key)
		if x := v.get(key); key != used && (x.kind == object || x.kind == list) && (slices.Contains(checksKeys, name) || slices.Contains(detailsKeys, name) && name != "error" || hasState(x)) {
			s.field(x, key, pathTo(here, key), ofDetails, depth+1)
		}
	}
	// The innermost part that is bad says most.
	if p.bad() && slices.ContainsFunc(s.parts[before:], part.bad) && !p.soft {
		p.state = stateNeutral
	}
	if p.soft {
		for i := before; i < len(s.parts); i++ {
			s.parts[i].soft = true
		}
	}
	s.add(p)
	return true
}

// list reads parts that stand in a list: {name, status}, or the checks of one component.
func (s *survey) list(n node, path string, at place, depth int) {
	if depth > 6 {
		return
	}
	for i, item := range n.items {
		here := path
		if name := label(item, ""); name != "" {
			here = pathTo(path, strings.ReplaceAll(name, ".", "_"))
		} else if len(n.items) > 1 || path == "" {
			here = pathTo(path, strconv.Itoa(i))
		}
		if item.kind == object && !s.thing(item, here, true, depth) {
			s.object(item, here, ofDetails, depth+1)
		}
	}
}

// label is what an item of a list calls itself.
func label(item node, fallback string) string {
	for _, name := range []string{"name", "component", "componentid", "service", "id", "checkid", "check", "key", "target", "displayname"} {
		if _, x := item.find(name); x.str() != "" {
			return cut(x.text, maxWord)
		}
	}
	return fallback
}

func (p part) bad() bool { return p.state == StateUnhealthy || p.state == StateDegraded }

// settle drops what is told twice and what it has of parts that only repeat others.
func (s *survey) settle() {
	var out []part
	for _, p := range s.parts {
		at := slices.IndexFunc(out, func(q part) bool {
			return q.bad() && p.bad() && strings.EqualFold(q.name(), p.name()) && strings.Count(q.path, ".") > 0
		})
		if at < 0 {
			out = append(out, p)
			continue
		}
		if out[at].message == "" {
			out[at].message = p.message
		}
	}
	s.parts = out
}

// named reports a part that is meant by one of the operator's names.
func (p part) named(names []string) bool {
	return slices.ContainsFunc(names, func(n string) bool {
		return strings.EqualFold(n, p.path) || strings.EqualFold(n, p.name()) || flat(n) == flat(p.name())
	})
}

// endsAsState reports a key that ends like the state of something: redis_status, isDatabaseConnected.
func endsAsState(key string, truth bool) bool {
	words := splitKey(key)
	if len(words) < 2 || slices.ContainsFunc(words, func(w string) bool { return slices.Contains(otherwise, w) }) {
		return false
	}
	last, rest := words[len(words)-1], flat(strings.Join(words[:len(words)-1], ""))
	rest = strings.TrimPrefix(rest, "is")
	switch {
	case slices.Contains(stateEndings, last):
		return true
	case truth && slices.Contains(factEndings, last):
		return slices.Contains(stores, rest)
	}
	return false
}

// splitKey takes a key apart: databaseConnected, database_connected and database-connected are the same.
func splitKey(key string) []string {
	var words []string
	var at strings.Builder
	flush := func() {
		if at.Len() > 0 {
			words = append(words, strings.ToLower(at.String()))
			at.Reset()
		}
	}
	before := ' '
	for _, r := range key {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			flush()
		} else {
			if unicode.IsUpper(r) && unicode.IsLower(before) {
				flush()
			}
			at.WriteRune(r)
		}
		before = r
	}
	flush()
	return words
}

// hasState reports an object with a state of its own.
func hasState(v node) bool {
	if v.kind != object {
		return false
	}
	for _, name := range []string{"status", "state", "health", "healthy", "ok", "up", "connected"} {
		if _, x := v.find(name); x.kind == word || x.kind == truth {
			return true
		}
	}
	return false
}

// isNothing reports a text that says that there is nothing.
func isNothing(s string) bool {
	return slices.Contains([]string{"", "none", "null", "nil", "no", "false", "ok", "n/a", "no error", "no errors", "undefined", "0"}, plainWord(s))
}

func isTrue(n node, name string) bool {
	_, v := n.find(name)
	return v.kind == truth && v.text == "true"
}
func isFalse(n node, name string) bool {
	_, v := n.find(name)
	return v.kind == truth && v.text == "false"
}

func sortedKeys(n node) []string {
	keys := make([]string, 0, len(n.fields))
	for k := range n.fields {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
