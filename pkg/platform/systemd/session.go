package systemd

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/godbus/dbus/v5"
	"go.uber.org/zap"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/platform"
	"github.com/recoveryd/recoveryd/pkg/platform/changes"
)

const (
	// firstRetry and lastRetry are the delays between attempts to connect. dbus-daemon is back
	// within a second of a restart; a host without it must not be asked all the time.
	firstRetry = 50 * time.Millisecond
	lastRetry  = 5 * time.Second
)

// Watch implements [platform.Watcher]. Each unit is reported once at the start and once after
// every gap. While a connection cannot be had, it goes on trying.
func (a *Adapter) Watch(ctx context.Context, units []string, changed func(platform.Change)) error {
	if len(units) == 0 {
		return errors.New("watch: no units named")
	}
	for _, u := range units {
		if err := checkUnit(u); err != nil {
			return fmt.Errorf("watch: %w", err)
		}
	}
	if a.link.ctx.Err() != nil {
		return errors.New("watch: the systemd adapter is closed")
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(a.link.ctx, cancel) // Close ends the watch too
	defer stop()
	s := newSession(a, units)
	a.addSession(s)
	defer a.dropSession(s)

	var reader sync.WaitGroup
	reader.Go(func() { s.run(ctx) })
	defer reader.Wait()
	for {
		c, ok := s.out.Next(ctx)
		if !ok {
			return nil
		}
		changed(c)
	}
}

// session is one running Watch: the trackers of its units, and the goroutine that feeds them.
type session struct {
	adapter *Adapter
	out     *changes.Mailbox
	wake    chan struct{} // capacity 1: poked is not empty

	mu     sync.Mutex                     // guards everything that follows
	units  map[string]*tracker            // by the name that was asked for, and what these are bound to
	names  map[string][]*tracker          // by that name and by the one that systemd signals under
	paths  map[dbus.ObjectPath][]*tracker // the same, as object paths
	poked  map[string]bool
	online bool
}

func newSession(a *Adapter, units []string) *session {
	s := &session{adapter: a, out: changes.New(), wake: make(chan struct{}, 1),
		units: map[string]*tracker{}, names: map[string][]*tracker{}, paths: map[dbus.ObjectPath][]*tracker{}, poked: map[string]bool{}}
	for _, u := range units {
		if s.units[u] == nil {
			s.units[u] = &tracker{unit: u, own: a.own, cause: s.cause}
			s.listen(u, s.units[u])
		}
	}
	return s
}

// listen makes the signals of a name go to a tracker.
func (s *session) listen(name string, t *tracker) {
	s.names[name] = append(s.names[name], t)
	s.paths[unitPath(name)] = append(s.paths[unitPath(name)], t)
}

// run feeds the trackers until ctx ends, over as many connections as it takes.
func (s *session) run(ctx context.Context) {
	log := s.adapter.log
	delay := firstRetry
	var since time.Time // of the gap; zero: none yet
	for {
		began := time.Now()
		err := s.serve(ctx, func() {
			delay = firstRetry
			if !since.IsZero() {
				log.Info("unit signals are received again", zap.Duration("gap", time.Since(since)))
			}
			since = time.Time{}
		})
		s.offline()
		if ctx.Err() != nil {
			return
		}
		if since.IsZero() {
			since = began
			if s.wasOnline() {
				since = time.Now()
			}
			log.Warn("unit signals are not received; trying again", zap.Error(err))
		}
		// Jitter: the daemons of a fleet must not come back in step.
		wait := time.NewTimer(delay/2 + rand.N(delay))
		delay = min(2*delay, lastRetry)
		select {
		case <-ctx.Done():
			wait.Stop()
			return
		case <-wait.C:
		}
	}
}

// offline notes that signals may be missed from now on.
func (s *session) offline() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.units {
		t.lost()
	}
}

func (s *session) wasOnline() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	was := s.online
	s.online = false
	return was
}

// view returns what is known of a unit whose signals are being received.
func (s *session) view(unit string) (view, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.units[unit]
	if t == nil || t.bound || !t.synced {
		return view{}, false
	}
	v := view{props: t.props, end: t.end(maxDepth), heard: t.heard}
	if t.cur != nil {
		v.jobID, v.jobType, v.jobAuto, v.jobWith = t.cur.id, t.cur.typ, t.cur.auto, t.unasked()
	}
	return v, true
}

// heard returns how much has been learnt of a unit whose signals are being received.
func (s *session) heard(unit string) (uint64, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.units[unit]
	if t == nil || t.bound || !t.synced {
		return 0, false
	}
	return t.heard, true
}

// poke asks for a unit to be judged again; it never blocks.
func (s *session) poke(unit string) {
	s.mu.Lock()
	s.poked[unit] = true
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// judgeAgain reports the units that were poked and have something new to say.
func (s *session) judgeAgain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for u := range s.poked {
		if t := s.units[u]; t != nil {
			s.report(t, false)
		}
	}
	clear(s.poked)
}

// report hands on what is known of a unit, when it is new or must be told anyway. The lock is held.
func (s *session) report(t *tracker, anyway bool) {
	if !t.known || t.bound {
		return
	}
	f := t.facts()
	if !anyway && maps.Equal(f, t.last) {
		return
	}
	t.last = f
	s.out.Put(platform.Change{Unit: t.unit, Facts: maps.Clone(f)})
}

// endedWith reports the units that one takes along by its end: systemd may signal theirs first. The lock is held.
func (s *session) endedWith(d *tracker) {
	for _, t := range s.units {
		if t != d && slices.Contains(t.props.deps, d.unit) {
			s.report(t, false)
		}
	}
}

// cause finds the followed unit, or the unit that we were acting on, whose end took t along by a
// job first seen at a time. The lock is held.
func (s *session) cause(t *tracker, seen time.Time, depth int) (unit, why string) {
	at := seen
	if t.ep != nil {
		at = t.ep.at
	}
	for _, dep := range slices.Compact(slices.Sorted(slices.Values(t.props.deps))) {
		if dep == t.unit {
			continue
		}
		if s.adapter.own.acted(dep, seen) {
			return dep, detect.DepartureBySelf
		}
		var d *tracker
		if ds := s.names[dep]; len(ds) > 0 {
			d = ds[0]
		}
		if d == nil || d == t || d.ep == nil || at.Sub(d.ep.at).Abs() > takeAlong {
			continue
		}
		if word, _ := DepartureOf(d.end(depth)); word != detect.DepartureNone {
			return dep, word
		}
	}
	return "", ""
}
