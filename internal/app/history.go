package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/recoveryd/recoveryd/internal/journal"
	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

// History reads incidents from a journal. It works beside a running daemon and without one.
type History struct{ j *journal.Journal }

// OpenHistory opens the journal in dir for reading.
func OpenHistory(ctx context.Context, dir string) (*History, error) {
	j, err := journal.Open(ctx, journal.Options{Dir: dir, ReadOnly: true})
	if err != nil {
		return nil, fmt.Errorf("open the journal: %w", err)
	}
	return &History{j}, nil
}

// Close releases the journal.
func (h *History) Close() error { return h.j.Close() }

// Incidents lists incidents, newest first.
func (h *History) Incidents(ctx context.Context, open bool, limit int) ([]incident.Incident, error) {
	rows, err := h.j.Incidents(ctx, journal.Filter{Open: open, Limit: limit})
	if err != nil {
		return nil, err
	}
	return incidentsOf(rows)
}

func incidentsOf(rows []journal.IncidentRow) ([]incident.Incident, error) {
	out := make([]incident.Incident, 0, len(rows))
	for _, r := range rows {
		var i incident.Incident
		if err := json.Unmarshal(r.Body, &i); err != nil {
			return nil, fmt.Errorf("incident %s in the journal: %w", r.ID, err)
		}
		out = append(out, i)
	}
	return out, nil
}

// Incident returns one incident and its records in order.
func (h *History) Incident(ctx context.Context, id string) (incident.Incident, []incident.Record, error) {
	var i incident.Incident
	row, err := h.j.Incident(ctx, id)
	if err != nil {
		if errors.Is(err, journal.ErrNotFound) {
			err = fmt.Errorf("incident %q: %w%s (see: recoveryd incidents)", id, journal.ErrNotFound, h.meant(ctx, id))
		}
		return i, nil, err
	}
	if err := json.Unmarshal(row.Body, &i); err != nil {
		return i, nil, fmt.Errorf("incident %s in the journal: %w", id, err)
	}
	entries, err := h.j.Entries(ctx, id)
	if err != nil {
		return i, nil, err
	}
	recs, err := recordsOf(entries)
	return i, recs, err
}

// meant is what somebody who named no incident will have meant, as the end of a sentence; "" = nobody knows.
func (h *History) meant(ctx context.Context, name string) string {
	rows, err := h.j.Incidents(ctx, journal.Filter{Limit: 200}) // newest first: who mistypes an id types a recent one
	if err != nil {
		return ""
	}
	var ids []string
	for _, r := range rows {
		if r.Target == name {
			return ": it is a target, whose latest incident is " + r.ID
		}
		ids = append(ids, r.ID)
	}
	return detect.Meant(name, ids)
}

// PlaybookRun returns one run of a playbook, as its last record left it, and its records in order.
// The records of a run that was a rung of a ladder are kept with the incident.
func (h *History) PlaybookRun(ctx context.Context, id string) (incident.Run, []incident.Record, error) {
	entries, err := h.j.Entries(ctx, id)
	if err != nil {
		return incident.Run{}, nil, err
	}
	recs, err := recordsOf(entries)
	if err != nil {
		return incident.Run{}, nil, err
	}
	var run incident.Run
	for _, r := range recs {
		if r.Run != nil {
			run = *r.Run
		}
	}
	if run.ID == "" {
		return run, nil, fmt.Errorf("there is no run %q of a playbook in the journal (see: recoveryd playbook list; a run that was a rung is told with its incident)", id)
	}
	return run, recs, nil
}

// IncidentsOf lists the incidents of one target, newest first.
func (h *History) IncidentsOf(ctx context.Context, target string, limit int) ([]incident.Incident, error) {
	rows, err := h.j.Incidents(ctx, journal.Filter{Target: target, Limit: limit})
	if err != nil {
		return nil, err
	}
	return incidentsOf(rows)
}

// Latest returns the incident that a word stands for: the incident of that name, or the newest open one
// of a target (its own, or the one of what it waits for), or the target's last; false when there is none.
func (h *History) Latest(ctx context.Context, word string) (incident.Incident, bool, error) {
	if i, _, err := h.Incident(ctx, word); err == nil || !errors.Is(err, journal.ErrNotFound) {
		return i, err == nil, err
	}
	open, err := h.Incidents(ctx, true, 0)
	if err != nil {
		return incident.Incident{}, false, err
	}
	own, err := h.IncidentsOf(ctx, word, 1)
	if err != nil {
		return incident.Incident{}, false, err
	}
	for _, mine := range []func(incident.Incident) bool{
		func(i incident.Incident) bool { return i.Target == word },
		func(i incident.Incident) bool { return slices.Contains(i.Affected, word) },
	} {
		if at := slices.IndexFunc(open, mine); at >= 0 {
			return open[at], true, nil
		}
	}
	if len(own) == 0 {
		return incident.Incident{}, false, nil
	}
	return own[0], true, nil
}

// Log returns the records that match, oldest first: what `recoveryd logs` prints.
func (h *History) Log(ctx context.Context, f journal.LogFilter) ([]incident.Record, error) {
	entries, err := h.j.Log(ctx, f)
	if err != nil {
		return nil, err
	}
	return recordsOf(entries)
}

func recordsOf(entries []journal.Entry) ([]incident.Record, error) {
	recs := make([]incident.Record, 0, len(entries))
	for _, e := range entries {
		var r incident.Record
		if err := json.Unmarshal(e.Body, &r); err != nil {
			return nil, fmt.Errorf("record %d in the journal: %w", e.Seq, err)
		}
		recs = append(recs, r)
	}
	return recs, nil
}
