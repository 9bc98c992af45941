// Package prometheus holds the tests of the alert rules: that they are right (promtool), that
// they speak of series that the daemon exposes, and that a real Prometheus evaluates them.
package prometheus

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/internal/metricstest"
)

// rulesFile is recoveryd.rules.yml.
type rulesFile struct {
	Groups []struct {
		Name  string
		Rules []rule
	}
}

type rule struct {
	Alert, Expr, For    string
	Labels, Annotations map[string]string
}

func read(t *testing.T, path string, v any) {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, yaml.UnmarshalWithOptions(b, v, yaml.Strict()), path)
}

func rules(t *testing.T) []rule {
	t.Helper()
	var f rulesFile
	read(t, "recoveryd.rules.yml", &f)
	var out []rule
	for _, g := range f.Groups {
		out = append(out, g.Rules...)
	}
	require.Greater(t, len(out), 20)
	return out
}

// The alerts that the two runbooks name, and what an operator must be told of recoveryd itself.
func TestTheRunbooksAlertsAreHere(t *testing.T) {
	var have []string
	for _, r := range rules(t) {
		require.NotContains(t, have, r.Alert, "twice")
		have = append(have, r.Alert)
	}
	for _, want := range []string{"DatabaseConnectionLost", "ConnectionPoolExhausted", "ServerDown", "HighLatency", "MemoryHigh", "MemoryAtLimit",
		"TaskMCPHealthCheckFailure", "TaskMCPServiceDown",
		"RecoverydSilent", "RecoverydWedged", "RecoverydJournalErrors", "RecoverydOutboxStuck", "RecoverydConfigReloadFailed",
		"RecoverydIncidentOpenTooLong", "RecoverydBudgetExhausted"} {
		require.Contains(t, have, want)
	}
}

func TestEveryRuleSpeaksOfSeriesThatAreExposed(t *testing.T) {
	exposed := metricstest.All(t, metricstest.Daemon(t).Registry)
	for _, r := range rules(t) {
		exposed.Check(t, r.Expr)
		require.Contains(t, []string{"critical", "high", "warning"}, r.Labels["severity"], r.Alert)
		for _, a := range []string{"summary", "description", "runbook_url"} {
			require.NotEmpty(t, r.Annotations[a], "%s has no %s", r.Alert, a)
		}
		file, ok := strings.CutPrefix(r.Annotations["runbook_url"], "https://github.com/recoveryd/recoveryd/blob/main/")
		require.True(t, ok, r.Annotations["runbook_url"])
		file, anchor, _ := strings.Cut(file, "#")
		page, err := os.ReadFile("../../" + file)
		require.NoError(t, err, r.Alert)
		require.Contains(t, strings.ToLower(string(page)), "\n## "+anchor, "%s points at a heading that is not there", r.Alert)
	}
}

// A command that does not exist is the last thing that somebody needs at night.
func TestTheCommandsInTheRulesExist(t *testing.T) {
	sources, err := filepath.Glob("../../internal/console/*/*.go")
	require.NoError(t, err)
	var code bytes.Buffer
	for _, f := range sources {
		b, err := os.ReadFile(f)
		require.NoError(t, err)
		code.Write(b)
	}
	var verbs []string
	for _, m := range regexp.MustCompile(`(?:Use:\s*"|\{incident\.Cmd\w+, ")([a-z-]+)`).FindAllStringSubmatch(code.String(), -1) {
		verbs = append(verbs, m[1])
	}
	require.Contains(t, verbs, "explain")
	require.Contains(t, verbs, "release", "the operators' verbs are not found")
	found := 0
	for _, r := range rules(t) {
		for _, m := range regexp.MustCompile(`recoveryd ([a-z]+)(?: tries| shows| says| names| tells| ends| \{\{|[ .]--|\.|$)`).FindAllStringSubmatch(r.Annotations["description"], -1) {
			if m[1] == "on" {
				continue // "recoveryd on db1"
			}
			require.Contains(t, verbs, m[1], "%s: %q", r.Alert, m[0])
			found++
		}
	}
	require.Greater(t, found, 8, "no commands were found: this test proves nothing")
}

// ruleTests is recoveryd.rules.test.yml.
type ruleTests struct {
	RuleFiles          []string `yaml:"rule_files"`
	EvaluationInterval string   `yaml:"evaluation_interval"`
	Tests              []struct {
		Name, Interval string
		InputSeries    []struct{ Series, Values string } `yaml:"input_series"`
		AlertRuleTest  []struct {
			Alertname string
			EvalTime  string           `yaml:"eval_time"`
			ExpAlerts []map[string]any `yaml:"exp_alerts"`
		} `yaml:"alert_rule_test"`
		PromqlExprTest []struct {
			Expr       string
			EvalTime   string `yaml:"eval_time"`
			ExpSamples []struct {
				Labels string
				Value  float64
			} `yaml:"exp_samples"`
		} `yaml:"promql_expr_test"`
	}
}

func TestEveryRuleHasACaseInWhichItFiresAndOneInWhichItDoesNot(t *testing.T) {
	var f, days ruleTests
	read(t, "recoveryd.rules.test.yml", &f)
	read(t, "recoveryd.rules.days.test.yml", &days)
	exposed := metricstest.All(t, metricstest.Daemon(t).Registry)
	fires, quiet := map[string]bool{}, map[string]bool{}
	for _, c := range append(f.Tests, days.Tests...) {
		for _, s := range c.InputSeries {
			exposed.Check(t, s.Series)
		}
		for _, a := range c.AlertRuleTest {
			quiet[a.Alertname] = quiet[a.Alertname] || len(a.ExpAlerts) == 0
		}
		for _, p := range c.PromqlExprTest {
			for _, s := range p.ExpSamples {
				sel, _ := metricstest.Read(s.Labels)
				i := slices.IndexFunc(sel[0].Matchers, func(m metricstest.Matcher) bool { return m.Label == "alertname" })
				fires[sel[0].Matchers[i].Value] = true
			}
		}
	}
	for _, r := range rules(t) {
		require.True(t, fires[r.Alert], "%s is never seen to fire", r.Alert)
		require.True(t, quiet[r.Alert], "%s is never seen to be quiet", r.Alert)
	}
}

// promtool finds the program, or skips and says so.
func promtool(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("SKIPPED, THE ALERT RULES ARE NOT TESTED: promtool is not installed (apt-get install --no-install-recommends prometheus)")
	}
	return path
}

func TestPromtool(t *testing.T) {
	path := promtool(t)
	for _, args := range [][]string{{"check", "rules", "recoveryd.rules.yml"}, {"test", "rules", "recoveryd.rules.test.yml"},
		{"test", "rules", "recoveryd.rules.days.test.yml"}} {
		out, err := exec.CommandContext(t.Context(), path, args...).CombinedOutput()
		require.NoError(t, err, "promtool %s:\n%s", strings.Join(args, " "), out)
		require.Contains(t, string(out), "SUCCESS")
	}
}

// Names and help of the series themselves, by promtool's own rules.
func TestPromtoolLikesTheMetrics(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), promtool(t), "check", "metrics")
	cmd.Stdin = bytes.NewReader(metricstest.Text(t, metricstest.Daemon(t).Registry))
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Empty(t, string(out))
}
