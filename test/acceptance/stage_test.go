package acceptance

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/escalate/escalatetest"
	"github.com/recoveryd/recoveryd/test/lab"
	"github.com/recoveryd/recoveryd/test/lab/labtest"
)

// What the daemon of a stage talks to.
const (
	apiAddr   = "127.0.0.1:9465"
	pdAddr    = "127.0.0.1:7001"
	slackAddr = "127.0.0.1:7002"
	pdKey     = "0123456789abcdef0123456789abcdef"
)

// stage is one lab with a running recoveryd and fake vendors.
type stage struct {
	*lab.Lab
	t       *testing.T
	pd      *escalatetest.PagerDuty
	slack   *escalatetest.Slack
	pgUnit  string
	runs    map[string]string // unit -> InvocationID when the stage was set
	started time.Time
}

// setting changes what a stage starts with.
type setting struct {
	config   string              // whole configuration; "" = the usual one
	files    map[string]lab.File // put into the lab before boot
	before   func(*stage)        // runs before recoveryd starts
	memory   bool                // a working MemoryMax
	programs string              // lab.Options.Programs
}

// config is the usual configuration: fast looks, short probation, both vendors.
func config() string {
	return `
version: 1
host: lab
probation: 4s
http: {listen: "` + apiAddr + `"}
log: {level: info}
targets:
  - name: codebase-mcp
    kind: service
    unit: codebase-mcp.service
    depends_on: [postgres]
    interval: 2s
    start_grace: 15s
    stop_grace: 1500ms
    health: [{url: "http://127.0.0.1:8000/health/status", timeout: 1500ms}]
    pool: {application: codebase-mcp, database: postgres, env_file: /run/recoveryd/env/codebase-mcp.service.env, env_key: DB_POOL_SIZE, initial: 20, cap: 40, idle_after: 2s, long_after: 30s}
    memory: {limit: 200MiB}
  - name: workflow-mcp
    kind: service
    unit: workflow-mcp.service
    depends_on: [postgres]
    interval: 2s
    start_grace: 15s
    stop_grace: 1500ms
    health: [{url: "http://127.0.0.1:8001/health/status", timeout: 1500ms}]
    pool: {application: workflow-mcp, database: postgres}
  - name: postgres
    kind: postgres
    unit: postgresql@15-main.service
    interval: 3s
    start_grace: 20s
    stop_grace: 3s
    postgres: {dsn: "host=/run/postgresql user=recoveryd dbname=postgres", connect_timeout: 1s, statement_timeout: 1s}
budgets:
  backoff: {initial: 2s, factor: 2, max: 10s}
page_after: {held: 20s, unknown: 15s, unresolved: 1m}
notifiers:
  - {name: pagerduty, type: pagerduty, routing_key_file: /etc/recoveryd/pagerduty.key, endpoint: "http://` + pdAddr + `"}
  - {name: slack, type: slack, token_file: /etc/recoveryd/slack.token, channel: ` + escalatetest.SlackChannel + `, api_url: "http://` + slackAddr + `/api"}
`
}

// deployed are the project's own files at the places where a package puts them.
func deployed(t *testing.T) map[string]lab.File {
	read := func(name string) string {
		b, err := os.ReadFile("../../deploy/systemd/" + name)
		require.NoError(t, err)
		return string(b)
	}
	return map[string]lab.File{
		"/usr/bin/recoveryd":                             {Symlink: lab.BinDir + "/recoveryd"},
		"/etc/systemd/system/recoveryd.service":          {Content: read("recoveryd.service")},
		"/etc/systemd/system/recoveryd-procview.service": {Content: read("recoveryd-procview.service")},
		"/etc/systemd/system/recoveryd-procview.socket":  {Content: read("recoveryd-procview.socket")},
		"/etc/tmpfiles.d/recoveryd.conf":                 {Content: read("recoveryd.tmpfiles")},
		"/etc/sysusers.d/recoveryd.conf":                 {Content: read("recoveryd.sysusers")},
		"/etc/polkit-1/rules.d/50-recoveryd.rules":       {Content: read("50-recoveryd.rules")},
		"/etc/recoveryd/pagerduty.key":                   {Content: pdKey + "\n", Mode: 0o640, GID: lab.UIDRecoveryd},
		"/etc/recoveryd/slack.token":                     {Content: escalatetest.SlackToken + "\n", Mode: 0o640, GID: lab.UIDRecoveryd},
	}
}

// newStage boots a lab, starts the fakes in its network and recoveryd as a service, and returns
// when recoveryd has said that it is ready.
func newStage(t *testing.T, s setting) *stage {
	t.Helper()
	t.Parallel()
	files := deployed(t)
	if s.config == "" {
		s.config = config()
	}
	files["/etc/recoveryd/recoveryd.yaml"] = lab.File{Content: s.config, Mode: 0o640, GID: lab.UIDRecoveryd}
	for k, v := range s.files {
		files[k] = v
	}
	l := labtest.Start(t, lab.Options{Binaries: labtest.Build(t, "mcp-target", "recoveryd"), Files: files, V1Memory: s.memory, Programs: s.programs})
	st := &stage{Lab: l, t: t, runs: map[string]string{}, started: time.Now(),
		pd:    escalatetest.NewPagerDuty(escalatetest.PagerDutyOptions{Keys: []string{pdKey}}),
		slack: escalatetest.NewSlack(escalatetest.SlackOptions{})}
	st.serve(pdAddr, st.pd)
	st.serve(slackAddr, st.slack)
	var err error
	st.pgUnit, err = l.PostgresUnit()
	require.NoError(t, err)
	if s.before != nil {
		s.before(st)
	}
	st.ctl("start", "recoveryd.service")
	for _, u := range []string{lab.CodebaseUnit, lab.WorkflowUnit, st.pgUnit} {
		st.runs[u] = st.show(u, "InvocationID")
	}
	return st
}

// serve runs a fake in the lab's network for the length of the test.
func (s *stage) serve(addr string, h http.Handler) {
	l, err := s.Listen(s.t.Context(), "tcp", addr)
	require.NoError(s.t, err)
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = srv.Serve(l) }() // ends with Close
	s.t.Cleanup(func() { _ = srv.Close() })
}

// ctl runs systemctl in the lab and fails the test when it fails.
func (s *stage) ctl(args ...string) {
	s.t.Helper()
	r, err := s.Systemctl(s.t.Context(), args...)
	require.NoError(s.t, err)
	require.Zero(s.t, r.Code, "systemctl %v: %s%s", args, r.Stdout, r.Stderr)
}

func (s *stage) show(unit, property string) string {
	s.t.Helper()
	v, err := s.Show(s.t.Context(), unit, property)
	require.NoError(s.t, err)
	return v
}

// get asks the daemon's API.
func (s *stage) get(path string, into any) error {
	ctx, cancel := context.WithTimeout(s.t.Context(), 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+apiAddr+path, nil)
	if err != nil {
		return err
	}
	resp, err := s.HTTPClient().Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: HTTP %d", path, resp.StatusCode)
	}
	return json.NewDecoder(resp.Body).Decode(into)
}

// targetView is what a scenario reads of a target.
type targetView struct {
	Name, Phase, Reason, Verdict, Class, Culprit, Because, Incident string
}

// incidentView is what a scenario reads of an incident.
type incidentView struct {
	ID, Target, Class, Outcome string
	Held                       string
	Affected                   []string
	Opened, Closed, Paged      time.Time
	Attempts                   []struct {
		Strategy, Action, Verb, Result, Verdict, Detail string
		Undo                                            bool
	}
}

func (s *stage) target(name string) targetView {
	var st struct{ Targets []targetView }
	if err := s.get("/api/v1/status", &st); err != nil {
		return targetView{Because: err.Error()}
	}
	for _, t := range st.Targets {
		if t.Name == name {
			return t
		}
	}
	return targetView{}
}

// incidents lists all incidents, oldest first.
func (s *stage) incidents() []incidentView {
	var list []incidentView
	if err := s.get("/api/v1/incidents", &list); err != nil {
		return nil
	}
	for i, j := 0, len(list)-1; i < j; i, j = i+1, j-1 {
		list[i], list[j] = list[j], list[i]
	}
	return list
}

// eventually waits for a condition of the real world, asking often.
func (s *stage) eventually(limit time.Duration, what string, cond func() bool) time.Duration {
	s.t.Helper()
	began := time.Now()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		if time.Since(began) > limit {
			s.report()
			s.t.Fatalf("not within %s: %s", limit, what)
		}
		<-tick.C
	}
	return time.Since(began)
}

// never watches that a condition does not come true for a while.
func (s *stage) never(span time.Duration, what string, cond func() bool) {
	s.t.Helper()
	end := time.Now().Add(span)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for time.Now().Before(end) {
		if cond() {
			s.report()
			s.t.Fatalf("happened, and must not: %s", what)
		}
		<-tick.C
	}
}

// closed waits until there are n incidents and all are closed, and returns them.
func (s *stage) closed(n int, limit time.Duration) []incidentView {
	s.t.Helper()
	var list []incidentView
	s.eventually(limit, fmt.Sprintf("%d closed incident(s)", n), func() bool {
		list = s.incidents()
		if len(list) < n {
			return false
		}
		for _, i := range list {
			if i.Closed.IsZero() {
				return false
			}
		}
		return true
	})
	require.Len(s.t, list, n)
	return list
}

// healthy waits until a server answers that it is healthy.
func (s *stage) healthy(addr string, limit time.Duration) time.Duration {
	s.t.Helper()
	return s.eventually(limit, addr+" is healthy", func() bool {
		h, err := s.Health(s.t.Context(), addr)
		return err == nil && h.Status == "healthy"
	})
}

// sameRun asserts that units were neither restarted nor stopped since the stage was set.
func (s *stage) sameRun(units ...string) {
	s.t.Helper()
	for _, u := range units {
		require.Equal(s.t, s.runs[u], s.show(u, "InvocationID"), "%s must not have been restarted", u)
		require.Equal(s.t, "active", s.show(u, "ActiveState"), u)
	}
}

// pages lists the PagerDuty alerts.
func (s *stage) pages() []escalatetest.Alert { return s.pd.Alerts() }

// noPages asserts that nobody was woken.
func (s *stage) noPages() {
	s.t.Helper()
	require.Empty(s.t, s.pages(), "nobody is woken for this")
}

// daemonLog is what recoveryd has written so far.
func (s *stage) daemonLog() string {
	out, err := s.Journal(context.WithoutCancel(s.t.Context()), "-u", "recoveryd.service", "-o", "cat")
	require.NoError(s.t, err)
	return out
}

// actions counts the actions in recoveryd's log by their name.
func (s *stage) actions() (list []string) {
	for line := range strings.Lines(s.daemonLog()) {
		var l struct{ Msg, Action string }
		if json.Unmarshal([]byte(line), &l) == nil && l.Msg == "action ended" {
			list = append(list, l.Action)
		}
	}
	return list
}

// report prints what a reader of a failed test wants to see first.
func (s *stage) report() {
	s.t.Helper()
	s.t.Logf("daemon log:\n%s", s.daemonLog())
	for _, e := range s.pd.Log.Entries() {
		s.t.Logf("pagerduty: %s %s %s: %s", e.Verdict, e.Kind, e.Key, e.Why)
	}
}

// exec runs a command in the lab as root and fails the test when it fails.
func (s *stage) exec(argv ...string) string {
	s.t.Helper()
	r, err := s.Exec(s.t.Context(), argv...)
	require.NoError(s.t, err)
	require.Zero(s.t, r.Code, "%v: %s", argv, r.Stderr)
	return r.Stdout
}

// targets lists the names of the watched targets.
func (s *stage) targets() (names []string) {
	var st struct{ Targets []targetView }
	require.NoError(s.t, s.get("/api/v1/status", &st))
	for _, t := range st.Targets {
		names = append(names, t.Name)
	}
	return names
}

// starts counts how often systemd has begun to start a unit since the stage was set.
func (s *stage) starts(unit string) int {
	s.t.Helper()
	out, err := s.Journal(context.WithoutCancel(s.t.Context()), "-o", "cat", "--since", "@"+strconv.FormatInt(s.started.Unix(), 10), "_PID=1", "UNIT="+unit)
	require.NoError(s.t, err)
	return strings.Count(out, "Starting "+unit)
}
