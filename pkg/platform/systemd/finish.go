package systemd

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// Finish implements [platform.Finisher] for jobs that stop a unit, alone or to start it again. A stop that
// takes longer than the action's stop grace is cut short by a kill, as the process that asked for it
// would have done; systemd itself may wait for an hour. A job of another kind is somebody else's.
func (a *Adapter) Finish(ctx context.Context, act strategy.Action) string {
	grace, err := stopGrace(act)
	if err != nil || grace == 0 || checkUnit(act.Object) != nil {
		return ""
	}
	l, err := a.link.get(ctx)
	if err != nil {
		return "" // it is judged by observation, as soon as systemd can be asked
	}
	w := waiter{adapter: a, link: l, act: act, what: polkitVerb(act.Verb)}
	p, err := w.look(ctx)
	if err != nil || p.job == 0 || l.jobType(ctx, p.job) != polkitVerb(act.Verb) {
		return ""
	}
	// It was ours, so what it does to the unit is no person's doing.
	a.own.begin(act.Object)(p.job)
	over := a.own.act(act.Object, act.Timeout)
	defer over()
	defer a.forget(act.Object)
	job := p.job
	next := time.Now().Add(grace - stoppingFor(p))
	for p.job == job {
		if p.active == "deactivating" && !time.Now().Before(next) {
			w.killIfStopping(ctx)
			next = time.Now().Add(killAgain)
		}
		if pause(ctx, lookLimit) != nil {
			break
		}
		if p, err = w.look(ctx); err != nil {
			return fmt.Sprintf("its job %d was still under way", job) + w.killNote()
		}
	}
	detail := fmt.Sprintf("its job %d was still under way; the unit is now %s", job, p.state()) + w.killNote()
	for _, r := range w.refused {
		detail += "; " + r
	}
	return detail
}

// stoppingFor is how long a unit that is being stopped has been so, by systemd's own clock.
func stoppingFor(p unitProps) time.Duration {
	var now unix.Timespec
	if p.active != "deactivating" || p.activeExit == 0 || unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) != nil {
		return 0
	}
	return max(time.Duration(now.Nano())-time.Duration(p.activeExit)*time.Microsecond, 0) //nolint:gosec // microseconds since boot
}

// jobType is the kind of a job, such as restart; "" when it cannot be told.
func (l *link) jobType(ctx context.Context, id uint32) (typ string) {
	ctx, cancel := context.WithTimeout(ctx, lostCheck)
	defer cancel()
	err := l.do(ctx, func(ctx context.Context) error {
		return l.calls.Object(busName, jobPath(id)).CallWithContext(ctx, propsIf+".Get", 0, jobIf, "JobType").Store(&typ)
	})
	if err != nil {
		return ""
	}
	return typ
}
