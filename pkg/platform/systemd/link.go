package systemd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"

	sd "github.com/coreos/go-systemd/v22/dbus"
	"github.com/godbus/dbus/v5"
	"go.uber.org/zap"
	"golang.org/x/sync/singleflight"
)

const (
	busName     = "org.freedesktop.systemd1"
	managerPath = dbus.ObjectPath("/org/freedesktop/systemd1")
	managerIf   = "org.freedesktop.systemd1.Manager"
	unitIf      = "org.freedesktop.systemd1.Unit"
	serviceIf   = "org.freedesktop.systemd1.Service"
	propsIf     = "org.freedesktop.DBus.Properties"

	// dialTimeout bounds connecting and authenticating. A bus answers in under a millisecond.
	dialTimeout = 2 * time.Second
	// silenceLimit is how long calls may go unanswered, without one answer between, until the
	// connection is given up. PID 1 is silent for seconds during a daemon-reload of a large host.
	silenceLimit = 5 * time.Second
)

// dial opens a connection that lives until ctx ends or it is closed.
func dial(ctx context.Context, address string, opts ...dbus.ConnOption) (*dbus.Conn, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	late := time.AfterFunc(dialTimeout, func() { cancel(fmt.Errorf("no answer from the bus within %s", dialTimeout)) })
	opts = append(opts, dbus.WithContext(ctx))
	conn, err := open(address, opts)
	if !late.Stop() || err != nil {
		if conn != nil {
			conn.Close()
		}
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		cancel(nil)
		return nil, fmt.Errorf("connect to D-Bus: %w", err)
	}
	context.AfterFunc(conn.Context(), func() { cancel(nil) })
	return conn, nil
}

func open(address string, opts []dbus.ConnOption) (*dbus.Conn, error) {
	var conn *dbus.Conn
	var err error
	if address == "" {
		conn, err = dbus.SystemBusPrivate(opts...)
	} else {
		conn, err = dbus.Dial(address, opts...)
	}
	if err != nil {
		return nil, err
	}
	// The uid and not the name: a name would need a look-up in the user database.
	if err := conn.Auth([]dbus.Auth{dbus.AuthExternal(strconv.Itoa(os.Getuid()))}); err != nil {
		return conn, err
	}
	return conn, conn.Hello()
}

// link is a live connection for calls. go-systemd uses two connections, one for calls and one
// for the ends of jobs; when either goes, the link is gone.
type link struct {
	sd    *sd.Conn
	calls *dbus.Conn
	jobs  *dbus.Conn

	mu     sync.Mutex // guards silent
	silent time.Time  // since when no call was answered; zero: the last one was
}

func (l *link) alive() bool { return l.calls.Connected() && l.jobs.Connected() }

// gone is closed when either connection ends.
func (l *link) gone() <-chan struct{} { return l.calls.Context().Done() }

func (l *link) object(unit string) dbus.BusObject { return l.calls.Object(busName, unitPath(unit)) }

func unitPath(unit string) dbus.ObjectPath {
	return dbus.ObjectPath("/org/freedesktop/systemd1/unit/" + sd.PathBusEscape(unit))
}

// do runs a call and waits for it no longer than ctx: a call may block on a full socket, where
// the library does not look at ctx. A bus that stays silent for long is given up.
func (l *link) do(ctx context.Context, call func(context.Context) error) error {
	done := make(chan error, 1)
	go func() { done <- call(ctx) }() // ends with ctx, or when the link is closed
	var err error
	select {
	case err = <-done:
	case <-ctx.Done():
		err = ctx.Err()
	}
	l.note(err)
	return err
}

func (l *link) note(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	switch {
	case errors.Is(err, context.Canceled): // the caller went away: nothing was learnt
	case !errors.Is(err, context.DeadlineExceeded):
		l.silent = time.Time{}
	case l.silent.IsZero():
		l.silent = now
	case now.Sub(l.silent) > silenceLimit:
		go l.sd.Close() // closing may have to wait for a writer that is stuck
	}
}

// dialer hands out one shared link and replaces it when it is gone.
type dialer struct {
	ctx     context.Context
	cancel  context.CancelFunc
	address string
	log     *zap.Logger
	flight  singleflight.Group

	mu  sync.Mutex // guards everything that follows
	cur *link
	up  bool // what the log said last
}

// newDialer makes a dialer whose connections live until close: no signal to the process ends them, since
// an action in flight outlives that.
func newDialer(address string, log *zap.Logger) *dialer {
	d := &dialer{address: address, log: log}
	d.ctx, d.cancel = context.WithCancel(context.Background())
	return d
}

func (d *dialer) close() { d.cancel() } // every connection lives in d.ctx

// get returns a live link. Concurrent callers share one attempt to connect.
func (d *dialer) get(ctx context.Context) (*link, error) {
	if l := d.current(); l != nil {
		return l, nil
	}
	if d.ctx.Err() != nil {
		return nil, errors.New("the adapter is closed")
	}
	select {
	case r := <-d.flight.DoChan("", d.connect):
		if r.Err != nil {
			return nil, r.Err
		}
		return r.Val.(*link), nil
	case <-ctx.Done():
		return nil, fmt.Errorf("connect to D-Bus: %w", ctx.Err())
	}
}

func (d *dialer) current() *link {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cur != nil && d.cur.alive() {
		return d.cur
	}
	return nil
}

func (d *dialer) connect() (any, error) {
	if l := d.current(); l != nil {
		return l, nil // another caller was faster
	}
	l := &link{}
	conns := []**dbus.Conn{&l.calls, &l.jobs} // the order in which go-systemd dials
	conn, err := sd.NewConnection(func() (*dbus.Conn, error) {
		c, err := dial(d.ctx, d.address)
		if err == nil && len(conns) > 0 {
			*conns[0], conns = c, conns[1:]
		}
		return c, err
	})
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cur != nil {
		d.cur.sd.Close() // it is dead; this frees its other half
		d.cur = nil
	}
	if err != nil {
		if d.up {
			d.log.Warn("connection to systemd lost", zap.Error(err))
		}
		d.up = false
		return nil, err
	}
	l.sd, d.cur = conn, l
	// Either half alone is of no use.
	context.AfterFunc(l.jobs.Context(), func() { l.calls.Close() })
	context.AfterFunc(l.calls.Context(), func() { l.jobs.Close() })
	// JobRemoved is sent to everybody on the bus only while somebody is subscribed.
	l.calls.Object(busName, managerPath).Go(managerIf+".Subscribe", dbus.FlagNoReplyExpected, nil)
	if !d.up {
		d.log.Info("connected to systemd")
	}
	d.up = true
	return l, nil
}
