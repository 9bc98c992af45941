package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/otelcol"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// Secrets that the daemon is given and no trace may show.
const (
	tracingSecret = "Bearer tracing-secret-7f3a"
	webhookSecret = "webhook-secret-91bc"
	serverSecret  = "server-secret-55d0"
)

// sink takes what the collector hands on.
type sink struct {
	mu     sync.Mutex // guards what follows
	bodies [][]byte
}

func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		body = z
	}
	b, err := io.ReadAll(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bodies = append(s.bodies, b)
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write([]byte("{}")) // the collector is gone: the test ends
}

func (s *sink) all() [][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([][]byte(nil), s.bodies...)
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

// collect runs the collector until the test ends.
func collect(t *testing.T, addr, next string) {
	t.Helper()
	s := settings()
	s.DisableGracefulShutdown = true // signals are the test's
	s.ConfigProviderSettings.ResolverSettings.URIs = []string{fmt.Sprintf(`yaml:
receivers: {otlp: {protocols: {http: {endpoint: %q}}}}
exporters:
  debug: {verbosity: basic}
  otlp_http: {endpoint: %q, encoding: json, sending_queue: {enabled: false}}
service:
  pipelines:
    traces: {receivers: [otlp], exporters: [debug, otlp_http]}
`, addr, next)}
	c, err := otelcol.NewCollector(s)
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- c.Run(context.Background()) }()
	t.Cleanup(func() { c.Shutdown(); require.NoError(t, <-done) })
	require.Eventually(t, func() bool {
		select {
		case err := <-done:
			done <- err
			t.Errorf("the collector ended: %v", err)
			return true
		default:
			return c.GetState() == otelcol.StateRunning
		}
	}, time.Minute, 20*time.Millisecond)
}

// programs builds the daemon and the server that it keeps alive.
func programs(t *testing.T) (daemon, server string) {
	t.Helper()
	dir := t.TempDir()
	daemon, server = filepath.Join(dir, "recoveryd"), filepath.Join(dir, "mcp-target")
	for out, pkg := range map[string]string{daemon: "./cmd/recoveryd", server: "./test/target"} {
		cmd := exec.CommandContext(t.Context(), "go", "build", "-o", out, pkg)
		cmd.Dir = "../.."
		b, err := cmd.CombinedOutput()
		require.NoError(t, err, string(b))
	}
	return daemon, server
}

const configuration = `version: 1
host: otel-test
state_dir: %[1]q
runtime_dir: %[1]q
http: {listen: ""}
probation: 1s
page_after: {unresolved: 10s}
targets:
  - name: server
    kind: service
    platform: process
    command: [%[2]q, -addr, %[3]q, -no-db-shape, healthy]
    env: [{name: API_TOKEN, value: %[4]q}]
    interval: 1s
    start_grace: 5s
    stop_grace: 1s
    health: [{url: "http://%[3]s/health/status", timeout: 800ms}]
notifiers:
  - {name: hook, type: webhook, url: %[5]q}
tracing: {endpoint: "http://%[6]s", authorization: %[7]q}
`

// A server stops answering, is started again, does not come back at first, people are told, and the
// trace of it comes out of a real collector.
func TestAnIncidentArrivesInARealCollector(t *testing.T) {
	var got sink
	behind := httptest.NewServer(&got)
	defer behind.Close()
	var told atomic.Int64
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		told.Add(1)
		w.WriteHeader(http.StatusNoContent)
	}))
	defer hook.Close()
	addr := freeAddr(t)
	collect(t, addr, behind.URL)

	daemon, server := programs(t)
	dir, listen := t.TempDir(), freeAddr(t)
	file := filepath.Join(dir, "recoveryd.yaml")
	require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, configuration, dir, server, listen, serverSecret, hook.URL+"/"+webhookSecret, addr, tracingSecret), 0o600))
	var log bytes.Buffer
	cmd := exec.Command(daemon, "run", "--config", file)
	cmd.Stderr, cmd.Stdout = &log, &log
	require.NoError(t, cmd.Start())
	defer func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended, which the next line tells
		err := cmd.Wait()
		if t.Failed() {
			t.Log(err, log.String())
		}
	}()

	client := http.Client{Timeout: time.Second}
	healthy := func() bool {
		r, err := client.Get("http://" + listen + "/health/status")
		if err != nil {
			return false
		}
		return r.Body.Close() == nil && r.StatusCode == http.StatusOK
	}
	require.Eventually(t, healthy, time.Minute, 100*time.Millisecond)
	// Whatever is started is frozen again, until somebody was told of it. Then it may go on.
	began := time.Now()
	require.Eventually(t, func() bool {
		if told.Load() > 0 {
			return true
		}
		if pid, ok := childOf(t, cmd.Process.Pid); ok {
			_ = syscall.Kill(pid, syscall.SIGSTOP) // it may just have been ended
		}
		return false
	}, 3*time.Minute, 50*time.Millisecond, "nobody was told")
	if pid, ok := childOf(t, cmd.Process.Pid); ok {
		_ = syscall.Kill(pid, syscall.SIGCONT)
	}

	require.Eventually(t, func() bool { return len(got.all()) > 0 }, 3*time.Minute, 200*time.Millisecond, "no trace came out of the collector")
	body := got.all()[0]
	for _, secret := range []string{"tracing-secret", webhookSecret, serverSecret} {
		require.NotContains(t, string(body), secret)
	}
	traces, err := (&ptrace.JSONUnmarshaler{}).UnmarshalTraces(body)
	require.NoError(t, err)
	require.Equal(t, 1, traces.ResourceSpans().Len())
	resource := traces.ResourceSpans().At(0)
	require.Equal(t, "recoveryd", attribute(t, resource.Resource().Attributes(), "service.name"))
	require.Equal(t, "otel-test", attribute(t, resource.Resource().Attributes(), "host.name"))
	spans := map[string][]ptrace.Span{}
	for _, s := range resource.ScopeSpans().At(0).Spans().All() {
		spans[s.Name()] = append(spans[s.Name()], s)
	}
	for _, name := range []string{"incident", "detect", "act", "verify", "probation", "notify"} {
		require.NotEmpty(t, spans[name], "no span %s among %v", name, spans)
	}

	// The trace is found by the name of the incident, and everything is within it.
	root := spans["incident"][0]
	id := attribute(t, root.Attributes(), "recoveryd.incident")
	sum := sha256.Sum256([]byte(id))
	require.Equal(t, hex.EncodeToString(sum[:16]), root.TraceID().String())
	require.True(t, root.ParentSpanID().IsEmpty())
	for name, list := range spans {
		for _, s := range list {
			require.Equal(t, root.TraceID(), s.TraceID(), name)
			require.False(t, s.StartTimestamp().AsTime().Before(root.StartTimestamp().AsTime()), name)
			require.False(t, s.EndTimestamp().AsTime().After(root.EndTimestamp().AsTime()), name)
			require.False(t, s.EndTimestamp() < s.StartTimestamp(), name)
			if name != "incident" {
				require.Equal(t, root.SpanID(), s.ParentSpanID(), name)
			}
		}
	}
	require.WithinDuration(t, began, root.StartTimestamp().AsTime(), time.Minute)
	require.Equal(t, "server", attribute(t, root.Attributes(), "recoveryd.target"))
	require.Equal(t, "hung", attribute(t, root.Attributes(), "recoveryd.class"))
	require.Greater(t, root.Events().Len(), 3, "every decision is an event")

	// One after another: found, done, proven.
	detect, act, verify := spans["detect"][0], spans["act"][0], spans["verify"][0]
	require.Equal(t, root.StartTimestamp(), detect.StartTimestamp())
	require.LessOrEqual(t, detect.EndTimestamp(), act.StartTimestamp())
	require.LessOrEqual(t, act.EndTimestamp(), verify.EndTimestamp())
	require.Equal(t, "restart", attribute(t, act.Attributes(), "recoveryd.strategy"))
	require.Equal(t, "restart", attribute(t, act.Attributes(), "recoveryd.verb"))
	require.Equal(t, "done", attribute(t, act.Attributes(), "recoveryd.result"))
	require.Equal(t, "verified", attribute(t, act.Attributes(), "recoveryd.verdict"))
	require.Equal(t, ptrace.StatusCodeUnset, act.Status().Code())
	require.Equal(t, "hook", attribute(t, spans["notify"][0].Attributes(), "recoveryd.channel"))
	if dir := os.Getenv("RECOVERYD_TRACE"); dir != "" {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "trace.json"), body, 0o600))
	}
}

// attribute is the text of one attribute.
func attribute(t *testing.T, m interface{ AsRaw() map[string]any }, key string) string {
	t.Helper()
	v, ok := m.AsRaw()[key]
	require.True(t, ok, "no attribute %s in %v", key, m.AsRaw())
	return fmt.Sprint(v)
}

// childOf is the process that the daemon has started.
func childOf(t *testing.T, parent int) (int, bool) {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	require.NoError(t, err)
	for _, file := range stats {
		b, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended meanwhile
		}
		f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:])) // state, parent, ...
		if len(f) > 1 && f[1] == strconv.Itoa(parent) {
			pid, err := strconv.Atoi(strings.Split(file, "/")[2])
			require.NoError(t, err)
			return pid, true
		}
	}
	return 0, false
}
