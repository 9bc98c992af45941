package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/recoveryd/recoveryd/internal/config"
)

// secretText must never be seen outside of the requests that it is meant for.
const secretText = "s3cr3tS3cr3tS3cr3tS3cr3tS3cr3tXX"

// lines collects a log.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) { l.mu.Lock(); defer l.mu.Unlock(); return l.b.Write(p) }
func (l *lines) Sync() error                 { return nil }
func (l *lines) String() string              { l.mu.Lock(); defer l.mu.Unlock(); return l.b.String() }

// running runs an App on a configuration for the length of a test.
func running(t *testing.T, body string) (*App, *lines, string) {
	t.Helper()
	a, out, path, stop := runningIn(t, filepath.Join(t.TempDir(), "state"), body)
	t.Cleanup(func() { require.NoError(t, stop()) })
	return a, out, path
}

// runningIn is running with a state directory of the caller's, who stops it.
func runningIn(t *testing.T, state, body string) (a *App, out *lines, path string, stop func() error) {
	t.Helper()
	dir := t.TempDir()
	path = filepath.Join(dir, "recoveryd.yaml")
	full := fmt.Sprintf("version: 1\nstate_dir: %s\nruntime_dir: %s/run\nhttp: {listen: \"127.0.0.1:0\"}\n%s", state, dir, body)
	require.NoError(t, os.WriteFile(path, []byte(full), 0o600))
	c, err := config.Load(path, Known())
	require.NoError(t, err)
	out = &lines{}
	log := zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), out, zap.DebugLevel))
	a, err = New(t.Context(), Options{ConfigPath: path, Config: c, Logger: log, Version: "test", Commit: "none"})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	hup := make(chan os.Signal, 1)
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx, hup) }()
	return a, out, path, func() error {
		cancel()
		return <-done
	}
}

func fetch(t *testing.T, a *App, path string) (int, string) {
	t.Helper()
	resp, err := http.Get("http://" + a.Addr() + path)
	require.NoError(t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(b)
}

func TestNoSecretAppearsInLogMetricsOrAPIWhateverGoesWrong(t *testing.T) {
	asked := make(chan string, 100)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.Header.Get("Authorization")
		http.Error(w, "go away", http.StatusUnauthorized)
	}))
	defer srv.Close()
	refuses := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "invalid", http.StatusBadRequest) }))
	defer refuses.Close()
	a, log, _ := running(t, fmt.Sprintf(`
targets:
  - {name: svc, kind: service, platform: none, interval: 30s, health: [{url: "%s/health", timeout: 20s, bearer_token: %s}]}
  - {name: db, kind: postgres, platform: none, interval: 30s, postgres: {dsn: "postgres://recoveryd:%s@127.0.0.1:1/postgres", connect_timeout: 10s, statement_timeout: 10s}}
classes: [{class: misconfigured, looks: 1, for: 0s}]
notifiers:
  - {name: pd, type: pagerduty, routing_key: %s, endpoint: "%s"}
`, srv.URL, secretText, secretText, secretText, refuses.URL))
	require.Equal(t, "Bearer "+secretText, <-asked, "the token reaches the server that it is for")
	require.Eventually(t, func() bool { return strings.Contains(log.String(), `"notice":"trigger"`) }, time.Minute, 20*time.Millisecond, "a page about the refused probe")
	require.Eventually(t, func() bool { st := a.outbox.Stats(); return len(st.Channels) == 1 && st.Channels[0].LastError != "" }, time.Minute, 20*time.Millisecond, "the vendor refuses the page")
	for _, path := range []string{"/metrics", "/api/v1/status", "/api/v1/incidents", "/readyz", "/livez"} {
		_, body := fetch(t, a, path)
		require.NotContains(t, body, secretText, path)
	}
	require.NotContains(t, log.String(), secretText)
	require.NotContains(t, a.Config().Redacted(), secretText)
}

func TestADaemonThatHasLookedEverywhereIsReadyAndAnswers(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"status":"healthy","database_status":"connected","connection_pool":{"size":2,"min_size":2,"max_size":10,"free":2},"uptime_seconds":"1.5","details":null}`)
	}))
	defer srv.Close()
	a, _, path := running(t, fmt.Sprintf("targets: [{name: svc, kind: service, platform: none, interval: 30s, health: [{url: %q, timeout: 20s}]}]\n", srv.URL))
	require.Eventually(t, func() bool { code, _ := fetch(t, a, "/readyz"); return code == http.StatusOK }, time.Minute, 10*time.Millisecond)
	code, body := fetch(t, a, "/api/v1/status")
	require.Equal(t, http.StatusOK, code)
	require.Contains(t, body, `"verdict": "healthy"`)
	_, metrics := fetch(t, a, "/metrics")
	require.Contains(t, metrics, `recoveryd_target_verdict{target="svc",verdict="healthy"} 1`)
	require.Contains(t, metrics, `recoveryd_target_reading{fact="pool_utilization",target="svc"} 0`)

	second, err := config.Load(path, Known())
	require.NoError(t, err)
	second.HTTP.Listen = ""
	_, err = New(t.Context(), Options{ConfigPath: path, Config: second, Logger: zap.NewNop()})
	require.Error(t, err, "two daemons must not share a journal")
}

func TestTheExampleConfigurationsBuildEverythingThatTheyAskFor(t *testing.T) {
	c, err := config.Load("../../configs/minimal.yaml", Known())
	require.NoError(t, err)
	require.NoError(t, CheckParts(c))
	known := Known()
	known.WithoutSecrets = true // its secrets are files of another machine
	c, err = config.Load("../../configs/recoveryd.yaml", known)
	require.NoError(t, err)
	_, err = PolicyOf(c)
	require.NoError(t, err)
}

func TestAPageWhoseTLSCannotBeUsedIsRefusedBeforeAnythingBegins(t *testing.T) {
	dir := t.TempDir()
	page := filepath.Join(dir, "web.yaml")
	require.NoError(t, os.WriteFile(page, []byte("tls_server_config: {cert_file: none.crt, key_file: none.key}\n"), 0o600))
	c := loaded(t, fmt.Sprintf("state_dir: %s/state\nruntime_dir: %s/run\nhttp: {web_config_file: %s}\ntargets: [{name: svc, kind: service, unit: svc.service, health: [{url: \"http://127.0.0.1:1/health\"}]}]", dir, dir, page))
	_, err := New(t.Context(), Options{Config: c, Logger: zap.NewNop()})
	wrong, is := errors.AsType[*ConfigError](err)
	require.True(t, is, "exit code 2, and systemd does not start it again and again: %v", err)
	require.ErrorContains(t, wrong, "http.web_config_file "+page+" cannot be used")
	require.NoDirExists(t, filepath.Join(dir, "state"))
}
