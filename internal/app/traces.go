package app

import (
	"context"

	"github.com/recoveryd/recoveryd/internal/httpserve/live"
	"github.com/recoveryd/recoveryd/internal/tracing"
	"github.com/recoveryd/recoveryd/pkg/escalate/queue"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

// newTracer makes what tells a collector how incidents went. It follows reloads.
func (a *App) newTracer() (*tracing.Tracer, error) {
	return tracing.New(tracing.Options{
		Settings: func() tracing.Settings {
			c := a.Config().Tracing
			return tracing.Settings{Endpoint: c.Endpoint, Authorization: c.Authorization.Reveal(), Timeout: c.Timeout}
		},
		Source: traceSource{&History{a.journal}}, Host: func() string { return a.Config().Host }, Version: a.o.Version, Logger: a.log})
}

// traceSource reads incidents back from the journal.
type traceSource struct{ h *History }

func (s traceSource) Incident(ctx context.Context, id string) (incident.Incident, []incident.Record, error) {
	return s.h.Incident(ctx, id)
}

func (s traceSource) Notices(ctx context.Context, id string) ([]queue.Queued, error) {
	return s.h.j.Notices(ctx, id)
}

// tracedMeter tells the tracer too of every record.
type tracedMeter struct {
	live.Tapped
	tracer *tracing.Tracer
}

// Decided hands the record to all.
func (m tracedMeter) Decided(rec incident.Record) {
	m.Tapped.Decided(rec)
	m.tracer.Decided(rec)
}
