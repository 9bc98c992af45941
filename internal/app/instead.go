package app

import (
	"context"
	"io"
	"sync/atomic"

	"go.uber.org/zap"

	"github.com/recoveryd/recoveryd/internal/config"
	"github.com/recoveryd/recoveryd/internal/engine"
	"github.com/recoveryd/recoveryd/pkg/detect"
)

// withWord makes lookers say once, in the log, that a target is judged by something else than its configuration asks for:
// an MCP server that has no such health resource. Status and check show it at every look.
func withWord(subjects []engine.Subject, log *zap.Logger) []engine.Subject {
	for i, s := range subjects {
		subjects[i].Looker = &telling{Looker: s.Looker, log: log.With(zap.String("target", s.Name))}
	}
	return subjects
}

type telling struct {
	engine.Looker
	log  *zap.Logger
	told atomic.Bool
}

// Look implements [engine.Looker].
func (l *telling) Look(ctx context.Context, cause string) detect.Observation {
	o := l.Looker.Look(ctx, cause)
	if instead := o.Facts.Text(detect.HealthInstead); instead != "" && !l.told.Swap(true) {
		l.log.Info("the MCP server answers; " + instead)
	}
	return o
}

// Instead asks each MCP server once, and returns for the targets whose server has no such health resource what they are
// judged by.
func Instead(ctx context.Context, c *config.Config) map[string]string {
	found := map[string]string{}
	for _, t := range c.Targets {
		for _, h := range t.Health {
			if h.Type != config.TypeMCP {
				continue
			}
			w, err := healthOf(h)
			if err != nil {
				continue // CheckParts says it
			}
			if s := w.Look(ctx, nil).Text(detect.HealthInstead); s != "" {
				found[t.Name] = s
			}
			if open, ok := w.(io.Closer); ok {
				_ = open.Close() // the answer is what counts
			}
		}
	}
	return found
}
