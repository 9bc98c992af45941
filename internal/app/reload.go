package app

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/recoveryd/recoveryd/internal/config"
	"github.com/recoveryd/recoveryd/internal/evidence"
	"github.com/recoveryd/recoveryd/internal/setup/host"
)

// reload reads the configuration anew, all or nothing: everything that can fail is built first
// and touches nothing that runs; from the swap on nothing can fail. On any error the old
// configuration stays in force, and the error is in the log, in a metric and in systemd's STATUS.
func (a *App) reload(ctx context.Context, wg *sync.WaitGroup) {
	a.notifyReloading()
	err := a.tryReload(ctx, wg)
	a.metrics.Reloaded(err == nil, time.Now())
	if err != nil {
		a.log.Error("reload refused, the old configuration stays in force", zap.String("config", a.o.ConfigPath), zap.Error(err))
		a.notifyReady("reload refused, the old configuration stays in force: see the log")
		return
	}
	c := a.Config()
	a.log.Info("configuration reloaded", zap.String("config", a.o.ConfigPath), zap.Int("targets", len(c.Targets)))
	a.notifyReady("")
	wg.Go(func() { a.reach.look(ctx, c, a.log, host.OwnSandbox) })
}

func (a *App) tryReload(ctx context.Context, wg *sync.WaitGroup) error {
	c, err := config.Load(a.o.ConfigPath, Known())
	if err != nil {
		return err
	}
	if a.o.DryRun {
		observeOnly(c)
	}
	if err := errors.Join(a.fixedParts(c), a.children.same(c)); err != nil {
		return err
	}
	policy, err := PolicyOf(c)
	if err != nil {
		return err
	}
	route, err := routingOf(c)
	if err != nil {
		return err
	}
	notifiers, err := notifiersOf(c, a.log)
	if err != nil {
		return err
	}
	adapters, err := adaptersOf(ctx, c, a.log)
	if err != nil {
		return err
	}
	if a.children != nil {
		adapters[platformProcess] = a.children.adapter
	}
	for name, ad := range a.o.Adapters {
		adapters[name] = ad
	}
	subjects, err := subjectsOf(c, adapters)
	if err != nil {
		return err
	}
	lookers := lookersOf(subjects)
	subjects = withWord(discreetly(a.withAlerts(a.children.gate(subjects)), evidence.NewRedactor(c.Secrets())), a.log)
	// Everything above is fallible and without effect on what runs. From here on nothing fails
	// but the end of the daemon itself.
	handOver(a.Config(), c, a.lookers, lookers)
	a.config.Store(c)
	a.configured(c)
	a.routing.Store(route)
	a.metrics.Targets(names(c))
	a.metrics.Limits(policy.Targets())
	a.feed.Keep(names(c))
	a.outbox.Replace(notifiers, rulesOf(c))
	a.configureEvidence(c, adapters)
	a.configureAlerts(c)
	a.beats.follow()
	a.setFingerprint(c)
	if err := a.engine.Reload(ctx, policy, subjects, actuator(adapters)); err != nil {
		return err // only when recoveryd is being stopped
	}
	old := a.lookers
	a.lookers = lookers
	wg.Go(func() { a.endSessions(old) })
	a.adapters = adapters
	a.watchUnits(ctx, wg)
	return nil
}
