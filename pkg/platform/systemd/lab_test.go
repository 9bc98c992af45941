package systemd

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap/zaptest"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/platform"
	"github.com/recoveryd/recoveryd/test/lab"
	"github.com/recoveryd/recoveryd/test/lab/labtest"
)

// The tests in files named lab_... run against a real systemd in a disposable lab, which all of
// them share: each test has units of its own. They are skipped, with the reason, where labs
// cannot be started.

// testUnits are the units of the tests, by name without ".service". Those that several tests
// need are templates: each test names an instance of its own.
var testUnits = map[string]string{
	"sleep@":     "[Unit]\nStartLimitIntervalSec=0\n[Service]\nExecStart=/bin/sleep infinity\nRestart=no\n",
	"retry@":     "[Unit]\nStartLimitIntervalSec=0\n[Service]\nExecStart=/bin/sleep infinity\nRestart=on-failure\nRestartSec=300ms\n",
	"slow@":      "[Unit]\nStartLimitIntervalSec=0\n[Service]\nExecStart=/bin/sleep infinity\nRestart=on-failure\nRestartSec=60s\n",
	"exit0":      "[Service]\nExecStart=/bin/sleep 0.3\n",
	"exit3":      "[Service]\nExecStart=/bin/sh -c 'sleep 0.3; exit 3'\n",
	"limit@":     "[Unit]\nStartLimitIntervalSec=60\nStartLimitBurst=3\n[Service]\nExecStart=/bin/sh -c 'sleep 0.05; exit 1'\nRestart=on-failure\nRestartSec=50ms\n",
	"watchdog":   "[Service]\nType=notify\nNotifyAccess=all\nWatchdogSec=500ms\nExecStart=/bin/sh -c 'systemd-notify --ready; exec sleep infinity'\n",
	"children":   "[Service]\nExecStart=/bin/sh -c 'sleep infinity & sleep infinity & wait'\n",
	"condition":  "[Unit]\nConditionPathExists=/nonexistent\n[Service]\nExecStart=/bin/sleep infinity\n",
	"assert":     "[Unit]\nAssertPathExists=/nonexistent\n[Service]\nExecStart=/bin/sleep infinity\n",
	"noexec":     "[Service]\nType=exec\nExecStart=/nonexistent/binary\n",
	"pre":        "[Service]\nExecStartPre=/bin/false\nExecStart=/bin/sleep infinity\n",
	"needspre":   "[Unit]\nRequires=pre.service\nAfter=pre.service\n[Service]\nExecStart=/bin/sleep infinity\n",
	"notready":   "[Service]\nType=notify\nExecStart=/bin/sh -c 'sleep 0.1; exit 5'\n",
	"startslow":  "[Service]\nType=notify\nTimeoutStartSec=400ms\nExecStart=/bin/sleep infinity\n",
	"neverready": "[Service]\nType=notify\nTimeoutStartSec=60s\nExecStart=/bin/sleep infinity\n",
	"stubborn@":  "[Unit]\nStartLimitIntervalSec=0\n[Service]\nTimeoutStopSec=90s\nExecStart=/bin/bash -c 'trap \"\" TERM; while :; do sleep 0.1; done'\n",
	"killed":     "[Service]\nTimeoutStopSec=300ms\nExecStart=/bin/bash -c 'trap \"\" TERM; while :; do sleep 0.05; done'\n",
	"stopexit1":  "[Service]\nExecStart=/bin/bash -c 'trap \"exit 1\" TERM; while :; do sleep 0.02; done'\n",
	"stopping":   "[Service]\nType=notify\nNotifyAccess=all\nExecStart=/bin/sh -c 'systemd-notify --ready; sleep 0.2; systemd-notify --stopping; sleep 0.1'\n",
	"runtimemax": "[Service]\nRuntimeMaxSec=300ms\nExecStart=/bin/sleep infinity\n",
	"reloads":    "[Service]\nExecStart=/bin/sleep infinity\nExecReload=/bin/sleep 1\n",
	"base":       "[Service]\nExecStart=/bin/sleep infinity\n",
	"bound":      "[Unit]\nBindsTo=base.service\nAfter=base.service\n[Service]\nExecStart=/bin/sleep infinity\n",
	"rival":      "[Service]\nExecStart=/bin/sleep infinity\n",
	"conflicts":  "[Unit]\nConflicts=rival.service\n[Service]\nExecStart=/bin/sleep infinity\n",
	"db@":        "[Service]\nExecStart=/bin/sleep infinity\n",
	"needsdb@":   "[Unit]\nRequires=db@%i.service\nAfter=db@%i.service\n[Service]\nExecStart=/bin/sleep infinity\n",
	"bindretry@": "[Unit]\nBindsTo=db@%i.service\nAfter=db@%i.service\nStartLimitIntervalSec=0\n[Service]\nExecStart=/bin/sleep infinity\nRestart=on-failure\nRestartSec=60s\n",
	"bindslow@":  "[Unit]\nBindsTo=db@%i.service\nAfter=db@%i.service\n[Service]\nExecStart=/bin/bash -c 'trap \"sleep 1; exit 0\" TERM; while :; do sleep 0.05; done'\n",
	"hungry":     "[Service]\nMemoryMax=48M\nMemorySwapMax=0\nExecStart=/usr/bin/perl -e 'select(undef,undef,undef,0.3); my @a; while(1){push @a, \"x\" x 1048576}'\n",
	"aliased":    "[Service]\nExecStart=/bin/sleep infinity\n[Install]\nAlias=alias.service\n",
	"env":        "[Unit]\nStartLimitIntervalSec=0\n[Service]\nExecStart=/bin/sleep infinity\nEnvironment=DB_POOL_SIZE=20\nEnvironmentFile=-/run/recoveryd/env/env.service.env\n",
}

// testFiles makes the units files of the lab.
func testFiles() map[string]lab.File {
	files := map[string]lab.File{}
	for name, text := range testUnits {
		files["/usr/lib/systemd/system/"+name+".service"] = lab.File{Content: text}
	}
	// Another name for a unit, as `systemctl enable` makes it for Alias=.
	files["/etc/systemd/system/alias.service"] = lab.File{Symlink: "/usr/lib/systemd/system/aliased.service"}
	files["/etc/polkit-1/rules.d/50-recoveryd.rules"] = lab.File{Content: polkitRule}
	return files
}

var shared struct {
	once sync.Once
	lab  *lab.Lab
	bin  string // directory on the host, /opt/lab/bin in the lab
	err  error
}

func TestMain(m *testing.M) {
	if os.Getenv(insideVariable) != "" {
		os.Exit(inside())
	}
	code := m.Run()
	if shared.lab != nil {
		if err := shared.lab.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, "stop the lab:", err)
			code = 1
		}
		if err := os.RemoveAll(shared.bin); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// labFor returns the lab that all tests of the package share.
func labFor(t *testing.T) *lab.Lab {
	t.Helper()
	labtest.Require(t)
	shared.once.Do(func() {
		if shared.bin, shared.err = os.MkdirTemp("", "recoveryd-plat-"); shared.err != nil {
			return
		}
		if shared.err = os.Chmod(shared.bin, 0o755); shared.err != nil {
			return
		}
		if shared.err = copySelf(filepath.Join(shared.bin, "systemd.test")); shared.err != nil {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
		defer cancel()
		shared.lab, shared.err = lab.Start(ctx, lab.Options{Bare: true, V1Memory: true, Files: testFiles(), Binaries: shared.bin,
			Name: "plat-" + strconv.Itoa(os.Getpid())})
	})
	require.NoError(t, shared.err)
	return shared.lab
}

// copySelf copies the running test binary, to be run inside the lab as another user.
func copySelf(to string) error {
	from, err := os.Open("/proc/self/exe")
	if err != nil {
		return err
	}
	defer from.Close()
	f, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	if _, err := io.Copy(f, from); err != nil {
		return err
	}
	return f.Close()
}

// newAdapter makes an adapter for the lab's systemd.
func newAdapter(t *testing.T, l *lab.Lab, change ...func(*Options)) *Adapter {
	t.Helper()
	opt := Options{BusAddress: l.BusAddress(), Root: fmt.Sprintf("/proc/%d/root", l.Leader()),
		EnvDir: l.Path("/run/recoveryd/env"), EnvKeys: []string{"DB_POOL_SIZE"},
		InspectTimeout: 5 * time.Second, // a busy machine; the default is tested where it matters
		Logger:         zaptest.NewLogger(t)}
	for _, f := range change {
		f(&opt)
	}
	a, err := New(t.Context(), opt)
	require.NoError(t, err)
	t.Cleanup(func() { _ = a.Close() })
	return a
}

// ctl runs systemctl in the lab; what it says of failures is not wanted.
func ctl(t *testing.T, l *lab.Lab, args ...string) {
	t.Helper()
	_, err := l.Systemctl(t.Context(), args...)
	require.NoError(t, err)
}

// up starts a unit and returns the host's number of its main process.
func up(t *testing.T, l *lab.Lab, unit string) {
	t.Helper()
	r, err := l.Systemctl(t.Context(), "start", unit)
	require.NoError(t, err)
	require.Zero(t, r.Code, r.Stderr)
}

// hostPID finds the number on the host of a process of the lab.
func hostPID(t *testing.T, l *lab.Lab, unit string) int {
	t.Helper()
	pid, err := l.Show(t.Context(), unit, "MainPID")
	require.NoError(t, err)
	cgroup, err := l.Show(t.Context(), unit, "ControlGroup")
	require.NoError(t, err)
	var procs []byte
	for _, h := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd"} {
		if procs, err = os.ReadFile(l.Path(h + cgroup + "/cgroup.procs")); err == nil {
			break
		}
	}
	require.NoError(t, err)
	for _, p := range strings.Fields(string(procs)) {
		status, err := os.ReadFile("/proc/" + p + "/status")
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(status)) {
			if f := strings.Fields(line); len(f) > 1 && f[0] == "NSpid:" && f[len(f)-1] == pid {
				n, err := strconv.Atoi(p)
				require.NoError(t, err)
				return n
			}
		}
	}
	t.Fatalf("the main process %s of %s is not on the host", pid, unit)
	return 0
}

// kill sends a signal to the main process of a unit, from outside systemd.
func kill(t *testing.T, l *lab.Lab, unit string, sig syscall.Signal) {
	t.Helper()
	require.NoError(t, syscall.Kill(hostPID(t, l, unit), sig))
}

// watcher collects the changes of units.
type watcher struct {
	t       *testing.T
	changes chan platform.Change
}

// watch starts a Watch and returns when each unit has been reported once.
func watch(t *testing.T, a *Adapter, units ...string) *watcher {
	t.Helper()
	w := &watcher{t: t, changes: make(chan platform.Change, 1000)}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.Watch(ctx, units, func(c platform.Change) { w.changes <- c }) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
	seen := map[string]bool{}
	for len(seen) < len(units) {
		seen[w.next("first report").Unit] = true
	}
	return w
}

func (w *watcher) next(what string) platform.Change {
	w.t.Helper()
	select {
	case c := <-w.changes:
		return c
	case <-time.After(20 * time.Second):
		w.t.Fatalf("no change within 20 s: waiting for %s", what)
		return platform.Change{}
	}
}

// until returns the first change of which ok says yes.
func (w *watcher) until(what string, ok func(detect.Facts) bool) detect.Facts {
	w.t.Helper()
	for {
		if c := w.next(what); ok(c.Facts) {
			return c.Facts
		}
	}
}

func state(f detect.Facts) string { return f.Text(UnitActive) + "/" + f.Text(UnitSub) }

func is(active string) func(detect.Facts) bool {
	return func(f detect.Facts) bool { return f.Text(UnitActive) == active }
}
