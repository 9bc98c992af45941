package metrics_test

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/internal/httpserve/hosttest"
	"github.com/recoveryd/recoveryd/internal/metrics"
	"github.com/recoveryd/recoveryd/internal/metricstest"
	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

var update = flag.Bool("update", false, "write docs/metrics.md anew")

func TestTheReferenceIsInStepWithTheRegistry(t *testing.T) {
	const path = "../../docs/metrics.md"
	want := reference(t)
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(want), 0o644))
	}
	got, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, want, string(got), "stale: go test ./internal/metrics -run TestTheReference -update")
}

// Names, units and help as Prometheus wants them; an operator reads nothing else of a series.
func TestEverySeriesIsNamedAndExplained(t *testing.T) {
	for _, f := range metricstest.Gather(t, metricstest.Daemon(t).Registry) {
		name, help := f.GetName(), f.GetHelp()
		require.Equal(t, f.GetType() == dto.MetricType_COUNTER, strings.HasSuffix(name, "_total"), "%s: a counter ends in _total, and nothing else does", name)
		require.NotRegexp(t, `(?i)milli|minutes|_ms\b|percent`, name, "base units only")
		require.True(t, strings.HasSuffix(help, "."), "%s: %q is no sentence", name, help)
		require.Greater(t, len(help), 20, name)
	}
}

// A label with an open set of values fills the memory of whoever scrapes it.
func TestLabelsComeFromClosedSets(t *testing.T) {
	allowed := []string{"target", "phase", "verdict", "reason", "fact", "class", "paged", "verb", "result", "kind", "unit", "version", "commit",
		"channel", "state", "culprit", "severity", "disrupts", "playbook", "stage", "outcome"}
	for _, f := range metricstest.Gather(t, metricstest.Daemon(t).Registry) {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				require.Contains(t, allowed, l.GetName(), f.GetName())
				require.NotRegexp(t, `[\s/:]|\d{6}`, l.GetValue(), "%s: %s looks like a text, an address or a time", f.GetName(), l.GetName())
			}
		}
	}
}

// reference writes docs/metrics.md.
func reference(t *testing.T) string {
	var b strings.Builder
	b.WriteString(`# Metrics

Generated from the registry (` + "`go test ./internal/metrics -run TestTheReference -update`" + ` rewrites it).
They are served at ` + "`/metrics`" + ` of ` + "`http.listen`" + ` and of the control socket. Labels come from closed sets; a
number that was not measured is absent, never 0. Beside these, the usual ` + "`go_*`" + ` and ` + "`process_*`" + ` series of
the process itself are served.

Alert rules are in ` + "`deploy/prometheus/recoveryd.rules.yml`" + `, a dashboard in ` + "`deploy/grafana/recoveryd.json`" + `. Both
expect a scrape job whose name is ` + "`recoveryd`" + `:

` + "```yaml prometheus" + `
scrape_configs:
  - job_name: recoveryd
    static_configs: [{targets: ["127.0.0.1:9465"]}]
rule_files: [/usr/share/recoveryd/prometheus/recoveryd.rules.yml]
` + "```" + `

| name | type | labels | meaning |
|---|---|---|---|
`)
	for _, f := range metricstest.Gather(t, metricstest.Daemon(t).Registry) {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", f.GetName(), strings.ToLower(f.GetType().String()), labelNames(f), f.GetHelp())
	}
	b.WriteString("\n## Values of labels\n\n| label | values |\n|---|---|\n")
	row := func(label string, values []string) {
		fmt.Fprintf(&b, "| `%s` | %s |\n", label, strings.Join(values, ", "))
	}
	row("phase", words(incident.Phases()))
	row("verdict", words([]detect.Verdict{detect.Unknown, detect.Healthy, detect.Degraded, detect.Unhealthy}))
	classes := make([]string, 0)
	for _, c := range detect.BuiltinClasses() {
		classes = append(classes, string(c))
	}
	row("class", append(classes, "and the names of your own rules"))
	holds := make([]string, 0)
	for _, h := range incident.Holds() {
		holds = append(holds, string(h))
	}
	row("reason` of `recoveryd_target_held` and `recoveryd_holds_total", holds)
	row("fact", facts(t))
	stages := make([]string, 0)
	for _, s := range incident.Stages() {
		stages = append(stages, string(s))
	}
	row("stage", stages)
	row("outcome", []string{"done", "failed", "halted", "ended"})
	row("target`, `culprit`, `unit`, `channel`, `playbook", []string{"names from the configuration"})
	alerts(t, &b)
	return b.String()
}

// alerts writes what each alert means and what to do, from the rules themselves.
func alerts(t *testing.T, b *strings.Builder) {
	src, err := os.ReadFile("../../deploy/prometheus/recoveryd.rules.yml")
	require.NoError(t, err)
	var f struct {
		Groups []struct {
			Name  string
			Rules []struct {
				Alert, For          string
				Labels, Annotations map[string]string
			}
		}
	}
	require.NoError(t, yaml.Unmarshal(src, &f))
	b.WriteString("\n## Alerts\n\n| alert | severity | after | means | what to know | runbook |\n|---|---|---|---|---|---|\n")
	for _, g := range f.Groups {
		for _, r := range g.Rules {
			after := r.For
			if after == "" {
				after = "at once"
			}
			fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s |\n", r.Alert, r.Labels["severity"], after, plain(r.Annotations["summary"]), plain(r.Annotations["description"]), runbook(r.Annotations))
		}
	}
}

// runbook links to the page for an alert, and names the part of the runbook that it comes from.
func runbook(annotations map[string]string) string {
	file := strings.TrimPrefix(annotations["runbook_url"], "https://github.com/recoveryd/recoveryd/blob/main/docs/")
	if strings.HasPrefix(file, "metrics.md") {
		return "this page"
	}
	link := fmt.Sprintf("[%s](%s)", strings.TrimSuffix(strings.TrimPrefix(file, "runbooks/"), ".md"), file)
	if r := annotations["runbook"]; r != "" {
		link += ", " + r
	}
	return link
}

// placeholder is a value that Prometheus fills in: {{ $labels.target }}, {{ $value | humanize }}.
var placeholder = regexp.MustCompile(`\{\{ \$(?:labels\.)?(\w+)[^}]*\}\}`)

func plain(s string) string {
	s = placeholder.ReplaceAllStringFunc(s, func(m string) string { return strings.ToUpper(placeholder.FindStringSubmatch(m)[1]) })
	return strings.ReplaceAll(s, "|", "\\|")
}

func labelNames(f *dto.MetricFamily) string {
	var out []string
	for _, m := range f.GetMetric() {
		for _, l := range m.GetLabel() {
			if n := "`" + l.GetName() + "`"; !slices.Contains(out, n) {
				out = append(out, n)
			}
		}
	}
	return strings.Join(out, ", ")
}

func words[T fmt.Stringer](list []T) (out []string) {
	for _, x := range list {
		out = append(out, x.String())
	}
	return out
}

// facts lists the facts that the help of the readings names, each of which a host shows.
func facts(t *testing.T) []string {
	seen := map[string]bool{}
	m := metrics.New("", "")
	var names []string
	for _, x := range hosttest.Options(t).Targets {
		names = append(names, x.Name)
	}
	m.Targets(names)
	hosttest.DatabaseDead(t, time.Date(2026, 11, 22, 4, 0, 0, 0, time.UTC), func(rec incident.Record) {
		m.Decided(rec)
		if rec.Event.Kind != incident.Observed || rec.At.Second() > 4 {
			return // looking once a minute is enough
		}
		for _, f := range metricstest.Gather(t, m.Registry) {
			for _, x := range f.GetMetric() {
				for _, l := range x.GetLabel() {
					if l.GetName() == "fact" {
						seen[l.GetValue()] = true
						require.Contains(t, f.GetHelp(), l.GetValue(), "the help of %s does not name this fact", f.GetName())
					}
				}
			}
		}
	})
	return slices.Sorted(maps.Keys(seen))
}
