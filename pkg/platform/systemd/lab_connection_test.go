package systemd

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/platform"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

func TestLabWatchSurvivesDaemonReexec(t *testing.T) {
	l := labFor(t)
	a := newAdapter(t, l)
	const unit, stopped = "sleep@reexec.service", "sleep@reexec2.service"
	up(t, l, unit)
	up(t, l, stopped)
	w := watch(t, a, unit, stopped)
	ctl(t, l, "stop", stopped)
	w.until("the stop", func(f detect.Facts) bool {
		return f.Text(detect.WorkloadDeparture) == detect.DepartureStopped && f.Text(detect.WorkloadPending) == ""
	})
	ctl(t, l, "daemon-reexec")
	again := map[string]detect.Facts{}
	for len(again) < 2 { // each unit is reported once
		c := w.next("the report after the re-execution")
		again[c.Unit] = c.Facts
	}
	require.Equal(t, "active", again[unit].Text(UnitActive))
	require.Equal(t, detect.DepartureStopped, again[stopped].Text(detect.WorkloadDeparture), "what was known of a stopped unit still holds")
	kill(t, l, unit, syscall.SIGKILL)
	w.until("a crash afterwards", func(f detect.Facts) bool { return f.Text(detect.WorkloadDeparture) == detect.DepartureCrash })
	require.Equal(t, platform.Done, restart(t, a, unit).Result, "and actions work")
}

func restart(t *testing.T, a *Adapter, unit string) platform.Report {
	t.Helper()
	rep, err := a.Do(t.Context(), strategy.Action{Verb: strategy.Restart, Object: unit, Timeout: 20 * time.Second})
	require.NoError(t, err, rep.Detail)
	return rep
}

func TestLabMaskIsSeenThoughNoSignalSaysSo(t *testing.T) {
	l := labFor(t)
	a := newAdapter(t, l)
	const unit = "sleep@mask.service"
	up(t, l, unit)
	w := watch(t, a, unit)
	ctl(t, l, "mask", unit)
	f := w.until("masked", func(f detect.Facts) bool { return f.Text(UnitLoad) == "masked" })
	require.Equal(t, "active", f.Text(UnitActive))
	ctl(t, l, "unmask", unit)
	w.until("unmasked", func(f detect.Facts) bool { return f.Text(UnitLoad) == "loaded" })
}

func TestLabWatchSurvivesTheEndOfTheBus(t *testing.T) {
	l := labFor(t)
	a := newAdapter(t, l)
	const crashed, stopped, runs = "sleep@bus1.service", "retry@bus2.service", "sleep@bus3.service"
	for _, u := range []string{crashed, stopped, runs} {
		up(t, l, u)
	}
	w := watch(t, a, crashed, stopped, runs)
	_, err := l.Systemctl(t.Context(), "kill", "-s", "KILL", "dbus.service")
	require.NoError(t, err)
	kill(t, l, crashed, syscall.SIGKILL) // nobody may be listening
	seen := map[string]string{}
	require.Eventually(t, func() bool {
		for {
			select {
			case c := <-w.changes:
				seen[c.Unit] = c.Facts.Text(UnitActive) + " " + c.Facts.Text(detect.WorkloadDeparture)
				continue
			default:
			}
			break
		}
		return seen[crashed] == "failed crash" && seen[stopped] == "active " && seen[runs] == "active "
	}, 30*time.Second, 5*time.Millisecond, "every unit is reported after the gap: %v", seen)
	f, err := a.Inspect(t.Context(), runs)
	require.NoError(t, err)
	require.True(t, f.True(detect.WorkloadWatched), "%v", f)
	ctl(t, l, "stop", stopped)
	w.until("a stop afterwards", func(f detect.Facts) bool { return f.Text(detect.WorkloadDeparture) == detect.DepartureStopped })
	require.Equal(t, platform.Done, restart(t, a, runs).Result)
}

func TestLabAFrozenBusIsNotMeasuredAndNothingIsLost(t *testing.T) {
	l := labFor(t)
	a := newAdapter(t, l, func(o *Options) { o.InspectTimeout = 0 }) // the default
	const unit = "sleep@frozen.service"
	up(t, l, unit)
	w := watch(t, a, unit)
	bus, target := hostPID(t, l, "dbus.service"), hostPID(t, l, unit)
	require.NoError(t, syscall.Kill(bus, syscall.SIGSTOP))
	thaw := func() { _ = syscall.Kill(bus, syscall.SIGCONT) }
	t.Cleanup(thaw)

	began := time.Now()
	f, err := a.Inspect(t.Context(), unit)
	took := time.Since(began)
	require.NoError(t, err)
	require.NotEmpty(t, f[UnitActive].Err, "not measured, and never a state: %v", f)
	require.NotEmpty(t, f.Text(detect.WorkloadError))
	require.GreaterOrEqual(t, took, 400*time.Millisecond)
	require.Less(t, took, 2*time.Second, "bounded by 500 ms and what the machine adds")

	rep, err := a.Do(t.Context(), strategy.Action{Verb: strategy.Restart, Object: unit, Timeout: time.Second})
	require.Error(t, err)
	require.NotEqual(t, platform.Done, rep.Result)

	require.NoError(t, syscall.Kill(target, syscall.SIGKILL))
	// Until the connection for calls is given up: then a new one must be made.
	for end := time.Now().Add(silenceLimit + 2*time.Second); time.Now().Before(end); {
		_, err := a.Inspect(t.Context(), unit)
		require.NoError(t, err)
	}
	thaw()
	w.until("the crash of meanwhile", func(f detect.Facts) bool { return f.Text(detect.WorkloadDeparture) == detect.DepartureCrash })
	require.Eventually(t, func() bool {
		f, err := a.Inspect(t.Context(), unit)
		return err == nil && f.Text(UnitActive) == "failed"
	}, 20*time.Second, 10*time.Millisecond)
	require.Equal(t, platform.Done, restart(t, a, unit).Result)
}

func TestLabABusThatComesLaterIsFound(t *testing.T) {
	l := labFor(t)
	const unit = "sleep@later.service"
	up(t, l, unit)
	path := filepath.Join(t.TempDir(), "bus")
	a := newAdapter(t, l, func(o *Options) { o.BusAddress = "unix:path=" + path })
	changes := make(chan platform.Change, 100)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.Watch(ctx, []string{unit}, func(c platform.Change) { changes <- c }) }()

	f, err := a.Inspect(t.Context(), unit)
	require.NoError(t, err, "a missing bus is not a broken adapter")
	require.Contains(t, f[UnitActive].Err, "could not be asked")
	require.True(t, f.False(detect.WorkloadWatched))
	rep, err := a.Do(t.Context(), strategy.Action{Verb: strategy.Restart, Object: unit, Timeout: time.Second})
	require.Error(t, err)
	require.Equal(t, platform.Failed, rep.Result, "nothing was sent, so the outcome is known")

	require.NoError(t, os.Symlink(strings.TrimPrefix(l.BusAddress(), "unix:path="), path))
	f, err = a.Inspect(t.Context(), unit)
	require.NoError(t, err)
	require.Equal(t, "active", f.Text(UnitActive))
	select {
	case c := <-changes:
		require.Equal(t, "active", c.Facts.Text(UnitActive))
	case <-time.After(20 * time.Second):
		t.Fatal("the watch did not find the bus")
	}
	cancel()
	require.NoError(t, <-done)
}

// Any client of the bus may send a signal straight to another one, past the match rules.
func TestLabSignalsOfOthersAreIgnored(t *testing.T) {
	l := labFor(t)
	a := newAdapter(t, l)
	const unit = "sleep@spoof.service"
	up(t, l, unit)
	w := watch(t, a, unit)
	evil, err := dbus.Connect(l.BusAddress(), dbus.WithAuth(dbus.AuthExternal("0")))
	require.NoError(t, err)
	defer evil.Close()
	var names []string
	require.NoError(t, evil.BusObject().Call("org.freedesktop.DBus.ListNames", 0).Store(&names))
	body := []any{unitIf, map[string]dbus.Variant{"ActiveState": dbus.MakeVariant("failed"), "SubState": dbus.MakeVariant("failed")}, []string{}}
	sent := 0
	for _, n := range names {
		if !strings.HasPrefix(n, ":") {
			continue
		}
		evil.Send(&dbus.Message{Type: dbus.TypeSignal, Headers: map[dbus.HeaderField]dbus.Variant{
			dbus.FieldDestination: dbus.MakeVariant(n),
			dbus.FieldPath:        dbus.MakeVariant(unitPath(unit)),
			dbus.FieldInterface:   dbus.MakeVariant(propsIf),
			dbus.FieldMember:      dbus.MakeVariant("PropertiesChanged"),
			dbus.FieldSignature:   dbus.MakeVariant(dbus.SignatureOf(body...)),
		}, Body: body}, nil)
		sent++
	}
	require.Greater(t, sent, 2, "somebody must have got it")
	// A real change afterwards: by then the false one has been received.
	ctl(t, l, "restart", unit)
	w.until("the end of the restart", func(f detect.Facts) bool {
		require.NotEqual(t, "failed", f.Text(UnitActive), "a stranger's signal was believed")
		return f.Text(UnitActive) == "active" && f.Text(detect.WorkloadDeparture) == detect.DepartureRestart
	})
}

// mute is a socket that accepts connections and never says a word.
func mute(t *testing.T) (address string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "mute")
	ln, err := net.Listen("unix", path)
	require.NoError(t, err)
	t.Cleanup(func() { _ = ln.Close() })
	return "unix:path=" + path
}

func TestABusThatNeverAnswersIsNotMeasuredInTime(t *testing.T) {
	began := time.Now()
	a, err := New(t.Context(), Options{BusAddress: mute(t)})
	require.NoError(t, err, "a bus that cannot be had is not fatal")
	require.Less(t, time.Since(began), 2*time.Second)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- a.Watch(ctx, []string{"a.service"}, func(platform.Change) { t.Error("nothing can be known") })
	}()
	began = time.Now()
	f, err := a.Inspect(t.Context(), "a.service")
	require.NoError(t, err)
	require.Less(t, time.Since(began), 2*time.Second)
	require.Equal(t, "systemd did not answer within 500ms", f[UnitActive].Err)
	require.True(t, f.False(detect.WorkloadWatched))

	rep, err := a.Do(t.Context(), strategy.Action{Verb: strategy.Restart, Object: "a.service", Timeout: 100 * time.Millisecond})
	require.Error(t, err)
	require.Equal(t, platform.Failed, rep.Result)

	cancel()
	select {
	case err := <-done:
		require.NoError(t, err)
	case <-time.After(10 * time.Second):
		t.Fatal("Watch does not end")
	}
	a.Close()
	_, err = a.Inspect(t.Context(), "a.service")
	require.ErrorContains(t, err, "closed")
	require.ErrorContains(t, a.Watch(t.Context(), []string{"a.service"}, nil), "closed")
}

func TestNamesThatAreNotUnitsAreRefused(t *testing.T) {
	a, err := New(t.Context(), Options{BusAddress: mute(t), InspectTimeout: time.Millisecond})
	require.NoError(t, err)
	defer a.Close()
	for _, unit := range []string{"", "codebase-mcp", "-.slice", "multi-user.target", "../x.service", "a*.service", "a b.service", "postgresql@.service", strings.Repeat("a", 300) + ".service"} {
		_, err := a.Inspect(t.Context(), unit)
		require.Error(t, err, unit)
		rep, err := a.Do(t.Context(), strategy.Action{Verb: strategy.Stop, Object: unit})
		require.Error(t, err, unit)
		require.Equal(t, platform.Failed, rep.Result)
		require.Error(t, a.Watch(t.Context(), []string{"a.service", unit}, nil), unit)
	}
}
