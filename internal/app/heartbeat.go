package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/recoveryd/recoveryd/internal/config"
	"github.com/recoveryd/recoveryd/internal/metrics"
	"github.com/recoveryd/recoveryd/pkg/escalate/wire"
)

// heartbeat calls a dead-man service while recoveryd works, and is silent when it does not: what
// cannot run any more cannot report that. It has a goroutine of its own and nothing waits for it.
type heartbeat struct {
	config func() config.Heartbeat
	broken func(context.Context, time.Time) error // why nothing may be sent: recoveryd does not work completely
	send   func(context.Context, config.Heartbeat) error
	count  func(result string, at time.Time)
	log    *zap.Logger
	// reloaded: the configuration may have changed. Capacity 1.
	reloaded chan struct{}

	status atomic.Pointer[HeartbeatStatus] // nil: none is configured
	last   string                          // what was logged last, "" = all is well
	began  time.Time                       // when run began
}

// HeartbeatStatus is where the heartbeat stands.
type HeartbeatStatus struct {
	Interval string    `json:"interval"`
	Last     time.Time `json:"last,omitzero"`    // last call that was accepted
	Trouble  string    `json:"trouble,omitzero"` // why the last due call was withheld or failed
	Since    time.Time `json:"since,omitzero"`   // of the trouble
}

// warmUp is how long a daemon may take until everything was looked at once, without a complaint in
// the log that it has not beaten yet.
const warmUp = 30 * time.Second

// run beats until ctx ends.
func (h *heartbeat) run(ctx context.Context) error {
	h.began = time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-h.reloaded:
			if (h.status.Load() != nil) == h.config().URL.IsSet() {
				continue // it goes on as it did; another interval follows the next call
			}
		case <-timer.C:
		}
		if wait := h.beat(ctx); wait > 0 {
			timer.Reset(wait)
		} else {
			timer.Stop()
		}
	}
}

// follow lets run look at the configuration, which was loaded anew.
func (h *heartbeat) follow() {
	select {
	case h.reloaded <- struct{}{}:
	default: // it has not looked since the last time
	}
}

// beat makes one call, or says why not, and returns how long to wait before the next; 0 = none is due
// until a heartbeat is configured. After a call that did not arrive the next comes sooner, since one
// lost packet must wake nobody.
func (h *heartbeat) beat(ctx context.Context) time.Duration {
	c := h.config()
	if !c.URL.IsSet() {
		h.status.Store(nil)
		h.last = ""
		return 0
	}
	began := time.Now()
	checked, cancel := context.WithTimeout(ctx, c.Timeout)
	why, result := h.broken(checked, began), metrics.BeatWithheld
	cancel()
	if why == nil {
		result = metrics.BeatFailed
		calling, cancel := context.WithTimeout(ctx, c.Timeout)
		why = h.send(calling, c)
		cancel()
	}
	if ctx.Err() != nil {
		return c.Interval // being stopped: that is no trouble
	}
	now := time.Now()
	st := HeartbeatStatus{Interval: Brief(c.Interval)}
	if was := h.status.Load(); was != nil {
		st.Last, st.Since = was.Last, was.Since
	}
	if why == nil {
		result = metrics.BeatSent
		st.Last, st.Since = now, time.Time{}
		if h.last != "" {
			h.log.Info("heartbeats are sent again")
		}
		h.last = ""
	} else {
		st.Trouble = result + ": " + why.Error()
		if st.Since.IsZero() {
			st.Since = now
		}
		if !st.Last.IsZero() || now.Sub(h.began) > warmUp {
			h.complain(result, why)
		}
	}
	h.status.Store(&st)
	h.count(result, now)
	if why != nil {
		return max(c.Interval/4-time.Since(began), 100*time.Millisecond)
	}
	return max(c.Interval-time.Since(began), 0)
}

// complain logs a trouble when it is another one than before. Numbers in it may change every time.
func (h *heartbeat) complain(result string, why error) {
	kind := result + ": " + strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return -1
		}
		return r
	}, why.Error())
	if kind == h.last {
		return
	}
	h.last = kind
	h.log.Error("no heartbeat was sent: the dead-man service will tell people", zap.String("result", result), zap.Error(why))
}

// newHeartbeat connects the heartbeat to the daemon.
func newHeartbeat(a *App) *heartbeat {
	return &heartbeat{reloaded: make(chan struct{}, 1), config: func() config.Heartbeat { return a.Config().Heartbeat }, broken: a.incomplete,
		send: (&beater{line: a.statusLine}).send, count: a.metrics.Beat, log: a.log.Named("heartbeat")}
}

// incomplete says what keeps recoveryd from doing its whole work: cycles that are not completed, a
// journal that cannot be written, or nobody who can be told.
func (a *App) incomplete(ctx context.Context, now time.Time) error {
	if err := a.engine.Alive(now); err != nil {
		return err
	}
	if err := (daemonView{a}).Ready(ctx); err != nil {
		return err
	}
	for _, ch := range a.outbox.Stats().Channels {
		if ch.Configured && ch.Unheard {
			return errors.New("no channel accepts notices: nobody can be told from here")
		}
	}
	return nil
}

// beater makes the calls. It is used by one goroutine.
type beater struct {
	line   func() string
	client *wire.Client
	of     config.Heartbeat // what client was made for
}

// send makes one call. No error holds the address: it is as good as a password.
func (b *beater) send(ctx context.Context, c config.Heartbeat) error {
	u, err := url.Parse(c.URL.Reveal())
	if err != nil {
		return errors.New("heartbeat.url is no address")
	}
	if b.client == nil || !b.of.URL.Equal(c.URL) || b.of.Timeout != c.Timeout {
		secrets := []string{c.URL.Reveal(), strings.Trim(u.Path, "/"), u.RawQuery}
		if u.User != nil {
			secrets = append(secrets, u.User.String())
		}
		client, err := wire.New("heartbeat", wire.Config{Timeout: c.Timeout}, []*url.URL{u}, secrets...)
		if err != nil {
			return err
		}
		b.client, b.of = client, c
	}
	body := ""
	if c.Method == http.MethodPost {
		body = b.line() + "\n"
	}
	req, err := http.NewRequestWithContext(ctx, c.Method, u.String(), strings.NewReader(body))
	if err != nil {
		return errors.New("heartbeat.url is no address")
	}
	if c.Method == http.MethodPost {
		req.Header.Set("Content-Type", "text/plain; charset=utf-8")
	}
	reply, err := b.client.Do(ctx, req)
	if err != nil {
		return err
	}
	by, err := wire.NewAcceptance(c.Accept)
	if err != nil {
		return err
	}
	by.Known = true
	if err := b.client.Accept(&url.URL{Scheme: u.Scheme, Host: u.Host}, reply, by); err != nil {
		return fmt.Errorf("%w (is heartbeat.url right?)", err)
	}
	return nil
}
