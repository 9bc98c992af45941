package escalatetest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"sync"
	"time"
)

// AlertmanagerOptions says what the fake looks like.
type AlertmanagerOptions struct {
	// User and Password, when set, are wanted as basic authentication.
	User, Password string
	// ResolveTimeout is how long an alert without endsAt lives; 0: 5m, Alertmanager's default.
	ResolveTimeout time.Duration
	// Log receives the entries; nil makes a new one.
	Log *Log
}

// FiringAlert is an alert of the fake Alertmanager.
type FiringAlert struct {
	Labels      map[string]string
	Annotations map[string]string
	StartsAt    time.Time
	EndsAt      time.Time
	Posts       int // how often it was received
}

// Alertmanager is a fake of POST /api/v2/alerts.
//
// It enforces the contract of the v2 API: a list, labels with valid names and at least one, an
// end that is not before the start, a generatorURL that is one. An alert is its labels; it fires
// until endsAt, or for the resolve timeout when it has none.
type Alertmanager struct {
	vendor
	o      AlertmanagerOptions
	mu     sync.Mutex
	alerts map[string]*FiringAlert
}

// NewAlertmanager makes a fake. It is an http.Handler; see [Serve].
func NewAlertmanager(o AlertmanagerOptions) *Alertmanager {
	if o.ResolveTimeout == 0 {
		o.ResolveTimeout = 5 * time.Minute
	}
	a := &Alertmanager{vendor: newVendor("alertmanager", o.Log), o: o, alerts: map[string]*FiringAlert{}}
	a.handle = a.receive
	return a
}

// Alerts returns every alert ever received, in order of their labels.
func (a *Alertmanager) Alerts() []FiringAlert {
	a.mu.Lock()
	defer a.mu.Unlock()
	var all []FiringAlert
	for _, k := range slices.Sorted(maps.Keys(a.alerts)) {
		all = append(all, *a.alerts[k])
	}
	return all
}

// Firing returns the alerts that fire at that time.
func (a *Alertmanager) Firing(now time.Time) []FiringAlert {
	return slices.DeleteFunc(a.Alerts(), func(f FiringAlert) bool { return !f.EndsAt.After(now) })
}

var labelName = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)

func (a *Alertmanager) receive(r *http.Request, body []byte) answer {
	refuse := func(status int, format string, args ...any) answer {
		why := fmt.Sprintf(format, args...)
		b, _ := json.Marshal(why)
		return answer{status: status, body: string(b), verdict: Rejected, why: why}
	}
	if a.o.User != "" {
		if user, password, ok := r.BasicAuth(); !ok || user != a.o.User || password != a.o.Password {
			return refuse(http.StatusUnauthorized, "unauthorized")
		}
	}
	if r.URL.Path != "/api/v2/alerts" {
		return refuse(http.StatusNotFound, "no such path")
	}
	if r.Method != http.MethodPost {
		return refuse(http.StatusMethodNotAllowed, "not a POST")
	}
	if r.Header.Get("Content-Type") != "application/json" {
		return refuse(http.StatusUnsupportedMediaType, "unsupported media type")
	}
	var list []struct {
		Labels       map[string]string `json:"labels"`
		Annotations  map[string]string `json:"annotations"`
		StartsAt     time.Time         `json:"startsAt"`
		EndsAt       time.Time         `json:"endsAt"`
		GeneratorURL string            `json:"generatorURL"`
	}
	if err := json.Unmarshal(body, &list); err != nil {
		return refuse(http.StatusBadRequest, "parsing alerts body failed: %v", err)
	}
	now := a.now()
	got := answer{status: http.StatusOK, verdict: Accepted, kind: "alerts"}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, in := range list {
		maps.DeleteFunc(in.Labels, func(_, v string) bool { return v == "" })
		if len(in.Labels) == 0 {
			return refuse(http.StatusBadRequest, "at least one label pair required")
		}
		for n := range in.Labels {
			if !labelName.MatchString(n) {
				return refuse(http.StatusBadRequest, "invalid label set: invalid name %q", n)
			}
		}
		for n := range in.Annotations {
			if !labelName.MatchString(n) {
				return refuse(http.StatusBadRequest, "invalid annotations: invalid name %q", n)
			}
		}
		if in.StartsAt.IsZero() {
			if in.StartsAt = in.EndsAt; in.EndsAt.IsZero() {
				in.StartsAt = now
			}
		}
		if in.EndsAt.IsZero() {
			in.EndsAt = now.Add(a.o.ResolveTimeout)
		}
		if in.EndsAt.Before(in.StartsAt) {
			return refuse(http.StatusBadRequest, "start time must be before end time")
		}
		if in.GeneratorURL != "" {
			if u, err := url.Parse(in.GeneratorURL); err != nil || u.Scheme == "" {
				return refuse(http.StatusUnprocessableEntity, "generatorURL in body must be of type uri")
			}
		}
		id, _ := json.Marshal(in.Labels) // keys in order
		old := a.alerts[string(id)]
		wasFiring := old != nil && old.EndsAt.After(now)
		alert := &FiringAlert{Labels: in.Labels, Annotations: in.Annotations, StartsAt: in.StartsAt, EndsAt: in.EndsAt, Posts: 1}
		if old != nil {
			alert.Posts += old.Posts
		}
		a.alerts[string(id)] = alert
		got.key = in.Labels["recoveryd_key"]
		switch firing := alert.EndsAt.After(now); {
		case firing && !wasFiring:
			got.why, got.pages = "firing", true
		case firing:
			got.why = "still firing"
		default:
			got.why = "resolved"
		}
	}
	return got
}
