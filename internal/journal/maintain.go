package journal

import (
	"context"
	"time"

	"go.uber.org/zap"
)

const (
	// flushEvery bounds what a crash loses of the observations, and how soon a write that failed is
	// tried again.
	flushEvery = 10 * time.Second
	// tidyEvery is how often the size and the ballast are looked at, and the least often that something
	// is written.
	tidyEvery = time.Minute
)

// startMaintenance starts the one goroutine of the journal; Close ends it and waits.
func (j *Journal) startMaintenance(ctx context.Context) {
	ctx, j.stop = context.WithCancel(context.WithoutCancel(ctx))
	j.tendBallast()
	j.done.Go(func() {
		tick := time.NewTicker(flushEvery)
		defer tick.Stop()
		tidied := time.Now()
		p := proof{j: j}
		for {
			var err error
			tidy := false
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				// What comes once a minute comes in one go with what somebody saves once a minute.
				since := time.Since(tidied)
				tidy = since > tidyEvery-flushEvery/2 || since > tidyEvery/2 && j.pending.any()
				if err = p.settle(ctx); err == nil {
					err = j.flushObservations(ctx)
				}
			case <-j.maintain:
				if err = j.flushObservations(ctx); err == nil && !j.ballast.Load() && j.opts.BallastBytes > 0 {
					err = j.relieve(ctx)
				}
			}
			if tidy {
				tidied = time.Now()
				if failed := j.tidy(ctx); err == nil {
					err = failed
				}
			}
			if ctx.Err() == nil {
				p.note(err)
			}
			if tidy && j.opts.Tidied != nil {
				j.opts.Tidied()
			}
		}
	})
}

// tidy bounds the file, and finds out whether it can be written.
func (j *Journal) tidy(ctx context.Context) error {
	j.tendBallast()
	if err := j.Prune(ctx, time.Now()); err != nil {
		return err
	}
	return j.proveIdle(ctx)
}

func (j *Journal) wakeMaintenance() {
	select {
	case j.maintain <- struct{}{}:
	default:
	}
}

// tendBallast makes the ballast when there is room for it.
func (j *Journal) tendBallast() {
	if j.opts.BallastBytes <= 0 {
		j.ballast.Store(false)
		return
	}
	had := j.ballast.Load()
	has, err := makeBallast(j.opts.Dir, j.opts.BallastBytes)
	j.ballast.Store(has)
	switch {
	case err != nil && had:
		j.log.Warn("no ballast for the journal", zap.Error(err))
	case !has && had:
		j.log.Warn("no room for the ballast of the journal", zap.String("dir", j.opts.Dir))
	case has && !had:
		j.log.Info("ballast of the journal is in place", zap.Int64("bytes", j.opts.BallastBytes))
	}
}
