package systemd

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/platform"
	"github.com/recoveryd/recoveryd/pkg/platform/platformtest"
	"github.com/recoveryd/recoveryd/pkg/strategy"
	"github.com/recoveryd/recoveryd/test/lab"
)

func TestLabConformance(t *testing.T) {
	l := labFor(t)
	require.NoError(t, os.MkdirAll(l.Path("/run/recoveryd"), 0o755)) // the daemon's RuntimeDirectory=
	platformtest.Run(t, platformtest.Harness{
		New: func(t *testing.T) platform.Adapter { return newAdapter(t, l) },
		Units: &platformtest.Units{
			Plain: "env.service", Stubborn: "stubborn@suite.service", Missing: "missing.service",
			PID:           func(t *testing.T, unit string) int { return hostPID(t, l, unit) },
			OperatorStop:  func(t *testing.T, unit string) { ctl(t, l, "stop", unit) },
			OperatorStart: func(t *testing.T, unit string) { up(t, l, unit) },
			EnvFile:       "env.service.env", EnvKey: "DB_POOL_SIZE",
			Env: func(t *testing.T, unit, key string) string {
				b, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", hostPID(t, l, unit)))
				require.NoError(t, err)
				for _, kv := range strings.Split(string(b), "\x00") {
					if v, ok := strings.CutPrefix(kv, key+"="); ok {
						return v
					}
				}
				return ""
			},
		},
	})
}

// What systemd says of a job is not always what happened; these are its words, measured.
func TestLabJobResults(t *testing.T) {
	l := labFor(t)
	a := newAdapter(t, l)
	tests := []struct {
		name, unit string
		before     func(t *testing.T, unit string)
		during     func(t *testing.T, unit string) // while the job runs
		result     platform.Result
		says       string
	}{
		{name: "a start that works", unit: "sleep@job.service", result: platform.Done, says: "job done, active/running, invocation "},
		{name: "the program does not exist", unit: "noexec.service", result: platform.Failed, says: "job failed, failed/failed"},
		{name: "ExecStartPre= fails", unit: "pre.service", result: platform.Failed, says: "result exit-code"},
		{name: "a unit that it requires fails", unit: "needspre.service", result: platform.Failed, says: "requires could not be started"},
		{name: "it ends before it is ready", unit: "notready.service", result: platform.Failed, says: "job failed"},
		{name: "it is not ready in TimeoutStartSec", unit: "startslow.service", result: platform.Failed, says: "result timeout"},
		{name: "a condition is not met, though systemd says done", unit: "condition.service", result: platform.Failed, says: "Condition"},
		{name: "an assertion is not met", unit: "assert.service", result: platform.Failed, says: "Assert"},
		{name: "it is masked", unit: "sleep@masked.service", result: platform.Failed, says: "masked",
			before: func(t *testing.T, u string) { ctl(t, l, "mask", u) }},
		{name: "it does not exist", unit: "missing.service", result: platform.Failed, says: "no such unit"},
		{name: "a person stops it while it starts", unit: "neverready.service", result: platform.Failed, says: "canceled by somebody else",
			during: func(t *testing.T, u string) { ctl(t, l, "stop", u) }},
	}
	for _, tt := range tests {
		for _, verb := range []strategy.Verb{strategy.Start, strategy.Restart} {
			t.Run(tt.name+", "+string(verb), func(t *testing.T) {
				ctl(t, l, "stop", tt.unit)
				ctl(t, l, "reset-failed", tt.unit)
				if tt.before != nil {
					tt.before(t, tt.unit)
				}
				var w *watcher
				if tt.during != nil {
					w = watch(t, a, tt.unit)
				}
				type answer struct {
					rep platform.Report
					err error
				}
				done := make(chan answer, 1)
				go func() {
					rep, err := a.Do(t.Context(), strategy.Action{Verb: verb, Object: tt.unit, Timeout: 30 * time.Second})
					done <- answer{rep, err}
				}()
				if tt.during != nil {
					w.until("starting", is("activating"))
					tt.during(t, tt.unit)
				}
				got := <-done
				require.Equal(t, tt.result, got.rep.Result, got.rep.Detail)
				require.Equal(t, tt.result == platform.Done, got.err == nil, "%v", got.err)
				require.NotErrorIs(t, got.err, platform.ErrPermission)
				if got.err != nil {
					require.Contains(t, got.err.Error(), tt.unit)
				}
				require.Contains(t, got.rep.Detail, tt.says)
			})
		}
	}
}

func TestLabStartLimit(t *testing.T) {
	l := labFor(t)
	a := newAdapter(t, l)
	const unit = "limit@do.service"
	w := watch(t, a, unit)
	up(t, l, unit)
	w.until("the start limit", func(f detect.Facts) bool {
		return f.Text(detect.WorkloadDeparture) == detect.DepartureLimit && f.Text(detect.WorkloadPending) == ""
	})
	for _, verb := range []strategy.Verb{strategy.Start, strategy.Restart} {
		rep, err := a.Do(t.Context(), strategy.Action{Verb: verb, Object: unit, Timeout: 20 * time.Second})
		require.Error(t, err)
		require.Equal(t, platform.Failed, rep.Result)
		require.Contains(t, rep.Detail, "start limit (3 starts in 1m0s)")
	}
	f, err := a.Inspect(t.Context(), unit)
	require.NoError(t, err)
	require.Equal(t, detect.DepartureLimit, f.Text(detect.WorkloadDeparture), "a refused start does not hide the limit: %s", f.Text(detect.WorkloadNote))

	rep, err := a.Do(t.Context(), strategy.Action{Verb: strategy.Start, Object: unit, Timeout: 20 * time.Second,
		Args: map[string]string{strategy.ArgReset: "yes"}})
	require.NoError(t, err, rep.Detail)
	require.Equal(t, platform.Done, rep.Result)
	ctl(t, l, "stop", unit)
}

func TestLabResetFailed(t *testing.T) {
	l := labFor(t)
	a := newAdapter(t, l)
	const unit = "sleep@reset.service"
	up(t, l, unit)
	w := watch(t, a, unit)
	_, err := l.Systemctl(t.Context(), "kill", "-s", "KILL", unit)
	require.NoError(t, err)
	w.until("failed", is("failed"))
	rep, err := a.Do(t.Context(), strategy.Action{Verb: strategy.ResetFailed, Object: unit, Timeout: 10 * time.Second})
	require.NoError(t, err)
	require.Equal(t, platform.Done, rep.Result)
	f := w.until("inactive", is("inactive"))
	require.Equal(t, detect.DepartureCrash, f.Text(detect.WorkloadDeparture), "that it crashed stays true: %s", f.Text(detect.WorkloadNote))

	rep, err = a.Do(t.Context(), strategy.Action{Verb: strategy.ResetFailed, Object: "missing.service", Timeout: 10 * time.Second})
	require.Error(t, err)
	require.Equal(t, platform.Failed, rep.Result)
}

func TestLabSetMemoryMax(t *testing.T) {
	l := labFor(t)
	a := newAdapter(t, l)
	const unit = "sleep@memory.service"
	up(t, l, unit)
	set := func(bytes string) platform.Report {
		rep, err := a.Do(t.Context(), strategy.Action{Verb: strategy.SetMemory, Object: unit, Timeout: 10 * time.Second,
			Args: map[string]string{strategy.ArgBytes: bytes}})
		require.NoError(t, err)
		require.Equal(t, platform.Done, rep.Result)
		return rep
	}
	require.Contains(t, set("67108864").Detail, "was infinity, now 67108864")
	f, err := a.Inspect(t.Context(), unit)
	require.NoError(t, err)
	limit, ok := f.Num(detect.MemoryMax)
	require.True(t, ok)
	require.Equal(t, 67108864.0, limit)
	if lab.Probe().Memory == lab.MemoryNone {
		require.NotEmpty(t, f[detect.MemoryCurrent].Err, "no accounting is not measured, and never a number")
		require.Contains(t, set("134217728").Detail, "not enforced")
	} else {
		require.Greater(t, f[detect.MemoryCurrent].Value, 4096.0)
		require.Less(t, f[detect.MemoryCurrent].Value, 67108864.0)
		require.NotContains(t, set("134217728").Detail, "not enforced")
	}
	set("infinity")
	f, err = a.Inspect(t.Context(), unit)
	require.NoError(t, err)
	require.NotContains(t, f, detect.MemoryMax)
}

// Only cgroup v2 tells systemd of an OOM kill; with v1 it looks like any SIGKILL.
func TestLabOutOfMemory(t *testing.T) {
	l := labFor(t)
	kind := lab.Probe().Memory
	if kind == lab.MemoryNone {
		t.Skip("needs memory control in the lab, which this kernel does not offer")
	}
	a := newAdapter(t, l)
	const unit = "hungry.service"
	w := watch(t, a, unit)
	up(t, l, unit)
	f := w.until("failed", is("failed"))
	want := detect.DepartureOOM
	if kind == lab.MemoryV1 {
		want = detect.DepartureCrash
	}
	require.Equal(t, want, f.Text(detect.WorkloadDeparture), f.Text(detect.WorkloadNote))
	f, err := newAdapter(t, l).Inspect(t.Context(), unit)
	require.NoError(t, err)
	require.Equal(t, want, f.Text(detect.WorkloadDeparture), "after a gap")
}

// The unit of a PostgreSQL cluster would wait an hour for a postmaster that does not end.
func TestLabFrozenPostgresIsRestartedInItsGrace(t *testing.T) {
	l := labFor(t)
	unit, err := l.PostgresUnit()
	require.NoError(t, err)
	up(t, l, unit)
	a := newAdapter(t, l)
	before, err := a.Inspect(t.Context(), unit)
	require.NoError(t, err)
	patience, ok := before.Num(UnitStopTimeout)
	require.True(t, ok)
	require.Greater(t, patience, 600.0, "systemd alone would wait")
	kill(t, l, unit, syscall.SIGSTOP)
	began := time.Now()
	rep, err := a.Do(t.Context(), strategy.Action{Verb: strategy.Restart, Object: unit, Timeout: time.Minute,
		Args: map[string]string{strategy.ArgStopGrace: "1s"}})
	require.NoError(t, err, rep.Detail)
	require.Contains(t, rep.Detail, "killed after 1s")
	t.Logf("%s, after %s", rep.Detail, time.Since(began))
	after, err := a.Inspect(t.Context(), unit)
	require.NoError(t, err)
	require.Equal(t, "active", after.Text(UnitActive))
	require.NotEqual(t, before[detect.WorkloadRun], after[detect.WorkloadRun])
	answer, err := l.SQL(t.Context(), "postgres", "SELECT 42")
	require.NoError(t, err)
	require.Equal(t, "42", answer)
}
