package escalatetest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"sync"
	"time"
	"unicode/utf8"
)

// PagerDutyKey is a routing key that the fake knows unless it is told others.
const PagerDutyKey = "0123456789abcdef0123456789abcdef"

// PagerDutyOptions says what the fake account looks like.
type PagerDutyOptions struct {
	// Keys are the routing keys that lead to a service. Empty: any of 32 letters and digits,
	// each its own service.
	Keys []string
	// PerMinute is the rate limit per key; 0 means none. PagerDuty's page names about 120.
	PerMinute int
	// Log receives the entries; nil makes a new one.
	Log *Log
}

// Alert is an alert of the fake account.
type Alert struct {
	RoutingKey string
	DedupKey   string
	Status     string // triggered, acknowledged, resolved
	Summary    string
	Severity   string
	Triggers   int // how often it was triggered while open
	Opened     int // how often it was opened: each one notified a person
}

// PagerDuty is a fake of the Events API v2: POST /v2/enqueue and /v2/change/enqueue.
//
// It enforces the documented contract: a 32-character routing_key, the required fields, the
// limits (summary 1024 characters, dedup_key 255, body 512 KB), and the semantics of dedup_key:
// a trigger for an open alert is merged and notifies nobody, also after an acknowledgement; a
// resolve or acknowledge without an open alert under the same routing key is answered 202 and
// dropped; a trigger after a resolve opens a new incident and notifies again.
type PagerDuty struct {
	vendor
	mu      sync.Mutex
	keys    []string
	limit   int
	rate    map[string]*window
	alerts  map[string]*Alert // by routing key and dedup key
	changes []string          // summaries
}

// NewPagerDuty makes a fake account. It is an http.Handler; see [Serve].
func NewPagerDuty(o PagerDutyOptions) *PagerDuty {
	p := &PagerDuty{vendor: newVendor("pagerduty", o.Log), keys: o.Keys, limit: o.PerMinute,
		rate: map[string]*window{}, alerts: map[string]*Alert{}}
	p.handle = p.receive
	return p
}

// Alerts returns all alerts, by dedup key and routing key.
func (p *PagerDuty) Alerts() []Alert {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []Alert
	for _, k := range slices.Sorted(maps.Keys(p.alerts)) {
		all = append(all, *p.alerts[k])
	}
	return all
}

// Changes returns the summaries of the change events, in order.
func (p *PagerDuty) Changes() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.changes)
}

// Acknowledge does what a responder does in the app. It reports whether an alert was open.
func (p *PagerDuty) Acknowledge(dedupKey string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	found := false
	for _, a := range p.alerts {
		if a.DedupKey == dedupKey && a.Status == "triggered" {
			a.Status, found = "acknowledged", true
		}
	}
	return found
}

var pagerDutyKeyShape = regexp.MustCompile(`^[A-Za-z0-9]{32}$`)

// pdEvent is the event as documented; unknown top-level fields are tolerated by the real API too.
type pdEvent struct {
	RoutingKey string `json:"routing_key"`
	Action     string `json:"event_action"`
	DedupKey   string `json:"dedup_key"`
	ClientURL  string `json:"client_url"`
	Payload    *struct {
		Summary   string         `json:"summary"`
		Source    string         `json:"source"`
		Severity  string         `json:"severity"`
		Timestamp string         `json:"timestamp"`
		Component string         `json:"component"`
		Group     string         `json:"group"`
		Class     string         `json:"class"`
		Details   map[string]any `json:"custom_details"`
	} `json:"payload"`
	Links []struct {
		Href string `json:"href"`
		Text string `json:"text"`
	} `json:"links"`
	Images []struct {
		Src string `json:"src"`
	} `json:"images"`
}

func pdRefuse(why ...string) answer {
	b, _ := json.Marshal(map[string]any{"status": "invalid event", "message": "Event object is invalid", "errors": why})
	return answer{status: http.StatusBadRequest, body: string(b), verdict: Rejected, why: fmt.Sprint(why),
		header: map[string]string{"Content-Type": "application/json"}}
}

func (p *PagerDuty) receive(r *http.Request, body []byte) answer {
	change := r.URL.Path == "/v2/change/enqueue"
	if r.URL.Path != "/v2/enqueue" && !change {
		return answer{status: http.StatusNotFound, verdict: Rejected, why: "no such path"}
	}
	if r.Method != http.MethodPost {
		return answer{status: http.StatusMethodNotAllowed, verdict: Rejected, why: "not a POST"}
	}
	if len(body) > 512<<10 {
		return answer{status: http.StatusRequestEntityTooLarge, verdict: Rejected, why: fmt.Sprintf("body of %d bytes is over 512 KB", len(body))}
	}
	if !utf8.Valid(body) {
		return pdRefuse("body is not UTF-8")
	}
	var e pdEvent
	if err := json.NewDecoder(bytes.NewReader(body)).Decode(&e); err != nil {
		return pdRefuse("JSON: " + err.Error())
	}
	if why := pdCheck(e, change); why != nil {
		a := pdRefuse(why...)
		a.key, a.kind = e.DedupKey, e.Action
		return a
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.keys) > 0 && !slices.Contains(p.keys, e.RoutingKey) {
		a := pdRefuse("Invalid routing key")
		a.key, a.kind = e.DedupKey, e.Action
		return a
	}
	rate := p.rate[e.RoutingKey]
	if rate == nil {
		rate = &window{span: time.Minute, limit: p.limit}
		p.rate[e.RoutingKey] = rate
	}
	if _, ok := rate.take(p.now()); !ok {
		return answer{status: http.StatusTooManyRequests, body: `{"status":"throttle exceeded","message":"Requests for this service are arriving too quickly."}`,
			verdict: Rejected, why: "rate limit", key: e.DedupKey, kind: e.Action}
	}
	if change {
		p.changes = append(p.changes, e.Payload.Summary)
		return answer{status: http.StatusAccepted, body: `{"status":"success","message":"Change event processed"}`,
			verdict: Accepted, why: "change recorded", kind: "change"}
	}
	return p.apply(e)
}

// apply runs the semantics of dedup_key. The caller holds mu.
func (p *PagerDuty) apply(e pdEvent) answer {
	if e.DedupKey == "" {
		e.DedupKey = fmt.Sprintf("generated-%d", len(p.alerts)+1)
	}
	reply, _ := json.Marshal(map[string]string{"status": "success", "message": "Event processed", "dedup_key": e.DedupKey})
	a := answer{status: http.StatusAccepted, body: string(reply), verdict: Accepted, key: e.DedupKey, kind: e.Action,
		header: map[string]string{"Content-Type": "application/json"}}
	id := e.DedupKey + "\x00" + e.RoutingKey
	alert := p.alerts[id]
	open := alert != nil && alert.Status != "resolved"
	switch e.Action {
	case "trigger":
		if alert == nil {
			alert = &Alert{RoutingKey: e.RoutingKey, DedupKey: e.DedupKey}
			p.alerts[id] = alert
		}
		alert.Summary, alert.Severity = e.Payload.Summary, e.Payload.Severity
		alert.Triggers++
		switch {
		case !open:
			alert.Status, alert.Opened = "triggered", alert.Opened+1
			a.why, a.pages = "opened", true
		case alert.Status == "acknowledged":
			a.why = "deduplicated: acknowledged, nobody is notified"
		default:
			a.why = "deduplicated: already open"
		}
	default:
		if !open {
			a.verdict, a.why = Dropped, e.Action+" without an open alert under this routing key"
			return a
		}
		alert.Status = e.Action + "d"
		if e.Action == "acknowledge" {
			alert.Status = "acknowledged"
		}
		a.why = alert.Status
	}
	return a
}

func pdCheck(e pdEvent, change bool) (why []string) {
	bad := func(format string, args ...any) { why = append(why, fmt.Sprintf(format, args...)) }
	if !pagerDutyKeyShape.MatchString(e.RoutingKey) {
		bad("'routing_key' is missing or not 32 characters")
	}
	if change && len(e.RoutingKey) > 0 && e.RoutingKey[0] == 'R' {
		bad("change events cannot be sent to ruleset integration keys")
	}
	if n := utf8.RuneCountInString(e.DedupKey); n > 255 {
		bad("'dedup_key' has %d characters, more than 255", n)
	}
	needsPayload := change
	if !change {
		switch e.Action {
		case "trigger":
			needsPayload = true
		case "acknowledge", "resolve":
			if e.DedupKey == "" {
				bad("'dedup_key' is missing or blank")
			}
		default:
			bad("'event_action' must be trigger, acknowledge or resolve (got %q)", e.Action)
		}
	}
	if e.Payload == nil {
		if needsPayload {
			bad("'payload' is missing or blank")
		}
		return why
	}
	pl := e.Payload
	if n := utf8.RuneCountInString(pl.Summary); n == 0 && needsPayload {
		bad("'payload.summary' is missing or blank")
	} else if n > 1024 {
		bad("'payload.summary' has %d characters, more than 1024", n)
	}
	if pl.Timestamp != "" {
		if _, err := time.Parse(time.RFC3339, pl.Timestamp); err != nil {
			bad("'payload.timestamp' is not ISO 8601")
		}
	}
	if !change {
		if pl.Source == "" && needsPayload {
			bad("'payload.source' is missing or blank")
		}
		if (pl.Severity != "" || needsPayload) && !slices.Contains([]string{"critical", "error", "warning", "info"}, pl.Severity) {
			bad("'payload.severity' must be critical, error, warning or info (got %q)", pl.Severity)
		}
	}
	for _, l := range e.Links {
		if u, err := url.Parse(l.Href); err != nil || u.Host == "" {
			bad("'links.href' is not a URL")
		}
	}
	for _, i := range e.Images {
		if u, err := url.Parse(i.Src); err != nil || u.Scheme != "https" {
			bad("'images.src' must be https")
		}
	}
	return why
}
