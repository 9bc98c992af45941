package app

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/recoveryd/recoveryd/internal/config"
	"github.com/recoveryd/recoveryd/internal/setup/host"
)

// reload reads the configuration anew, all or nothing: everything that can fail is built first
// and touches nothing that runs; from the swap on nothing can fail. On any error the old
// configuration stays in force, and the error is returned, in the log, in a metric, in systemd's STATUS,
// and among the warnings of status and the page.
func (a *App) reload(ctx context.Context, wg *sync.WaitGroup) error {
	a.notifyReloading()
	err := a.tryReload(ctx, wg)
	a.file.verdict(err, time.Now())
	a.metrics.Reloaded(err == nil, time.Now())
	if err != nil {
		a.log.Error("reload refused, the old configuration stays in force", zap.String("config", a.o.ConfigPath), zap.Error(err))
		a.notifyReady("reload refused, the old configuration stays in force: recoveryd status says why")
		return err
	}
	c := a.Config()
	a.log.Info("configuration reloaded", zap.String("config", a.o.ConfigPath), zap.Int("targets", len(c.Targets)))
	a.notifyReady("")
	wg.Go(func() { a.reach.look(ctx, c, a.log, host.OwnSandbox) })
	return nil
}

func (a *App) tryReload(ctx context.Context, wg *sync.WaitGroup) error {
	c, err := config.Load(a.o.ConfigPath, Known(a.o.Drivers...))
	if err != nil {
		return err
	}
	if a.o.DryRun {
		observeOnly(c)
	}
	if err := errors.Join(a.fixedParts(c), a.children.same(c)); err != nil {
		return err
	}
	g, err := a.generationOf(ctx, c)
	if err != nil {
		return err
	}
	return a.replace(ctx, g, wg)
}
