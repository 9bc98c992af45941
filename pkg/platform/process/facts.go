package process

import (
	"context"
	"errors"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/platform/proctable"
)

const table = proctable.Table("/proc")

// Inspect implements [platform.Adapter].
func (a *Adapter) Inspect(_ context.Context, name string) (detect.Facts, error) {
	if a.isClosed() {
		return nil, errors.New("inspect: the process platform is closed")
	}
	u := a.units[name]
	if u == nil {
		return detect.Facts{
			detect.UnitLoad: detect.Word("not-found"), detect.UnitActive: detect.Word("inactive"), detect.UnitSub: detect.Word("dead"),
			detect.UnitDeparture: detect.Word(detect.DepartureNone), detect.UnitWatched: detect.Flag(false),
		}, nil
	}
	f := u.facts()
	if pid, _ := f.Num(detect.UnitMainPID); pid > 0 {
		addProcessFacts(f, int(pid))
	}
	return f, nil
}

// facts are the unit.* facts.
func (u *unit) facts() detect.Facts {
	watched := u.adapter.isWatched(u.spec.Name)
	u.mu.Lock()
	defer u.mu.Unlock()
	f := detect.Facts{
		detect.UnitLoad:        detect.Word("loaded"),
		detect.UnitActive:      detect.Word(u.active),
		detect.UnitSub:         detect.Word(u.sub),
		detect.UnitResult:      detect.Word("success"),
		detect.UnitMainPID:     detect.Num(0),
		detect.UnitRestarts:    detect.Num(0),
		detect.UnitPolicy:      detect.Word("no"),
		detect.UnitStopTimeout: detect.Num(u.adapter.opt.StopTimeout.Seconds()),
		detect.UnitWatched:     detect.Flag(watched),
	}
	if u.job != "" {
		f[detect.UnitJob] = detect.Word(u.job)
		f[detect.UnitJobOurs] = detect.Flag(u.ours)
	}
	end := detect.UnitEnd{Load: "loaded", Active: u.active, Sub: u.sub, Result: "success", Policy: "no"}
	if r := u.run; r != nil {
		f[detect.UnitInvocation] = detect.Word(r.invocation)
		f[detect.UnitSince] = detect.Num(float64(r.began.UnixMicro()) / 1e6)
		if u.runs() {
			f[detect.UnitMainPID] = detect.Num(float64(r.pid))
		}
		if r.result != "" {
			f[detect.UnitResult] = detect.Word(r.result)
			f[detect.UnitExitKind] = detect.Word(r.kind)
			f[detect.UnitExitCode] = detect.Num(float64(r.status))
			end.Result, end.ExitKind, end.ExitStatus = r.result, r.kind, r.status
		}
		if u.active != "active" {
			end.Live, end.From = true, "active"
			end.Job, end.JobOurs, end.Killed = u.cause.job, u.cause.ours, u.cause.killed
		}
	}
	d, why := detect.DepartureOf(end)
	f[detect.UnitDeparture] = detect.Word(d)
	if d != detect.DepartureNone {
		f[detect.UnitOperatorNote] = detect.Word(why)
	}
	return f
}

// addProcessFacts adds what the process table says. There is no cgroup to ask, so the memory
// figure is the resident memory of the group, and says so.
func addProcessFacts(f detect.Facts, pid int) {
	state, err := table.State(pid)
	if err != nil {
		f[detect.ProcessState] = detect.NotMeasured(err.Error())
	} else {
		f[detect.ProcessState] = detect.Word(state)
	}
	rss, err := table.Resident(table.Tree(pid))
	if err != nil {
		f[detect.ProcessRSS] = detect.NotMeasured(err.Error())
		f[detect.MemoryCurrent] = detect.NotMeasured(err.Error())
		return
	}
	f[detect.ProcessRSS] = detect.Num(float64(rss))
	f[detect.MemoryCurrent] = detect.Num(float64(rss))
	f[detect.MemorySource] = detect.Word("procfs")
	if n, limit, err := table.Files(pid); err == nil {
		f[detect.ProcessFDs] = detect.Num(float64(n))
		if limit > 0 {
			f[detect.ProcessFDLimit] = detect.Num(float64(limit))
		}
	}
}
