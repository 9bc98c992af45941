package platformtest

import (
	"context"
	"errors"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/platform"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

func (h Harness) units(t *testing.T) {
	t.Run("a running unit shows who runs it and since when", h.inspectRunning)
	t.Run("a unit that does not exist is not found and cannot be started", h.missing)
	t.Run("start of a running unit changes nothing", h.startTwice)
	t.Run("restart makes a new run", h.restart)
	t.Run("restart of a stopped unit starts it", h.restartStopped)
	t.Run("stop ends the process", h.stop)
	t.Run("kill ends the process at once", h.kill)
	t.Run("kill of a unit without processes is done", h.killNothing)
	t.Run("a stop that hangs is over after its grace", h.stubborn)
	t.Run("a restart of a stopped process is over after its grace", h.frozen)
	t.Run("an action that takes longer than its timeout is not done", h.timeout)
	t.Run("an action whose context ends is unknown", h.cancel)
	t.Run("arguments that make no sense do nothing", h.nonsense)
	t.Run("what was decided on another run is not done", h.outdated)
	t.Run("many callers at once", h.concurrent)
	if h.Units.EnvKey != "" {
		t.Run("set-env reaches the next process and can be taken back", h.setEnv)
	}
	if _, ok := h.New(t).(platform.Watcher); ok {
		h.watching(t)
	}
}

func (h Harness) inspectRunning(t *testing.T) {
	a := h.New(t)
	unit := h.Units.Plain
	h.stopped(t, a, unit)
	began := time.Now()
	f := h.running(t, a, unit)
	require.Empty(t, f.Text(detect.WorkloadMissing))
	require.NotEmpty(t, f.Text(detect.WorkloadRun))
	pid, ok := f.Num(detect.WorkloadPID)
	require.True(t, ok)
	require.Greater(t, pid, 0.0)
	since, ok := f.Num(detect.WorkloadSince)
	require.True(t, ok)
	require.InDelta(t, float64(began.UnixMicro())/1e6, since, patience.Seconds(), "workload.since is in Unix seconds")
	require.Equal(t, detect.DepartureNone, f.Text(detect.WorkloadDeparture))
	require.NotContains(t, f, detect.WorkloadPending, "no job runs")
	h.await(t, a, unit, "resident memory of more than 10 kB (process.rss is in bytes)", func(f detect.Facts) bool {
		rss, ok := f.Num(detect.ProcessRSS)
		return ok && rss > 10e3
	})
}

func (h Harness) missing(t *testing.T) {
	a := h.New(t)
	f := h.facts(t, a, h.Units.Missing)
	require.NotEmpty(t, f.Text(detect.WorkloadMissing))
	require.Equal(t, detect.StateStopped, f.Text(detect.WorkloadState))
	for _, v := range []strategy.Verb{strategy.Start, strategy.Restart, strategy.Stop, strategy.Kill} {
		rep, err := a.Do(t.Context(), strategy.Action{Verb: v, Object: h.Units.Missing, Timeout: patience})
		require.Error(t, err, "%s", v)
		require.Equal(t, platform.Failed, rep.Result, "%s", v)
		require.NotErrorIs(t, err, platform.ErrPermission)
	}
}

func (h Harness) startTwice(t *testing.T) {
	a := h.New(t)
	before := h.running(t, a, h.Units.Plain)
	h.do(t, a, strategy.Start, h.Units.Plain, nil)
	after := h.facts(t, a, h.Units.Plain)
	require.Equal(t, before[detect.WorkloadRun], after[detect.WorkloadRun])
	require.Equal(t, before[detect.WorkloadPID], after[detect.WorkloadPID])
}

func (h Harness) restart(t *testing.T) {
	a := h.New(t)
	before := h.running(t, a, h.Units.Plain)
	rep := h.do(t, a, strategy.Restart, h.Units.Plain, map[string]string{strategy.ArgStopGrace: "10s"})
	after := h.facts(t, a, h.Units.Plain)
	require.True(t, active(after))
	require.NotEqual(t, before[detect.WorkloadRun], after[detect.WorkloadRun], "a restart is a new run")
	require.NotEqual(t, before[detect.WorkloadPID], after[detect.WorkloadPID])
	require.Contains(t, rep.Detail, after.Text(detect.WorkloadRun), "the report names the run that it saw")
	require.Greater(t, after[detect.WorkloadSince].Value, before[detect.WorkloadSince].Value)
}

func (h Harness) restartStopped(t *testing.T) {
	a := h.New(t)
	h.stopped(t, a, h.Units.Plain)
	h.do(t, a, strategy.Restart, h.Units.Plain, nil)
	require.True(t, active(h.facts(t, a, h.Units.Plain)))
}

func (h Harness) stop(t *testing.T) {
	a := h.New(t)
	h.running(t, a, h.Units.Plain)
	h.do(t, a, strategy.Stop, h.Units.Plain, map[string]string{strategy.ArgStopGrace: "10s"})
	f := h.facts(t, a, h.Units.Plain)
	require.True(t, resting(f), "%v", f)
	require.Zero(t, f[detect.WorkloadPID].Value)
	h.do(t, a, strategy.Stop, h.Units.Plain, nil) // there is nothing left to stop
}

func (h Harness) kill(t *testing.T) {
	a := h.New(t)
	before := h.running(t, a, h.Units.Stubborn)
	h.do(t, a, strategy.Kill, h.Units.Stubborn, nil)
	f := h.await(t, a, h.Units.Stubborn, "the end", resting)
	require.Zero(t, f[detect.WorkloadPID].Value)
	h.running(t, a, h.Units.Stubborn)
	require.NotEqual(t, before[detect.WorkloadRun], h.facts(t, a, h.Units.Stubborn)[detect.WorkloadRun])
}

func (h Harness) killNothing(t *testing.T) {
	a := h.New(t)
	h.stopped(t, a, h.Units.Plain)
	rep := h.do(t, a, strategy.Kill, h.Units.Plain, nil)
	require.Contains(t, rep.Detail, "no process")
}

func (h Harness) stubborn(t *testing.T) {
	a := h.New(t)
	for _, v := range []strategy.Verb{strategy.Restart, strategy.Stop} {
		before := h.running(t, a, h.Units.Stubborn)
		began := time.Now()
		rep := h.do(t, a, v, h.Units.Stubborn, map[string]string{strategy.ArgStopGrace: grace.String()})
		took := time.Since(began)
		require.GreaterOrEqual(t, took, grace, "%s gives the process its grace", v)
		require.Less(t, took, grace+patience/2, "%s does not wait for the platform's own patience", v)
		require.Contains(t, rep.Detail, "killed", "%s says that it had to kill", v)
		after := h.facts(t, a, h.Units.Stubborn)
		require.Equal(t, v == strategy.Restart, active(after), "%s", v)
		if v == strategy.Restart {
			require.NotEqual(t, before[detect.WorkloadRun], after[detect.WorkloadRun])
		}
	}
}

func (h Harness) frozen(t *testing.T) {
	a := h.New(t)
	before := h.running(t, a, h.Units.Plain)
	h.signal(t, h.Units.Plain, syscall.SIGSTOP)
	h.await(t, a, h.Units.Plain, "state T", func(f detect.Facts) bool { return f.Text(detect.ProcessState) == "T" })
	h.do(t, a, strategy.Restart, h.Units.Plain, map[string]string{strategy.ArgStopGrace: grace.String()})
	after := h.facts(t, a, h.Units.Plain)
	require.True(t, active(after))
	require.NotEqual(t, before[detect.WorkloadRun], after[detect.WorkloadRun])
}

func (h Harness) timeout(t *testing.T) {
	a := h.New(t)
	h.running(t, a, h.Units.Stubborn)
	began := time.Now()
	rep, err := a.Do(t.Context(), strategy.Action{Verb: strategy.Stop, Object: h.Units.Stubborn, Timeout: grace})
	require.Error(t, err)
	require.Equal(t, platform.TimedOut, rep.Result, rep.Detail)
	require.Less(t, time.Since(began), patience/2)
	h.do(t, a, strategy.Kill, h.Units.Stubborn, nil)
	h.await(t, a, h.Units.Stubborn, "the end", resting)
}

func (h Harness) cancel(t *testing.T) {
	a := h.New(t)
	h.running(t, a, h.Units.Stubborn)
	cause := errors.New("the daemon stops")
	ctx, cancel := context.WithCancelCause(t.Context())
	timer := time.AfterFunc(grace, func() { cancel(cause) })
	defer timer.Stop()
	began := time.Now()
	rep, err := a.Do(ctx, strategy.Action{Verb: strategy.Stop, Object: h.Units.Stubborn, Timeout: patience})
	require.Error(t, err)
	require.Equal(t, platform.Unknown, rep.Result, "%s: the stop was begun, and nobody saw its end", rep.Detail)
	require.Less(t, time.Since(began), patience/2)
	h.do(t, a, strategy.Kill, h.Units.Stubborn, nil)
	h.await(t, a, h.Units.Stubborn, "the end", resting)
}

func (h Harness) nonsense(t *testing.T) {
	a := h.New(t)
	before := h.running(t, a, h.Units.Plain)
	for _, args := range []map[string]string{{strategy.ArgStopGrace: "soon"}, {strategy.ArgStopGrace: "-1s"}} {
		rep, err := a.Do(t.Context(), strategy.Action{Verb: strategy.Restart, Object: h.Units.Plain, Args: args, Timeout: patience})
		require.Error(t, err, "%v", args)
		require.Equal(t, platform.Failed, rep.Result)
	}
	if platform.Supports(a, strategy.SetMemory) {
		for _, bytes := range []string{"", "0", "-1", "lots", "4096"} {
			rep, err := a.Do(t.Context(), strategy.Action{Verb: strategy.SetMemory, Object: h.Units.Plain,
				Args: map[string]string{strategy.ArgBytes: bytes}, Timeout: patience})
			require.Error(t, err, "bytes=%q", bytes)
			require.Equal(t, platform.Failed, rep.Result)
		}
	}
	after := h.facts(t, a, h.Units.Plain)
	require.Equal(t, before[detect.WorkloadRun], after[detect.WorkloadRun], "nothing may have happened")
}

// outdated: between a decision and its action somebody restarts the unit, or stops it.
func (h Harness) outdated(t *testing.T) {
	a, unit := h.New(t), h.Units.Plain
	decided := func(v strategy.Verb, f detect.Facts) (platform.Report, error) {
		return a.Do(t.Context(), strategy.Action{Verb: v, Object: unit, Timeout: patience,
			Seen: strategy.SeenIn(f)})
	}
	refused := func(v strategy.Verb, f detect.Facts) {
		t.Helper()
		rep, err := decided(v, f)
		require.ErrorIs(t, err, platform.ErrOutdated, "%s", v)
		require.Equal(t, platform.Failed, rep.Result, "nothing was done, so the outcome is known")
	}
	before := h.running(t, a, unit)
	h.do(t, a, strategy.Restart, unit, nil)
	now := h.facts(t, a, unit)
	for _, v := range []strategy.Verb{strategy.Restart, strategy.Kill, strategy.Stop} {
		refused(v, before)
	}
	require.Equal(t, now[detect.WorkloadPID], h.facts(t, a, unit)[detect.WorkloadPID], "nothing may have happened")
	h.stopped(t, a, unit)
	refused(strategy.Restart, now)
	require.True(t, resting(h.facts(t, a, unit)), "what was stopped meanwhile stays so")
	rep, err := decided(strategy.Start, h.facts(t, a, unit))
	require.NoError(t, err)
	require.Equal(t, platform.Done, rep.Result)
	rep, err = decided(strategy.Restart, h.facts(t, a, unit))
	require.NoError(t, err, "it is as it was seen")
	require.Equal(t, platform.Done, rep.Result)
}

func (h Harness) concurrent(t *testing.T) {
	a := h.New(t)
	h.running(t, a, h.Units.Plain)
	h.running(t, a, h.Units.Stubborn)
	var wg sync.WaitGroup
	errs := make(chan error, 100)
	for i := range 8 {
		wg.Go(func() {
			for range 10 {
				if _, err := a.Inspect(t.Context(), h.Units.Plain); err != nil {
					errs <- err
				}
			}
			unit, args := h.Units.Plain, map[string]string(nil)
			if i%2 == 1 {
				unit, args = h.Units.Stubborn, map[string]string{strategy.ArgStopGrace: grace.String()}
			}
			if i > 1 {
				return
			}
			if rep, err := a.Do(t.Context(), strategy.Action{Verb: strategy.Restart, Object: unit, Args: args, Timeout: patience}); err != nil || rep.Result != platform.Done {
				errs <- errors.Join(err, errors.New(rep.Detail))
			}
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		require.NoError(t, err)
	}
	require.True(t, active(h.facts(t, a, h.Units.Plain)))
	h.stopped(t, a, h.Units.Stubborn)
}

func (h Harness) setEnv(t *testing.T) {
	a := h.New(t)
	u := h.Units
	h.running(t, a, u.Plain)
	before := u.Env(t, u.Plain, u.EnvKey)
	set := func(value string) platform.Report {
		return h.do(t, a, strategy.SetEnv, u.Plain, map[string]string{strategy.ArgFile: u.EnvFile, strategy.ArgKey: u.EnvKey, strategy.ArgValue: value})
	}
	set("47")
	require.Equal(t, before, u.Env(t, u.Plain, u.EnvKey), "the running process keeps its environment")
	h.do(t, a, strategy.Restart, u.Plain, nil)
	require.Equal(t, "47", u.Env(t, u.Plain, u.EnvKey))
	require.Contains(t, set("").Detail, "47", "the report says what it was before")
	h.do(t, a, strategy.Restart, u.Plain, nil)
	require.Equal(t, before, u.Env(t, u.Plain, u.EnvKey))

	for _, bad := range []map[string]string{
		{strategy.ArgFile: u.EnvFile, strategy.ArgKey: "LD_PRELOAD", strategy.ArgValue: "x"},
		{strategy.ArgFile: u.EnvFile, strategy.ArgKey: u.EnvKey, strategy.ArgValue: "1\nLD_PRELOAD=x"},
		{strategy.ArgFile: "/etc/passwd", strategy.ArgKey: u.EnvKey, strategy.ArgValue: "1"},
		{strategy.ArgFile: "../" + u.EnvFile, strategy.ArgKey: u.EnvKey, strategy.ArgValue: "1"},
	} {
		rep, err := a.Do(t.Context(), strategy.Action{Verb: strategy.SetEnv, Object: u.Plain, Args: bad, Timeout: patience})
		require.Error(t, err, "%v", bad)
		require.Equal(t, platform.Failed, rep.Result)
	}
}
