package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/recoveryd/recoveryd/internal/alerts"
	"github.com/recoveryd/recoveryd/internal/config"
	"github.com/recoveryd/recoveryd/internal/engine"
	"github.com/recoveryd/recoveryd/internal/evidence"
	"github.com/recoveryd/recoveryd/internal/httpserve"
	"github.com/recoveryd/recoveryd/internal/httpserve/live"
	"github.com/recoveryd/recoveryd/internal/journal"
	"github.com/recoveryd/recoveryd/internal/metrics"
	"github.com/recoveryd/recoveryd/internal/outbox"
	"github.com/recoveryd/recoveryd/internal/replay"
	"github.com/recoveryd/recoveryd/internal/setup/host"
	"github.com/recoveryd/recoveryd/internal/tracing"
	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
	"github.com/recoveryd/recoveryd/pkg/escalate/queue"
	"github.com/recoveryd/recoveryd/pkg/incident"
	"github.com/recoveryd/recoveryd/pkg/platform"
)

// SocketName is the control socket's name in the runtime directory.
const SocketName = "control.sock"

// stopLimit bounds what a stop takes besides the actions in flight, which have bounds of their own.
const stopLimit = 20 * time.Second

// Options is what an App is made of.
type Options struct {
	ConfigPath      string
	Config          *config.Config
	Logger          *zap.Logger
	Version, Commit string
	DryRun          bool // observe every target, whatever the configuration says
	// Configured is told of the configuration in force, when Run begins and after each reload. nil = nobody is.
	Configured func(*config.Config)
	// Drivers are the platforms; nil = those of this build.
	Drivers []platform.Driver
}

// App is one daemon. Build it with New, run it once.
type App struct {
	o        Options
	log      *zap.Logger
	journal  *journal.Journal
	engine   *engine.Engine
	outbox   *outbox.Outbox
	metrics  *metrics.Metrics
	server   *httpserve.Server
	evidence *evidence.Collector
	recorder *replay.Recorder
	alerts   *alerts.Book
	feed     *live.Feed
	children *children // nil: nothing runs as a child
	inForce  atomic.Pointer[generation]

	cleanups  []cleanup
	damaged   chan error // capacity 1: the journal is corrupt, see ledger
	orders    chan reloadOrder
	file      *fileCheck
	beats     *heartbeat
	canary    *canary
	cycles    *cycles
	tracer    *tracing.Tracer
	reach     reach
	unwritten unwritten
}

// cleanup is one named thing to undo at the end.
type cleanup struct {
	name string
	do   func(context.Context) error
}

// onStop registers what undoes the step just taken.
func (a *App) onStop(name string, do func(context.Context) error) {
	a.cleanups = append(a.cleanups, cleanup{name, do})
}

// New builds a daemon and starts nothing that acts. When a step fails, the steps before it are
// undone. A *ConfigError says that the configuration is to blame.
func New(ctx context.Context, o Options) (_ *App, err error) {
	a := &App{o: o, log: o.Logger, damaged: make(chan error, 1), orders: make(chan reloadOrder)}
	a.file = &fileCheck{path: o.ConfigPath, force: a.inForce.Load}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.Stop())
		}
	}()
	if o.DryRun {
		observeOnly(o.Config)
	}
	c := o.Config
	if err := CheckPage(c); err != nil {
		return nil, &ConfigError{err}
	}
	if err := os.MkdirAll(filepath.Join(c.RuntimeDir, "env"), 0o750); err != nil {
		return nil, fmt.Errorf("runtime_dir: %w (let recoveryd create it: RuntimeDirectory=recoveryd in the unit)", err)
	}
	if a.journal, err = journal.Open(ctx, journal.Options{Dir: c.StateDir, Logger: a.log, Tidied: a.trim, Readable: readable}); err != nil {
		return nil, err
	}
	a.onStop("journal", func(context.Context) error { return a.journal.Close() })
	state, err := restore(ctx, a.journal, time.Now(), a.log)
	if err != nil {
		return nil, err
	}
	if a.children, err = newChildren(c, a.log); err != nil {
		return nil, &ConfigError{err}
	}
	if a.children != nil {
		a.onStop("child processes", a.children.close)
	}
	a.alerts = alerts.NewBook()
	a.configureAlerts(c)
	g, err := a.generationOf(ctx, c)
	if err != nil {
		return nil, &ConfigError{err}
	}
	a.inForce.Store(g)
	a.onStop("configuration", func(context.Context) error { a.inForce.Load().close(); return nil })
	a.metrics = metrics.New(o.Version, o.Commit)
	a.metrics.Targets(names(c))
	a.metrics.Limits(g.policy.Targets())
	a.metrics.Restore(state)
	a.metrics.Reloaded(true, time.Now())
	if a.outbox, err = outbox.New(outbox.Options{Store: a.journal, Notifiers: g.notifiers, Rules: rulesOf(c), Logger: a.log, Metrics: a.metrics}); err != nil {
		return nil, err
	}
	if err := a.reportSalvage(ctx); err != nil {
		return nil, err
	}
	a.unwritten = unwritten{path: filepath.Join(c.RuntimeDir, unwrittenName), log: a.log}
	a.outbox.Submit(a.unwritten.takeBack(time.Now())...)
	if err := a.newEvidence(); err != nil {
		return nil, err
	}
	a.onStop("evidence", a.evidence.Close)
	a.configureEvidence(c, g.adapters)
	if err := a.newRecorder(); err != nil {
		return nil, err
	}
	a.feed = a.newFeed()
	if a.tracer, err = a.newTracer(); err != nil {
		return nil, err
	}
	a.cycles = newCycles(tracedMeter{a.feed.Tap(a.metrics), a.tracer}, a.log)
	a.engine, err = engine.New(engine.Options{Turn: a.cycles.turn, Policy: g.policy, Subjects: g.subjects, State: state, Actuator: actuator(g.adapters),
		Journal: ledger{a.journal, a.giveUp}, Courier: courier{a}, Broken: a.journal.Broken(), Brake: a.brake, Evidence: a.evidence, Tape: a.recorder, Meter: a.cycles, Render: a.render, Own: a.own, Logger: a.log})
	if err != nil {
		return nil, err
	}
	a.readAtScrape()
	pages, err := a.newPage()
	if err != nil {
		return nil, err
	}
	a.beats, a.canary = newHeartbeat(a), newCanary(a)
	a.server, err = httpserve.New(httpserve.Options{Daemon: daemonView{a}, Gatherer: a.metrics.Registry, Logger: a.log, Feed: a.feed, Pages: pages, Drills: a.mayDrill, Notices: a.journal.Notices, Alerts: a.takeAlerts,
		Reload: func(ctx context.Context) (any, error) { return a.Reload(ctx) },
		Listen: c.HTTP.Listen, Names: a.names, WebFile: c.HTTP.WebConfigFile, Socket: filepath.Join(c.RuntimeDir, SocketName)})
	if err != nil {
		return nil, err
	}
	a.onStop("servers", a.server.Stop)
	return a, nil
}

// configured tells who wants to know of the configuration in force.
func (a *App) configured(c *config.Config) {
	logWarnings(c, a.log)
	if a.o.Configured != nil {
		a.o.Configured(c)
	}
}

// Run turns until ctx ends or a part fails; every value on reload reads the configuration anew.
// It stops everything before it returns. The error is nil after an orderly stop.
func (a *App) Run(ctx context.Context, reload <-chan os.Signal) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	a.configured(a.Config())
	var wg sync.WaitGroup
	part := func(name string, run func() error) {
		wg.Go(func() {
			err := run()
			if ctx.Err() == nil { // nothing may end before it is told to
				cancel(fmt.Errorf("%s ended: %w", name, errors.Join(err, errEnded)))
			}
		})
	}
	// The outbox outlives the engine, so that the last notices of the engine still leave.
	out, stopOutbox := context.WithCancel(context.WithoutCancel(ctx))
	outDone := make(chan struct{})
	go func() {
		defer close(outDone)
		if err := a.outbox.Run(out); err != nil && out.Err() == nil {
			cancel(fmt.Errorf("outbox ended: %w", err))
		}
	}()
	if a.server.Addr() != nil {
		part("http server", a.server.Serve)
	}
	part("decision loop", func() error { return a.engine.Run(ctx) })
	part("service manager", func() error { return a.supervise(ctx) })
	if ch := a.children; ch != nil {
		part("child processes", func() error { ch.start(ctx, a.engine, a.Config(), a.log); return nil })
		a.log.Info("running programs as child processes", zap.String("targets", ch.describe()))
	}
	part("heartbeat", func() error { return a.beats.run(ctx) })
	part("traces", func() error { return a.tracer.Run(ctx) })
	part("canary", func() error { return a.canary.run(ctx) })
	part("recordings", func() error { return a.recorder.Run(ctx) })
	part("snapshots", func() error { return a.snapshots(ctx) })
	wg.Go(func() { a.recallMinutes(ctx) })
	wg.Go(func() { a.reach.look(ctx, a.Config(), a.log, host.OwnSandbox) })
	a.inForce.Load().watchUnits(a.engine.LookNow)
	a.log.Info("recoveryd is running", zap.String("version", a.o.Version), zap.String("commit", a.o.Commit),
		zap.Int("targets", len(a.Config().Targets)), zap.String("config", a.o.ConfigPath), zap.String("mode", string(a.Config().Mode)))
	for done := false; !done; {
		select {
		case <-ctx.Done():
			done = true
		case <-reload:
			_ = a.reload(ctx, &wg) // the verdict is in the log, and everywhere where the daemon tells of itself
		case o := <-a.orders:
			o.verdict <- a.reload(ctx, &wg)
		case err := <-a.damaged:
			cancel(fmt.Errorf("%w: %w (the next start sets the damaged file aside)", errEnded, err))
		}
	}
	cause := context.Cause(ctx)
	a.log.Info("stopping", zap.Error(cause))
	a.notifyStopping()
	stopErr := a.stopServers()
	a.await(&wg)
	stopOutbox()
	<-outDone
	if errors.Is(cause, errEnded) {
		return errors.Join(cause, stopErr, a.Stop())
	}
	return errors.Join(stopErr, a.Stop())
}

// await waits for the parts. What an action in flight may still take is asked of the service manager, whose
// own patience may be shorter: killed in the middle of a restart, recoveryd would leave a service stopped.
func (a *App) await(wg *sync.WaitGroup) {
	over := make(chan struct{})
	go func() { wg.Wait(); close(over) }()
	t := time.NewTicker(time.Second)
	defer t.Stop()
	for {
		if left := a.engine.Busy(time.Now()); left > 0 {
			a.notifyBusy(left + stopLimit)
		}
		select {
		case <-over:
			return
		case <-t.C:
		}
	}
}

// giveUp asks Run to end because the journal is damaged.
func (a *App) giveUp(err error) {
	select {
	case a.damaged <- err:
	default:
	}
}

var errEnded = errors.New("a part of recoveryd ended by itself")

// stopServers ends the servers first, so that their goroutines end.
func (a *App) stopServers() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return a.server.Stop(ctx)
}

// Stop undoes what New did, last first. It is idempotent.
func (a *App) Stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), stopLimit)
	defer cancel()
	var errs []error
	for i := len(a.cleanups) - 1; i >= 0; i-- {
		if err := a.cleanups[i].do(ctx); err != nil {
			errs = append(errs, fmt.Errorf("stop %s: %w", a.cleanups[i].name, err))
		}
	}
	a.cleanups = nil
	return errors.Join(errs...)
}

// Config is the configuration in force.
func (a *App) Config() *config.Config { return a.inForce.Load().config }

// State is what is known and decided at this moment. It must not be modified.
func (a *App) State() incident.State { return a.engine.State() }

// Addr is the address of the HTTP server, "" when there is none.
func (a *App) Addr() string {
	if ad := a.server.Addr(); ad != nil {
		return ad.String()
	}
	return ""
}

// snapshots stores the state now and then, so that a restart replays little.
func (a *App) snapshots(ctx context.Context) error {
	t := time.NewTicker(10 * time.Minute)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
			if err := saveSnapshot(ctx, a.journal, a.engine.State()); err != nil {
				a.log.Warn("snapshot not stored; the next start replays more", zap.Error(err))
			}
		}
	}
}

// render is the engine's way from a decision to a message.
func (a *App) render(n incident.Notice, i incident.Incident, at time.Time) notice.Notice {
	return rendererOf(a.Config()).Render(n, i, at)
}

// own routes a notice about recoveryd itself by the configuration in force. It says on which host, also
// in its key: recoveryd elsewhere may send to the same service of a vendor.
func (a *App) own(n notice.Notice) []queue.Queued {
	return a.inForce.Load().route.Own(onHost(n, a.Config().Host))
}

func onHost(n notice.Notice, host string) notice.Notice {
	if n.Host == "" {
		n.Host = host
		n.Key += "/" + host
	}
	return n
}

// courier connects the engine to the outbox.
type courier struct{ a *App }

// Wake says that the outbox has something new.
func (c courier) Wake() { c.a.outbox.Wake() }

// Emergency delivers without a journal, under the same rules.
func (c courier) Emergency(rows []queue.Queued) {
	c.a.unwritten.note(rows)
	c.a.outbox.Submit(rows...)
}

// observeOnly turns every target into one that is only watched.
func observeOnly(c *config.Config) {
	c.Mode = config.Observe
	for i := range c.Targets {
		c.Targets[i].Mode = config.Observe
	}
}

// names is under which the status page is reached.
func (a *App) names() httpserve.Names {
	c := a.Config()
	return httpserve.Names{External: c.HTTP.ExternalURL, Host: c.Host, More: c.HTTP.Hosts}
}

func names(c *config.Config) (out []string) {
	for _, t := range c.Targets {
		out = append(out, t.Name)
	}
	return out
}
