package docker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/client"
	"go.uber.org/zap"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/platform"
	"github.com/recoveryd/recoveryd/pkg/platform/changes"
)

const (
	firstRetry = 100 * time.Millisecond
	lastRetry  = 5 * time.Second
)

// watch is one running Watch.
type watch struct {
	adapter *Adapter
	objects map[string]object
	out     *changes.Mailbox
	last    map[string]container.InspectResponse // what each object last was
	told    map[string]string                    // what was told of it, in short
	since   time.Time                            // of the last event
}

// Watch implements [platform.Watcher].
func (a *Adapter) Watch(ctx context.Context, names []string, changed func(platform.Change)) error {
	if len(names) == 0 {
		return errors.New("watch: no containers named")
	}
	w := &watch{adapter: a, objects: map[string]object{}, out: changes.New(), last: map[string]container.InspectResponse{}, told: map[string]string{}}
	for _, n := range names {
		o, err := parseObject(n)
		if err != nil {
			return fmt.Errorf("watch %s: %w", n, err)
		}
		w.objects[n] = o
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.run(ctx)
	}()
	defer func() { <-done }()
	for {
		c, ok := w.out.Next(ctx)
		if !ok {
			return nil
		}
		changed(c)
	}
}

// run listens until ctx ends, and connects again after each end of the connection.
func (w *watch) run(ctx context.Context) {
	a, retry := w.adapter, firstRetry
	var lost time.Time
	for ctx.Err() == nil {
		began := time.Now()
		err := w.listen(ctx, lost)
		if ctx.Err() != nil {
			return
		}
		if lost.IsZero() || time.Since(began) > lastRetry { // it was connected in between
			lost, retry = time.Now(), firstRetry
			a.log.Warn("the events of the container runtime have ended; they are asked for again", zap.Error(err))
		}
		t := time.NewTimer(retry)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return
		}
		retry = min(2*retry, lastRetry)
	}
}

// listen is one connection: everything is told once, then every change. lost is when the last one ended; zero = there was none.
func (w *watch) listen(ctx context.Context, lost time.Time) error {
	a := w.adapter
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if err := a.Check(ctx); err != nil {
		return err
	}
	if w.since.IsZero() {
		w.since = time.Now()
	}
	if _, err := a.client.Ping(ctx, client.PingOptions{}); err != nil {
		return err
	}
	stream := a.client.Events(ctx, client.EventsListOptions{Since: atTime(w.since), Filters: client.Filters{}.Add("type", "container")})
	if !lost.IsZero() {
		a.past.away(lost, time.Now())
		a.log.Info("the container runtime is listened to again", zap.Duration("away", time.Since(lost)))
	}
	defer a.watched(w.objects)()
	w.relist(ctx, true)
	relist := time.NewTicker(a.opt.Relist)
	defer relist.Stop()
	for {
		select {
		case m := <-stream.Messages:
			w.heard(ctx, m)
		case <-relist.C:
			w.relist(ctx, false)
		case err := <-stream.Err:
			return err
		}
	}
}

// watched marks the objects as watched until the returned function is called.
func (a *Adapter) watched(objects map[string]object) (end func()) {
	add := func(n int) {
		a.mu.Lock()
		defer a.mu.Unlock()
		for name := range objects {
			a.watching[name] += n
		}
	}
	add(1)
	return func() { add(-1) }
}

// relist looks at everything, and tells of what has changed without a word; all = of everything.
func (w *watch) relist(ctx context.Context, all bool) {
	for name := range w.objects {
		w.tell(ctx, name, all)
	}
}

// heard takes an event.
func (w *watch) heard(ctx context.Context, m events.Message) {
	if !matters(m.Action) {
		return
	}
	h := happeningOf(m)
	w.adapter.past.wasKilled(m.Actor.ID, h)
	fresh := h.at.After(w.since) // after a gap some are told again
	if fresh {
		w.since = h.at
	}
	for name, o := range w.objects {
		last, known := w.last[name]
		same := known && last.ID == m.Actor.ID
		if !same && !o.matches(m.Actor.Attributes["name"], m.Actor.Attributes) {
			continue
		}
		w.adapter.past.add(m)
		if h.what == events.ActionDie && same && fresh {
			w.tellEnd(name, last, h)
		}
		w.tell(ctx, name, true)
	}
}

// tell looks at an object and tells what it is like.
func (w *watch) tell(ctx context.Context, name string, always bool) {
	f, c, err := w.adapter.look(ctx, name)
	if err != nil {
		if ctx.Err() != nil {
			return
		}
		f, c = w.adapter.notAsked(err), nil
	}
	if c != nil {
		w.last[name] = *c
	}
	brief := f.Text(detect.WorkloadRun) + " " + f.Text(detect.WorkloadWords) + " " + f.Text(detect.WorkloadDeparture) + " " + f.Text(detect.WorkloadMissing) + " " + f[detect.WorkloadState].Err
	if !always && w.told[name] == brief {
		return
	}
	w.told[name] = brief
	f[detect.WorkloadWatched] = detect.Flag(w.adapter.isWatched(name))
	w.out.Put(platform.Change{Unit: name, Facts: f})
}

// tellEnd tells of the end of a run as it was at that moment: a later look may already see the next run.
func (w *watch) tellEnd(name string, c container.InspectResponse, h happening) {
	if c.State == nil || !c.State.Running || c.State.Restarting {
		return // it is known to have ended
	}
	s := *c.State
	s.Status, s.Running, s.Paused, s.Pid, s.Health = container.StateExited, false, false, 0, nil
	s.ExitCode, s.FinishedAt = h.exit, h.at.UTC().Format(time.RFC3339Nano)
	c.State = &s
	p := w.adapter.past.past(c.ID)
	p.podman = w.adapter.podman.Load()
	f := factsOf(name, c, p, h.at)
	f[detect.WorkloadWatched] = detect.Flag(true)
	w.out.Put(platform.Change{Unit: name, Facts: f})
}
