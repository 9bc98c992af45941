package systemd

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/platform"
	"github.com/recoveryd/recoveryd/pkg/platform/envfile"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// Options configures an adapter. The zero value is usable.
type Options struct {
	// BusAddress is the D-Bus address of the bus that systemd is on, such as
	// "unix:path=/run/dbus/system_bus_socket". Empty means the system bus.
	BusAddress string
	// EnvDir is the directory of the units' own environment files (EnvironmentFile=-… in a static
	// drop-in); empty means that set-env is not supported. EnvKeys are the variables that may
	// be set there.
	EnvDir  string
	EnvKeys []string
	// Root is where the file system of systemd's host is found, "/" when empty. It serves to read
	// /proc and /sys/fs/cgroup of a container or of a test's disposable host.
	Root string
	// InspectTimeout bounds Inspect when D-Bus does not answer; 0 means 500 ms, which is a tenth
	// of the shortest sensible poll interval.
	InspectTimeout time.Duration
	// Logger receives changes of the connection and nothing else; nil logs nothing.
	Logger *zap.Logger
}

const (
	defaultInspectTimeout = 500 * time.Millisecond
	// defaultActionTimeout bounds an action that carries no timeout. It is above systemd's own
	// default of 90 s for one start or stop.
	defaultActionTimeout = 2 * time.Minute
)

// Adapter is the systemd platform. All methods are safe for concurrent use.
type Adapter struct {
	opt  Options
	log  *zap.Logger
	link *dialer
	env  *envfile.Dir // nil: set-env is not supported
	host hostFiles
	own  *ledger

	mu       sync.Mutex // guards everything that follows
	sessions []*session // the running Watch calls, newest last
	denied   map[string]string
	read     map[string]whole // by unit; only those whose signals agree with what was read
	told     map[string]told  // by unit: what Inspect said last, for Glance
}

var (
	_ platform.Adapter = (*Adapter)(nil)
	_ platform.Watcher = (*Adapter)(nil)
	_ platform.Glancer = (*Adapter)(nil)

	_ platform.Finisher = (*Adapter)(nil)
)

// New makes an adapter, which holds connections until Close; ctx bounds nothing but the first attempt to
// connect. A bus that cannot be reached is not an error: every Inspect tries again and says that it
// could not measure.
func New(ctx context.Context, opt Options) (*Adapter, error) {
	if opt.InspectTimeout <= 0 {
		opt.InspectTimeout = defaultInspectTimeout
	}
	if opt.Logger == nil {
		opt.Logger = zap.NewNop()
	}
	if opt.Root == "" {
		opt.Root = "/"
	}
	a := &Adapter{opt: opt, log: opt.Logger, host: hostFiles{root: opt.Root}, denied: map[string]string{}, read: map[string]whole{}, told: map[string]told{}}
	if opt.EnvDir != "" {
		env, err := envfile.New(opt.EnvDir, opt.EnvKeys)
		if err != nil {
			return nil, fmt.Errorf("systemd platform: %w", err)
		}
		a.env = env
	}
	a.own = newLedger(a.recheck)
	a.link = newDialer(opt.BusAddress, opt.Logger)
	a.host.locks = watchLocks(a.link.ctx, a.host.path(packageDir))
	first, cancel := context.WithTimeout(ctx, opt.InspectTimeout)
	defer cancel()
	if _, err := a.link.get(first); err != nil {
		a.log.Warn("systemd cannot be reached over D-Bus; trying again at every look", zap.Error(err))
	}
	return a, nil
}

// Close ends the connections and everything else that New began. Actions in flight end as unknown: who
// wants their ends closes after them. Watch calls end too.
func (a *Adapter) Close() error {
	a.link.close()
	return nil
}

// Inherit implements [platform.Heir]: it takes over what an adapter that this one replaces knows of our own actions, which may still be
// in flight there, and of refusals: a job of ours is no person's doing because the adapter is another.
func (a *Adapter) Inherit(other platform.Adapter) {
	from, ok := other.(*Adapter)
	if !ok {
		return
	}
	a.own.inherit(from.own)
	from.mu.Lock()
	denied := maps.Clone(from.denied)
	from.mu.Unlock()
	a.mu.Lock()
	defer a.mu.Unlock()
	maps.Copy(a.denied, denied)
}

// Verbs implements [platform.Adapter].
func (a *Adapter) Verbs() []strategy.Verb {
	v := []strategy.Verb{strategy.Start, strategy.Stop, strategy.Restart, strategy.Kill,
		strategy.ResetFailed, strategy.SetMemory}
	if a.env != nil {
		v = append(v, strategy.SetEnv)
	}
	return v
}

// checkUnit refuses names that systemd would have to guess at. An empty selector must never mean
// "everything".
func checkUnit(unit string) error {
	switch {
	case unit == "":
		return errors.New("no unit named")
	case len(unit) > maxUnitName:
		return fmt.Errorf("unit name of %d characters is too long", len(unit))
	case !strings.HasSuffix(unit, ".service"):
		return fmt.Errorf("unit %q: only services can be watched and acted on (want a name that ends in .service)", unit)
	case strings.ContainsAny(unit, "/'\" \t\n*?["):
		return fmt.Errorf("unit %q: not a unit name", unit)
	case strings.HasSuffix(unit, "@.service"):
		return fmt.Errorf("unit %q is a template: name an instance, such as postgresql@15-main.service", unit)
	}
	return nil
}

// addSession and dropSession keep the list of running Watch calls.
func (a *Adapter) addSession(s *session) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sessions = append(a.sessions, s)
}

func (a *Adapter) dropSession(s *session) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i, x := range a.sessions {
		if x == s {
			a.sessions = append(a.sessions[:i:i], a.sessions[i+1:]...)
			return
		}
	}
}

// watched returns what the newest session that receives signals of the unit knows of it.
func (a *Adapter) watched(unit string) (view, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := len(a.sessions) - 1; i >= 0; i-- {
		if v, ok := a.sessions[i].view(unit); ok {
			return v, true
		}
	}
	return view{}, false
}

// recheck is called when it has become known whether a job of a unit is ours.
func (a *Adapter) recheck(unit string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, s := range a.sessions {
		s.poke(unit)
	}
}

// remember notes that the host refuses an action on a unit, or, with an empty text, that it did
// not; Inspect reports it as workload.permission.
func (a *Adapter) remember(unit, refusal string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.told, unit)
	if refusal == "" {
		delete(a.denied, unit)
	} else {
		a.denied[unit] = refusal
	}
}

func (a *Adapter) refusal(unit string) detect.Reading {
	a.mu.Lock()
	defer a.mu.Unlock()
	return detect.Word(a.denied[unit])
}
