package systemd

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"time"

	sd "github.com/coreos/go-systemd/v22/dbus"

	"github.com/recoveryd/recoveryd/pkg/platform"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

const (
	// askJobLimit bounds the call that queues a job. polkit answers in milliseconds; go-systemd
	// holds a lock meanwhile, so one stuck call must not stop all others.
	askJobLimit = 10 * time.Second
	// lostCheck is how often a job is looked for whose end has not been signalled.
	lostCheck = time.Second
	// killAgain is the time between kills of a unit that does not end: new processes may have
	// been started by the ones that were killed.
	killAgain = time.Second
)

// job starts, stops or restarts a unit and waits for the end of systemd's job.
func (a *Adapter) job(ctx context.Context, act strategy.Action) (platform.Report, error) {
	what := polkitVerb(act.Verb)
	grace, err := stopGrace(act)
	if err != nil {
		return notBegun(act, "an argument makes no sense", err)
	}
	l, before, err := a.begin(ctx, act)
	if err != nil {
		return outcome(ctx, act, what, err, false)
	}
	deadline, _ := ctx.Deadline()
	over := a.own.act(act.Object, time.Until(deadline))
	defer over()
	w := waiter{adapter: a, link: l, act: act, what: what, before: before, ended: make(chan string, 1)}
	rep, err := w.run(ctx, grace)
	// systemd starts a failed unit without further ado, unless its start limit is used up. Clearing
	// the failed state is left until then: it makes systemd forget the unit, with everything that is
	// known of its last run, and read its files anew, which takes longer than the start itself.
	if w.atLimit && act.Args[strategy.ArgReset] == "yes" {
		switch cleared, failure := w.clearLimit(ctx); {
		case failure != nil:
			return outcome(ctx, act, "reset-failed", failure, true)
		case cleared:
			w.atLimit = false
			rep, err = w.run(ctx, grace)
		}
	}
	for _, r := range w.refused {
		rep.Detail += "; " + r
	}
	// When it did not work and part of it was refused, the refusal is what a person must mend.
	if err != nil && len(w.refused) > 0 {
		err = fmt.Errorf("%w: %s: %w", platform.ErrPermission, strings.Join(w.refused, ", "), err)
	}
	return rep, err
}

func stopGrace(act strategy.Action) (time.Duration, error) {
	text := act.Args[strategy.ArgStopGrace]
	if text == "" || act.Verb == strategy.Start {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("stop_grace=%q: want a duration such as 5s", text)
	}
	return d, nil
}

// run queues the job and waits for its end.
func (w *waiter) run(ctx context.Context, grace time.Duration) (platform.Report, error) {
	if err := w.queue(ctx); err != nil {
		return outcome(ctx, w.act, w.what, err, true)
	}
	return w.wait(ctx, grace)
}

// clearLimit clears the failed state and with it the count of starts. A refusal is noted for the
// person who must mend it.
func (w *waiter) clearLimit(ctx context.Context) (cleared bool, err error) {
	err = w.link.do(ctx, func(ctx context.Context) error {
		return w.link.sd.ResetFailedUnitContext(ctx, w.act.Object)
	})
	switch {
	case isPermission(err):
		w.refused = append(w.refused, "reset-failed was refused (polkit verb reset-failed)")
		return false, nil
	case isNotLoaded(err):
		return true, nil // nothing is left to clear
	}
	return err == nil, err
}

func isNotLoaded(err error) bool {
	return err != nil && strings.Contains(err.Error(), "not loaded")
}

// waiter follows one job of ours to its end.
type waiter struct {
	adapter *Adapter
	link    *link
	act     strategy.Action
	what    string
	before  unitProps
	ended   chan string // capacity 1: the library sends the result while it holds a lock
	id      uint32
	atLimit bool     // systemd refused to start it: its start limit is used up
	killed  int      // how often the unit was killed
	refused []string // what this user may not do, and would have helped
}

// queue asks systemd for the job. While the call runs, jobs that appear on the unit count as ours.
func (w *waiter) queue(ctx context.Context) error {
	call := map[strategy.Verb]func(context.Context, string, string, chan<- string) (int, error){
		strategy.Start:   w.link.sd.StartUnitContext,
		strategy.Stop:    w.link.sd.StopUnitContext,
		strategy.Restart: w.link.sd.RestartUnitContext,
	}[w.act.Verb]
	ctx, cancel := context.WithTimeout(ctx, askJobLimit)
	defer cancel()
	settle := w.adapter.own.begin(w.act.Object)
	ids := make(chan uint32, 1)
	err := w.link.do(ctx, func(ctx context.Context) error {
		id, err := call(ctx, w.act.Object, "replace", w.ended)
		ids <- uint32(id)
		return err
	})
	select {
	case w.id = <-ids:
	default: // no answer
	}
	settle(w.id)
	return err
}

// wait waits for the end of the job, and kills the unit when it is still stopping after grace.
func (w *waiter) wait(ctx context.Context, grace time.Duration) (platform.Report, error) {
	var impatient <-chan time.Time
	if grace > 0 {
		t := time.NewTimer(grace)
		defer t.Stop()
		impatient = t.C
	}
	check := time.NewTicker(lostCheck)
	defer check.Stop()
	missing := false
	for {
		select {
		case result := <-w.ended:
			return w.judge(ctx, result)
		case <-impatient:
			w.killIfStopping(ctx)
			impatient = time.After(killAgain)
		case <-check.C:
			p, err := w.look(ctx)
			switch {
			case err != nil || p.job == w.id || len(w.ended) > 0:
				missing = false
			case missing: // two looks apart: the signal would have come
				return platform.Report{Result: platform.Unknown, Detail: fmt.Sprintf("job %d is over and its result was not seen; the unit is %s", w.id, p.state())},
					fmt.Errorf("%s %s: the end of job %d was not signalled", w.what, w.act.Object, w.id)
			default:
				missing = true
			}
		case <-w.link.gone():
			return outcome(ctx, w.act, w.what, errLinkLost, true)
		case <-ctx.Done():
			rep, err := outcome(ctx, w.act, w.what, ctx.Err(), true)
			rep.Detail = fmt.Sprintf("job %d is not over", w.id) + w.killNote()
			return rep, err
		}
	}
}

// look reads the unit's properties, but does not wait for them longer than for a job's end.
func (w *waiter) look(ctx context.Context) (unitProps, error) {
	ctx, cancel := context.WithTimeout(ctx, lostCheck)
	defer cancel()
	return w.link.properties(ctx, w.act.Object)
}

// killIfStopping ends a stop that takes too long. systemd's own patience may be an hour.
func (w *waiter) killIfStopping(ctx context.Context) {
	p, err := w.look(ctx)
	if err != nil || p.active != "deactivating" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, askJobLimit)
	defer cancel()
	err = w.link.do(ctx, func(ctx context.Context) error {
		return w.link.sd.KillUnitWithTarget(ctx, w.act.Object, sd.All, int32(syscall.SIGKILL))
	})
	switch {
	case err == nil:
		w.killed++
	case isPermission(err) && !slices.Contains(w.refused, killRefused):
		w.refused = append(w.refused, killRefused)
	}
}

const killRefused = "still stopping after its stop grace, and this user may not kill it (polkit verb kill)"

func (w *waiter) killNote() string {
	if w.killed > 0 {
		return fmt.Sprintf("; killed after %s of stop grace", w.act.Args[strategy.ArgStopGrace])
	}
	return ""
}

// judge turns the result of the job into a report. Done alone proves little: a start whose
// condition is not met ends as done too.
func (w *waiter) judge(ctx context.Context, result string) (platform.Report, error) {
	p, err := w.look(ctx)
	if err != nil {
		p = unitProps{active: "unknown", sub: "unknown"}
	}
	detail := fmt.Sprintf("job %s, %s", result, p.state())
	if p.invocation != "" && isUp(p.active) {
		detail += ", invocation " + p.invocation
	}
	detail += w.killNote()
	fail := func(r platform.Result, why string) (platform.Report, error) {
		return platform.Report{Result: r, Detail: detail + "; " + why}, fmt.Errorf("%s %s: %s", w.what, w.act.Object, why)
	}
	starts := w.act.Verb != strategy.Stop
	switch result {
	case "done":
		if starts && (p.active == "inactive" || p.active == "failed") {
			if p.conditionAt != 0 && !p.condition {
				return fail(platform.Failed, "a Condition…= of the unit is not met, so systemd did not start it")
			}
			// A unit that nothing refers to is unloaded at once, and then this is all there is to see.
			return fail(platform.Failed, "it is not running: a Condition…= of the unit is not met, or its process ended at once")
		}
		return platform.Report{Result: platform.Done, Detail: detail}, nil
	case "failed":
		if w.atLimit = starts && w.limited(p); w.atLimit {
			return fail(platform.Failed, fmt.Sprintf("systemd refuses to start it: start limit (%d starts in %s); reset-failed clears it",
				p.limitBurst, time.Duration(p.limitWindow)*time.Microsecond))
		}
		return fail(platform.Failed, fmt.Sprintf("the job failed (result %s)", p.result))
	case "canceled":
		return fail(platform.Failed, "the job was replaced or canceled by somebody else")
	case "timeout":
		return fail(platform.Failed, "systemd's own time limit for the job passed")
	case "dependency":
		return fail(platform.Failed, "a unit that it requires could not be started")
	case "skipped":
		return fail(platform.Failed, "the job did not apply to the unit's state")
	case "assert":
		return fail(platform.Failed, "an Assert…= of the unit is not met")
	}
	return fail(platform.Failed, "the job ended as "+result)
}

// limited reports that the job failed before anything was started: no new run began. The unit's
// Result keeps that of the last crash, so it does not tell.
func (w *waiter) limited(p unitProps) bool {
	return p.result == "start-limit-hit" ||
		p.limitBurst > 0 && p.limitWindow > 0 && p.invocation == w.before.invocation && p.inactiveExit == w.before.inactiveExit
}
