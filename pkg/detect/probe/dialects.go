package probe

import (
	"regexp"
	"slices"
	"strings"
	"time"
)

// State is what a word of a health reply means.
type State string

// The states. The zero value is a word that is not known.
const (
	StateUnknown   State = ""
	StateHealthy   State = "healthy"
	StateDegraded  State = "degraded"
	StateUnhealthy State = "unhealthy"
	// stateNeutral: it takes no side, such as "disabled". It counts neither for nor against.
	stateNeutral State = "neutral"
)

// Dialect is one way in which the world's programs say how they are. Upper and lower case, and the
// difference between _, - and a space, mean nothing.
type Dialect struct {
	Name    string // who speaks it
	Source  string // where it is documented
	Example string // a reply, as it comes
	Says    State  // what the example says
	// Words are what it calls its states; Neutral takes no side.
	Healthy, Degraded, Unhealthy, Neutral []string
	// Parts are the keys below which it tells of its parts, whatever those are called.
	Parts []string
	// Text recognises a body that is no JSON; Bad one that says the opposite.
	Text, Bad *regexp.Regexp
}

// Dialects is the one table of what words mean. A word has the same meaning in every row.
func Dialects() []Dialect { return slices.Clone(dialects) }

var dialects = []Dialect{
	{Name: "plain words", Source: "https://microservices.io/patterns/observability/health-check-api.html", Example: `ok`, Says: StateHealthy,
		Healthy: []string{"healthy", "ok", "okay", "alive", "i'm alive", "live", "ready", "pong", "good", "fine", "success", "successful", "running", "up and running",
			"available", "online", "operational", "normal", "true", "yes", "active", "it works", "all good", "all ok", "everything is ok", "service ready", "200 ok", "200 ok service ready", "api running", "i am alive", "imok", "nominal", "stable"},
		Degraded: []string{"degraded", "warn", "warning", "impaired", "partial", "limited", "unstable"},
		Unhealthy: []string{"unhealthy", "error", "err", "fail", "failed", "failing", "failure", "dead", "broken", "bad", "critical", "fatal", "unavailable",
			"not ok", "not ready", "not healthy", "not alive", "not available", "not running", "false", "no", "offline", "crashed"},
		Neutral: []string{"unknown", "disabled", "skipped", "none", "not configured", "not applicable", "n/a", "unused", "not enabled"},
		Text:    regexp.MustCompile(`(?i)^[\w .'-]{1,60} (?:is|are|is now) (?:up and )?(?:running|healthy|ready|alive|up|ok|online|available|operational|live|working)$`),
		Bad:     regexp.MustCompile(`(?i)^[\w .'-]{1,60} (?:is|are) (?:not|no longer|un|down\b|dead\b|off)`)},
	{Name: "connections", Source: "https://docs.litellm.ai/docs/proxy/health", Example: `{"status": "connected", "db": "Not connected"}`, Says: StateDegraded,
		Healthy:   []string{"connected", "reachable", "established", "synced", "in sync", "working"},
		Unhealthy: []string{"disconnected", "unreachable", "not connected", "not reachable", "connection lost", "lost", "refused", "connection refused", "connection error", "timeout", "timed out", "denied"}},
	{Name: "on purpose", Source: "https://www.envoyproxy.io/docs/envoy/latest/operations/admin#get--ready", Example: `DRAINING`, Says: StateDegraded,
		Degraded: []string{"draining", "shutting down", "stopping", "terminating", "maintenance", "maintenance mode", "in maintenance", "refusing traffic", "read only", "paused"}},
	{Name: "Spring Boot Actuator", Source: "https://docs.spring.io/spring-boot/reference/actuator/endpoints.html#actuator.endpoints.health",
		Example: `{"status":"DOWN","components":{"db":{"status":"DOWN","details":{"error":"refused"}},"ping":{"status":"UP"}}}`, Says: StateUnhealthy,
		Healthy: []string{"up"}, Degraded: []string{"out of service"}, Unhealthy: []string{"down"}, Neutral: []string{"unknown"}, Parts: []string{"components", "details"}},
	{Name: "ASP.NET Core health checks", Source: "https://learn.microsoft.com/aspnet/core/host-and-deploy/health-checks",
		Example: `{"status":"Unhealthy","totalDuration":"00:00:01","entries":{"sql":{"status":"Unhealthy","description":"timeout"}}}`, Says: StateUnhealthy,
		Healthy: []string{"healthy"}, Degraded: []string{"degraded"}, Unhealthy: []string{"unhealthy"}, Parts: []string{"entries", "results"}},
	{Name: "MicroProfile Health", Source: "https://github.com/eclipse/microprofile-health/blob/main/spec/src/main/asciidoc/protocol-wireformat.adoc",
		Example: `{"status":"UP","checks":[{"name":"db","status":"UP","data":{}}]}`, Says: StateHealthy,
		Healthy: []string{"up"}, Unhealthy: []string{"down"}, Parts: []string{"checks"}},
	{Name: "NestJS terminus", Source: "https://docs.nestjs.com/recipes/terminus",
		Example: `{"status":"error","info":{},"error":{"database":{"status":"down"}},"details":{"database":{"status":"down"}}}`, Says: StateUnhealthy,
		Healthy: []string{"ok", "up"}, Degraded: []string{"shutting down"}, Unhealthy: []string{"error", "down"}, Parts: []string{"info", "error", "details"}},
	{Name: "health+json", Source: "https://datatracker.ietf.org/doc/html/draft-inadarei-api-health-check-06",
		Example: `{"status":"warn","checks":{"memory:utilization":[{"componentType":"system","status":"warn"}]}}`, Says: StateDegraded,
		Healthy: []string{"pass", "ok", "up"}, Degraded: []string{"warn"}, Unhealthy: []string{"fail", "error", "down"}, Parts: []string{"checks"}},
	{Name: "django-health-check", Source: "https://codingjoe.dev/django-health-check/",
		Example: `{"CacheBackend":"working","DatabaseBackend":"unavailable: connection refused"}`, Says: StateDegraded, Healthy: []string{"working", "ok"}, Unhealthy: []string{"unavailable"}},
	{Name: "Kubernetes", Source: "https://kubernetes.io/docs/reference/using-api/health-checks/", Example: "[+]ping ok\n[-]etcd failed: reason withheld\nhealthz check failed", Says: StateUnhealthy,
		Healthy: []string{"ok"}, Text: regexp.MustCompile(`(?i)^(?:\w+z )?(?:health)?(?:check) (?:passed|ok)$`), Bad: regexp.MustCompile(`(?i)^(?:\w+z )?check failed$`)},
	{Name: "gRPC health checking", Source: "https://github.com/grpc/grpc/blob/master/doc/health-checking.md", Example: `{"status":"SERVING"}`, Says: StateHealthy,
		Healthy: []string{"serving"}, Unhealthy: []string{"not serving", "service unknown"}},
	{Name: "go: hellofresh/health-go", Source: "https://github.com/hellofresh/health-go", Example: `{"status":"Partially Available","failures":{"rabbitmq":"dial tcp: refused"}}`, Says: StateDegraded,
		Healthy: []string{"ok"}, Degraded: []string{"partially available"}, Unhealthy: []string{"unavailable", "timeout"}, Parts: []string{"failures"}},
	{Name: "go: InVisionApp/go-health", Source: "https://github.com/InVisionApp/go-health", Example: `{"status":"failed","details":{"db":{"status":"failed","err":"ping: refused","fatal":true}}}`, Says: StateUnhealthy,
		Healthy: []string{"ok"}, Unhealthy: []string{"failed"}, Parts: []string{"details"}},
	{Name: "go: alexliesenfeld/health", Source: "https://github.com/alexliesenfeld/health", Example: `{"status":"down","details":{"database":{"status":"down"}}}`, Says: StateUnhealthy,
		Healthy: []string{"up"}, Unhealthy: []string{"down"}, Neutral: []string{"unknown"}, Parts: []string{"details"}},
	{Name: "Rails okcomputer", Source: "https://github.com/emmahsax/okcomputer", Example: "default: PASSED Application is running\ndatabase: FAILED Error: refused", Says: StateDegraded,
		Healthy: []string{"passed"}, Unhealthy: []string{"failed"}},
	{Name: "Consul", Source: "https://developer.hashicorp.com/consul/api-docs/agent/service#get-local-service-health", Example: `{"AggregatedStatus":"warning","Checks":[{"CheckID":"service:web","Status":"warning"}]}`, Says: StateDegraded,
		Healthy: []string{"passing"}, Degraded: []string{"warning", "maintenance"}, Unhealthy: []string{"critical"}, Parts: []string{"checks"}},
	{Name: "Nomad", Source: "https://developer.hashicorp.com/nomad/api-docs/agent#health", Example: `{"client":{"message":"ok","ok":true},"server":{"message":"No cluster leader","ok":false}}`, Says: StateDegraded,
		Healthy: []string{"ok"}},
	{Name: "Vault", Source: "https://developer.hashicorp.com/vault/api-docs/system/health", Example: `{"initialized":true,"sealed":true,"standby":true}`, Says: StateUnhealthy},
	{Name: "etcd", Source: "https://etcd.io/docs/latest/op-guide/monitoring/#health-check", Example: `{"health":"true","reason":""}`, Says: StateHealthy,
		Healthy: []string{"true"}, Unhealthy: []string{"false"}},
	{Name: "Elasticsearch, OpenSearch, SonarQube", Source: "https://www.elastic.co/guide/en/elasticsearch/reference/current/cluster-health.html", Example: `{"cluster_name":"c","status":"yellow","timed_out":false}`, Says: StateDegraded,
		Healthy: []string{"green"}, Degraded: []string{"yellow"}, Unhealthy: []string{"red"}},
	{Name: "Prometheus, Loki, Mimir", Source: "https://prometheus.io/docs/prometheus/latest/management_api/", Example: `Prometheus Server is Healthy.`, Says: StateHealthy,
		Healthy: []string{"ready"}, Unhealthy: []string{"not ready"}},
	{Name: "Jaeger", Source: "https://www.jaegertracing.io/docs/latest/deployment/#health-check", Example: `{"status":"Server available","upSince":"2026-01-01T00:00:00Z"}`, Says: StateHealthy,
		Healthy: []string{"server available"}, Unhealthy: []string{"server not available"}},
	{Name: "Ollama", Source: "https://github.com/ollama/ollama/blob/main/server/routes.go", Example: `Ollama is running`, Says: StateHealthy, Healthy: []string{"ollama is running"}},
	{Name: "TorchServe", Source: "https://pytorch.org/serve/inference_api.html#health-check-api", Example: `{"status":"Partial Healthy"}`, Says: StateDegraded,
		Healthy: []string{"healthy"}, Degraded: []string{"partial healthy"}, Unhealthy: []string{"unhealthy"}},
	{Name: "Atlassian Statuspage", Source: "https://support.atlassian.com/statuspage/docs/what-are-the-different-apis-under-statuspage/", Example: `{"status":{"indicator":"major","description":"Partial System Outage"}}`, Says: StateUnhealthy,
		Healthy: []string{"all systems operational"}, Degraded: []string{"minor", "partial outage", "degraded performance", "partial system outage"}, Unhealthy: []string{"major", "major outage"}},
	{Name: "Grafana, Kong, Airflow, Plausible", Source: "https://grafana.com/docs/grafana/latest/developers/http_api/other/#health-api", Example: `{"database":"ok","version":"11.2.0","commit":"abc"}`, Says: StateHealthy,
		Healthy: []string{"ok"}, Unhealthy: []string{"failing"}},
	{Name: "Hasura", Source: "https://hasura.io/docs/2.0/api-reference/health/", Example: `WARN: inconsistent objects in schema`, Says: StateDegraded, Healthy: []string{"ok"}, Degraded: []string{"warn"}, Unhealthy: []string{"error"}},
	{Name: "Nextcloud", Source: "https://docs.nextcloud.com/server/latest/admin_manual/maintenance/index.html", Example: `{"installed":true,"maintenance":true,"needsDbUpgrade":false}`, Says: StateDegraded},
	{Name: "Vaultwarden", Source: "https://github.com/dani-garcia/vaultwarden/blob/main/src/api/web.rs", Example: `"2026-05-01T12:00:00.123456Z"`, Says: StateHealthy},
	{Name: "a bare truth or number", Source: "https://www.rfc-editor.org/rfc/rfc9110#section-15", Example: `{"status": 200}`, Says: StateHealthy},
}

// vocabulary is the words of all rows.
var vocabulary = func() map[string]State {
	m := map[string]State{}
	for _, d := range dialects {
		for state, words := range map[State][]string{StateHealthy: d.Healthy, StateDegraded: d.Degraded, StateUnhealthy: d.Unhealthy, stateNeutral: d.Neutral} {
			for _, w := range words {
				m[w] = state
			}
		}
	}
	return m
}()

// plainWord makes one word of all its spellings: OUT_OF_SERVICE and "out of service."
func plainWord(s string) string {
	s = strings.NewReplacer("_", " ", "-", " ", "’", "'").Replace(strings.ToLower(s))
	return strings.Trim(strings.Join(strings.Fields(s), " "), " .!,;")
}

// Terms are what an operator teaches about the health replies of one service.
type Terms struct {
	// Words says what a word of the service means: healthy, degraded or unhealthy. They go before those of
	// the dialects, and also name a whole body that is no JSON.
	Words map[string]State
	// Required are parts without which the service is unhealthy, and Ignored those that say nothing. A
	// part is named as the reply does, alone or with its path: "redis" or "checks.redis".
	Required, Ignored []string
}

// state reads a word.
func (t Terms) state(s string) State {
	if st := t.taught(s); st != StateUnknown {
		return st
	}
	w := plainWord(s)
	if len(w) > maxPhrase {
		return StateUnknown
	}
	return vocabulary[w]
}

// taught is the meaning that the operator gave to a word.
func (t Terms) taught(s string) State {
	for w, st := range t.Words {
		if plainWord(w) == plainWord(s) {
			return st
		}
	}
	return StateUnknown
}

// maxPhrase is the longest text that is taken for somebody's word for a state, in bytes.
const maxPhrase = 200

var (
	// badSigns are words that no state other than a bad one is described with.
	badSigns = regexp.MustCompile(`(?i)\b(?:errors?|fail(?:ed|ing|ure|ures|s)?|refused|unreachable|unavailable|time(?:d )?out|disconnected|denied|econn\w+|etimedout|enotfound|exception|down|unhealthy|cannot|can't|could not|unable|lost|not (?:connected|reachable|available|ready|ok|healthy|running|responding|alive|working|serving))\b`)
	// goodDenials take such a word back.
	goodDenials = regexp.MustCompile(`(?i)\b(?:no|0|zero|without|not any) (?:known |recent )?(?:errors?|fail(?:ed|ures?)|exceptions?|time ?outs?)\b`)
	hedges      = regexp.MustCompile(`(?i)\b(?:not|no|but|except|however|degraded|warn(?:ing)?|never)\b`)
	// a word, then what is said about it: "OK - 3 workers", "error: refused", "PASSED Schema version: 1".
	leading = regexp.MustCompile(`^([A-Za-z]{2,20}(?: [a-z]{2,20})?)\s*[-:,;(|]|^([A-Z]{2,12})\s`)
)

// phrase reads a text that may be more than a word: a known word with an explanation behind it, or
// words that only describe what is bad. It says nothing about a text that may be a name or a number.
func (t Terms) phrase(s string) State {
	s = strings.TrimSpace(s)
	if st := t.state(s); st != StateUnknown || len(s) > maxPhrase {
		return st
	}
	plain := strings.NewReplacer("_", " ").Replace(s)
	bad := badSigns.MatchString(goodDenials.ReplaceAllString(plain, ""))
	if m := leading.FindStringSubmatch(plain); m != nil {
		st := t.state(m[1] + m[2])
		if st == StateHealthy && (bad || hedges.MatchString(plain[len(m[0]):])) {
			return StateDegraded // good, with a reservation
		}
		if st != StateUnknown {
			return st
		}
	}
	for _, d := range dialects {
		switch w := strings.TrimRight(plain, ".! "); {
		case d.Bad != nil && d.Bad.MatchString(w):
			return StateUnhealthy
		case d.Text != nil && !bad && !hedges.MatchString(w) && d.Text.MatchString(w):
			return StateHealthy
		}
	}
	if bad {
		return StateUnhealthy
	}
	return StateUnknown
}

var (
	verboseLine = regexp.MustCompile(`^\[([+-])\]\s*(\S+)\s*(.*)$`)
	valueLine   = regexp.MustCompile(`^([A-Za-z][\w ./-]{0,40}?)\s*[:=]\s*(.+)$`)
)

// maxLines bounds how much text is taken for a health reply.
const maxLines = 100

// text reads a body that is no JSON as a document: a word, a phrase, or a line for each part, as
// Kubernetes and okcomputer write them. It reports whether it is one.
func (t Terms) text(s string) (node, bool) {
	s = strings.TrimSpace(s)
	lines := strings.Split(s, "\n")
	if s == "" || len(lines) > maxLines {
		return node{}, false
	}
	if len(lines) == 1 {
		if st := t.phrase(s); st != StateUnknown && st != stateNeutral {
			return wordNode(s), true
		}
		if _, err := time.Parse(time.RFC3339, s); err == nil { // a server that answers with its clock
			return wordNode(string(StateHealthy)), true
		}
		return node{}, false
	}
	parts := node{kind: object, fields: map[string]node{}}
	doc := node{kind: object, fields: map[string]node{}}
	known := false
	for i, line := range lines {
		line = strings.TrimSpace(line)
		if m := verboseLine.FindStringSubmatch(line); m != nil {
			said := "ok"
			if m[1] == "-" {
				said = "failed"
			}
			parts.fields[m[2]] = node{kind: object, fields: map[string]node{
				"status": {kind: word, text: said}, "message": {kind: word, text: m[3]}}}
			known = true
			continue
		}
		st := t.phrase(line)
		if m := valueLine.FindStringSubmatch(line); m != nil && t.state(m[1]) == StateUnknown {
			parts.fields[m[1]] = node{kind: word, text: strings.TrimSpace(m[2])}
			known = known || t.phrase(m[2]) != StateUnknown
			continue
		}
		if st != StateUnknown && (i == 0 || i == len(lines)-1) { // the verdict stands first or last
			doc.fields["status"] = node{kind: word, text: line}
			known = true
		} else if line != "" && i > 0 && st == StateUnknown && len(parts.fields) == 0 {
			return node{}, false // prose
		}
	}
	if len(parts.fields) > 0 {
		doc.fields["checks"] = parts
	}
	return doc, known
}

// wordNode is a reply that holds one word.
func wordNode(s string) node {
	return node{kind: object, fields: map[string]node{"status": {kind: word, text: s}}}
}
