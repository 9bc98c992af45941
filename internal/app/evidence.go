package app

import (
	"context"
	"fmt"

	"github.com/recoveryd/recoveryd/internal/config"
	"github.com/recoveryd/recoveryd/internal/evidence"
	"github.com/recoveryd/recoveryd/internal/journal"
	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/detect/probe"
	"github.com/recoveryd/recoveryd/pkg/platform"
)

// newEvidence builds the collector of evidence, which knows nothing until configureEvidence.
func (a *App) newEvidence() (err error) {
	a.evidence, err = evidence.New(evidence.Options{Logger: a.log, Save: func(ctx context.Context, p evidence.Piece) error {
		return a.journal.SaveEvidence(ctx, journal.EvidenceRow{Incident: p.Incident, Name: p.Name, At: p.At, Body: p.Body})
	}})
	return err
}

// configureEvidence says about which targets evidence is collected, and which secrets it must not hold.
func (a *App) configureEvidence(c *config.Config, adapters map[string]platform.Adapter) {
	var list []evidence.Subject
	for _, t := range c.Targets {
		if t.External {
			continue // nothing is done to it, and nothing of it is here
		}
		s := evidence.Subject{Target: t.Name, Databases: databasesOf(c, t)}
		unit := targetOf(t).Object
		if t.Platform == platformSystemd {
			s.Unit = unit
		}
		if ad := adapters[t.Platform]; ad != nil && unit != "" {
			s.Inspect = func(ctx context.Context) (detect.Facts, error) { return ad.Inspect(ctx, unit) }
		}
		if t.Collector != nil {
			s.Command, s.Timeout = t.Collector.Command, t.Collector.Timeout
		}
		list = append(list, s)
	}
	a.evidence.Configure(list, evidence.NewRedactor(c.Secrets()))
}

// databasesOf are the clusters whose sessions tell something about a target: itself, or what it needs.
func databasesOf(c *config.Config, t config.Target) (out []evidence.Database) {
	for _, name := range append([]string{t.Name}, t.DependsOn...) {
		if d, ok := c.Target(name); ok && d.Postgres != nil {
			out = append(out, evidence.Database{Name: d.Name, DSN: probe.Secret(d.Postgres.DSN.Reveal())})
		}
	}
	return out
}

// Evidence returns what was collected about an incident, in the order in which it was stored.
func (h *History) Evidence(ctx context.Context, id string) ([]evidence.Piece, error) {
	rows, err := h.j.Evidence(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("evidence of incident %s: %w", id, err)
	}
	out := make([]evidence.Piece, 0, len(rows))
	for _, r := range rows {
		if isRecording(r.Name) {
			continue
		}
		out = append(out, evidence.Piece{Incident: r.Incident, Name: r.Name, At: r.At, Body: r.Body})
	}
	return out, nil
}
