package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/recoveryd/recoveryd/internal/config"
	"github.com/recoveryd/recoveryd/internal/engine"
	"github.com/recoveryd/recoveryd/internal/evidence"
	"github.com/recoveryd/recoveryd/internal/routing"
	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/detect/probe"
	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
	"github.com/recoveryd/recoveryd/pkg/incident"
	"github.com/recoveryd/recoveryd/pkg/platform"
)

// generation is everything that one configuration makes. Start and reload build it in the same way,
// before anything of it is used, and close it as a whole when nothing uses it any more. No signal to the
// process ends anything of it: an action in flight outlives that.
type generation struct {
	config      *config.Config
	fingerprint string
	read        time.Time // when the file was read
	policy      *incident.Policy
	route       *routing.Routing
	notifiers   map[string]notice.Notifier
	adapters    map[string]platform.Adapter
	lookers     map[string]*probe.Looker // by target
	subjects    []engine.Subject
	log         *zap.Logger

	closers  []io.Closer // of the adapters that it made
	watch    context.Context
	endWatch context.CancelFunc
	watches  sync.WaitGroup
}

// newGeneration builds what a configuration asks for, and acts on nothing. shared are adapters that live
// longer than a configuration. ctx bounds the building alone. An error means that the configuration
// cannot be used; then nothing is left of it.
func newGeneration(ctx context.Context, c *config.Config, drivers []platform.Driver, shared map[string]platform.Adapter, log *zap.Logger) (_ *generation, err error) {
	g := &generation{config: c, fingerprint: Fingerprint(c), read: time.Now(), log: log}
	g.watch, g.endWatch = context.WithCancel(context.Background())
	defer func() {
		if err != nil {
			g.close()
		}
	}()
	if g.policy, err = PolicyOf(c); err != nil {
		return nil, err
	}
	if g.route, err = routingOf(c); err != nil {
		return nil, err
	}
	if g.notifiers, err = notifiersOf(c, log); err != nil {
		return nil, err
	}
	g.adapters, err = adaptersOf(ctx, c, drivers, log)
	for _, ad := range g.adapters {
		if closer, ok := ad.(io.Closer); ok {
			g.closers = append(g.closers, closer)
		}
	}
	if err != nil {
		return nil, err
	}
	maps.Copy(g.adapters, shared)
	if g.subjects, err = subjectsOf(c, g.adapters); err != nil {
		return nil, err
	}
	g.lookers = lookersOf(g.subjects)
	return g, nil
}

// generationOf builds a generation of this daemon: its programs and alerts live longer.
func (a *App) generationOf(ctx context.Context, c *config.Config) (*generation, error) {
	shared := map[string]platform.Adapter{}
	if a.children != nil {
		shared[platformProcess] = a.children.adapter
	}
	g, err := newGeneration(ctx, c, driversOr(a.o.Drivers), shared, a.log)
	if err != nil {
		return nil, err
	}
	g.subjects = withWord(discreetly(a.withAlerts(a.children.gate(g.subjects)), evidence.NewRedactor(c.Secrets())), a.log)
	return g, nil
}

// inherit takes over what the generation before has learnt, and what is under way for it.
func (g *generation) inherit(from *generation) {
	handOver(from.config, g.config, from.lookers, g.lookers)
	for name, ad := range g.adapters {
		if heir, ok := ad.(platform.Heir); ok && from.adapters[name] != nil {
			heir.Inherit(from.adapters[name])
		}
	}
}

// watchUnits starts one watcher per adapter that can tell of changes; each change is told by look, which
// makes the target be looked at at once.
func (g *generation) watchUnits(look func(target, cause string)) {
	for name, ad := range g.adapters {
		w, ok := ad.(platform.Watcher)
		if !ok {
			continue
		}
		byUnit := map[string][]string{}
		var units []string
		for _, t := range g.config.Targets {
			if u := targetOf(t).Object; t.Platform == name && u != "" && !t.External {
				byUnit[u] = append(byUnit[u], t.Name)
				units = append(units, u)
			}
		}
		g.watches.Go(func() {
			err := w.Watch(g.watch, units, func(c platform.Change) {
				if c.Facts.True(detect.WorkloadPendingOurs) {
					return // on its way by our own action: the end of that is looked at, and looks slow it down
				}
				for _, target := range byUnit[c.Unit] {
					look(target, "signal")
				}
			})
			if err != nil && g.watch.Err() == nil {
				g.log.Error("unit changes are not watched; polls go on", zap.String("platform", name), zap.Error(err))
			}
		})
	}
}

// close ends all of it: watches, sessions with servers, connections. Nothing may use it any more.
func (g *generation) close() {
	g.endWatch()
	g.watches.Wait()
	endSessions(g.lookers, g.log)
	for _, c := range g.closers {
		if err := c.Close(); err != nil {
			g.log.Debug("a platform could not be closed", zap.Error(err))
		}
	}
}

// errStopping is the verdict on a reload that met the end of the daemon.
var errStopping = errors.New("recoveryd is being stopped: the configuration is read when it starts again")

// replace puts a generation in the place of the one in force. Nothing of it can fail but for the end of
// the daemon itself; then the former one is closed with the daemon.
func (a *App) replace(ctx context.Context, g *generation, wg *sync.WaitGroup) error {
	former := a.inForce.Load()
	g.inherit(former)
	a.inForce.Store(g)
	c := g.config
	a.configured(c)
	a.metrics.Targets(names(c))
	a.metrics.Limits(g.policy.Targets())
	a.feed.Keep(names(c))
	a.outbox.Replace(g.notifiers, rulesOf(c))
	a.configureEvidence(c, g.adapters)
	a.configureAlerts(c)
	a.beats.follow()
	unused, err := a.engine.Reload(ctx, g.policy, g.subjects, actuator(g.adapters))
	if err != nil {
		a.onStop("former configuration", func(context.Context) error { former.close(); return nil })
		return fmt.Errorf("%w: %w", errStopping, err)
	}
	former.endWatch()
	g.watchUnits(a.engine.LookNow)
	wg.Go(func() {
		unused() // an action in flight ends by what it began with
		former.close()
	})
	return nil
}
