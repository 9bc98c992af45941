package escalatetest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// What the fake Statuspage account knows.
const (
	StatuspageKey       = "sp-fake-0123456789abcdef0123456789"
	StatuspageID        = "kctbh9vrtdwd"
	StatuspageComponent = "8kbf7d35c070"
)

// StatuspageOptions says what the fake account looks like.
type StatuspageOptions struct {
	// PerMinute is the rate limit per key; 0 means none. Statuspage documents 60: one a second
	// over a window of a minute.
	PerMinute int
	// Log receives the entries; nil makes a new one.
	Log *Log
}

// PageIncident is an incident of the fake status page.
type PageIncident struct {
	ID         string                    `json:"id"`
	Name       string                    `json:"name"`
	Status     string                    `json:"status"`
	Impact     string                    `json:"impact_override"`
	Body       string                    `json:"-"`
	Updates    []string                  `json:"-"` // "status: body", oldest first
	Components map[string]string         `json:"-"`
	Metadata   map[string]map[string]any `json:"metadata"`
	CreatedAt  time.Time                 `json:"created_at"`
}

// Statuspage is a fake of the incident calls of the Statuspage API: create, PATCH, unresolved.
//
// It enforces the documented contract: the header "Authorization: OAuth KEY", one page, the four
// statuses of a real-time incident, a name, values of metadata that are objects, and the rate
// limit, which it answers with 420. Creating is not idempotent, as with the real one.
type Statuspage struct {
	vendor
	mu        sync.Mutex
	rate      window
	incidents []*PageIncident
}

// NewStatuspage makes a fake account. It is an http.Handler; see [Serve].
func NewStatuspage(o StatuspageOptions) *Statuspage {
	s := &Statuspage{vendor: newVendor("statuspage", o.Log), rate: window{span: time.Minute, limit: o.PerMinute}}
	s.handle = s.receive
	return s
}

// Incidents returns the incidents in order of creation.
func (s *Statuspage) Incidents() []PageIncident {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []PageIncident
	for _, i := range s.incidents {
		all = append(all, *i)
	}
	return all
}

// Delete removes an incident, as somebody may do on the page.
func (s *Statuspage) Delete(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.incidents = slices.DeleteFunc(s.incidents, func(i *PageIncident) bool { return i.ID == id })
}

func spAnswer(status int, v any) answer {
	b, _ := json.Marshal(v)
	return answer{status: status, body: string(b), verdict: Accepted, header: map[string]string{"Content-Type": "application/json"}}
}

func spRefuse(status int, why string) answer {
	a := spAnswer(status, map[string]any{"error": []string{why}})
	a.verdict, a.why = Rejected, why
	return a
}

func (s *Statuspage) receive(r *http.Request, body []byte) answer {
	if r.Header.Get("Authorization") != "OAuth "+StatuspageKey {
		return spRefuse(http.StatusUnauthorized, "Could not authenticate")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.rate.take(s.now()); !ok {
		return spRefuse(420, "rate limit: 1 request a second over a window of 60 seconds")
	}
	rest, ok := strings.CutPrefix(r.URL.Path, "/v1/pages/"+StatuspageID+"/incidents")
	if !ok {
		return spRefuse(http.StatusNotFound, "no such page")
	}
	switch {
	case r.Method == http.MethodGet && rest == "/unresolved":
		open := []*PageIncident{}
		for _, i := range s.incidents {
			if i.Status != "resolved" {
				open = append(open, i)
			}
		}
		a := spAnswer(http.StatusOK, open)
		a.kind, a.why = "unresolved", fmt.Sprintf("%d open", len(open))
		return a
	case r.Method == http.MethodPost && rest == "":
		i := &PageIncident{ID: fmt.Sprintf("fake%08d", len(s.incidents)+1), CreatedAt: s.now(), Components: map[string]string{}}
		if why := spApply(i, body, true); why != "" {
			return spRefuse(http.StatusUnprocessableEntity, why)
		}
		s.incidents = append(s.incidents, i)
		a := spAnswer(http.StatusCreated, i)
		a.kind, a.why, a.key, a.pages = "create", "created", i.ID, true
		return a
	case r.Method == http.MethodPatch && strings.HasPrefix(rest, "/"):
		for _, i := range s.incidents {
			if "/"+i.ID == rest {
				changed := *i
				if why := spApply(&changed, body, false); why != "" {
					return spRefuse(http.StatusUnprocessableEntity, why)
				}
				*i = changed
				a := spAnswer(http.StatusOK, i)
				a.kind, a.why, a.key = "update", i.Status, i.ID
				return a
			}
		}
		return spRefuse(http.StatusNotFound, "no such incident")
	}
	return spRefuse(http.StatusNotFound, "no such call: "+r.Method+" "+r.URL.Path)
}

// spApply checks a body and applies it; only the fields that it names change.
func spApply(i *PageIncident, body []byte, create bool) string {
	var in struct {
		Incident *struct {
			Name       *string                   `json:"name"`
			Status     *string                   `json:"status"`
			Impact     *string                   `json:"impact_override"`
			Body       *string                   `json:"body"`
			Components map[string]string         `json:"components"`
			IDs        []string                  `json:"component_ids"`
			Metadata   map[string]map[string]any `json:"metadata"`
		} `json:"incident"`
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return "JSON: " + err.Error()
	}
	n := in.Incident
	switch {
	case n == nil:
		return "incident is missing"
	case create && (n.Name == nil || strings.TrimSpace(*n.Name) == ""):
		return "Name can't be blank"
	case n.Name != nil && utf8.RuneCountInString(*n.Name) > 255:
		return "Name is too long (maximum is 255 characters)"
	case n.Body != nil && utf8.RuneCountInString(*n.Body) > 25_000:
		return "Body is too long (maximum is 25000 characters)"
	case n.Status != nil && !slices.Contains([]string{"investigating", "identified", "monitoring", "resolved"}, *n.Status):
		return "Status is not one of investigating, identified, monitoring, resolved"
	case n.Impact != nil && !slices.Contains([]string{"none", "minor", "major", "critical"}, *n.Impact):
		return "Impact override is not one of none, minor, major, critical"
	}
	for id, status := range n.Components {
		if id != StatuspageComponent {
			return "no such component"
		}
		if !slices.Contains([]string{"operational", "degraded_performance", "partial_outage", "major_outage", "under_maintenance"}, status) {
			return "unknown component status"
		}
		i.Components[id] = status
	}
	if n.Name != nil {
		i.Name = *n.Name
	}
	if n.Status != nil {
		i.Status = *n.Status
	} else if create {
		i.Status = "investigating"
	}
	if n.Impact != nil {
		i.Impact = *n.Impact
	}
	if n.Metadata != nil {
		i.Metadata = n.Metadata
	}
	if n.Body != nil {
		i.Body = *n.Body
		i.Updates = append(slices.Clone(i.Updates), i.Status+": "+i.Body)
	}
	return ""
}
