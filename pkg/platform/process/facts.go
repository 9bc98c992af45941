package process

import (
	"context"
	"errors"
	"fmt"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/platform/proctable"
	"github.com/recoveryd/recoveryd/pkg/strategy"
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
			detect.WorkloadNoun: detect.Word("process"), detect.WorkloadManager: detect.Word("recoveryd"),
			detect.WorkloadState: detect.Word(detect.StateStopped), detect.WorkloadDeparture: detect.Word(detect.DepartureNone), detect.WorkloadWatched: detect.Flag(false),
			detect.WorkloadMissing: detect.Word("recoveryd runs no program " + name), detect.WorkloadAdvice: detect.Word("restart recoveryd: it starts its programs when it starts"),
		}, nil
	}
	f := u.facts()
	if pid, _ := f.Num(detect.WorkloadPID); pid > 0 {
		addProcessFacts(f, int(pid))
	}
	return f, nil
}

// facts are the workload.* facts.
func (u *unit) facts() detect.Facts {
	watched := u.adapter.isWatched(u.spec.Name)
	u.mu.Lock()
	defer u.mu.Unlock()
	f := detect.Facts{
		detect.WorkloadNoun:     detect.Word("process"),
		detect.WorkloadManager:  detect.Word("recoveryd"),
		detect.WorkloadState:    detect.Word(u.state),
		detect.WorkloadPID:      detect.Num(0),
		detect.WorkloadRestarts: detect.Num(0),
		detect.WorkloadPolicy:   detect.Word("no"),
		detect.WorkloadWatched:  detect.Flag(watched),
	}
	if u.job != "" {
		f[detect.WorkloadPending] = detect.Word(u.job)
		f[detect.WorkloadPendingOurs] = detect.Flag(u.ours)
	}
	if r := u.run; r != nil {
		f[detect.WorkloadRun] = detect.Word(r.invocation)
		f[detect.WorkloadSince] = detect.Num(float64(r.began.UnixMicro()) / 1e6)
		if u.runs() {
			f[detect.WorkloadPID] = detect.Num(float64(r.pid))
		}
		if r.result != "" {
			f[detect.WorkloadExitKind] = detect.Word(r.kind)
			f[detect.WorkloadExitCode] = detect.Num(float64(r.status))
			f[detect.WorkloadWords] = detect.Word(fmt.Sprintf("process %s (%s %d)", u.state, r.kind, r.status))
		}
	}
	d, why := u.departure()
	f[detect.WorkloadDeparture] = detect.Word(d)
	if d != detect.DepartureNone {
		f[detect.WorkloadNote] = detect.Word(why)
	}
	return f
}

// departure says why the process does not run. Who told it to end is known, since nobody can do so but by
// recoveryd or past it. The lock is held.
func (u *unit) departure() (departure, because string) {
	r := u.run
	switch {
	case r == nil || u.state == detect.StateRunning:
		return detect.DepartureNone, ""
	case u.cause.killed:
		return detect.DepartureBySelf, "it was killed by our own action"
	case u.cause.job != "" && u.cause.ours:
		return detect.DepartureBySelf, "our own action stopped it"
	case u.cause.job == string(strategy.Restart):
		return detect.DepartureRestart, "a person is restarting it"
	case u.cause.job != "":
		return detect.DepartureStopped, "a person stopped it"
	case r.result == "success" && r.kind == "killed":
		return detect.DepartureSIGTERM, fmt.Sprintf("its process was told to end from outside recoveryd (signal %d)", r.status)
	case r.result == "success":
		return detect.DepartureClean, "it ended by itself with success (exit status 0)"
	}
	return detect.DepartureCrash, fmt.Sprintf("it crashed (%s %d)", r.kind, r.status)
}

// addProcessFacts adds what the process table says. Nothing counts its memory, so the memory
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
