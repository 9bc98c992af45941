package app

import (
	"time"

	"github.com/recoveryd/recoveryd/internal/metrics"
)

// readAtScrape adds the series that are read when somebody asks: how things stand, and what waits
// for delivery.
func (a *App) readAtScrape() {
	a.metrics.Registry.MustRegister(
		metrics.ConfigFile(a.file.differs),
		metrics.Standing(metrics.Sources{State: a.engine.State, Policy: a.engine.Policy, Stalled: a.engine.Stalled}),
		metrics.Outbox(func() metrics.Queue {
			s := a.outbox.Stats()
			q := metrics.Queue{Unstored: s.Unstored}
			for _, c := range s.Channels {
				q.Channels = append(q.Channels, metrics.Channel{Name: c.Channel, Queued: c.Queued, Pages: c.Pages,
					Oldest: c.Oldest, FailingSince: c.FailingSince, LastSuccess: c.LastSuccess})
			}
			return q
		}, time.Now))
}
