package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/recoveryd/recoveryd/internal/config"
	"github.com/recoveryd/recoveryd/internal/engine"
	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/platform/process"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// children are the programs of the targets with platform process. They live as long as the
// daemon: started with it, kept over a reload, stopped with it.
type children struct {
	adapter *process.Adapter
	units   []process.Unit           // in the order of starting: what others need comes first
	begun   map[string]chan struct{} // by target; closed when its first start was tried
}

// newChildren builds the process platform of a configuration; nil when no target asks for it.
// Nothing is started yet.
func newChildren(c *config.Config, log *zap.Logger) (*children, error) {
	units := processesOf(c, log)
	if len(units) == 0 {
		return nil, nil
	}
	ad, err := process.New(process.Options{Units: units, EnvDir: filepath.Join(c.RuntimeDir, "env"), EnvKeys: envKeys(c), Logger: log})
	if err != nil {
		return nil, err
	}
	ch := &children{adapter: ad, units: units, begun: map[string]chan struct{}{}}
	for _, u := range units {
		ch.begun[u.Name] = make(chan struct{})
	}
	return ch, nil
}

// processesOf lists the programs that a configuration wants to be run, what others need first.
func processesOf(c *config.Config, log *zap.Logger) (units []process.Unit) {
	seen := map[string]bool{}
	var add func(name string)
	add = func(name string) {
		t, ok := c.Target(name)
		if !ok || seen[name] {
			return
		}
		seen[name] = true
		for _, need := range t.DependsOn {
			add(need)
		}
		if t.Platform == platformProcess && !t.External {
			units = append(units, processOf(t, log))
		}
	}
	for _, t := range c.Targets {
		add(t.Name)
	}
	return units
}

// processOf translates one target.
func processOf(t config.Target, log *zap.Logger) process.Unit {
	keys := t.Own.(*process.Keys)
	u := process.Unit{Name: targetOf(t).Object, Argv: keys.Command, Dir: keys.Dir, Env: inherited(os.Environ()), StopGrace: t.StopGrace,
		Output: &lineLog{log: log.With(zap.String("target", t.Name))}}
	for _, v := range keys.Env {
		u.Env = append(u.Env, v.Name+"="+v.Value.Reveal())
	}
	if t.Pool.EnvFile != "" {
		u.EnvFile = filepath.Base(t.Pool.EnvFile)
	}
	return u
}

// ours are variables by which a service manager talks to recoveryd itself: a child that answered
// in its place would feed its watchdog.
var ours = []string{"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "INVOCATION_ID",
	"JOURNAL_STREAM", "CREDENTIALS_DIRECTORY", "STATE_DIRECTORY", "RUNTIME_DIRECTORY", "CONFIGURATION_DIRECTORY", "MAINPID", "SYSTEMD_EXEC_PID"}

// inherited is what a child gets of the daemon's own environment.
func inherited(environ []string) []string {
	return slices.DeleteFunc(environ, func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return slices.Contains(ours, name)
	})
}

// start starts every program, each when what it needs is well or has had its start grace, and
// then waits for ctx. What cannot be started is found down by its looker, and treated as such.
func (ch *children) start(ctx context.Context, e *engine.Engine, c *config.Config, log *zap.Logger) {
	for _, u := range ch.units {
		t, _ := c.Target(u.Name)
		for _, need := range t.DependsOn {
			n, _ := c.Target(need)
			awaitGood(ctx, e, need, n.StartGrace)
		}
		if ctx.Err() != nil {
			return
		}
		if rep, err := ch.adapter.Do(ctx, strategy.Action{Verb: strategy.Start, Object: u.Name, Target: u.Name}); err != nil {
			log.Error("a target could not be started", zap.String("target", u.Name), zap.String("detail", rep.Detail), zap.Error(err))
		}
		close(ch.begun[u.Name])
	}
	<-ctx.Done()
}

// awaitGood waits until a target was seen well, for at most limit.
func awaitGood(ctx context.Context, e *engine.Engine, target string, limit time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if t, ok := e.State().Targets[target]; ok && !t.Last.At.IsZero() && t.Diagnosis.Good() {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// gate keeps lookers from judging a program before it was started for the first time: it would be
// found down, and the start of the daemon would be an incident.
func (ch *children) gate(subjects []engine.Subject) []engine.Subject {
	if ch == nil {
		return subjects
	}
	for i, s := range subjects {
		if begun, ok := ch.begun[s.Name]; ok {
			subjects[i].Looker = gated{s.Looker, s.Name, begun}
		}
	}
	return subjects
}

// gated looks once its target has been started.
type gated struct {
	engine.Looker
	target string
	begun  <-chan struct{}
}

// Look implements [engine.Looker].
func (g gated) Look(ctx context.Context, cause string) detect.Observation {
	select {
	case <-g.begun:
		return g.Looker.Look(ctx, cause)
	case <-ctx.Done():
		return detect.Observation{Target: g.target, At: time.Now(), Cause: cause,
			Facts: detect.Facts{detect.WorkloadState: detect.NotMeasured("it has not been started yet")}}
	}
}

// errChildren refuses a reload that would start, stop or change a program.
var errChildren = errors.New("the programs of platform process changed (name, command, env, dir or env_file): that needs a restart of recoveryd")

// same reports whether a new configuration wants the same programs to run.
func (ch *children) same(c *config.Config) error {
	var have []process.Unit
	if ch != nil {
		have = ch.units
	}
	plain := func(units []process.Unit) (out []process.Unit) {
		for _, u := range units {
			u.Output = nil
			out = append(out, u)
		}
		return out
	}
	if !reflect.DeepEqual(plain(have), plain(processesOf(c, zap.NewNop()))) {
		return errChildren
	}
	return nil
}

// close stops every program and waits for it.
func (ch *children) close(context.Context) error {
	ch.adapter.Close()
	return nil
}

// describe names the programs for the log.
func (ch *children) describe() string {
	names := make([]string, len(ch.units))
	for i, u := range ch.units {
		names[i] = u.Name
	}
	return fmt.Sprintf("%d (%s)", len(names), strings.Join(names, ", "))
}
