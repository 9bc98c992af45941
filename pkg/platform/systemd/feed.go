package systemd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/godbus/dbus/v5"
	"go.uber.org/zap"
)

const (
	// pingEvery and pingLimit find a bus or a systemd that lives and does not answer. PID 1 is
	// silent for seconds during a daemon-reload of a large host.
	pingEvery = 10 * time.Second
	pingLimit = 10 * time.Second
	// askLimit bounds one question of the feed.
	askLimit = 5 * time.Second
)

// feed is one connection of a session. Everything but the answers is handled by the goroutine
// that runs serve.
type feed struct {
	*session
	conn    *dbus.Conn
	answers chan answer
	asked   sync.WaitGroup
	owner   string // unique bus name of systemd; only its signals count
	waiting int    // units whose properties are being read for the first time
	ready   func()
}

// answer is the reply to a question that was asked without waiting.
type answer struct {
	about string // "properties", "job", "ping"
	unit  *tracker
	job   uint32
	call  *dbus.Call
}

var errBusClosed = errors.New("the bus closed the connection")

// serve connects, subscribes, reads every unit once and then follows the signals until the
// connection fails or ctx ends. It calls ready when every unit has been read.
func (s *session) serve(ctx context.Context, ready func()) error {
	ctx, cancel := context.WithCancel(ctx)
	conn, err := dial(ctx, s.adapter.opt.BusAddress, dbus.WithSignalHandler(dbus.NewSequentialSignalHandler()))
	if err != nil {
		cancel()
		return err
	}
	f := &feed{session: s, conn: conn, answers: make(chan answer, 16), ready: ready}
	defer f.asked.Wait() // the questions end with ctx
	defer conn.Close()
	defer cancel()
	// The handler keeps the order and queues without limit, so nothing is dropped while a signal
	// is being handled; handling one takes microseconds.
	signals := make(chan *dbus.Signal, 64)
	conn.Signal(signals)
	if err := f.subscribe(ctx); err != nil {
		return err
	}
	f.readAll(ctx, true)

	ping := time.NewTicker(pingEvery)
	defer ping.Stop()
	pinging := false
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case sig, ok := <-signals:
			if !ok {
				return errBusClosed
			}
			if err := f.signal(ctx, sig); err != nil {
				return err
			}
		case a := <-f.answers:
			if a.about == "ping" {
				pinging = false
			}
			if err := f.answer(ctx, a); err != nil {
				return err
			}
		case <-s.wake:
			s.judgeAgain()
		case <-ping.C:
			if !pinging {
				pinging = true
				f.ask(ctx, pingLimit, answer{about: "ping"}, managerPath, "org.freedesktop.DBus.Peer.Ping")
			}
		}
	}
}

// ask puts a question without waiting; the answer comes through f.answers.
func (f *feed) ask(ctx context.Context, limit time.Duration, a answer, path dbus.ObjectPath, method string, args ...any) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	f.asked.Go(func() {
		defer cancel()
		a.call = f.conn.Object(busName, path).CallWithContext(ctx, method, 0, args...)
		select {
		case f.answers <- a:
		case <-f.conn.Context().Done():
		}
	})
}

// readAll reads the properties of every unit. lost says that signals may have been missed.
func (f *feed) readAll(ctx context.Context, lost bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if lost {
		f.waiting = len(f.units)
	}
	for _, t := range f.units {
		if lost {
			t.lost()
		}
		f.read(ctx, t)
	}
}

func (f *feed) read(ctx context.Context, t *tracker) {
	if t.asking {
		return
	}
	t.asking = true
	f.ask(ctx, askLimit, answer{about: "properties", unit: t}, unitPath(t.unit), propsIf+".GetAll", "")
}

// signal handles one signal of the bus.
func (f *feed) signal(ctx context.Context, sig *dbus.Signal) error {
	member := sig.Name[strings.LastIndexByte(sig.Name, '.')+1:]
	if sig.Sender == "org.freedesktop.DBus" {
		if name, owner, ok := newOwner(sig); ok && member == "NameOwnerChanged" && name == busName {
			return f.ownerChanged(ctx, owner)
		}
		return nil
	}
	if sig.Sender != f.owner {
		return nil // any client of the bus may send us a signal that looks like systemd's
	}
	if member == "Reloading" {
		if active, ok := first[bool](sig.Body); ok && !active {
			f.readAll(ctx, false) // units may have been masked, removed or changed: no signal says so
		}
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	ts := f.paths[sig.Path]
	if len(ts) == 0 && len(sig.Body) > 2 {
		if name, ok := sig.Body[2].(string); ok { // JobNew, JobRemoved
			ts = f.names[name]
		}
	}
	for _, t := range ts {
		if t.asking {
			t.queue = append(t.queue, sig) // until it is known whether the answer is newer
		} else {
			f.apply(ctx, t, sig)
		}
	}
	return nil
}

func newOwner(sig *dbus.Signal) (name, owner string, ok bool) {
	var old string
	err := dbus.Store(sig.Body, &name, &old, &owner)
	return name, owner, err == nil
}

func first[T any](body []any) (v T, ok bool) {
	if len(body) > 0 {
		v, ok = body[0].(T)
	}
	return v, ok
}

// ownerChanged handles a systemd that left the bus or came back (daemon-reexec).
func (f *feed) ownerChanged(ctx context.Context, owner string) error {
	f.owner = owner
	if owner == "" {
		f.offline()
		return nil
	}
	limited, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	if err := f.subscribeManager(limited); err != nil {
		return err
	}
	f.readAll(ctx, true)
	return nil
}

// apply takes over one signal of a unit. The lock is held.
func (f *feed) apply(ctx context.Context, t *tracker, sig *dbus.Signal) {
	now := time.Now()
	before, ended := t.cur, t.ep
	switch {
	case strings.HasSuffix(sig.Name, ".PropertiesChanged"):
		iface, ok := first[string](sig.Body)
		if !ok || len(sig.Body) < 2 || !t.known {
			return
		}
		m, ok := sig.Body[1].(map[string]dbus.Variant)
		if !ok {
			return
		}
		if !t.changed(iface, m, now) {
			return // the second half follows at once
		}
		if t.props.load != "loaded" && (isUp(t.props.active) || t.props.active == "activating") {
			f.read(ctx, t) // the unit exists now; its load state is never signalled
		}
	case strings.HasSuffix(sig.Name, ".JobNew"):
		if id, ok := first[uint32](sig.Body); ok {
			t.jobSeen(id, isUp(stateOf(t.props)), now)
		}
	case strings.HasSuffix(sig.Name, ".JobRemoved"):
		var id uint32
		var path dbus.ObjectPath
		var unit, result string
		if err := dbus.Store(sig.Body, &id, &path, &unit, &result); err == nil {
			t.jobRemoved(id, result)
		}
	default:
		return
	}
	if t.cur != nil && t.cur != before {
		f.ask(ctx, askLimit, answer{about: "job", unit: t, job: t.cur.id}, jobPath(t.cur.id), propsIf+".Get", jobIf, "JobType")
	}
	f.report(t, false)
	if t.ep != nil && t.ep != ended {
		f.endedWith(t)
	}
}

// answer handles the reply to a question.
func (f *feed) answer(ctx context.Context, a answer) error {
	if _, refused := errors.AsType[dbus.Error](a.call.Err); a.call.Err != nil && !refused && a.about != "job" {
		return fmt.Errorf("ask systemd: %w", a.call.Err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch a.about {
	case "job":
		typ := JobUnknown // it ended before it could be asked
		if s, ok := variantOf[string](a.call); ok {
			typ = s
		}
		a.unit.jobType(a.job, typ)
		f.report(a.unit, false)
	case "properties":
		return f.properties(ctx, a)
	case "ping":
		for _, t := range f.units {
			if !t.synced {
				f.read(ctx, t)
			}
		}
	}
	return nil
}

func variantOf[T any](c *dbus.Call) (v T, ok bool) {
	if c.Err != nil || len(c.Body) == 0 {
		return v, false
	}
	x, ok := c.Body[0].(dbus.Variant)
	if !ok {
		return v, false
	}
	v, ok = x.Value().(T)
	return v, ok
}

// properties takes over a unit's properties, and the signals that came meanwhile, in the order
// in which systemd sent them.
func (f *feed) properties(ctx context.Context, a answer) error {
	t := a.unit
	lost := t.gap || !t.known
	queue := t.queue
	t.queue, t.asking = nil, false
	p, err := fromGetAll(a.call)
	if err != nil {
		t.lost() // this unit alone stays unwatched; it is asked again with the next ping
		f.adapter.log.Warn("systemd does not tell about a unit", zap.String("unit", t.unit), zap.Error(err))
		return nil
	}
	if p.id != "" && !slices.Contains(f.names[p.id], t) {
		if err := f.follow(ctx, t, p.id); err != nil {
			return err
		}
		f.read(ctx, t) // again, now that nothing can be missed
		return nil
	}
	for len(queue) > 0 && queue[0].Sequence < a.call.ResponseSequence {
		// The answer knows what these say. After a gap they have nothing to be compared with.
		if !lost || !strings.HasSuffix(queue[0].Name, ".PropertiesChanged") {
			f.apply(ctx, t, queue[0])
		}
		queue = queue[1:]
	}
	f.followBound(ctx, t, p.bindsTo)
	hadJob := t.cur
	t.snapshot(p, time.Now())
	if t.cur != nil && t.cur != hadJob {
		f.ask(ctx, askLimit, answer{about: "job", unit: t, job: t.cur.id}, jobPath(t.cur.id), propsIf+".Get", jobIf, "JobType")
	}
	f.report(t, lost)
	for _, sig := range queue {
		f.apply(ctx, t, sig)
	}
	if lost && f.waiting > 0 {
		if f.waiting--; f.waiting == 0 {
			f.online = true
			f.ready()
		}
	}
	return nil
}
