package httpserve

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/recoveryd/recoveryd/pkg/incident"
)

// DrillOrder is the body of POST /api/v1/drill on the control socket: it announces a drill before
// its fault, and its end when everything was put back.
type DrillOrder struct {
	ID     string         `json:"id"`
	Target string         `json:"target"`
	Fault  incident.Fault `json:"fault,omitzero"` // of an announcement
	For    string         `json:"for,omitzero"`   // of an announcement: Go duration from the fault until the target must be well
	By     string         `json:"by"`
	Over   bool           `json:"over,omitzero"` // the end
	Why    string         `json:"why,omitzero"`
}

// DrillAnswer is what an announcement led to.
type DrillAnswer struct {
	Sentence string    `json:"sentence"`
	Until    time.Time `json:"until,omitzero"` // afterwards a problem is taken for real
}

var drillID = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,79}$`)

// drill takes an order. It answers 409 when the drill may not be: the error says why.
func (s *Server) drill(w http.ResponseWriter, r *http.Request) {
	var o DrillOrder
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10))
	d.DisallowUnknownFields()
	if err := d.Decode(&o); err != nil {
		refuse(w, http.StatusBadRequest, "the order cannot be read: %v", err)
		return
	}
	now := time.Now()
	ev, length, err := s.drillEvent(o, peerOf(r.Context()), now)
	if err != nil {
		refuse(w, http.StatusBadRequest, "%v", err)
		return
	}
	if !o.Over {
		if err := s.o.Drills(o.Target, o.Fault, length, now); err != nil {
			refuse(w, http.StatusConflict, "%v", err)
			return
		}
		if err := s.o.Daemon.Ready(r.Context()); err != nil {
			refuse(w, http.StatusConflict, "recoveryd is not ready: %v", err)
			return
		}
	}
	rec, err := s.o.Daemon.Ask(r.Context(), ev)
	if err != nil {
		refuse(w, http.StatusServiceUnavailable, "%v", err)
		return
	}
	a := DrillAnswer{Sentence: rec.Sentence}
	if rec.After == nil || rec.After.Drill == nil || rec.After.Drill.ID != o.ID {
		if !o.Over {
			why := rec.Sentence
			if _, only, said := strings.Cut(why, ", refused: "); said {
				why = only
			}
			refuse(w, http.StatusConflict, "%s", why)
			return
		}
	} else {
		a.Until = rec.After.Drill.Until
	}
	reply(w, a)
}

// drillEvent checks an order and makes an event of it.
func (s *Server) drillEvent(o DrillOrder, peer string, now time.Time) (ev incident.Event, length time.Duration, err error) {
	if _, ok := s.o.Daemon.Policy().Target(o.Target); !ok {
		return ev, 0, s.noTarget(o.Target)
	}
	if !drillID.MatchString(o.ID) || o.By == "" {
		return ev, 0, fmt.Errorf("an order needs an id (small letters, digits and dashes) and who gives it")
	}
	cmd := &incident.Command{Verb: incident.CmdDrillEnd, By: o.By + peer, Why: o.Why, Drill: &incident.Drill{ID: o.ID}}
	if !o.Over {
		if !slices.Contains(incident.Faults(), o.Fault) {
			return ev, 0, fmt.Errorf("unknown fault %q (want one of %v)", o.Fault, incident.Faults())
		}
		if length, err = time.ParseDuration(o.For); err != nil || length <= 0 {
			return ev, 0, fmt.Errorf("for %q is no positive duration (such as 2m)", o.For)
		}
		cmd.Verb, cmd.Drill.Fault, cmd.Until = incident.CmdDrill, o.Fault, now.Add(length+incident.DrillGrace)
	}
	return incident.Event{Kind: incident.Operator, Target: o.Target, Command: cmd}, length, nil
}

// notices answers GET /api/v1/incidents/{id}/notices: every notice about the incident, on its way to
// each channel.
func (s *Server) notices(w http.ResponseWriter, r *http.Request) {
	list, err := s.o.Notices(r.Context(), r.PathValue("id"))
	if err != nil {
		refuse(w, http.StatusInternalServerError, "%v", err)
		return
	}
	reply(w, list)
}
