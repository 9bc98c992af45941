package app

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/recoveryd/recoveryd/internal/config"
	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/detect/probe"
)

// mcpServer is a real MCP server that counts the sessions that were begun and those that were ended.
func mcpServer(t *testing.T) (url string, begun, ended *atomic.Int64) {
	begun, ended = new(atomic.Int64), new(atomic.Int64)
	s := mcp.NewServer(&mcp.Implementation{Name: "svc"}, nil)
	s.AddResource(&mcp.Resource{URI: probe.DefaultResource, Name: "status"}, func(context.Context, *mcp.ReadResourceRequest) (*mcp.ReadResourceResult, error) {
		return &mcp.ReadResourceResult{Contents: []*mcp.ResourceContents{{URI: probe.DefaultResource, Text: `{"status":"healthy","database_status":"connected"}`}}}, nil
	})
	h := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return s }, nil)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		h.ServeHTTP(w, r)
		switch {
		case r.Method == http.MethodDelete:
			ended.Add(1)
		case strings.Contains(string(body), `"method":"notifications/initialized"`): // the client knows its session
			begun.Add(1)
		}
	}))
	t.Cleanup(func() { srv.CloseClientConnections(); srv.Close() })
	return srv.URL, begun, ended
}

func TestSessionsEndWithTheConfigurationThatMadeThem(t *testing.T) {
	url, begun, ended := mcpServer(t)
	path := t.TempDir() + "/recoveryd.yaml"
	text := fmt.Sprintf("version: 1\nstate_dir: %s\nruntime_dir: %s\nhttp: {listen: \"127.0.0.1:0\"}\n"+
		"targets: [{name: svc, kind: service, platform: none, severity: P2, interval: 30s, health: [{type: mcp, url: %q, timeout: 20s}]}]\n",
		t.TempDir(), t.TempDir(), url)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	c, err := config.Load(path, Known())
	require.NoError(t, err)
	a, err := New(t.Context(), Options{ConfigPath: path, Config: c, Logger: zap.NewNop()})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	hup, done := make(chan os.Signal, 1), make(chan error, 1)
	go func() { done <- a.Run(ctx, hup) }()
	good := func() bool {
		ts, seen := a.engine.State().Targets["svc"]
		return seen && ts.Diagnosis.Verdict == detect.Healthy && !ts.Last.At.IsZero() && begun.Load() > ended.Load()
	}
	require.Eventually(t, good, time.Minute, 10*time.Millisecond)
	require.Zero(t, ended.Load())
	// A reload makes new lookers: the old ones must say goodbye.
	require.NoError(t, os.WriteFile(path, []byte(strings.Replace(text, "P2", "P1", 1)), 0o600))
	hup <- syscall.SIGHUP
	require.Eventually(t, func() bool { return ended.Load() > 0 && a.Config().Targets[0].Severity == "P1" && good() }, time.Minute, 10*time.Millisecond)
	cancel()
	require.NoError(t, <-done)
	require.Equal(t, begun.Load(), ended.Load(), "no session outlives the daemon")
}

func TestWhatIsLearntOfAProcessOutlivesAReloadThatChangesSomethingElse(t *testing.T) {
	answers := true
	looker := func(t *testing.T) *probe.Looker {
		l, err := probe.NewLooker(probe.LookerConfig{
			Target: "svc",
			Inspect: func(context.Context) (detect.Facts, error) {
				return detect.Facts{detect.WorkloadRun: detect.Word("r1")}, nil
			},
			Witnesses: []probe.Witness{word(func() detect.Facts {
				if answers {
					return detect.Facts{detect.HTTPOutcome: detect.Word(detect.OutcomeReply)}
				}
				return detect.Facts{detect.HTTPOutcome: detect.Word(detect.OutcomeNoReply)}
			})},
		})
		require.NoError(t, err)
		return l
	}
	with := func(change func(*config.Target)) *config.Config {
		c := config.Config{Targets: []config.Target{{Name: "svc", Kind: "service", Platform: "systemd", Object: "svc.service",
			Health: []config.HealthCheck{{Timeout: time.Second}}}}}
		change(&c.Targets[0])
		return &c
	}
	for name, c := range map[string]struct {
		change func(*config.Target)
		kept   bool
	}{
		"nothing":                 {func(*config.Target) {}, true},
		"its severity":            {func(t *config.Target) { t.Severity = "P1" }, true},
		"its unit":                {func(t *config.Target) { t.Object = "other.service" }, false},
		"how its health is asked": {func(t *config.Target) { t.Health[0].Timeout = 2 * time.Second }, false},
		"its name":                {func(t *config.Target) { t.Name = "other" }, false},
	} {
		t.Run(name, func(t *testing.T) {
			answers = true
			old, fresh := looker(t), looker(t)
			old.Look(t.Context(), "poll")
			after := with(c.change)
			handOver(with(func(*config.Target) {}), after, map[string]*probe.Looker{"svc": old}, map[string]*probe.Looker{after.Targets[0].Name: fresh})
			answers = false
			require.Equal(t, c.kept, fresh.Look(t.Context(), "poll").Facts.True(detect.HTTPAnswered))
		})
	}
}

// word is a witness that says what it is told to.
type word func() detect.Facts

func (w word) Name() string                                    { return "http" }
func (w word) Look(context.Context, detect.Facts) detect.Facts { return w() }

// A rate limit knows nothing of our configuration: what a server asked for holds after a reload, also
// when other checks of the target change.
func TestThePauseThatAServerAskedForOutlivesAReload(t *testing.T) {
	var asked atomic.Int64
	limiter := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.Header().Set("Retry-After", "60")
		w.WriteHeader(http.StatusTooManyRequests)
	}))
	defer limiter.Close()
	looker := func(more string) (*config.Config, map[string]*probe.Looker) {
		c := loaded(t, fmt.Sprintf("targets: [{name: svc, kind: service, platform: none, interval: 60s, health: [{url: %q, timeout: 50s}]%s}]", limiter.URL, more))
		subjects, err := subjectsOf(c, nil)
		require.NoError(t, err)
		return c, lookersOf(subjects)
	}
	was, old := looker("")
	require.Equal(t, detect.OutcomeLimited, old["svc"].Look(t.Context(), "poll").Facts.Text(detect.HTTPOutcome))
	for name, more := range map[string]string{
		"nothing changed":      "",
		"another check is new": ", synthetic: [{name: search, url: http://127.0.0.1:1/search, timeout: 1s}]",
		"another severity":     ", severity: P3",
	} {
		t.Run(name, func(t *testing.T) {
			is, fresh := looker(more)
			before := asked.Load()
			handOver(was, is, old, fresh)
			r := fresh["svc"].Look(t.Context(), "poll").Facts[detect.HTTPOutcome]
			require.Contains(t, r.Err, "not asked: the server limits requests")
			require.Equal(t, before, asked.Load())
		})
	}
}
