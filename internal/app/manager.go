package app

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"go.uber.org/zap"

	"github.com/recoveryd/recoveryd/internal/config"
	"github.com/recoveryd/recoveryd/internal/residency"
	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

// complaintEvery is how often a daemon whose loop stands still says so.
const complaintEvery = 10 * time.Second

// supervise talks to the service manager: READY once every target was looked at, STATUS when it
// changes, and a watchdog that is fed only while the loop and the lookers complete their cycles.
func (a *App) supervise(ctx context.Context) error {
	manager := newHerald()
	defer manager.close()
	t := time.NewTicker(complaintEvery)
	defer t.Stop()
	ready, status := false, ""
	first := time.NewTicker(20 * time.Millisecond)
	defer first.Stop()
	trim := time.NewTimer(math.MaxInt64)
	defer trim.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-first.C:
			if ready = a.lookedEverywhere(); ready {
				first.Stop()
				a.notifyReady("")
				trim.Reset(trimAfter)
			}
			continue
		case <-trim.C:
			a.trim()
			continue
		case <-t.C:
			if err := a.engine.Alive(time.Now()); err != nil {
				a.log.Error("not alive: the watchdog is not fed", zap.Error(err))
			}
			continue
		case <-a.cycles.beats:
		}
		if a.engine.Alive(time.Now()) != nil {
			continue // the loop turns and no target is looked at
		}
		if a.cycles.watchdog {
			_ = manager.tell(daemon.SdNotifyWatchdog) // it acts itself when it does not hear of us
		}
		if s := a.statusLine(); ready && s != status {
			status = s
			_ = manager.tell("STATUS=" + s)
		}
	}
}

// trimAfter is how long after the first looks the memory of the start is given back: by then the pages
// of the steady work have been used, and what history there is has been read.
const trimAfter = 5 * time.Second

// trim gives back memory that is not needed for now: of the start, and then once a minute, after the
// journal's own work: what that needed is as much as all looks do.
func (a *App) trim() {
	if err := residency.Trim(); err != nil {
		a.log.Debug("memory that is not needed is kept", zap.Error(err))
	}
}

// lookedEverywhere reports whether every target was looked at once: only then is recoveryd of use.
func (a *App) lookedEverywhere() bool {
	s := a.engine.State()
	for _, t := range a.engine.Policy().Targets() {
		if ts, ok := s.Targets[t.Name]; !ok || ts.Last.At.IsZero() {
			return false
		}
	}
	return true
}

// statusLine is one line for systemctl status.
func (a *App) statusLine() string {
	s := a.engine.State()
	n, open := len(a.engine.Policy().Targets()), len(s.Incidents)
	line := fmt.Sprintf("watching %d targets, %d open incidents", n, open)
	for _, i := range s.Incidents {
		line += fmt.Sprintf("; %s: %s", i.Target, i.Class)
	}
	if s.Host.Stop != nil {
		line = "does nothing, stopped by " + s.Host.Stop.Why
	}
	if s.Host.Impaired != "" {
		line = "may only page: " + s.Host.Impaired
	}
	return line
}

func (a *App) notifyReady(status string) {
	if status == "" {
		status = a.statusLine()
	}
	_, _ = daemon.SdNotify(false, daemon.SdNotifyReady+"\nSTATUS="+status)
}

func (a *App) notifyReloading() { _, _ = daemon.SdNotify(false, daemon.SdNotifyReloading) }
func (a *App) notifyStopping()  { _, _ = daemon.SdNotify(false, daemon.SdNotifyStopping) }

// notifyBusy asks the service manager for time while an action in flight comes to its end.
func (a *App) notifyBusy(limit time.Duration) {
	_, _ = daemon.SdNotify(false, fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d\nSTATUS=stopping: waits for the end of the action in flight", limit.Microseconds()))
}

// fixedParts refuses a reload that changes what only a restart can change.
func (a *App) fixedParts(c *config.Config) error {
	old := a.Config()
	var errs []error
	for _, x := range []struct{ key, was, is string }{
		{"state_dir", old.StateDir, c.StateDir}, {"runtime_dir", old.RuntimeDir, c.RuntimeDir}, {"http.listen", old.HTTP.Listen, c.HTTP.Listen},
		{"http.web_config_file", old.HTTP.WebConfigFile, c.HTTP.WebConfigFile}, {"log.level", old.Log.Level, c.Log.Level}, {"log.format", old.Log.Format, c.Log.Format},
	} {
		if x.was != x.is {
			errs = append(errs, fmt.Errorf("%s changed from %q to %q: that needs a restart of recoveryd", x.key, x.was, x.is))
		}
	}
	return errors.Join(errs...)
}

// daemonView is what the servers see of the daemon.
type daemonView struct{ a *App }

func (d daemonView) State() incident.State             { return d.a.engine.State() }
func (d daemonView) Policy() *incident.Policy          { return d.a.engine.Policy() }
func (d daemonView) Version() string                   { return d.a.o.Version }
func (d daemonView) Runbook(class detect.Class) string { return Runbook(d.a.Config(), class) }
func (d daemonView) Channels() any                     { return d.a.telling() }
func (d daemonView) Warnings() []string {
	return append(d.a.file.warnings(), d.a.reach.warnings()...)
}

func (d daemonView) Ask(ctx context.Context, ev incident.Event) (incident.Record, error) {
	return d.a.engine.Ask(ctx, ev)
}
func (d daemonView) Alive(now time.Time) error { return d.a.engine.Alive(now) }

// Ready says why the daemon is not of use now: nothing looked at yet, a looker that hangs, a
// journal that cannot be written.
func (d daemonView) Ready(ctx context.Context) error {
	if !d.a.lookedEverywhere() {
		return errors.New("not every target has been looked at yet")
	}
	if s := d.a.engine.Stalled(time.Now()); len(s) > 0 {
		return fmt.Errorf("not looked at for too long: %v", s)
	}
	if w := d.a.engine.State().Host.Impaired; w != "" {
		return errors.New(w)
	}
	if err := d.a.journal.Writable(ctx); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	return nil
}

func (d daemonView) Incidents(ctx context.Context, open bool, limit int) ([]incident.Incident, error) {
	return (&History{d.a.journal}).Incidents(ctx, open, limit)
}

func (d daemonView) PlaybookRun(ctx context.Context, id string) (incident.Run, []incident.Record, error) {
	return (&History{d.a.journal}).PlaybookRun(ctx, id)
}

func (d daemonView) Incident(ctx context.Context, id string) (incident.Incident, []incident.Record, error) {
	return (&History{d.a.journal}).Incident(ctx, id)
}
