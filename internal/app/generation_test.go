package app

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/recoveryd/recoveryd/internal/config"
	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/platform"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// privateBus runs a dbus-daemon for the length of a test, and makes it the system bus of this process.
func privateBus(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	conf := filepath.Join(dir, "bus.conf")
	require.NoError(t, os.WriteFile(conf, []byte(`<busconfig><type>system</type><listen>unix:path=`+dir+`/bus</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy></busconfig>`), 0o600))
	cmd := exec.Command("dbus-daemon", "--config-file="+conf, "--nofork", "--nopidfile", "--nosyslog", "--print-address=1")
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start(), "dbus-daemon is in the packages that scripts/bootstrap installs")
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	address, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", strings.TrimSpace(address))
}

// possessions is what a process holds that a reload could leave behind.
type possessions struct{ descriptors, sockets, inotify, goroutines int }

func held(t *testing.T) (p possessions) {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	for _, e := range entries {
		to, err := os.Readlink("/proc/self/fd/" + e.Name())
		if err != nil {
			continue // the directory itself
		}
		p.descriptors++
		switch {
		case strings.HasPrefix(to, "socket:"):
			p.sockets++
		case strings.Contains(to, "inotify"):
			p.inotify++
		}
	}
	p.goroutines = runtime.NumGoroutine()
	return p
}

func TestWhatBelongsToAConfigurationEndsWithIt(t *testing.T) {
	privateBus(t)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"status":"healthy"}`)
	}))
	defer srv.Close()
	mcp, _, _ := mcpServer(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "recoveryd.yaml")
	text := fmt.Sprintf("version: 1\nstate_dir: %s/state\nruntime_dir: %s/run\nhttp: {listen: \"127.0.0.1:0\"}\n"+
		"notifiers: [{name: log, type: log}]\ntargets:\n"+
		"  - {name: svc, kind: service, unit: svc.service, mode: observe, severity: P2, interval: 30s, health: [{url: %q, timeout: 20s}]}\n"+
		"  - {name: tools, kind: service, platform: none, interval: 30s, health: [{type: mcp, url: %q, timeout: 20s}]}\n", dir, dir, srv.URL, mcp)
	write := func(s string) { require.NoError(t, os.WriteFile(path, []byte(s), 0o600)) }
	write(text)
	c, err := config.Load(path, Known())
	require.NoError(t, err)
	a, err := New(t.Context(), Options{ConfigPath: path, Config: c, Logger: zap.NewNop()})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx, nil) }()
	require.Eventually(t, a.lookedEverywhere, time.Minute, 10*time.Millisecond)

	var wg sync.WaitGroup
	reload := func(n int) {
		for i := range n {
			switch i % 4 {
			case 0, 2:
				write(strings.Replace(text, "P2", fmt.Sprintf("P%d", i%4/2+1), 1))
				require.NoError(t, a.tryReload(ctx, &wg))
			case 1:
				write(text + "no such key: 1\n")
				require.Error(t, a.tryReload(ctx, &wg), "refused as it is read")
			case 3:
				write(strings.Replace(text, dir+"/state", dir+"/elsewhere", 1))
				require.Error(t, a.tryReload(ctx, &wg), "refused after it was read")
			}
		}
		wg.Wait()
	}
	reload(20) // what is built once is built
	require.Eventually(t, func() bool { return held(t).inotify == 1 }, 10*time.Second, 10*time.Millisecond)
	before := held(t)
	began := time.Now()
	const times = 200
	reload(times)
	t.Logf("%d reloads took %s; before %+v, after %+v", times, time.Since(began).Round(time.Millisecond), before, held(t))
	// Sessions that say goodbye, and a look of the moment, take a moment.
	require.Eventually(t, func() bool {
		after := held(t)
		return after.inotify == before.inotify && after.sockets <= before.sockets+4 && after.descriptors <= before.descriptors+4 && after.goroutines <= before.goroutines+12
	}, time.Minute, 50*time.Millisecond, "of %d reloads", times)
	cancel()
	require.NoError(t, <-done)
	require.Eventually(t, func() bool { return held(t).inotify == before.inotify-1 }, time.Minute, 10*time.Millisecond, "and the last ends with the daemon")
}

func TestAGenerationThatCannotBeBuiltLeavesNothing(t *testing.T) {
	privateBus(t)
	before := held(t)
	c := loaded(t, "targets: [{name: svc, kind: service, unit: svc.service, interval: 30s, health: [{url: \"http://127.0.0.1:1/health\", timeout: 20s}]}]")
	c.Targets[0].Health[0].URL = "no address" // found only when the looker is built
	_, err := newGeneration(t.Context(), c, driversOr(nil), nil, zap.NewNop())
	require.Error(t, err)
	require.Eventually(t, func() bool {
		after := held(t)
		return after.sockets == before.sockets && after.inotify == before.inotify && after.goroutines <= before.goroutines+1 // the one that asks
	}, 10*time.Second, 100*time.Millisecond)
}

// slow is a platform on which a start takes as long as a test wants.
type slow struct{ begun, end chan struct{} }

func (s slow) Inspect(context.Context, string) (detect.Facts, error) {
	return detect.Facts{detect.WorkloadState: detect.Word(detect.StateFailed), detect.WorkloadRun: detect.Word("r1"),
		detect.WorkloadDeparture: detect.Word(detect.DepartureCrash), detect.WorkloadPolicy: detect.Word("no")}, nil
}

func (s slow) Do(ctx context.Context, _ strategy.Action) (platform.Report, error) {
	close(s.begun)
	select {
	case <-s.end:
		return platform.Report{Result: platform.Done, Detail: "it was started in the end"}, nil
	case <-ctx.Done():
		return platform.Report{Result: platform.Unknown, Detail: "given up"}, ctx.Err()
	}
}

func (s slow) Verbs() []strategy.Verb {
	return []strategy.Verb{strategy.Start, strategy.Restart}
}

func TestAStopAsksTheServiceManagerForTheTimeThatAnActionInFlightTakes(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "notify")
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	require.NoError(t, err)
	defer manager.Close()
	t.Setenv("NOTIFY_SOCKET", socket)
	dir := t.TempDir()
	c := loaded(t, fmt.Sprintf("state_dir: %s/state\nruntime_dir: %s/run\nhttp: {listen: \"\"}\ntargets: [{name: svc, kind: service, unit: svc.service, interval: 1s, start_grace: 90s, health: [{url: \"http://127.0.0.1:1/health\", timeout: 500ms}]}]", dir, dir))
	s := slow{make(chan struct{}), make(chan struct{})}
	a, err := New(t.Context(), Options{Config: c, Logger: zap.NewNop(), Drivers: []platform.Driver{{Name: platformSystemd, Open: func(context.Context, platform.Options) (platform.Adapter, error) { return s, nil }}}})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx, nil) }()
	<-s.begun
	cancel()
	told := func() (text string) {
		buf := make([]byte, 4096)
		for !strings.Contains(text, "EXTEND_TIMEOUT_USEC=") {
			n, err := manager.Read(buf)
			require.NoError(t, err)
			text = string(buf[:n])
		}
		return text
	}()
	var usec int64
	_, err = fmt.Sscanf(told, "EXTEND_TIMEOUT_USEC=%d", &usec)
	require.NoError(t, err)
	require.Greater(t, time.Duration(usec)*time.Microsecond, 90*time.Second, "longer than the start may take")
	require.Contains(t, told, "waits for the end of the action in flight")
	require.Empty(t, done)
	close(s.end)
	require.NoError(t, <-done)
	h, err := OpenHistory(t.Context(), filepath.Join(dir, "state"))
	require.NoError(t, err)
	defer h.Close()
	list, err := h.Incidents(t.Context(), true, 10)
	require.NoError(t, err)
	require.Equal(t, "it was started in the end", list[0].Attempts[0].Detail, "its end is written down")
}
