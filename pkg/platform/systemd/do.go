package systemd

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"syscall"
	"time"

	sd "github.com/coreos/go-systemd/v22/dbus"
	"github.com/godbus/dbus/v5"

	"github.com/recoveryd/recoveryd/pkg/platform"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// Do implements [platform.Adapter]. It blocks until systemd has reported the end of the job, the
// action's timeout has passed, or ctx ends; it never takes a job back.
func (a *Adapter) Do(ctx context.Context, act strategy.Action) (platform.Report, error) {
	do := map[strategy.Verb]func(context.Context, strategy.Action) (platform.Report, error){
		strategy.Start:       a.job,
		strategy.Stop:        a.job,
		strategy.Restart:     a.job,
		strategy.Kill:        a.kill,
		strategy.ResetFailed: a.resetFailed,
		strategy.SetMemory:   a.setMemoryMax,
	}[act.Verb]
	switch {
	case act.Verb == strategy.SetEnv && a.env != nil:
		do = a.setEnv
	case do == nil:
		return notBegun(act, "this platform does not know the verb", platform.ErrUnsupported)
	}
	if err := checkUnit(act.Object); err != nil {
		return notBegun(act, "it names no unit that can be acted on", err)
	}
	if err := context.Cause(ctx); err != nil {
		return notBegun(act, "its context had ended", err)
	}
	limit := act.Timeout
	if limit <= 0 {
		limit = defaultActionTimeout
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errActionTimeout)
	defer cancel()
	rep, err := do(ctx, act)
	a.forget(act.Object)
	switch {
	case errors.Is(err, platform.ErrPermission):
		a.remember(act.Object, err.Error())
	case rep.Result == platform.Done:
		a.remember(act.Object, "")
	}
	return rep, err
}

func notBegun(act strategy.Action, why string, err error) (platform.Report, error) {
	return platform.Report{Result: platform.Failed, Detail: "nothing was done: " + why}, fmt.Errorf("%s: %w", act, err)
}

// begin returns a link, and what the unit is like before the action. What was decided on something
// that was seen is not begun when that is not so any more.
func (a *Adapter) begin(ctx context.Context, act strategy.Action) (*link, unitProps, error) {
	l, err := a.link.get(ctx)
	if err != nil {
		return nil, unitProps{}, err
	}
	v, watched := a.watched(act.Object)
	if p, known := a.current(act.Object, v, watched); known && act.Seen == nil {
		return l, p, nil // a question less on the way to the cure
	}
	p, err := l.properties(ctx, act.Object)
	if err != nil || act.Seen == nil {
		return l, p, err
	}
	if why := act.Seen.Outdated(act.Verb, a.facts(ctx, act.Object, p, v, watched)); why != "" {
		return l, p, fmt.Errorf("%w: %s", platform.ErrOutdated, why)
	}
	return l, p, nil
}

// kill sends SIGKILL to every process of the unit and waits until the main process is gone.
func (a *Adapter) kill(ctx context.Context, act strategy.Action) (platform.Report, error) {
	l, before, err := a.begin(ctx, act)
	if err != nil {
		return outcome(ctx, act, "kill", err, false)
	}
	a.own.kill(act.Object)
	err = l.do(ctx, func(ctx context.Context) error {
		return l.sd.KillUnitWithTarget(ctx, act.Object, sd.All, int32(syscall.SIGKILL))
	})
	if err != nil {
		a.own.spare(act.Object)
		if _, refused := errors.AsType[dbus.Error](err); refused && !isPermission(err) && before.load != "not-found" && noProcessLeft(before) {
			return platform.Report{Result: platform.Done, Detail: "no process was left to kill (" + before.state() + ")"}, nil
		}
		return outcome(ctx, act, "kill", err, true)
	}
	for look := killPoll; ; look = min(2*look, lookLimit) {
		p, err := l.properties(ctx, act.Object)
		if err != nil {
			return outcome(ctx, act, "kill", err, true)
		}
		a.own.kill(act.Object) // its end is still ours
		if noProcessLeft(p) || p.mainPID != before.mainPID {
			return platform.Report{Result: platform.Done, Detail: fmt.Sprintf("killed; the unit is now %s", p.state())}, nil
		}
		if err := pause(ctx, look); err != nil {
			return outcome(ctx, act, "kill", err, true)
		}
	}
}

// killPoll is the time until the first look at a unit whose processes were killed, doubled for
// each further one up to lookLimit. They are gone within milliseconds unless the kernel holds them.
const (
	killPoll  = 2 * time.Millisecond
	lookLimit = 100 * time.Millisecond
)

func noProcessLeft(p unitProps) bool {
	return p.mainPID == 0 && p.controlPID == 0 && !isUp(p.active)
}

func (p unitProps) state() string { return p.active + "/" + p.sub }

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

// resetFailed clears a failed state, and with it the count of starts for the start limit.
func (a *Adapter) resetFailed(ctx context.Context, act strategy.Action) (platform.Report, error) {
	l, err := a.link.get(ctx)
	if err != nil {
		return outcome(ctx, act, "reset-failed", err, false)
	}
	err = l.do(ctx, func(ctx context.Context) error { return l.sd.ResetFailedUnitContext(ctx, act.Object) })
	if err != nil {
		return outcome(ctx, act, "reset-failed", err, true)
	}
	return platform.Report{Result: platform.Done, Detail: "the failed state and the start limit are cleared"}, nil
}

// setMemoryMax changes the memory limit of the running unit. It lasts until the next boot.
func (a *Adapter) setMemoryMax(ctx context.Context, act strategy.Action) (platform.Report, error) {
	text := act.Args[strategy.ArgBytes]
	limit := notSet
	if text != "infinity" {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil || n < minMemoryMax || n == math.MaxUint64 {
			return notBegun(act, "the memory limit makes no sense", fmt.Errorf("bytes=%q: want at least %d, or infinity", text, minMemoryMax))
		}
		limit = n
	}
	l, before, err := a.begin(ctx, act)
	if err != nil {
		return outcome(ctx, act, "set MemoryMax of", err, false)
	}
	err = l.do(ctx, func(ctx context.Context) error {
		return l.sd.SetUnitPropertiesContext(ctx, act.Object, true, sd.Property{Name: "MemoryMax", Value: dbus.MakeVariant(limit)})
	})
	if err != nil {
		return outcome(ctx, act, "set MemoryMax of", err, true)
	}
	after, err := l.properties(ctx, act.Object)
	if err != nil {
		return outcome(ctx, act, "set MemoryMax of", err, true)
	}
	if after.memMax != limit {
		return platform.Report{Result: platform.Failed, Detail: fmt.Sprintf("MemoryMax is %s, not %s", bytesText(after.memMax), bytesText(limit))},
			fmt.Errorf("set MemoryMax of %s: systemd accepted it and shows another value", act.Object)
	}
	detail := fmt.Sprintf("MemoryMax was %s, now %s", bytesText(before.memMax), bytesText(limit))
	if isUp(after.active) && after.memCurrent == notSet {
		detail += "; this host has no memory controller for it, so it is not enforced"
	}
	return platform.Report{Result: platform.Done, Detail: detail}, nil
}

// minMemoryMax is the smallest limit that is believed to be meant: below it no process starts.
const minMemoryMax = 1 << 20

func bytesText(n uint64) string {
	if n == notSet {
		return "infinity"
	}
	return strconv.FormatUint(n, 10)
}

// setEnv writes the unit's own environment file; the unit reads it when it starts next.
func (a *Adapter) setEnv(_ context.Context, act strategy.Action) (platform.Report, error) {
	key, value := act.Args[strategy.ArgKey], act.Args[strategy.ArgValue]
	before, err := a.env.Set(act.Args[strategy.ArgFile], key, value)
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
