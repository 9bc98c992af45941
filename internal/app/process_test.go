package app

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/recoveryd/recoveryd/internal/config"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

// health is an HTTP server that says what it is told to.
func health(t *testing.T) (url string, well *atomic.Bool) {
	t.Helper()
	well = &atomic.Bool{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		status := map[bool]string{true: "healthy", false: "starting"}[well.Load()]
		fmt.Fprintf(w, `{"status":%q,"database_status":"connected"}`, status)
	}))
	t.Cleanup(s.Close)
	return s.URL, well
}

// twoPrograms is a configuration in which one program needs another; both write their process id
// into a file and wait to be ended.
func twoPrograms(t *testing.T, dir, needURL, appURL, more string) string {
	t.Helper()
	program := func(name string) string {
		return fmt.Sprintf(`[/bin/sh, -c, "echo $$ > %s/%s.pid; exec sleep 600"]`, dir, name)
	}
	path := filepath.Join(dir, "recoveryd.yaml")
	text := fmt.Sprintf(`
version: 1
state_dir: %[1]s/state
runtime_dir: %[1]s/run
http: {listen: ""}
probation: 1s
targets:
  - {name: app, kind: service, platform: process, command: %[2]s, depends_on: [need], interval: 10s, stop_grace: 500ms, health: [{url: "%[3]s", timeout: 9s}]}
  - {name: need, kind: service, platform: process, command: %[4]s, interval: 3s, stop_grace: 500ms, health: [{url: "%[5]s", timeout: 2900ms}]}
%[6]s
`, dir, program("app"), appURL, program("need"), needURL, more)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "state"), 0o700))
	return path
}

// pidOf waits for a program to have written its process id, other than not.
func pidOf(t *testing.T, file string, not int) (pid int) {
	t.Helper()
	require.Eventually(t, func() bool {
		b, err := os.ReadFile(file)
		if err != nil {
			return false
		}
		pid, err = strconv.Atoi(strings.TrimSpace(string(b)))
		return err == nil && pid != not
	}, time.Minute, 5*time.Millisecond, "%s was not written", file)
	return pid
}

func TestProgramsAreStartedInOrderAndEndedWithTheDaemon(t *testing.T) {
	dir := t.TempDir()
	needURL, needWell := health(t)
	appURL, appWell := health(t)
	appWell.Store(true)
	path := twoPrograms(t, dir, needURL, appURL, "")
	c, err := config.Load(path, Known())
	require.NoError(t, err)
	a, err := New(t.Context(), Options{ConfigPath: path, Config: c, Logger: zap.NewNop(), Version: "test"})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	reload := make(chan os.Signal, 1)
	go func() { ended <- a.Run(ctx, reload) }()

	need := pidOf(t, filepath.Join(dir, "need.pid"), 0)
	require.Never(t, func() bool { _, err := os.Stat(filepath.Join(dir, "app.pid")); return err == nil },
		600*time.Millisecond, 10*time.Millisecond, "what it needs is not well yet")
	needWell.Store(true)
	app := pidOf(t, filepath.Join(dir, "app.pid"), 0)
	quiet := func() bool {
		s := a.engine.State()
		return s.Targets["app"] != nil && s.Targets["app"].Diagnosis.Good() && s.Targets["app"].Phase == incident.Watching
	}
	require.Eventually(t, quiet, time.Minute, 10*time.Millisecond)
	require.Zero(t, a.engine.State().Seq, "the start of the daemon is no incident")

	t.Run("a reload keeps the programs", func(t *testing.T) {
		reload <- syscall.SIGHUP
		require.Eventually(t, func() bool { return a.Config() != c }, time.Minute, 10*time.Millisecond)
		require.NoError(t, syscall.Kill(app, 0))
		require.NoError(t, syscall.Kill(need, 0))
	})
	t.Run("a reload that changes a program is refused", func(t *testing.T) {
		before := a.Config()
		changed := strings.Replace(read(t, path), "sleep 600", "sleep 601", 1)
		require.NoError(t, os.WriteFile(path, []byte(changed), 0o600))
		require.ErrorIs(t, a.tryReload(ctx, nil), errChildren)
		require.Same(t, before, a.Config())
	})

	cancel()
	require.NoError(t, <-ended)
	for _, pid := range []int{need, app} {
		require.ErrorIs(t, syscall.Kill(pid, 0), syscall.ESRCH, "it ends with the daemon")
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(b)
}

func TestChildrenDoNotInheritWhatBelongsToTheDaemon(t *testing.T) {
	got := inherited([]string{"PATH=/bin", "NOTIFY_SOCKET=/run/x", "WATCHDOG_USEC=1", "CREDENTIALS_DIRECTORY=/run/c", "LANG=C", "NOTIFY_SOCKET_X=1"})
	require.Equal(t, []string{"PATH=/bin", "LANG=C", "NOTIFY_SOCKET_X=1"}, got)
}

func TestOutputOfChildrenIsLoggedLineByLine(t *testing.T) {
	core, logs := observer.New(zap.InfoLevel)
	w := &lineLog{log: zap.New(core)}
	long := strings.Repeat("x", maxLine+10)
	for _, part := range []string{"one\ntw", "o\r\n\n", long, "\n", "not ended"} {
		n, err := w.Write([]byte(part))
		require.NoError(t, err)
		require.Equal(t, len(part), n)
	}
	var lines []string
	for _, e := range logs.All() {
		lines = append(lines, string(e.ContextMap()["line"].(string)))
	}
	require.Equal(t, []string{"one", "two", long[:maxLine], long[maxLine:]}, lines)
}
