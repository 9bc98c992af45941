package process

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/recoveryd/recoveryd/pkg/platform"
	"github.com/recoveryd/recoveryd/pkg/platform/changes"
	"github.com/recoveryd/recoveryd/pkg/platform/envfile"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// Unit is a program that can be run.
type Unit struct {
	Name    string    // unique; what actions and facts call it
	Argv    []string  // program, by path or to be found in PATH, and its arguments; no shell
	Dir     string    // working directory; "" = the daemon's own
	Env     []string  // its whole environment, as KEY=value
	EnvFile string    // file in Options.EnvDir whose variables are added at each start; "" = none
	Output  io.Writer // standard output and error; nil = discarded. Used by one process at a time, whose end is told when all that it printed has been written
	// StopGrace is how long Close waits between SIGTERM and SIGKILL; 0 means 2 s.
	StopGrace time.Duration
}

// Options configures an adapter.
type Options struct {
	Units []Unit
	// EnvDir is the absolute path of the directory of environment files, "" when set-env is
	// not supported; EnvKeys are the variables that may be set there.
	EnvDir  string
	EnvKeys []string
	// StopTimeout is how long a stop without stop_grace waits until it kills; 0 means 90 s, which
	// is systemd's own default.
	StopTimeout time.Duration
	// Logger receives starts and ends; nil logs nothing.
	Logger *zap.Logger
}

// Adapter runs units as child processes. All methods are safe for concurrent use.
type Adapter struct {
	opt   Options
	log   *zap.Logger
	env   *envfile.Dir // nil: set-env is not supported
	units map[string]*unit
	spawn chan func() // to the goroutine that starts processes
	wg    sync.WaitGroup

	mu        sync.Mutex // guards everything that follows
	listeners []*listener
	closed    bool
}

// listener is one running Watch.
type listener struct {
	units []string
	out   *changes.Mailbox
}

var (
	_ platform.Adapter = (*Adapter)(nil)
	_ platform.Watcher = (*Adapter)(nil)
)

// New makes an adapter; it starts nothing. Close must be called.
func New(opt Options) (*Adapter, error) {
	if opt.StopTimeout <= 0 {
		opt.StopTimeout = 90 * time.Second
	}
	if opt.Logger == nil {
		opt.Logger = zap.NewNop()
	}
	a := &Adapter{opt: opt, log: opt.Logger, units: map[string]*unit{}, spawn: make(chan func())}
	var problems []error
	for _, u := range opt.Units {
		switch {
		case u.Name == "":
			problems = append(problems, errors.New("a unit has no name"))
		case a.units[u.Name] != nil:
			problems = append(problems, fmt.Errorf("unit %s is defined twice", u.Name))
		case len(u.Argv) == 0:
			problems = append(problems, fmt.Errorf("unit %s has no program", u.Name))
		case u.EnvFile != "" && (opt.EnvDir == "" || filepath.Base(u.EnvFile) != u.EnvFile):
			problems = append(problems, fmt.Errorf("unit %s: environment file %q is not a name in the environment directory", u.Name, u.EnvFile))
		}
		a.units[u.Name] = newUnit(a, u)
	}
	if opt.EnvDir != "" {
		env, err := envfile.New(opt.EnvDir, opt.EnvKeys)
		if err != nil {
			problems = append(problems, err)
		}
		a.env = env
	}
	if err := errors.Join(problems...); err != nil {
		return nil, fmt.Errorf("process platform: %w", err)
	}
	a.wg.Go(a.starter)
	return a, nil
}

// starter starts the processes, all from one thread that lives as long as the adapter: the kernel
// takes the end of the starting thread for the end of the parent, and kills the child.
func (a *Adapter) starter() {
	runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
	for f := range a.spawn {
		f()
	}
}

// Close stops every unit (SIGTERM, then SIGKILL after its StopGrace) and waits for them. Actions
// in flight and later ones fail.
func (a *Adapter) Close() {
	a.mu.Lock()
	if a.closed {
		a.mu.Unlock()
		return
	}
	a.closed = true
	a.mu.Unlock()
	var ends sync.WaitGroup
	for _, u := range a.units {
		ends.Go(func() { u.close(cmp.Or(u.spec.StopGrace, 2*time.Second)) })
	}
	ends.Wait()
	close(a.spawn)
	a.wg.Wait()
}

// Verbs implements [platform.Adapter].
func (a *Adapter) Verbs() []strategy.Verb {
	v := []strategy.Verb{strategy.Start, strategy.Stop, strategy.Restart, strategy.Kill, strategy.ResetFailed}
	if a.env != nil {
		v = append(v, strategy.SetEnv)
	}
	return v
}

// OperatorStop stops a unit as a person would: its departure is "stopped", and recoveryd leaves
// it alone.
func (a *Adapter) OperatorStop(ctx context.Context, name string) error {
	return a.byPerson(ctx, strategy.Stop, name)
}

// OperatorStart starts a unit as a person would.
func (a *Adapter) OperatorStart(ctx context.Context, name string) error {
	return a.byPerson(ctx, strategy.Start, name)
}

func (a *Adapter) byPerson(ctx context.Context, v strategy.Verb, name string) error {
	u := a.units[name]
	if u == nil {
		return fmt.Errorf("there is no unit %q", name)
	}
	_, err := u.perform(ctx, strategy.Action{Verb: v, Object: name}, false)
	return err
}

// Watch implements [platform.Watcher].
func (a *Adapter) Watch(ctx context.Context, units []string, changed func(platform.Change)) error {
	if len(units) == 0 {
		return errors.New("watch: no units named")
	}
	for _, n := range units {
		if a.units[n] == nil {
			return fmt.Errorf("watch: there is no unit %q", n)
		}
	}
	l := &listener{units: slices.Clone(units), out: changes.New()}
	a.mu.Lock()
	a.listeners = append(a.listeners, l)
	a.mu.Unlock()
	defer func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.listeners = slices.DeleteFunc(a.listeners, func(x *listener) bool { return x == l })
	}()
	for _, n := range units {
		a.units[n].report()
	}
	for {
		c, ok := l.out.Next(ctx)
		if !ok {
			return nil
		}
		changed(c)
	}
}

// publish hands a change to everybody who watches the unit.
func (a *Adapter) publish(c platform.Change) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, l := range a.listeners {
		if slices.Contains(l.units, c.Unit) {
			l.out.Put(c)
		}
	}
}

func (a *Adapter) isWatched(name string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.ContainsFunc(a.listeners, func(l *listener) bool { return slices.Contains(l.units, name) })
}

func (a *Adapter) isClosed() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.closed
}
