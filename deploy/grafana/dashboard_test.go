// Package grafana holds the tests of the dashboard.
package grafana

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/internal/metricstest"
)

// dashboard is as much of recoveryd.json as is checked.
type dashboard struct {
	UID        string
	Panels     []panel
	Templating struct {
		List []struct {
			Name, Type, Definition string
		}
	}
	Annotations struct{ List []struct{ Name, Expr string } }
}

type panel struct {
	ID                       int
	Type, Title, Description string
	GridPos                  struct{ X, Y, W, H int }
	Datasource               struct{ Type, UID string }
	Targets                  []struct {
		RefID, Expr string
		Datasource  struct{ UID string }
	}
}

func load(t *testing.T) dashboard {
	t.Helper()
	b, err := os.ReadFile("recoveryd.json")
	require.NoError(t, err)
	var d dashboard
	require.NoError(t, json.Unmarshal(b, &d))
	return d
}

// exprs lists every expression of the dashboard by where it is.
func (d dashboard) exprs() map[string]string {
	out := map[string]string{}
	for _, p := range d.Panels {
		for _, x := range p.Targets {
			out[p.Title+" "+x.RefID] = x.Expr
		}
	}
	for _, a := range d.Annotations.List {
		out["annotation "+a.Name] = a.Expr
	}
	return out
}

func TestEveryPanelShowsWhatTheDaemonExposes(t *testing.T) {
	exposed := metricstest.All(t, metricstest.Daemon(t).Registry)
	d := load(t)
	all := d.exprs()
	require.Greater(t, len(all), 30)
	for _, expr := range all {
		exposed.Check(t, expr)
	}
	for _, v := range d.Templating.List {
		if v.Type == "query" {
			inner, ok := strings.CutPrefix(v.Definition, "label_values(")
			require.True(t, ok, v.Definition)
			series, label, ok := cutLast(strings.TrimSuffix(inner, ")"), ",")
			require.True(t, ok)
			exposed.Check(t, fmt.Sprintf("max by (%s) (%s)", strings.TrimSpace(label), series))
		}
	}
}

func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// What every host must be able to see is on it.
func TestWhatMattersIsOnTheDashboard(t *testing.T) {
	var all strings.Builder
	for _, e := range load(t).exprs() {
		all.WriteString(e + "\n")
	}
	for _, want := range []string{"recoveryd_incidents_open", "recoveryd_target_verdict", "recoveryd_target_phase", "recoveryd_target_held", "pool_utilization",
		"memory_share", "health_seconds", "recoveryd_actions_total", "recoveryd_outbox_oldest_age_seconds", "recoveryd_last_cycle_timestamp_seconds",
		"recoveryd_journal_errors_total", "recoveryd_paused"} {
		require.Contains(t, all.String(), want)
	}
}

func TestThePanelsFitTogether(t *testing.T) {
	d := load(t)
	require.Equal(t, "recoveryd", d.UID)
	ids, cells := map[int]bool{}, map[[2]int]string{}
	for _, p := range d.Panels {
		require.False(t, ids[p.ID], "id %d is used twice", p.ID)
		ids[p.ID] = true
		require.NotEmpty(t, p.Title)
		require.LessOrEqual(t, p.GridPos.X+p.GridPos.W, 24, p.Title)
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				require.Empty(t, cells[[2]int{x, y}], "%s lies over %s", p.Title, cells[[2]int{x, y}])
				cells[[2]int{x, y}] = p.Title
			}
		}
		if p.Type == "row" {
			continue
		}
		require.NotEmpty(t, p.Targets, p.Title)
		require.Equal(t, "${datasource}", p.Datasource.UID, "%s is bound to one Prometheus", p.Title)
		refs := map[string]bool{}
		for _, x := range p.Targets {
			require.False(t, refs[x.RefID], p.Title)
			refs[x.RefID] = true
			require.Equal(t, "${datasource}", x.Datasource.UID, p.Title)
		}
	}
}

// plain replaces the variables of Grafana by what they stand for when all is chosen.
func plain(expr string) string {
	return strings.NewReplacer("$__rate_interval", "1m", "$__interval", "1m", "$instance", ".*", "$target", ".*").Replace(expr)
}

// promtool knows whether an expression is valid: every one is made a rule.
func TestEveryExpressionIsValid(t *testing.T) {
	path, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("SKIPPED, THE DASHBOARD'S EXPRESSIONS ARE NOT PARSED: promtool is not installed (apt-get install --no-install-recommends prometheus)")
	}
	var b strings.Builder
	b.WriteString("groups:\n- name: dashboard\n  rules:\n")
	n := 0
	for _, e := range load(t).exprs() {
		n++
		fmt.Fprintf(&b, "  - record: panel:%d\n    expr: %q\n", n, plain(e))
	}
	file := filepath.Join(t.TempDir(), "panels.yml")
	require.NoError(t, os.WriteFile(file, []byte(b.String()), 0o600))
	out, err := exec.CommandContext(t.Context(), path, "check", "rules", file).CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), fmt.Sprintf("%d rules found", n))
}
