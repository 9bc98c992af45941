package process

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/platform"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

var errActionTimeout = errors.New("the action's time is up")

// Do implements [platform.Adapter]. Actions on one unit run one after the other.
func (a *Adapter) Do(ctx context.Context, act strategy.Action) (platform.Report, error) {
	if !platform.Supports(a, act.Verb) {
		return notBegun(act, "this platform does not know the verb", platform.ErrUnsupported)
	}
	u := a.units[act.Object]
	if u == nil {
		return notBegun(act, "there is no such program", fmt.Errorf("program %q is not defined", act.Object))
	}
	return u.perform(ctx, act, true)
}

func notBegun(act strategy.Action, why string, err error) (platform.Report, error) {
	return platform.Report{Result: platform.Failed, Detail: "nothing was done: " + why}, fmt.Errorf("%s: %w", act, err)
}

// perform does an action for recoveryd (ours) or for a person.
func (u *unit) perform(ctx context.Context, act strategy.Action, ours bool) (platform.Report, error) {
	grace := u.adapter.opt.StopTimeout
	if text := act.Args[strategy.ArgStopGrace]; text != "" {
		d, err := time.ParseDuration(text)
		if err != nil || d <= 0 {
			return notBegun(act, "an argument makes no sense", fmt.Errorf("stop_grace=%q: want a duration such as 5s", text))
		}
		grace = d
	}
	if err := context.Cause(ctx); err != nil {
		return notBegun(act, "its context had ended", err)
	}
	if act.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, act.Timeout, errActionTimeout)
		defer cancel()
	}
	if act.Verb == strategy.SetEnv {
		return u.setEnv(act)
	}
	select {
	case u.turn <- struct{}{}:
		defer func() { <-u.turn }()
	case <-ctx.Done():
		return notBegun(act, "another action works on it", context.Cause(ctx))
	}
	if u.adapter.isClosed() {
		return notBegun(act, "the platform is closed", errors.New("the process platform is closed"))
	}
	if why := u.outdated(act); why != "" {
		return notBegun(act, why, platform.ErrOutdated)
	}
	switch act.Verb {
	case strategy.Kill:
		return u.kill(ctx, act, ours)
	case strategy.ResetFailed:
		u.resetFailed()
		return platform.Report{Result: platform.Done, Detail: "the failed state is cleared"}, nil
	}
	u.begin(string(act.Verb), ours)
	defer u.over()
	note := ""
	if act.Verb != strategy.Start {
		killed, err := u.stop(ctx, act, grace, ours)
		if err != nil {
			return u.unfinished(ctx, act, err)
		}
		if killed {
			note = fmt.Sprintf("; killed after %s of stop grace", grace)
		}
	}
	if act.Verb == strategy.Stop {
		return platform.Report{Result: platform.Done, Detail: u.stateNow() + note}, nil
	}
	return u.startFor(act, note)
}

// outdated says why the action must not be done any more; "" = it may be. The caller holds the turn,
// so no action of a person is under way.
func (u *unit) outdated(act strategy.Action) string {
	return act.Seen.Outdated(act.Verb, u.facts())
}

// unfinished reports a stop whose end was not awaited.
func (u *unit) unfinished(ctx context.Context, act strategy.Action, err error) (platform.Report, error) {
	rep := platform.Report{Result: platform.Unknown, Detail: "nobody waited for the end; " + u.stateNow()}
	if context.Cause(ctx) == errActionTimeout {
		rep.Result, err = platform.TimedOut, errActionTimeout
	}
	return rep, fmt.Errorf("%s: %w", act, err)
}

// startFor starts the unit unless it runs.
func (u *unit) startFor(act strategy.Action, note string) (platform.Report, error) {
	u.mu.Lock()
	r, runs := u.run, u.runs()
	u.mu.Unlock()
	if !runs {
		var err error
		if r, err = u.start(); err != nil {
			return platform.Report{Result: platform.Failed, Detail: "the program could not be started" + note}, fmt.Errorf("%s: %w", act, err)
		}
	}
	return platform.Report{Result: platform.Done, Detail: fmt.Sprintf("%s, pid %d, run %s%s", u.stateNow(), r.pid, r.invocation, note)}, nil
}

// stop tells the unit to end and waits; after grace it kills.
func (u *unit) stop(ctx context.Context, act strategy.Action, grace time.Duration, ours bool) (killed bool, err error) {
	why := ending{job: string(act.Verb), ours: ours}
	r := u.signal(syscall.SIGTERM, why)
	if r == nil {
		return false, nil
	}
	t := time.NewTimer(grace)
	defer t.Stop()
	for {
		select {
		case <-r.gone:
			return killed, nil
		case <-t.C:
			killed = true
			u.signal(syscall.SIGKILL, why)
		case <-ctx.Done():
			return killed, ctx.Err()
		}
	}
}

func (u *unit) kill(ctx context.Context, act strategy.Action, ours bool) (platform.Report, error) {
	r := u.signal(syscall.SIGKILL, ending{ours: ours, killed: ours})
	if r == nil {
		return platform.Report{Result: platform.Done, Detail: "no process was left to kill (" + u.stateNow() + ")"}, nil
	}
	select {
	case <-r.gone:
		return platform.Report{Result: platform.Done, Detail: "killed; it is now " + u.stateNow()}, nil
	case <-ctx.Done():
		return u.unfinished(ctx, act, ctx.Err())
	}
}

func (u *unit) resetFailed() {
	u.mu.Lock()
	if u.state == detect.StateFailed {
		u.state = detect.StateStopped
	}
	u.mu.Unlock()
	u.report()
}

func (u *unit) setEnv(act strategy.Action) (platform.Report, error) {
	key, value := act.Args[strategy.ArgKey], act.Args[strategy.ArgValue]
	before, err := u.adapter.env.Set(act.Args[strategy.ArgFile], key, value)
	if err != nil {
		return platform.Report{Result: platform.Failed, Detail: "the environment file was not changed"}, fmt.Errorf("%s: %w", act.Object, err)
	}
	return platform.Report{Result: platform.Done, Detail: fmt.Sprintf("%s was %s, is %s at the next start", key, orNotSet(before), orNotSet(value))}, nil
}

func orNotSet(s string) string {
	if s == "" {
		return "not set"
	}
	return s
}

func (u *unit) stateNow() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.state
}
