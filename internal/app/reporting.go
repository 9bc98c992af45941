package app

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/recoveryd/recoveryd/internal/config"
	"github.com/recoveryd/recoveryd/internal/journal"
	"github.com/recoveryd/recoveryd/internal/report"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

// Report gathers everything that the journal holds of an incident. The configuration adds what
// the journal does not know, the host's name and the unit; nil when it cannot be read.
func (h *History) Report(ctx context.Context, id string, c *config.Config, now time.Time, version string) (report.Report, error) {
	i, recs, err := h.Incident(ctx, id)
	if err != nil {
		return report.Report{}, err
	}
	s := report.Source{Incident: i, Records: recs, At: now, Version: version}
	if s.Notices, err = h.j.Notices(ctx, id); err != nil {
		return report.Report{}, fmt.Errorf("notices of incident %s: %w", id, err)
	}
	pieces, err := h.Evidence(ctx, id)
	if err != nil {
		return report.Report{}, err
	}
	for _, p := range pieces {
		if isRecording(p.Name) {
			continue // for recoveryd replay, and not for people
		}
		text := "(not text: " + fmt.Sprint(len(p.Body)) + " bytes)"
		if utf8.Valid(p.Body) {
			text = string(p.Body)
		}
		s.Evidence = append(s.Evidence, report.Piece{Name: p.Name, At: p.At, Text: text})
	}
	s.Runbook = Runbook(c, i.Class)
	if c != nil {
		s.Host = c.Host
		if t, ok := c.Target(i.Target); ok && strings.HasSuffix(t.Object, ".service") {
			s.Unit = t.Object
		}
	}
	return report.Build(s), nil
}

// Stats counts the incidents that were opened between two moments.
func (h *History) Stats(ctx context.Context, from, to time.Time, which report.Which) (report.Stats, error) {
	rows, err := h.j.Incidents(ctx, journal.Filter{Since: from})
	if err != nil {
		return report.Stats{}, err
	}
	var cases []report.Case
	for _, r := range rows {
		if r.Opened.Before(from) || r.Opened.After(to) {
			continue
		}
		var i incident.Incident
		if err := json.Unmarshal(r.Body, &i); err != nil {
			return report.Stats{}, fmt.Errorf("incident %s in the journal: %w", r.ID, err)
		}
		entries, err := h.j.Entries(ctx, r.ID)
		if err != nil {
			return report.Stats{}, err
		}
		changes := make([]report.Change, 0, len(entries))
		for _, e := range entries {
			c := report.Change{At: e.At, Target: e.Target}
			if c.From.UnmarshalText([]byte(e.From)) != nil || c.To.UnmarshalText([]byte(e.To)) != nil {
				continue // a phase of another version of recoveryd
			}
			changes = append(changes, c)
		}
		cases = append(cases, report.Case{Incident: i, Cleared: report.Cleared(i, changes)})
	}
	return report.Count(cases, from, to, which), nil
}
