package httpserve

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/recoveryd/recoveryd/internal/httpserve/live"
	"github.com/recoveryd/recoveryd/pkg/detect"
)

// Hello is the first event of GET /api/v1/events, and its "ping".
type Hello struct {
	Version string    `json:"version"`
	Now     time.Time `json:"now"`
}

// events streams what is seen and decided as server-sent events: "hello" once, "look" and
// "decision" (a live.Event each) as they come, "lost" with a number when the client was too slow
// and should read the status again, and "ping" when all is quiet. Nothing is sent twice: a client
// that comes back reads /api/v1/status first.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	f, err := s.o.Feed.Follow()
	if err != nil {
		w.Header().Set("Retry-After", "10")
		refuse(w, http.StatusServiceUnavailable, "%v", err)
		return
	}
	defer f.Stop()
	st, err := live.OpenStream(w)
	if err != nil {
		refuse(w, http.StatusInternalServerError, "%v", err)
		return
	}
	send := func(event string, v any) bool {
		b, err := json.Marshal(v)
		return err == nil && st.Send(event, b) == nil // an error: the client is gone
	}
	hello := func() Hello { return Hello{s.o.Daemon.Version(), time.Now()} }
	if !send("hello", hello()) {
		return
	}
	quiet := time.NewTicker(live.Ping)
	defer quiet.Stop()
	for {
		ok := true
		select {
		case <-r.Context().Done():
			return
		case <-quiet.C:
			ok = send("ping", hello())
		case ev, more := <-f.Events():
			if !more {
				return
			}
			if n := f.Lost(); n > 0 {
				ok = send("lost", map[string]uint64{"events": n})
			}
			name := "look"
			if ev.Decision != nil {
				name = "decision"
			}
			ok = ok && send(name, ev)
		}
		if !ok {
			return
		}
	}
}

// TargetHistory is one target in the answer of GET /api/v1/history.
type TargetHistory struct {
	Target string `json:"target"`
	Slots  []Slot `json:"slots"` // oldest first, without gaps
}

// Slot is one part of a span. Numbers are the highest of its looks and are left out when nothing
// was measured.
type Slot struct {
	From      time.Time  `json:"from"`
	Healthy   uint32     `json:"healthy,omitzero"` // number of looks
	Degraded  uint32     `json:"degraded,omitzero"`
	Unhealthy uint32     `json:"unhealthy,omitzero"`
	Unknown   uint32     `json:"unknown,omitzero"`
	Pool      live.Value `json:"pool,omitzero"`         // share in use, 0 to 1
	Memory    live.Value `json:"memory_bytes,omitzero"` //
	Share     live.Value `json:"memory_share,omitzero"` // of the limit, 0 to 1
	Latency   live.Value `json:"latency_seconds,omitzero"`
}

// history answers GET /api/v1/history?span=1h|24h.
func (s *Server) history(w http.ResponseWriter, r *http.Request) {
	span := live.Hour
	if v := r.URL.Query().Get("span"); v != "" {
		var ok bool
		if span, ok = live.SpanNamed(v); !ok {
			refuse(w, http.StatusBadRequest, "span %q is not %s or %s", v, live.Hour.Name, live.Day.Name)
			return
		}
	}
	now := time.Now()
	out := make([]TargetHistory, 0)
	for _, t := range s.o.Daemon.Policy().Targets() {
		slots := s.o.Feed.History(t.Name, span, now)
		h := TargetHistory{Target: t.Name, Slots: make([]Slot, 0, len(slots))}
		for _, x := range slots {
			h.Slots = append(h.Slots, Slot{From: x.From, Unknown: x.Looks[detect.Unknown], Healthy: x.Looks[detect.Healthy],
				Degraded: x.Looks[detect.Degraded], Unhealthy: x.Looks[detect.Unhealthy],
				Pool: x.Pool, Memory: x.Memory, Share: x.Share, Latency: x.Latency})
		}
		out = append(out, h)
	}
	reply(w, out)
}
