package app

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/recoveryd/recoveryd/internal/httpserve/live"
	"github.com/recoveryd/recoveryd/internal/httpserve/page"
	"github.com/recoveryd/recoveryd/internal/journal"
	"github.com/recoveryd/recoveryd/pkg/detect"
)

// minuteRow is the name under which the journal keeps what the status page remembers. No target
// can be called so.
const minuteRow = "status page: minutes"

// newFeed makes the memory of the status page. Every minute of it goes into the journal, so that
// the curves do not begin anew with every start.
func (a *App) newFeed() *live.Feed {
	return live.New(live.Options{
		Target: func(name string) (detect.Target, bool) { return a.engine.Policy().Target(name) },
		Save: func(minute time.Time, body []byte) {
			row := journal.ObservationRow{Target: minuteRow, At: minute, Body: body}
			if err := a.journal.SaveObservations(context.Background(), []journal.ObservationRow{row}); err != nil {
				a.log.Warn("a minute of the status page is not kept", zap.Error(err))
			}
		},
	})
}

// newPage makes the status page.
func (a *App) newPage() (http.Handler, error) {
	p, err := page.New(page.Options{Daemon: daemonView{a}, Feed: a.feed, Logger: a.log,
		Host: func() string { return a.Config().Host }, Stalled: a.engine.Stalled})
	if err != nil {
		return nil, fmt.Errorf("status page: %w", err)
	}
	return p, nil
}

// recallMinutes gives the status page its memory back. It runs beside everything else: nobody
// waits for it.
func (a *App) recallMinutes(ctx context.Context) {
	rows, err := a.journal.Observations(ctx, minuteRow, time.Now().Add(-live.Day.Slot*time.Duration(live.Day.Slots)), 0)
	if err != nil && ctx.Err() == nil {
		a.log.Warn("the curves of the status page begin anew", zap.Error(err)) // what was read is still used
	}
	for _, r := range rows {
		if err := a.feed.Restore(r.At, r.Body); err != nil {
			a.log.Warn("a minute of the status page is lost", zap.Error(err))
			return // its format is not ours: the others are not either
		}
	}
}
