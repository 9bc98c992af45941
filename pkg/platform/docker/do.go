package docker

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/client"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/platform"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

var errActionTimeout = errors.New("the action's time is up")

const (
	// defaultTimeout is for actions that name none.
	defaultTimeout = 2 * time.Minute
	// look is the time between looks at a container that was killed, doubled up to lookLimit.
	look      = 5 * time.Millisecond
	lookLimit = 100 * time.Millisecond
	// minMemory is the smallest limit that Docker takes.
	minMemory = 6 << 20
	// maxGrace is the longest stop grace that is passed on.
	maxGrace = 24 * time.Hour
)

// action is an action that is being performed.
type action struct {
	adapter *Adapter
	act     strategy.Action
	before  container.InspectResponse
	began   time.Time
	grace   time.Duration // 0 = the container's own
}

// Do implements [platform.Adapter]. Actions on one container run one after the other.
func (a *Adapter) Do(ctx context.Context, act strategy.Action) (platform.Report, error) {
	do := map[strategy.Verb]func(*action, context.Context) (platform.Report, error){
		strategy.Start:     (*action).start,
		strategy.Stop:      (*action).stop,
		strategy.Restart:   (*action).restart,
		strategy.Kill:      (*action).kill,
		strategy.SetMemory: (*action).setMemory,
	}[act.Verb]
	if do == nil {
		return notBegun(act, "this platform does not know the verb", platform.ErrUnsupported)
	}
	if _, err := parseObject(act.Object); err != nil {
		return notBegun(act, "it names no container", err)
	}
	grace, err := stopGrace(act)
	if err != nil {
		return notBegun(act, "an argument makes no sense", err)
	}
	if err := context.Cause(ctx); err != nil {
		return notBegun(act, "its context had ended", err)
	}
	limit := act.Timeout
	if limit <= 0 {
		limit = defaultTimeout
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errActionTimeout)
	defer cancel()
	turn := a.turn(act.Object)
	select {
	case turn <- struct{}{}:
		defer func() { <-turn }()
	case <-ctx.Done():
		return notBegun(act, "another action works on it", context.Cause(ctx))
	}
	f, c, err := a.look(ctx, act.Object)
	switch {
	case errors.Is(err, platform.ErrPermission) || refused(err):
		return notBegun(act, "we may not", fmt.Errorf("%w: %w", platform.ErrPermission, err))
	case err != nil:
		return notBegun(act, "the container runtime could not be asked", err)
	case c == nil || c.State == nil:
		return notBegun(act, f.Text(detect.WorkloadMissing), errors.New("there is no such container"))
	}
	if why := act.Seen.Outdated(act.Verb, f); why != "" {
		return notBegun(act, why, platform.ErrOutdated)
	}
	if c.State.Paused && act.Verb != strategy.SetMemory {
		return notBegun(act, "a person has paused the container", errors.New("it is paused: `docker unpause` is a person's business"))
	}
	return do(&action{adapter: a, act: act, before: *c, began: time.Now(), grace: grace}, ctx)
}

func notBegun(act strategy.Action, why string, err error) (platform.Report, error) {
	return platform.Report{Result: platform.Failed, Detail: "nothing was done: " + why}, fmt.Errorf("%s: %w", act, err)
}

func stopGrace(act strategy.Action) (time.Duration, error) {
	text := act.Args[strategy.ArgStopGrace]
	if text == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 || d > maxGrace {
		return 0, fmt.Errorf("stop_grace=%q: want a duration such as 5s", text)
	}
	return d, nil
}

// seconds is the stop grace as the runtime takes it: whole seconds, never 0, which would be a kill.
func (x *action) seconds() *int {
	if x.grace == 0 {
		return nil
	}
	n := int((x.grace + time.Second - 1) / time.Second)
	return &n
}

// call makes the request that has the effect. What the runtime does to the container meanwhile is ours.
func (x *action) call(ctx context.Context, request func(context.Context) error) error {
	patience := max(x.grace, patience(x.before))
	over := func() {}
	if x.act.Verb != strategy.Start && x.act.Verb != strategy.SetMemory { // these end nothing
		over = x.adapter.past.acting(x.before.ID, x.began, x.began.Add(patience+stopSlack))
	}
	err := request(ctx)
	if err == nil || answered(err) {
		over()
	}
	return err
}

// outcome reports a request that did not succeed.
func (x *action) outcome(ctx context.Context, err error) (platform.Report, error) {
	err = fmt.Errorf("%s: %w", x.act, err)
	switch cause := context.Cause(ctx); {
	case answered(err) && refused(err):
		return platform.Report{Result: platform.Failed, Detail: "the container runtime, or a proxy before it, refused the request"}, fmt.Errorf("%w: %w", platform.ErrPermission, err)
	case answered(err):
		return platform.Report{Result: platform.Failed, Detail: "the container runtime refused or failed: " + clean(err.Error())}, err
	case errors.Is(cause, errActionTimeout):
		return platform.Report{Result: platform.TimedOut, Detail: "its time is up, and it may still take effect"}, fmt.Errorf("%w: %w", errActionTimeout, err)
	default:
		return platform.Report{Result: platform.Unknown, Detail: "the answer of the container runtime was lost"}, err
	}
}

// now looks at the very container that was acted on.
func (x *action) now(ctx context.Context) (detect.Facts, container.InspectResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	r, err := x.adapter.client.ContainerInspect(ctx, x.before.ID, client.ContainerInspectOptions{})
	if err != nil {
		return nil, container.InspectResponse{}, err
	}
	if r.Container.State == nil {
		return nil, container.InspectResponse{}, errors.New("the runtime's answer has no state")
	}
	return x.adapter.factsNow(ctx, x.act.Object, r.Container), r.Container, nil
}

// running reports how a start or restart ended; newRun = a run that was not there before is awaited.
func (x *action) running(ctx context.Context, note string, newRun bool) (platform.Report, error) {
	f, c, err := x.now(ctx)
	if err != nil {
		return x.lost(ctx, err)
	}
	if !c.State.Running || c.State.Restarting {
		return platform.Report{Result: platform.Failed, Detail: "it was started and does not run: " + detect.StateWords(f) + note}, fmt.Errorf("%s: it has ended again", x.act)
	}
	if newRun && c.State.StartedAt == x.before.State.StartedAt {
		return platform.Report{Result: platform.Failed, Detail: "the runtime says that it was started, and its run is the same as before"}, fmt.Errorf("%s: no new run", x.act)
	}
	return platform.Report{Result: platform.Done, Detail: fmt.Sprintf("%s, run %s%s", detect.StateWords(f), f.Text(detect.WorkloadRun), note)}, nil
}

// lost reports an effect that was acknowledged and that cannot be looked at.
func (x *action) lost(ctx context.Context, err error) (platform.Report, error) {
	rep := platform.Report{Result: platform.Unknown, Detail: "the container runtime took it, and cannot be asked how it went"}
	if errors.Is(context.Cause(ctx), errActionTimeout) {
		rep.Result = platform.TimedOut
	}
	return rep, fmt.Errorf("%s: %w", x.act, err)
}

func (x *action) start(ctx context.Context) (platform.Report, error) {
	if x.before.State.Running && !x.before.State.Restarting {
		return x.running(ctx, "; it ran already", false)
	}
	err := x.call(ctx, func(ctx context.Context) error {
		_, err := x.adapter.client.ContainerStart(ctx, x.before.ID, client.ContainerStartOptions{})
		return err
	})
	if err != nil {
		return x.outcome(ctx, err)
	}
	return x.running(ctx, "", true)
}

func (x *action) restart(ctx context.Context) (platform.Report, error) {
	err := x.call(ctx, func(ctx context.Context) error {
		_, err := x.adapter.client.ContainerRestart(ctx, x.before.ID, client.ContainerRestartOptions{Timeout: x.seconds()})
		return err
	})
	if err != nil {
		return x.outcome(ctx, err)
	}
	return x.running(ctx, x.killNote(ctx), true)
}

func (x *action) stop(ctx context.Context) (platform.Report, error) {
	if !x.before.State.Running {
		return platform.Report{Result: platform.Done, Detail: "it did not run: " + words(x.before, "")}, nil
	}
	err := x.call(ctx, func(ctx context.Context) error {
		_, err := x.adapter.client.ContainerStop(ctx, x.before.ID, client.ContainerStopOptions{Timeout: x.seconds()})
		return err
	})
	if err != nil {
		return x.outcome(ctx, err)
	}
	f, c, err := x.now(ctx)
	switch {
	case err != nil:
		return x.lost(ctx, err)
	case c.State.Running:
		return platform.Report{Result: platform.Failed, Detail: "it was stopped and runs: " + detect.StateWords(f)}, fmt.Errorf("%s: it runs again", x.act)
	}
	return platform.Report{Result: platform.Done, Detail: detect.StateWords(f) + x.killNote(ctx)}, nil
}

// killNote says when the runtime had to kill the container, by the events of the action.
func (x *action) killNote(ctx context.Context) string {
	x.adapter.remembered(ctx, x.before.ID, x.began)
	for _, h := range x.adapter.past.past(x.before.ID).events {
		if h.what == events.ActionKill && h.signal == 9 && !h.at.Before(x.began) {
			return fmt.Sprintf("; killed after %s of stop grace", h.at.Sub(x.began).Round(100*time.Millisecond))
		}
	}
	return ""
}

func (x *action) kill(ctx context.Context) (platform.Report, error) {
	if !x.before.State.Running || x.before.State.Restarting {
		return platform.Report{Result: platform.Done, Detail: "no process was left to kill (" + words(x.before, "") + ")"}, nil
	}
	err := x.call(ctx, func(ctx context.Context) error {
		_, err := x.adapter.client.ContainerKill(ctx, x.before.ID, client.ContainerKillOptions{Signal: "KILL"})
		return err
	})
	if err != nil {
		if _, c, looked := x.now(ctx); answered(err) && looked == nil && !c.State.Running {
			return platform.Report{Result: platform.Done, Detail: "no process was left to kill (" + words(c, "") + ")"}, nil
		}
		return x.outcome(ctx, err)
	}
	for wait := look; ; wait = min(2*wait, lookLimit) {
		f, c, err := x.now(ctx)
		if err != nil {
			return x.lost(ctx, err)
		}
		if !c.State.Running || c.State.StartedAt != x.before.State.StartedAt {
			return platform.Report{Result: platform.Done, Detail: "killed; now " + detect.StateWords(f)}, nil
		}
		if err := pause(ctx, wait); err != nil {
			return x.lost(ctx, err)
		}
	}
}

// setMemory changes the memory limit of the container. The swap that it may use beside it stays as large as it is.
func (x *action) setMemory(ctx context.Context) (platform.Report, error) {
	text := x.act.Args[strategy.ArgBytes]
	limit, err := strconv.ParseInt(text, 10, 64)
	if err != nil || limit < minMemory {
		return notBegun(x.act, "the memory limit makes no sense", fmt.Errorf("bytes=%q: want at least %d; a container's limit cannot be taken away while it runs", text, minMemory))
	}
	was := container.Resources{}
	if x.before.HostConfig != nil {
		was = x.before.HostConfig.Resources
	}
	if was.Memory <= 0 {
		return notBegun(x.act, "the container has no memory limit", errors.New("a limit that it never had could not be taken back"))
	}
	is := container.Resources{Memory: limit, MemorySwap: was.MemorySwap}
	if was.MemorySwap > 0 {
		is.MemorySwap = max(was.MemorySwap-was.Memory, 0) + limit
	}
	err = x.call(ctx, func(ctx context.Context) error {
		_, err := x.adapter.client.ContainerUpdate(ctx, x.before.ID, client.ContainerUpdateOptions{Resources: &is})
		return err
	})
	if err != nil {
		return x.outcome(ctx, err)
	}
	_, c, err := x.now(ctx)
	switch {
	case err != nil:
		return x.lost(ctx, err)
	case c.HostConfig == nil || c.HostConfig.Memory != limit:
		return platform.Report{Result: platform.Failed, Detail: "the runtime accepted the memory limit and shows another"}, fmt.Errorf("%s: the limit is not %d", x.act, limit)
	}
	return platform.Report{Result: platform.Done, Detail: fmt.Sprintf("memory limit was %d, now %d", was.Memory, limit)}, nil
}

// Finish implements [platform.Finisher]: a stop goes on in the runtime when whoever asked for it is gone, and is
// seen in its events. It is cut short by a kill after the action's own stop grace.
func (a *Adapter) Finish(ctx context.Context, act strategy.Action) string {
	grace, err := stopGrace(act)
	if err != nil || act.Verb != strategy.Stop && act.Verb != strategy.Restart {
		return ""
	}
	_, c, err := a.look(ctx, act.Object)
	if err != nil || c == nil || c.State == nil || !c.State.Running || c.State.Restarting {
		return ""
	}
	if grace == 0 {
		grace = patience(*c)
	}
	a.remembered(ctx, c.ID, time.Now().Add(-max(grace, patience(*c))-stopSlack))
	asked := stopping(a.past.past(c.ID).events, *c, time.Now())
	if asked == nil {
		return ""
	}
	// It was ours, so that what it does to the container is no person's doing.
	over := a.past.acting(c.ID, asked.at, time.Now().Add(act.Timeout+stopSlack))
	defer over()
	x := &action{adapter: a, act: act, before: *c, began: asked.at, grace: grace}
	killed := false
	for {
		f, now, err := x.now(ctx)
		switch {
		case err != nil:
			return "its stop was still under way"
		case !now.State.Running, now.State.StartedAt != c.State.StartedAt:
			detail := "its stop was still under way; now " + detect.StateWords(f)
			if killed {
				detail += "; killed after " + grace.String() + " of stop grace"
			}
			return detail
		case !killed && time.Since(asked.at) >= grace:
			killed = true
			_, _ = a.client.ContainerKill(ctx, c.ID, client.ContainerKillOptions{Signal: "KILL"}) // what it did is seen in the next look
		}
		if pause(ctx, lookLimit) != nil {
			return "its stop was still under way; " + strings.TrimSpace(detect.StateWords(f))
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
