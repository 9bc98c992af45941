package hosttest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/recoveryd/recoveryd/internal/httpserve"
	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

var _ httpserve.Daemon = (*Host)(nil)

// State implements httpserve.Daemon.
func (h *Host) State() incident.State {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.state
}

// Policy implements httpserve.Daemon.
func (h *Host) Policy() *incident.Policy { return h.policy }

// Ask implements httpserve.Daemon: what waits for a look is answered by it.
func (h *Host) Ask(_ context.Context, ev incident.Event) (incident.Record, error) {
	rec := h.step(ev)
	if rec.Waits() {
		rec = h.step(incident.Event{Kind: incident.Observed, Target: ev.Target})
	}
	return rec, nil
}

// Alive implements httpserve.Daemon.
func (h *Host) Alive(time.Time) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.alive
}

// Ready implements httpserve.Daemon.
func (h *Host) Ready(context.Context) error { return nil }

// Incidents implements httpserve.Daemon: newest first, as they would come from the journal.
func (h *Host) Incidents(_ context.Context, open bool, limit int) ([]incident.Incident, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []incident.Incident
	for _, i := range h.past {
		if i.Open() || !open {
			out = append(out, through(h.TB, i))
		}
	}
	slices.SortFunc(out, func(a, b incident.Incident) int { return b.Opened.Compare(a.Opened) })
	return out[:min(len(out), limit)], nil
}

// PlaybookRun implements httpserve.Daemon: there are no playbooks here.
func (h *Host) PlaybookRun(_ context.Context, id string) (incident.Run, []incident.Record, error) {
	return incident.Run{}, nil, fmt.Errorf("there is no run %q", id)
}

// Incident implements httpserve.Daemon.
func (h *Host) Incident(_ context.Context, id string) (incident.Incident, []incident.Record, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	i, ok := h.past[id]
	if !ok {
		return i, nil, fmt.Errorf("incident %q: not found (see: recoveryd incidents)", id)
	}
	var recs []incident.Record
	for _, r := range h.kept {
		if r.Incident != nil && r.Incident.ID == id || r.Incident == nil && r.After != nil && r.After.Incident == id {
			recs = append(recs, through(h.TB, r))
		}
	}
	return i, recs, nil
}

// Channels implements httpserve.Daemon.
func (h *Host) Channels() any { return nil }

// Runbook implements httpserve.Daemon.
func (h *Host) Runbook(class detect.Class) string { return "recoveryd runbook " + string(class) }

// Warnings implements httpserve.Daemon.
func (h *Host) Warnings() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.warnings
}

// Version implements httpserve.Daemon.
func (h *Host) Version() string { return "v0.9-test" }
