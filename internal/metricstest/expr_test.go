package metricstest

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRead(t *testing.T) {
	for _, c := range []struct {
		name, expr string
		sel        []Selector
		group      []string
	}{
		{"a bare series", `up`, []Selector{{Name: "up"}}, nil},
		{"matchers of all kinds", `a_total{x="1", y!="2", z=~"p|q", w!~"r.*"} > 0`,
			[]Selector{{"a_total", []Matcher{{"x", "=", "1"}, {"y", "!=", "2"}, {"z", "=~", "p|q"}, {"w", "!~", "r.*"}}}}, nil},
		{"functions, ranges and offsets are no series", `histogram_quantile(0.95, sum by (le, verb) (rate(a_bucket{x="1"}[5m] offset 15m)))`,
			[]Selector{{"a_bucket", []Matcher{{"x", "=", "1"}}}}, []string{"le", "verb"}},
		{"set operators and words in quotes are none either", `a{x="or b"} or on (job, instance) b == 1 unless c`,
			[]Selector{{"a", []Matcher{{"x", "=", "or b"}}}, {Name: "b"}, {Name: "c"}}, []string{"job", "instance"}},
		{"the clock", `time() - a > 1800`, []Selector{{Name: "a"}}, nil},
		{"variables of a dashboard", `rate(a{i=~"$i"}[$__rate_interval])`, []Selector{{"a", []Matcher{{"i", "=~", "$i"}}}}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			sel, group := Read(c.expr)
			require.Equal(t, c.sel, sel)
			require.Equal(t, c.group, group)
		})
	}
}

// failing is a testing.TB that only notes that a check failed.
type failing struct {
	testing.TB
	failed bool
}

type stop struct{}

func (f *failing) Helper()               {}
func (f *failing) Errorf(string, ...any) { f.failed = true }
func (f *failing) FailNow()              { f.failed = true; panic(stop{}) }

func TestCheckFindsWhatTheDaemonDoesNotExpose(t *testing.T) {
	e := All(t, Daemon(t).Registry)
	check := func(expr string) (failed bool) {
		f := &failing{TB: t}
		defer func() {
			if p := recover(); p != nil && p != any(stop{}) {
				panic(p)
			}
			failed = f.failed
		}()
		e.Check(f, expr)
		return f.failed
	}
	for _, good := range []string{`recoveryd_target_verdict{verdict="unknown"}`, `sum by (job, target) (recoveryd_target_held{reason="storm"})`,
		`rate(recoveryd_look_duration_seconds_bucket{le="0.1"}[5m])`, `rate(recoveryd_look_duration_seconds_count[5m])`, `up == 0`, `process_start_time_seconds`} {
		require.False(t, check(good), good)
	}
	for _, bad := range []string{`recoveryd_target_verdicts`, `recoveryd_target_verdict{verdikt="unknown"}`, `recoveryd_target_verdict{verdict="dead"}`,
		`recoveryd_target_verdict{verdict=~"unknown|dead"}`, `sum by (reason) (recoveryd_target_verdict)`, `recoveryd_look_duration_seconds`,
		`recoveryd_target_held{reason="because"}`, `recoveryd_target_verdict{le="1"}`, `1 + 1`} {
		require.True(t, check(bad), "%s is not found wrong", bad)
	}
}
