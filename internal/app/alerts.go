package app

import (
	"context"
	"maps"
	"time"

	"github.com/recoveryd/recoveryd/internal/alerts"
	"github.com/recoveryd/recoveryd/internal/config"
	"github.com/recoveryd/recoveryd/internal/engine"
	"github.com/recoveryd/recoveryd/pkg/detect"
)

// configureAlerts says which alerts of Alertmanager speak of which target.
func (a *App) configureAlerts(c *config.Config) {
	entries := make([]alerts.Entry, 0, len(c.Alerts))
	for _, x := range c.Alerts {
		entries = append(entries, alerts.Entry{Name: x.Alertname, Target: x.Target, Label: x.TargetLabel, Class: detect.Class(x.Class), Keep: x.Keep})
	}
	a.alerts.Configure(entries, names(c))
}

// takeAlerts takes one webhook and lets the targets of which it speaks be looked at.
func (a *App) takeAlerts(body []byte) (any, error) {
	w, err := alerts.Decode(body)
	if err != nil {
		return nil, err
	}
	taken := a.alerts.Take(w, time.Now())
	for _, t := range taken.Targets {
		a.engine.LookNow(t, "alert")
	}
	return taken, nil
}

// withAlerts adds what Alertmanager says to the looks at each target.
func (a *App) withAlerts(subjects []engine.Subject) []engine.Subject {
	for i, s := range subjects {
		subjects[i].Looker = alerted{s.Looker, s.Name, a.alerts}
	}
	return subjects
}

// alerted is a looker that also asks the book of alerts.
type alerted struct {
	engine.Looker
	target string
	book   *alerts.Book
}

// Look implements [engine.Looker].
func (l alerted) Look(ctx context.Context, cause string) detect.Observation {
	o := l.Looker.Look(ctx, cause)
	if f := l.book.Facts(l.target, time.Now()); f != nil {
		facts := maps.Clone(o.Facts)
		if facts == nil {
			facts = detect.Facts{}
		}
		maps.Copy(facts, f)
		o.Facts = facts
	}
	return o
}
