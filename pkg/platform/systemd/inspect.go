package systemd

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/godbus/dbus/v5"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

// Inspect implements [platform.Adapter]. While the unit's signals are received it says what they
// told, and asks systemd for the whole only now and then (see current); it reads a few small files.
// The departure is the one that live signals told, when they speak of the same state; otherwise it
// is worked out afterwards from the properties.
func (a *Adapter) Inspect(ctx context.Context, unit string) (detect.Facts, error) {
	if err := checkUnit(unit); err != nil {
		return nil, fmt.Errorf("inspect: %w", err)
	}
	if a.link.ctx.Err() != nil {
		return nil, errors.New("inspect: the systemd adapter is closed")
	}
	ctx, cancel := context.WithTimeout(ctx, a.opt.InspectTimeout)
	defer cancel()
	v, watched := a.watched(unit)
	p, known := a.current(unit, v, watched)
	if !known {
		var err error
		if p, err = a.properties(ctx, unit); err != nil {
			return a.unmeasured(unit, err), nil
		}
		if v, watched = a.watched(unit); watched { // again: it may have changed meanwhile
			p = v.fill(p)
		}
		a.wasRead(unit, p, watched && v.describes(p))
	}
	f := a.facts(ctx, unit, p, v, watched)
	if r := a.refusal(unit); r.Text != "" {
		f[detect.WorkloadPermission] = r
	}
	if known {
		a.addQuickFacts(f, unit, p)
	} else {
		a.addHostFacts(f, unit, p)
	}
	a.wasTold(unit, f, p, v, watched)
	return f, nil
}

// facts are what the properties tell, with the job on the unit and why it does not run.
func (a *Adapter) facts(ctx context.Context, unit string, p unitProps, v view, watched bool) detect.Facts {
	job, auto := "", watched && p.job != 0 && v.jobID == p.job && v.jobAuto
	if p.job != 0 && !auto {
		job = a.jobType(ctx, p.job, v, watched)
		if !watched && job == "restart" && stateOf(p) == FromAutoRestart {
			job = "" // systemd's own, as far as can be told without its signals
		}
	}
	f := unitFacts(p, job)
	if auto {
		restarting(f)
	}
	if job != "" {
		f[detect.WorkloadPendingOurs] = detect.Flag(a.own.ours(unit, p.job, true))
		if watched && v.jobID == p.job {
			addJobWith(f, v.jobWith)
		}
	}
	end := endOf(p)
	if watched && v.describes(p) {
		end = v.end
	}
	addDeparture(f, end)
	f[detect.WorkloadWatched] = detect.Flag(watched)
	return Neutral(unit, f)
}

// properties asks systemd for everything about a unit. Asking loads a unit that is not loaded,
// so the answer of a unit that does not exist is LoadState=not-found and no error.
func (a *Adapter) properties(ctx context.Context, unit string) (unitProps, error) {
	l, err := a.link.get(ctx)
	if err != nil {
		return unitProps{}, err
	}
	return l.properties(ctx, unit)
}

func (l *link) properties(ctx context.Context, unit string) (unitProps, error) {
	replies := make(chan unitProps, 1)
	err := l.do(ctx, func(ctx context.Context) error {
		// An empty interface name means all interfaces of the object: unit and service in one reply.
		p, err := fromGetAll(l.object(unit).CallWithContext(ctx, propsIf+".GetAll", 0, ""))
		if err == nil {
			replies <- p
		}
		return err
	})
	if err != nil {
		return unitProps{}, err
	}
	return <-replies, nil
}

// unmeasured says that nothing could be measured, and why.
func (a *Adapter) unmeasured(unit string, err error) detect.Facts {
	why := "systemd could not be asked: " + err.Error()
	if errors.Is(err, context.DeadlineExceeded) {
		why = fmt.Sprintf("systemd did not answer within %s", a.opt.InspectTimeout)
	}
	f := detect.Facts{detect.WorkloadError: detect.Word(why), detect.WorkloadWatched: detect.Flag(false)}
	for _, name := range []string{UnitLoad, UnitActive, UnitSub, UnitResult,
		detect.WorkloadRun, detect.WorkloadPID, detect.WorkloadSince, detect.WorkloadRestarts, detect.WorkloadDeparture,
		detect.MemoryCurrent} {
		f[name] = detect.NotMeasured(why)
	}
	if r := a.refusal(unit); r.Text != "" {
		f[detect.WorkloadPermission] = r
	}
	if m := a.host.atWork(); m != "" {
		f[detect.WorkloadMaintenance] = detect.Word(m)
	}
	return Neutral(unit, f)
}

// unitFacts are the facts that the properties alone tell. job is the type of the job on the
// unit, "" for none.
func unitFacts(p unitProps, job string) detect.Facts {
	f := detect.Facts{
		UnitLoad:                detect.Word(p.load),
		UnitActive:              detect.Word(p.active),
		UnitSub:                 detect.Word(strings.TrimSuffix(p.sub, "-queued")), // auto-restart-queued is the same delay
		UnitResult:              detect.Word(p.result),
		detect.WorkloadPID:      detect.Num(float64(p.mainPID)),
		detect.WorkloadRestarts: detect.Num(float64(p.restarts)),
		detect.WorkloadPolicy:   detect.Word(p.policy),
	}
	if p.invocation != "" {
		f[detect.WorkloadRun] = detect.Word(p.invocation)
	}
	if p.leftInactive != 0 {
		f[detect.WorkloadSince] = detect.Num(float64(p.leftInactive) / 1e6)
	}
	if k := p.exitKind(); k != "" && p.mainExit != 0 {
		f[detect.WorkloadExitKind] = detect.Word(k)
		f[detect.WorkloadExitCode] = detect.Num(float64(p.exitStatus))
	}
	if why := p.unable(); why != "" {
		f[detect.WorkloadUnable] = detect.Word(why)
	}
	seconds := func(name string, usec uint64) {
		if usec != notSet {
			f[name] = detect.Num(float64(usec) / 1e6)
		}
	}
	seconds(detect.WorkloadRetryAfter, p.restartDelay)
	seconds(UnitStopTimeout, p.stopTimeout)
	seconds(detect.WorkloadStartWindow, p.limitWindow)
	f[detect.WorkloadStartLimit] = detect.Num(float64(p.limitBurst))
	if p.limitWindow == 0 { // StartLimitIntervalSec=0 turns the limit off
		f[detect.WorkloadStartLimit] = detect.Num(0)
	}
	if job != "" {
		f[detect.WorkloadPending] = detect.Word(job)
	}
	return f
}

func addDeparture(f detect.Facts, end UnitEnd) {
	d, why := DepartureOf(end)
	f[detect.WorkloadDeparture] = detect.Word(d)
	if d != detect.DepartureNone {
		f[detect.WorkloadNote] = detect.Word(why)
	}
}

// endOf is what the properties alone tell of why a unit is not running: the view after a gap.
func endOf(p unitProps) UnitEnd {
	burst := int(p.limitBurst)
	if p.limitWindow == 0 {
		burst = 0
	}
	e := UnitEnd{
		Load: p.load, Active: p.active, Sub: p.sub, Result: p.result, Policy: p.policy,
		Restarts: int(p.restarts), LimitBurst: burst, FileState: p.file,
		ConditionFailed: p.conditionAt != 0 && !p.condition, AssertFailed: p.assertAt != 0 && !p.assert, Wanted: p.wanted,
		ActiveEnter: p.activeEnter, ActiveExit: p.activeExit, InactiveExit: p.inactiveExit, MainExit: p.mainExit,
	}
	if p.mainExit != 0 {
		e.ExitKind, e.ExitStatus = p.exitKind(), int(p.exitStatus)
	}
	return e
}

// jobType names the type of a job. The job may end before it can be asked; then the type is
// unknown, and that it was there is still a fact.
func (a *Adapter) jobType(ctx context.Context, id uint32, v view, watched bool) string {
	if watched && v.jobID == id && v.jobType != "" {
		return v.jobType
	}
	l, err := a.link.get(ctx)
	if err != nil {
		return JobUnknown
	}
	typ := JobUnknown
	_ = l.do(ctx, func(ctx context.Context) error { // no answer: it stays unknown
		var s string
		obj := l.calls.Object(busName, jobPath(id))
		if err := obj.CallWithContext(ctx, propsIf+".Get", 0, jobIf, "JobType").Store(&s); err != nil {
			return err
		}
		typ = strings.ToLower(s)
		return nil
	})
	return typ
}

const jobIf = "org.freedesktop.systemd1.Job"

func jobPath(id uint32) dbus.ObjectPath {
	return dbus.ObjectPath(fmt.Sprintf("/org/freedesktop/systemd1/job/%d", id))
}
