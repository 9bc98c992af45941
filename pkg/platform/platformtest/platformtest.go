// Package platformtest is the conformance suite of platform adapters: what package platform
// promises, tried on the real thing.
//
// An adapter's test describes how to make one and, when it has units, how to do things to a unit
// behind the adapter's back (a [Harness]), and calls [Run]. The suite never looks inside an
// adapter, and it does not know what systemd is.
//
// Start reading at [Run]; unit.go has the parts about units, watch.go those about changes.
package platformtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/platform"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// Harness says how to make an adapter and what it can be tried on.
type Harness struct {
	// New makes an adapter that lives until the test ends.
	New func(t *testing.T) platform.Adapter
	// Object is something that the adapter's actions may name without harm when they are refused;
	// Units.Plain when empty.
	Object string
	// Units is nil for adapters that have none.
	Units *Units
}

// Units are the units of a harness and what can be done to them behind the adapter's back. All
// are known to the platform; the suite starts and stops them.
type Units struct {
	Plain    string // runs until told to end, and ends at SIGTERM; nothing restarts it by itself
	Stubborn string // the same, but ignores SIGTERM, and the platform's own patience exceeds 30 s
	Missing  string // no such unit

	PID           func(t *testing.T, unit string) int // number, in this process's own table, of the running unit's main process
	OperatorStop  func(t *testing.T, unit string)     // a person stops the unit by the platform's own tools
	OperatorStart func(t *testing.T, unit string)     // a person starts it

	// EnvFile and EnvKey are a variable of Plain that set-env may set, and Env reads it from
	// the running process. EnvKey is empty when the adapter does not support the verb.
	EnvFile, EnvKey string
	Env             func(t *testing.T, unit, key string) string
}

const (
	// patience bounds everything that the suite waits for. It is far above what is expected, since
	// the tests run on busy machines.
	patience = 20 * time.Second
	// look is the time between looks at a unit.
	look = 5 * time.Millisecond
	// grace is the stop grace given to units that do not end by themselves.
	grace = 300 * time.Millisecond
)

// Run tries everything that the contract of package platform promises and the harness allows.
func Run(t *testing.T, h Harness) {
	t.Helper()
	if h.Object == "" && h.Units != nil {
		h.Object = h.Units.Plain
	}
	t.Run("each verb is named once", h.verbs)
	t.Run("a verb that is not named is not supported", h.unsupported)
	t.Run("an action without an object does nothing", h.noObject)
	t.Run("an action whose context has ended does nothing", h.endedContext)
	if h.Units != nil {
		h.units(t)
	}
}

func (h Harness) verbs(t *testing.T) {
	a := h.New(t)
	verbs := a.Verbs()
	require.NotEmpty(t, verbs)
	seen := map[strategy.Verb]bool{}
	for _, v := range verbs {
		require.False(t, seen[v], "%s is named twice", v)
		seen[v] = true
		require.True(t, platform.Supports(a, v))
	}
}

func (h Harness) unsupported(t *testing.T) {
	a := h.New(t)
	rep, err := a.Do(t.Context(), strategy.Action{Verb: "unit.does-not-exist", Object: h.Object, Timeout: patience})
	require.ErrorIs(t, err, platform.ErrUnsupported)
	require.Equal(t, platform.Failed, rep.Result, "nothing was done, so the outcome is known")
	require.NotEmpty(t, rep.Detail)
}

func (h Harness) noObject(t *testing.T) {
	a := h.New(t)
	for _, v := range a.Verbs() {
		if v == strategy.CommandRun || v == strategy.CacheClean {
			continue // their object is a name for people
		}
		rep, err := a.Do(t.Context(), strategy.Action{Verb: v, Timeout: patience})
		require.Error(t, err, "%s of nothing", v)
		require.NotErrorIs(t, err, platform.ErrUnsupported, "%s is named by Verbs", v)
		require.Equal(t, platform.Failed, rep.Result, "%s of nothing must be refused: an empty selector never means everything", v)
	}
}

func (h Harness) endedContext(t *testing.T) {
	a := h.New(t)
	cause := errors.New("the daemon stops")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	for _, v := range a.Verbs() {
		began := time.Now()
		rep, err := a.Do(ctx, strategy.Action{Verb: v, Object: h.Object, Timeout: patience})
		require.Error(t, err, "%s", v)
		require.Equal(t, platform.Failed, rep.Result, "%s was never begun, so it is not unknown", v)
		require.Less(t, time.Since(began), patience/2)
	}
	if h.Units == nil {
		return
	}
	h.stopped(t, a, h.Units.Plain)
	_, err := a.Do(ctx, strategy.Action{Verb: strategy.Start, Object: h.Units.Plain, Timeout: patience})
	require.Error(t, err)
	require.NotEqual(t, detect.StateRunning, h.facts(t, a, h.Units.Plain).Text(detect.WorkloadState), "it was started all the same")
}

// facts inspects a unit.
func (h Harness) facts(t *testing.T, a platform.Adapter, unit string) detect.Facts {
	t.Helper()
	f, err := a.Inspect(t.Context(), unit)
	require.NoError(t, err)
	return f
}

// await inspects a unit until ok says yes.
func (h Harness) await(t *testing.T, a platform.Adapter, unit, what string, ok func(detect.Facts) bool) detect.Facts {
	t.Helper()
	end := time.Now().Add(patience)
	for {
		f := h.facts(t, a, unit)
		if ok(f) {
			return f
		}
		if time.Now().After(end) {
			t.Fatalf("%s: %s did not come within %s; last facts: %v", unit, what, patience, f)
		}
		time.Sleep(look)
	}
}

// do performs an action that must succeed.
func (h Harness) do(t *testing.T, a platform.Adapter, v strategy.Verb, unit string, args map[string]string) platform.Report {
	t.Helper()
	rep, err := a.Do(t.Context(), strategy.Action{Verb: v, Object: unit, Args: args, Timeout: patience})
	require.NoError(t, err, "%s %s", v, unit)
	require.Equal(t, platform.Done, rep.Result, "%s %s: %s", v, unit, rep.Detail)
	require.NotEmpty(t, rep.Detail)
	return rep
}

func active(f detect.Facts) bool { return f.Text(detect.WorkloadState) == detect.StateRunning }
func resting(f detect.Facts) bool {
	s := f.Text(detect.WorkloadState)
	return s == detect.StateStopped || s == detect.StateFailed
}

// running makes sure that a unit runs, in a process of its own, and returns its facts.
func (h Harness) running(t *testing.T, a platform.Adapter, unit string) detect.Facts {
	t.Helper()
	h.do(t, a, strategy.Start, unit, map[string]string{strategy.ArgReset: "yes"})
	f := h.await(t, a, unit, "active", active)
	if unit == h.Units.Stubborn {
		h.untilItIgnoresTerm(t)
	}
	return f
}

// untilItIgnoresTerm waits until the stubborn program has got as far as being stubborn.
func (h Harness) untilItIgnoresTerm(t *testing.T) {
	t.Helper()
	pid := h.Units.PID(t, h.Units.Stubborn)
	require.Eventually(t, func() bool {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			return false
		}
		for line := range strings.Lines(string(b)) {
			if mask, ok := strings.CutPrefix(line, "SigIgn:"); ok {
				n, err := strconv.ParseUint(strings.TrimSpace(mask), 16, 64)
				return err == nil && n&(1<<(syscall.SIGTERM-1)) != 0
			}
		}
		return false
	}, patience, look, "the program of %s does not ignore SIGTERM", h.Units.Stubborn)
}

// signal sends a signal to the main process of a unit, from outside the platform.
func (h Harness) signal(t *testing.T, unit string, sig syscall.Signal) {
	t.Helper()
	require.NoError(t, syscall.Kill(h.Units.PID(t, unit), sig))
}

// stopped makes sure that a unit does not run.
func (h Harness) stopped(t *testing.T, a platform.Adapter, unit string) {
	t.Helper()
	h.do(t, a, strategy.Stop, unit, map[string]string{strategy.ArgStopGrace: grace.String()})
	h.await(t, a, unit, "stopped", resting)
}
