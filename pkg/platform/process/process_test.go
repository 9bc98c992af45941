package process

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/platform"
	"github.com/recoveryd/recoveryd/pkg/platform/platformtest"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

const parentVariable = "RECOVERYD_TEST_PARENT"

func TestMain(m *testing.M) {
	if os.Getenv(parentVariable) != "" {
		parent()
		return
	}
	goleak.VerifyTestMain(m)
}

// shell is a unit that runs a shell script.
func shell(name, script string) Unit {
	return Unit{Name: name, Argv: []string{"/bin/sh", "-c", script}, Env: []string{"PATH=/usr/bin:/bin"}}
}

func newAdapter(t *testing.T, opt Options) *Adapter {
	t.Helper()
	a, err := New(opt)
	require.NoError(t, err)
	t.Cleanup(a.Close)
	return a
}

func testOptions(dir string) Options {
	plain := Unit{Name: "plain", Argv: []string{"/bin/sleep", "600"}, Env: []string{"DB_POOL_SIZE=20"}, EnvFile: "plain.env"}
	return Options{EnvDir: filepath.Join(dir, "env"), EnvKeys: []string{"DB_POOL_SIZE"},
		Units: []Unit{plain, shell("stubborn", "trap '' TERM; while :; do sleep 0.05; done")}}
}

func TestConformance(t *testing.T) {
	var current *Adapter
	pid := func(t *testing.T, unit string) int {
		f, err := current.Inspect(t.Context(), unit)
		require.NoError(t, err)
		require.NotZero(t, f[detect.WorkloadPID].Value, "%s does not run", unit)
		return int(f[detect.WorkloadPID].Value)
	}
	platformtest.Run(t, platformtest.Harness{
		New: func(t *testing.T) platform.Adapter {
			current = newAdapter(t, testOptions(t.TempDir()))
			return current
		},
		Units: &platformtest.Units{
			Plain: "plain", Stubborn: "stubborn", Missing: "missing",
			PID:           pid,
			OperatorStop:  func(t *testing.T, unit string) { require.NoError(t, current.OperatorStop(t.Context(), unit)) },
			OperatorStart: func(t *testing.T, unit string) { require.NoError(t, current.OperatorStart(t.Context(), unit)) },
			EnvFile:       "plain.env", EnvKey: "DB_POOL_SIZE",
			Env: func(t *testing.T, unit, key string) string {
				b, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid(t, unit)))
				require.NoError(t, err)
				last := ""
				for _, kv := range strings.Split(string(b), "\x00") {
					if v, ok := strings.CutPrefix(kv, key+"="); ok {
						last = v
					}
				}
				return last
			},
		},
	})
}

func TestDepartures(t *testing.T) {
	tests := []struct{ name, script, state, departure string }{
		{"exit 0 by itself is clean", "exit 0", detect.StateStopped, detect.DepartureClean},
		{"exit 3 is a crash", "exit 3", detect.StateFailed, detect.DepartureCrash},
		{"death by signal is a crash", "kill -SEGV $$", detect.StateFailed, detect.DepartureCrash},
		{"SIGTERM from outside is not a crash", "kill -TERM $$", detect.StateStopped, detect.DepartureSIGTERM},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := newAdapter(t, Options{Units: []Unit{shell("u", tt.script)}})
			_, err := a.Do(t.Context(), strategy.Action{Verb: strategy.Start, Object: "u"})
			require.NoError(t, err)
			var f detect.Facts
			require.Eventually(t, func() bool {
				f, err = a.Inspect(t.Context(), "u")
				return err == nil && f.Text(detect.WorkloadState) != detect.StateRunning
			}, 10*time.Second, time.Millisecond)
			require.Equal(t, tt.state, f.Text(detect.WorkloadState))
			require.Equal(t, tt.departure, f.Text(detect.WorkloadDeparture))
		})
	}
}

func TestAProgramThatCannotBeStartedIsAFailure(t *testing.T) {
	a := newAdapter(t, Options{Units: []Unit{{Name: "u", Argv: []string{"/nonexistent/program"}}}})
	rep, err := a.Do(t.Context(), strategy.Action{Verb: strategy.Start, Object: "u"})
	require.Error(t, err)
	require.Equal(t, platform.Failed, rep.Result)
	f, err := a.Inspect(t.Context(), "u")
	require.NoError(t, err)
	require.Equal(t, detect.StateFailed, f.Text(detect.WorkloadState))
	require.Equal(t, detect.DepartureCrash, f.Text(detect.WorkloadDeparture))

	rep, err = a.Do(t.Context(), strategy.Action{Verb: strategy.ResetFailed, Object: "u"})
	require.NoError(t, err)
	require.Equal(t, platform.Done, rep.Result)
	f, err = a.Inspect(t.Context(), "u")
	require.NoError(t, err)
	require.Equal(t, detect.StateStopped, f.Text(detect.WorkloadState))
}

// The children of a main process end with it: a restart must find its ports free.
func TestNothingOfARunOutlivesItsMainProcess(t *testing.T) {
	pidFile := filepath.Join(t.TempDir(), "child")
	a := newAdapter(t, Options{Units: []Unit{shell("u", "sleep 600 & echo $! > "+pidFile+"; wait")}})
	_, err := a.Do(t.Context(), strategy.Action{Verb: strategy.Start, Object: "u"})
	require.NoError(t, err)
	child := readPID(t, pidFile)
	f, err := a.Inspect(t.Context(), "u")
	require.NoError(t, err)
	require.NoError(t, syscall.Kill(int(f[detect.WorkloadPID].Value), syscall.SIGKILL))
	requireGone(t, child)
}

// A frozen PostgreSQL: its sessions lead groups of their own, and a stopped process hears nothing
// but SIGKILL.
func TestAKillReachesStoppedProcessesOutsideTheGroup(t *testing.T) {
	pidFile := filepath.Join(t.TempDir(), "child")
	a := newAdapter(t, Options{Units: []Unit{shell("u", "trap '' TERM; setsid sh -c 'echo $$ > "+pidFile+"; exec sleep 600' & wait; wait")}})
	_, err := a.Do(t.Context(), strategy.Action{Verb: strategy.Start, Object: "u"})
	require.NoError(t, err)
	child := readPID(t, pidFile)
	f, err := a.Inspect(t.Context(), "u")
	require.NoError(t, err)
	for _, pid := range []int{int(f[detect.WorkloadPID].Value), child} {
		require.NoError(t, syscall.Kill(pid, syscall.SIGSTOP))
	}
	rep, err := a.Do(t.Context(), strategy.Action{Verb: strategy.Restart, Object: "u", Args: map[string]string{strategy.ArgStopGrace: "200ms"}})
	require.NoError(t, err)
	require.Contains(t, rep.Detail, "killed after 200ms")
	state, err := table.State(child)
	require.True(t, err != nil || state == "Z", "it is gone before the next run begins, and not %q", state)
}

func TestCloseEndsEverything(t *testing.T) {
	pidFile := filepath.Join(t.TempDir(), "main")
	a, err := New(Options{Units: []Unit{shell("u", "echo $$ > "+pidFile+"; trap '' TERM; while :; do sleep 0.05; done")}})
	require.NoError(t, err)
	_, err = a.Do(t.Context(), strategy.Action{Verb: strategy.Start, Object: "u"})
	require.NoError(t, err)
	pid := readPID(t, pidFile)
	a.Close()
	a.Close() // twice is no harm
	requireGone(t, pid)
	_, err = a.Inspect(t.Context(), "u")
	require.ErrorContains(t, err, "closed")
	rep, err := a.Do(t.Context(), strategy.Action{Verb: strategy.Start, Object: "u"})
	require.ErrorContains(t, err, "closed")
	require.Equal(t, platform.Failed, rep.Result)
}

// A daemon that is killed cannot clean up; the kernel does it.
func TestTheProcessDiesWithAKilledDaemon(t *testing.T) {
	pidFile := filepath.Join(t.TempDir(), "main")
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), parentVariable+"="+pidFile)
	require.NoError(t, cmd.Start())
	pid := readPID(t, pidFile)
	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait()
	requireGone(t, pid)
}

// parent is the daemon of the test above.
func parent() {
	a, err := New(Options{Units: []Unit{shell("u", "echo $$ > "+os.Getenv(parentVariable)+"; exec sleep 600")}})
	if err == nil {
		_, err = a.Do(context.Background(), strategy.Action{Verb: strategy.Start, Object: "u"})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	select {}
}

func TestNewRefusesUnitsThatCannotWork(t *testing.T) {
	tests := []struct {
		name, says string
		opt        Options
	}{
		{"a unit without a name", "no name", Options{Units: []Unit{{Argv: []string{"x"}}}}},
		{"a unit without a program", "no program", Options{Units: []Unit{{Name: "u"}}}},
		{"a unit that is there twice", "twice", Options{Units: []Unit{shell("u", ""), shell("u", "")}}},
		{"an environment file elsewhere", "not a name", Options{EnvDir: "/run/x", Units: []Unit{{Name: "u", Argv: []string{"x"}, EnvFile: "../y.env"}}}},
		{"an environment variable that runs code", "LD_PRELOAD", Options{EnvDir: "/run/x", EnvKeys: []string{"LD_PRELOAD"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := New(tt.opt)
			require.ErrorContains(t, err, tt.says)
		})
	}
}

func readPID(t *testing.T, file string) (pid int) {
	t.Helper()
	require.Eventually(t, func() bool {
		b, err := os.ReadFile(file)
		if err != nil {
			return false
		}
		pid, err = strconv.Atoi(strings.TrimSpace(string(b)))
		return err == nil
	}, 10*time.Second, time.Millisecond)
	return pid
}

// requireGone waits until a process is no more, or only a zombie that nobody has waited for.
func requireGone(t *testing.T, pid int) {
	t.Helper()
	require.Eventually(t, func() bool {
		s, err := table.State(pid)
		return err != nil || s == "Z"
	}, 10*time.Second, time.Millisecond, "process %d lives", pid)
}
