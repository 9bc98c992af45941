package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/template"

	"github.com/recoveryd/recoveryd/pkg/escalate/escalatetest"
)

// configuration is what recoveryd is given: short times, so that a demo does not take an hour.
// Every key is explained in configs/recoveryd.yaml.
var configuration = template.Must(template.New("recoveryd.yaml").Funcs(template.FuncMap{"q": strconv.Quote}).Parse(`# Made by make demo. The keys are explained in configs/recoveryd.yaml.
version: 1
host: demo
state_dir: {{q .Dir}}
runtime_dir: {{q (print .Dir "/run")}}
http: {listen: {{q .API}}}
probation: 2s
targets:
{{- if .Postgres}}
  - name: postgres
    kind: postgres
    platform: process
    command: {{.Postgres}}
    dir: /
    interval: 1s
    start_grace: 20s
    stop_grace: 1s
    postgres: {dsn: {{q .PostgresDSN}}, connect_timeout: 400ms, statement_timeout: 400ms}
{{- end}}
{{- range .Servers}}
  - name: {{.Name}}
    kind: service
    platform: process
    command: [{{q .Program}}, -addr, {{q .Addr}}, -control, {{q .Control}}{{if not .Database}}, -no-db-shape, healthy{{end}}]
    env:
      - {name: PGAPPNAME, value: {{.Name}}}
      - {name: DB_POOL_SIZE, value: "5"}
      - {name: DB_MAX_OVERFLOW, value: "5"}
      - {name: DRAIN_TIMEOUT, value: 500ms}
      - {name: FAULTS_FILE, value: {{q .Faults}}}
{{- if .Database}}
      - {name: DATABASE_URL, value: {{q .Database}}}
    depends_on: [postgres]
    pool: {application: {{.Name}}, database: postgres, idle_after: 1s}
{{- end}}
    interval: 2s
    start_grace: 10s
    stop_grace: 1s
    # Not below 1.5s: a server whose pool is full takes a second to say so.
    health: [{url: {{q (print "http://" .Addr "/health/status")}}, timeout: 1500ms}]
    memory: {limit: 150MiB}
{{- end}}
classes: # confirmed and cleared sooner than a real host would want
  - {class: pool, clear: 2s}
  - {class: memory, clear: 2s}
  - {class: misconfigured, for: 4s, clear: 1s}
budgets: # one after another, the faults of this demo would use up the usual budgets
  target: {actions: 100, window: 1h}
  host: {actions: 100, window: 1h}
  backoff: {initial: 500ms, factor: 2, max: 5s}
page_after: {held: 10s, unknown: 10s, unresolved: 2m}
notifiers:
  - {name: pagerduty, type: pagerduty, routing_key_file: {{q (print .Dir "/pagerduty.key")}}, endpoint: {{q .PagerDuty}}}
  - {name: slack, type: slack, token_file: {{q (print .Dir "/slack.token")}}, channel: {{.SlackChannel}}, api_url: {{q (print .Slack "/api")}}}
`))

// setup is what the configuration is made from.
type setup struct {
	Dir, API         string
	Postgres         string // command line of the server as a YAML list; "" = no database
	PostgresDSN      string
	Servers          []*server
	PagerDuty, Slack string // base addresses of the receivers
}

// SlackChannel is its channel.
func (setup) SlackChannel() string { return escalatetest.SlackChannel }

// write makes the configuration, and beside it the files with the secrets that the receivers know.
func (s setup) write(path string) error {
	var b bytes.Buffer
	if err := configuration.Execute(&b, s); err != nil {
		return fmt.Errorf("make the configuration: %w", err)
	}
	for name, text := range map[string]string{
		filepath.Join(s.Dir, "pagerduty.key"): escalatetest.PagerDutyKey,
		filepath.Join(s.Dir, "slack.token"):   escalatetest.SlackToken,
		path:                                  b.String(),
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// yamlList writes a command line as a YAML list.
func yamlList(argv []string) string {
	quoted := make([]string, len(argv))
	for i, a := range argv {
		quoted[i] = strconv.Quote(a)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}
