package prometheus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/recoveryd/recoveryd/internal/app"
	"github.com/recoveryd/recoveryd/internal/config"
	"github.com/recoveryd/recoveryd/internal/metricstest"
	"github.com/recoveryd/recoveryd/test/lab/labtest"
)

// daemon runs the whole of recoveryd in this process: a server that it keeps alive, one dependency that
// answers, one that does not, and a channel. It returns the address of its metrics, and that of the server.
func daemon(t *testing.T) (metrics, served string) {
	t.Helper()
	dir := t.TempDir()
	program := filepath.Join(labtest.Build(t, "mcp-target"), "mcp-target")
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	served = free.Addr().String()
	require.NoError(t, free.Close())
	up, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, up.Close()) })
	down, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, down.Close()) // nobody listens there now
	hook := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(hook.Close)
	path := filepath.Join(dir, "recoveryd.yaml")
	require.NoError(t, os.WriteFile(path, fmt.Appendf(nil, `version: 1
state_dir: %[1]q
runtime_dir: %[2]q
http: {listen: "127.0.0.1:0"}
probation: 1s
targets:
  - name: codebase-mcp
    kind: service
    platform: process
    command: [%[3]q, -addr, %[6]q, -no-db-shape, healthy]
    interval: 1s
    start_grace: 20s
    stop_grace: 1s
    health: [{url: "http://%[6]s/health/status", timeout: 900ms}]
    memory: {limit: 150MiB}
  - {name: redis, kind: plain, external: true, interval: 1s, check: {type: tcp, address: %[4]q, timeout: 500ms}}
  - {name: ollama, kind: plain, external: true, interval: 1s, check: {type: tcp, address: %[5]q, timeout: 500ms}}
notifiers:
  - {name: hook, type: webhook, url: %[7]q}
`, dir+"/state", dir+"/run", program, up.Addr(), down.Addr(), served, hook.URL), 0o600))
	c, err := config.Load(path, app.Known())
	require.NoError(t, err)
	a, err := app.New(t.Context(), app.Options{ConfigPath: path, Config: c, Logger: zap.NewNop(), Version: "test", Commit: "none"})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx, nil) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			require.NoError(t, err)
		}
	})
	return a.Addr(), served
}

// server starts the program prometheus and stops it at the end. It returns its API.
func server(t *testing.T, target string) string {
	t.Helper()
	path, err := exec.LookPath("prometheus")
	if err != nil {
		t.Skip("SKIPPED, NO REAL PROMETHEUS SCRAPES RECOVERYD: prometheus is not installed (apt-get install --no-install-recommends prometheus)")
	}
	rules, err := filepath.Abs("recoveryd.rules.yml")
	require.NoError(t, err)
	dir := t.TempDir()
	file := filepath.Join(dir, "prometheus.yml")
	require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, `global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [%q]
scrape_configs: [{job_name: recoveryd, static_configs: [{targets: [%q]}]}]
`, rules, target), 0o600))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := l.Addr().String()
	require.NoError(t, l.Close())
	cmd := exec.Command(path, "--config.file="+file, "--storage.tsdb.path="+dir+"/data", "--web.listen-address="+addr, "--log.level=warn")
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
		require.NoError(t, cmd.Wait())
	})
	return "http://" + addr + "/api/v1"
}

// ask returns the data of an answer of the API, or an error.
func ask(path string, data any) error {
	r, err := http.Get(path)
	if err != nil {
		return err
	}
	defer r.Body.Close()
	answer := struct {
		Status, Error string
		Data          any
	}{Data: data}
	if err := json.NewDecoder(r.Body).Decode(&answer); err != nil {
		return err
	}
	if answer.Status != "success" {
		return errors.New(answer.Error)
	}
	return nil
}

// vector is the result of an instant query.
type vector struct {
	Result []struct {
		Metric map[string]string
		Value  [2]any
	}
}

func query(t *testing.T, api, expr string) vector {
	t.Helper()
	var v vector
	require.NoError(t, ask(api+"/query?query="+url.QueryEscape(expr), &v), expr)
	return v
}

// ruleList is how the rules stand in Prometheus.
type ruleList struct {
	Groups []struct {
		Rules []struct{ Name, State, Health, LastError string }
	}
}

// health counts the rules of that health.
func (l ruleList) health(word string) (n int) {
	for _, g := range l.Groups {
		for _, r := range g.Rules {
			if r.Health == word {
				n++
			}
		}
	}
	return n
}

func TestARealPrometheusScrapesARealDaemon(t *testing.T) {
	target, served := daemon(t)
	api := server(t, target)
	enough := url.QueryEscape(`count_over_time(up{job="recoveryd"}[1m]) > 3 and on (instance) recoveryd_target_unhealthy{target="ollama"}`)
	require.Eventually(t, func() bool {
		var v vector
		return ask(api+"/query?query="+enough, &v) == nil && len(v.Result) == 1
	}, 45*time.Second, 200*time.Millisecond, "Prometheus does not see what recoveryd found")

	var list ruleList
	require.Eventually(t, func() bool { // until every rule was evaluated
		list = ruleList{}
		return ask(api+"/rules", &list) == nil && list.health("unknown") == 0
	}, 30*time.Second, 200*time.Millisecond)
	for _, g := range list.Groups {
		for _, r := range g.Rules {
			require.Equal(t, "ok", r.Health, "%s: %s", r.Name, r.LastError)
			require.Equal(t, r.Name == "DependencyDown", r.State != "inactive", "%s is %s on a daemon that works and has found one dependency down", r.Name, r.State)
		}
	}

	exposed := metricstest.All(t, metricstest.Daemon(t).Registry)
	own := query(t, api, `count by (__name__) ({__name__=~"recoveryd_.+"})`)
	require.Greater(t, len(own.Result), 20)
	var names []string
	for _, x := range own.Result {
		name := x.Metric["__name__"]
		exposed.Check(t, name+`{job="recoveryd"}`) // what the real daemon exposes is what the tests of rules and dashboard know
		names = append(names, name)
	}
	for _, want := range []string{"recoveryd_target_info", "recoveryd_outbox_queued", "recoveryd_target_verdict", "recoveryd_last_cycle_timestamp_seconds", "recoveryd_paused"} {
		require.True(t, slices.Contains(names, want), "the real daemon does not expose %s; is it registered in internal/app?", want)
	}
	// An incident from its beginning to its end, and then every panel of the dashboard has something to show.
	kill(t, served)
	require.Eventually(t, func() bool {
		var v vector
		return ask(api+"/query?query="+url.QueryEscape(`increase(recoveryd_incidents_closed_total{target="codebase-mcp"}[1m]) >= 0 and recoveryd_incidents_closed_total > 0 and on () increase(recoveryd_incident_duration_seconds_count[1m]) >= 0`), &v) == nil && len(v.Result) > 0
	}, 90*time.Second, 200*time.Millisecond, "the server that was killed has not come back, or Prometheus does not see it")
	used := map[string]bool{}
	for _, e := range dashboard(t) {
		if len(query(t, api, e).Result) > 0 {
			continue
		}
		why := slices.IndexFunc(nothingThere, func(s string) bool { return strings.Contains(e, s) })
		require.GreaterOrEqual(t, why, 0, "a panel shows nothing: %s", e)
		used[nothingThere[why]] = true
	}
	require.Len(t, used, len(nothingThere), "an exception is not needed any more")
	one := query(t, api, `recoveryd_target_unhealthy`)
	require.Equal(t, "ollama", one.Result[0].Metric["culprit"])
	require.Len(t, query(t, api, `recoveryd_target_phase == 1`).Result, 3, "every target is in one phase")
}

// nothingThere is part of the expressions that have nothing to show here: nothing is held back, no PostgreSQL is
// watched, and every notice was taken.
var nothingThere = []string{"recoveryd_target_held", "recoveryd_holds_total", `fact="sql_connections"`, `state!="delivered"`}

// kill ends the server that listens there.
func kill(t *testing.T, served string) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/cmdline")
	require.NoError(t, err)
	for _, file := range all {
		b, err := os.ReadFile(file)
		if err != nil || !strings.Contains(string(b), "-addr\x00"+served+"\x00") {
			continue // it has ended meanwhile, or is another one
		}
		pid, err := strconv.Atoi(strings.Split(file, "/")[2])
		require.NoError(t, err)
		require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
		return
	}
	require.FailNow(t, "the server is not running")
}

// dashboard lists the expressions of the Grafana dashboard, for all hosts and targets.
func dashboard(t *testing.T) []string {
	t.Helper()
	b, err := os.ReadFile("../grafana/recoveryd.json")
	require.NoError(t, err)
	var d struct {
		Panels []struct{ Targets []struct{ Expr string } }
	}
	require.NoError(t, json.Unmarshal(b, &d))
	var out []string
	for _, p := range d.Panels {
		for _, x := range p.Targets {
			out = append(out, strings.NewReplacer("$__rate_interval", "1m", "$__interval", "1m", "$instance", ".*", "$target", ".*").Replace(x.Expr))
		}
	}
	require.Greater(t, len(out), 30)
	return out
}
