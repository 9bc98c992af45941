package metricstest

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/incident"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// Selector is one series of a PromQL expression: recoveryd_target_verdict{verdict="unknown"}.
type Selector struct {
	Name     string
	Matchers []Matcher
}

// Matcher is one condition on a label.
type Matcher struct{ Label, Op, Value string }

var (
	quoted   = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)
	ranges   = regexp.MustCompile(`\[[^\]]*\]`)
	grouping = regexp.MustCompile(`\b(by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)`)
	selector = regexp.MustCompile(`([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(\{[^}]*\}|\()?`)
	matcher  = regexp.MustCompile(`([a-zA-Z_]+)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"`)
	keywords = []string{"and", "or", "unless", "offset", "bool", "by", "without", "on", "ignoring", "group_left", "group_right", "inf", "nan"}
	duration = regexp.MustCompile(`\b\d+(ms|[smhdwy])\b`)
)

// Read finds the series and the grouping labels of an expression. It knows as much of PromQL as
// rules and dashboards here use; whether an expression is valid is for promtool to say.
func Read(expr string) (sel []Selector, group []string) {
	rest := ranges.ReplaceAllString(expr, "")
	for _, m := range grouping.FindAllStringSubmatch(rest, -1) {
		for _, l := range strings.Split(m[2], ",") {
			if l = strings.TrimSpace(l); l != "" {
				group = append(group, l)
			}
		}
	}
	rest = duration.ReplaceAllString(grouping.ReplaceAllString(rest, " "), "")
	for _, m := range selector.FindAllStringSubmatchIndex(rest, -1) {
		name := rest[m[2]:m[3]]
		tail := ""
		if m[4] >= 0 {
			tail = rest[m[4]:m[5]]
		}
		inside := strings.Count(rest[:m[0]], "{") > strings.Count(rest[:m[0]], "}")
		if tail == "(" || inside || slices.Contains(keywords, strings.ToLower(name)) || insideQuotes(rest, m[0]) {
			continue
		}
		s := Selector{Name: name}
		for _, x := range matcher.FindAllStringSubmatch(tail, -1) {
			s.Matchers = append(s.Matchers, Matcher{x[1], x[2], x[3]})
		}
		sel = append(sel, s)
	}
	return sel, group
}

func insideQuotes(s string, at int) bool {
	for _, q := range quoted.FindAllStringIndex(s, -1) {
		if q[0] < at && at < q[1] {
			return true
		}
	}
	return false
}

// Exposed is what a registry exposes, by name.
type Exposed map[string]*dto.MetricFamily

// All gathers everything, the runtime's own series too.
func All(tb testing.TB, g prometheus.Gatherer) Exposed {
	tb.Helper()
	all, err := g.Gather()
	require.NoError(tb, err)
	out := Exposed{}
	for _, f := range all {
		out[f.GetName()] = f
	}
	return out
}

// byScrape are the labels that Prometheus adds.
var byScrape = []string{"job", "instance"}

// byPrometheus are the series that it makes itself.
var byPrometheus = []string{"up", "ALERTS"}

// free are labels whose values come from the configuration.
var free = []string{"job", "instance", "target", "culprit", "channel", "unit", "version", "commit", "le"}

// Check fails when an expression names a series, a label or a value that the daemon does not
// expose. Such an alert would never fire, and nobody would notice.
func (e Exposed) Check(tb testing.TB, expr string) {
	tb.Helper()
	sel, group := Read(expr)
	require.NotEmpty(tb, sel, "no series in %s", expr)
	var labels []string
	for _, s := range sel {
		if slices.Contains(byPrometheus, s.Name) {
			labels = append(labels, byScrape...)
			continue
		}
		f, have := e.family(s.Name)
		require.NotNil(tb, f, "%s: the daemon exposes no series %s", expr, s.Name)
		have = append(have, byScrape...)
		labels = append(labels, have...)
		for _, m := range s.Matchers {
			require.Contains(tb, have, m.Label, "%s: %s has no such label", expr, s.Name)
			if slices.Contains(free, m.Label) {
				continue
			}
			for _, v := range strings.Split(m.Value, "|") {
				if m.Op == "=" || m.Op == "!=" {
					v = m.Value
				}
				require.Contains(tb, append(values(f, m.Label), closed(m.Label)...), v, "%s: %s never has this value of %s", expr, s.Name, m.Label)
			}
		}
	}
	for _, l := range group {
		require.Contains(tb, labels, l, "%s groups by a label that none of its series has", expr)
	}
}

// family finds a family by the name of one of its series, and the labels of that series.
func (e Exposed) family(name string) (*dto.MetricFamily, []string) {
	if f := e[name]; f != nil && f.GetType() != dto.MetricType_HISTOGRAM {
		return f, labelsOf(f)
	}
	for _, suffix := range []string{"_bucket", "_sum", "_count"} {
		if base, ok := strings.CutSuffix(name, suffix); ok {
			if f := e[base]; f != nil && f.GetType() == dto.MetricType_HISTOGRAM {
				return f, append(labelsOf(f), "le")
			}
		}
	}
	return nil, nil
}

func labelsOf(f *dto.MetricFamily) (out []string) {
	for _, m := range f.GetMetric() {
		for _, l := range m.GetLabel() {
			if !slices.Contains(out, l.GetName()) {
				out = append(out, l.GetName())
			}
		}
	}
	return out
}

func values(f *dto.MetricFamily, label string) (out []string) {
	for _, m := range f.GetMetric() {
		for _, l := range m.GetLabel() {
			if l.GetName() == label {
				out = append(out, l.GetValue())
			}
		}
	}
	return out
}

// closed lists the values that a label may have although no host of the tests happens to show
// them.
func closed(label string) (out []string) {
	switch label {
	case "phase":
		for _, p := range incident.Phases() {
			out = append(out, p.String())
		}
	case "reason":
		for _, h := range incident.Holds() {
			out = append(out, string(h))
		}
	case "class":
		for _, c := range detect.BuiltinClasses() {
			out = append(out, string(c))
		}
	case "fact": // named in the help of the series, which a test compares with what is shown
		out = []string{"sql_seconds", "sql_connections", "connections_share", "pool_utilization", "pool_left_seconds", "memory_left_seconds", "health_p95_seconds"}
	case "severity":
		for s := detect.P1; s <= detect.P4; s++ {
			out = append(out, s.String())
		}
	case "verb":
		out = []string{string(strategy.Start), string(strategy.Restart)}
	}
	return out
}
