package platformtest

import (
	"context"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/platform"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

func (h Harness) watching(t *testing.T) {
	t.Run("every watched unit is reported at the start, and only those", h.watchReportsOnce)
	t.Run("a crash is reported as a crash, and so is the way back", h.watchCrash)
	t.Run("a process that was told to end from outside did not crash", h.watchTerminate)
	t.Run("a person's stop is told from a crash", h.watchOperatorStop)
	t.Run("our own stop, restart and kill are told from a person's", h.watchOurs)
	t.Run("a slow listener learns of the crash and of the last state", h.watchSlow)
	t.Run("Inspect says whether a unit is watched", h.watchedFact)
	t.Run("watching nothing is refused", h.watchNothing)
}

// listener is a running Watch.
type listener struct {
	t       *testing.T
	changes chan platform.Change
	stop    func()
}

// listen starts a Watch and waits until each unit has been reported once.
func (h Harness) listen(t *testing.T, a platform.Adapter, units ...string) *listener {
	t.Helper()
	l := &listener{t: t, changes: make(chan platform.Change, 1000)}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	var inside atomic.Int32
	go func() {
		done <- a.(platform.Watcher).Watch(ctx, units, func(c platform.Change) {
			if inside.Add(1) != 1 {
				t.Error("changed is called by two goroutines at once")
			}
			l.changes <- c
			inside.Add(-1)
		})
	}()
	stopped := false
	l.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		select {
		case err := <-done:
			require.NoError(t, err, "a Watch that is told to end has not failed")
		case <-time.After(patience):
			t.Fatalf("Watch did not return within %s of the end of its context", patience)
		}
	}
	t.Cleanup(l.stop)
	seen := map[string]bool{}
	for len(seen) < len(units) {
		c := l.next("the first report of every unit")
		require.Contains(t, units, c.Unit)
		seen[c.Unit] = true
	}
	return l
}

func (l *listener) next(what string) platform.Change {
	l.t.Helper()
	select {
	case c := <-l.changes:
		return c
	case <-time.After(patience):
		l.t.Fatalf("no change within %s while waiting for %s", patience, what)
		return platform.Change{}
	}
}

// until reads changes until ok says yes; none of them may have a departure in never.
func (l *listener) until(what string, never []string, ok func(detect.Facts) bool) detect.Facts {
	l.t.Helper()
	for {
		c := l.next(what)
		require.NotContains(l.t, never, c.Facts.Text(detect.WorkloadDeparture), "while waiting for %s: %v", what, c.Facts)
		if ok(c.Facts) {
			return c.Facts
		}
	}
}

func quiet(f detect.Facts) bool { _, busy := f[detect.WorkloadPending]; return !busy }

func departed(word string) func(detect.Facts) bool {
	return func(f detect.Facts) bool {
		return resting(f) && quiet(f) && f.Text(detect.WorkloadDeparture) == word
	}
}

func (h Harness) watchReportsOnce(t *testing.T) {
	a := h.New(t)
	h.running(t, a, h.Units.Plain)
	h.stopped(t, a, h.Units.Stubborn)
	l := h.listen(t, a, h.Units.Plain)
	h.running(t, a, h.Units.Stubborn)
	h.stopped(t, a, h.Units.Stubborn)
	h.do(t, a, strategy.Restart, h.Units.Plain, nil)
	l.until("the restart", nil, func(f detect.Facts) bool { return active(f) && quiet(f) })
	l.stop()
}

func (h Harness) watchCrash(t *testing.T) {
	a := h.New(t)
	before := h.running(t, a, h.Units.Plain)
	l := h.listen(t, a, h.Units.Plain)
	began := time.Now()
	h.signal(t, h.Units.Plain, syscall.SIGKILL)
	f := l.until("the crash", []string{detect.DepartureStopped, detect.DepartureBySelf}, departed(detect.DepartureCrash))
	t.Logf("told of the crash after %s", time.Since(began))
	require.Equal(t, "killed", f.Text(detect.WorkloadExitKind))
	require.Equal(t, 9.0, f[detect.WorkloadExitCode].Value)
	require.NotEmpty(t, f.Text(detect.WorkloadNote), "the departure is explained")
	require.Equal(t, detect.DepartureCrash, h.facts(t, a, h.Units.Plain).Text(detect.WorkloadDeparture))

	h.do(t, a, strategy.Start, h.Units.Plain, map[string]string{strategy.ArgReset: "yes"})
	f = l.until("the way back", nil, func(f detect.Facts) bool { return active(f) && quiet(f) })
	require.NotEqual(t, before[detect.WorkloadRun], f[detect.WorkloadRun])
	require.Equal(t, detect.DepartureNone, f.Text(detect.WorkloadDeparture))
}

func (h Harness) watchTerminate(t *testing.T) {
	a := h.New(t)
	h.running(t, a, h.Units.Plain)
	l := h.listen(t, a, h.Units.Plain)
	h.signal(t, h.Units.Plain, syscall.SIGTERM)
	l.until("the end", []string{detect.DepartureStopped, detect.DepartureBySelf, detect.DepartureCrash}, departed(detect.DepartureSIGTERM))
}

func (h Harness) watchOperatorStop(t *testing.T) {
	a := h.New(t)
	h.running(t, a, h.Units.Plain)
	l := h.listen(t, a, h.Units.Plain)
	h.Units.OperatorStop(t, h.Units.Plain)
	l.until("the stop", []string{detect.DepartureCrash, detect.DepartureBySelf, detect.DepartureSIGTERM}, departed(detect.DepartureStopped))
	require.Equal(t, detect.DepartureStopped, h.facts(t, a, h.Units.Plain).Text(detect.WorkloadDeparture))
	h.Units.OperatorStart(t, h.Units.Plain)
	f := l.until("the start", nil, func(f detect.Facts) bool { return active(f) && quiet(f) })
	require.Equal(t, detect.DepartureNone, f.Text(detect.WorkloadDeparture), "the hold is over: it was started again")
}

func (h Harness) watchOurs(t *testing.T) {
	a := h.New(t)
	h.running(t, a, h.Units.Plain)
	l := h.listen(t, a, h.Units.Plain)
	never := []string{detect.DepartureStopped, detect.DepartureRestart, detect.DepartureCrash, detect.DepartureSIGTERM}
	h.do(t, a, strategy.Stop, h.Units.Plain, nil)
	l.until("our stop", never, departed(detect.DepartureBySelf))
	h.do(t, a, strategy.Start, h.Units.Plain, nil)
	l.until("our start", never, func(f detect.Facts) bool { return active(f) && quiet(f) })
	h.do(t, a, strategy.Restart, h.Units.Plain, nil)
	run := h.facts(t, a, h.Units.Plain)[detect.WorkloadRun]
	l.until("our restart", never, func(f detect.Facts) bool {
		return active(f) && quiet(f) && f[detect.WorkloadRun] == run
	})
	h.do(t, a, strategy.Kill, h.Units.Plain, nil)
	l.until("our kill", never, departed(detect.DepartureBySelf))
}

func (h Harness) watchSlow(t *testing.T) {
	a := h.New(t)
	h.running(t, a, h.Units.Plain)
	hold, release := make(chan struct{}), make(chan struct{})
	var blocked atomic.Bool
	changes := make(chan platform.Change, 1000)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- a.(platform.Watcher).Watch(ctx, []string{h.Units.Plain}, func(c platform.Change) {
			if blocked.CompareAndSwap(false, true) {
				close(hold)
				<-release
			}
			changes <- c
		})
	}()
	<-hold // the listener is stuck in its first call
	h.signal(t, h.Units.Plain, syscall.SIGKILL)
	h.await(t, a, h.Units.Plain, "the crash", resting)
	h.do(t, a, strategy.Start, h.Units.Plain, map[string]string{strategy.ArgReset: "yes"})
	run := h.facts(t, a, h.Units.Plain)[detect.WorkloadRun]
	close(release)
	l := &listener{t: t, changes: changes}
	crashed := false
	l.until("the last state", nil, func(f detect.Facts) bool {
		crashed = crashed || f.Text(detect.WorkloadDeparture) == detect.DepartureCrash
		return active(f) && quiet(f) && f[detect.WorkloadRun] == run
	})
	require.True(t, crashed, "the crash in between is reported too")
	cancel()
	require.NoError(t, <-done)
}

func (h Harness) watchedFact(t *testing.T) {
	a := h.New(t)
	h.running(t, a, h.Units.Plain)
	l := h.listen(t, a, h.Units.Plain)
	require.True(t, h.facts(t, a, h.Units.Plain).True(detect.WorkloadWatched))
	l.stop()
	require.True(t, h.facts(t, a, h.Units.Plain).False(detect.WorkloadWatched))
}

func (h Harness) watchNothing(t *testing.T) {
	a := h.New(t)
	require.Error(t, a.(platform.Watcher).Watch(t.Context(), nil, func(platform.Change) {}))
}
