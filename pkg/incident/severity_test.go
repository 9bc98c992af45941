package incident

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

// needy makes redis a third thing that both servers need.
func needy(o *Options) {
	o.Targets = append(o.Targets, detect.Target{Name: "redis", Kind: detect.KindPlain, Platform: "systemd", Object: "redis.service", StartGrace: 5 * time.Second})
	for n := range o.Targets {
		if o.Targets[n].Kind == detect.KindService {
			o.Targets[n].DependsOn = append(o.Targets[n].DependsOn, "redis")
		}
	}
}

func TestTheSeverityRisesByOneStepWhenACrowdWaitsForTheCulprit(t *testing.T) {
	p2 := detect.Diagnosis{Class: detect.ClassDependency, Severity: detect.P2}
	for name, c := range map[string]struct {
		change   func(*Options)
		d        detect.Diagnosis
		affected int
		want     detect.Severity
	}{
		"nobody else is affected":           {nil, p2, 0, detect.P2},
		"one is affected":                   {nil, p2, 1, detect.P2},
		"two are affected":                  {nil, p2, 2, detect.P1},
		"nothing is worse than P1":          {nil, detect.Diagnosis{Class: detect.ClassDown, Severity: detect.P1}, 5, detect.P1},
		"it rises by one step however many": {nil, detect.Diagnosis{Class: detect.ClassLatency, Severity: detect.P3}, 9, detect.P2},
		"the operator's word on the target": {func(o *Options) { o.Severities = map[string]detect.Severity{"redis": detect.P3} }, p2, 5, detect.P3},
		"the operator's word on the class": {func(o *Options) {
			o.Overrides = []Override{{Class: detect.ClassDependency, Timing: Timing{Severity: detect.P4}}}
		}, p2, 5, detect.P4},
		"a class of the operator's own": {func(o *Options) {
			o.Extra = []detect.Condition{{Class: "slow-search", Kinds: []detect.Kind{detect.KindPlain}, Severity: detect.P3}}
		}, detect.Diagnosis{Class: "slow-search", Severity: detect.P3}, 5, detect.P3},
		"the operator's word on another class": {func(o *Options) {
			o.Overrides = []Override{{Class: detect.ClassHung, Timing: Timing{Severity: detect.P4}}}
		}, p2, 2, detect.P1},
	} {
		t.Run(name, func(t *testing.T) {
			o := options(t)
			needy(&o)
			if c.change != nil {
				c.change(&o)
			}
			p, err := NewPolicy(o)
			require.NoError(t, err)
			require.Equal(t, c.want, p.severity(p.targets["redis"], c.d, c.affected, 0))
		})
	}
}

func TestAProblemThatComesBackTwiceIsOneStepWorse(t *testing.T) {
	p, err := NewPolicy(options(t))
	require.NoError(t, err)
	d := detect.Diagnosis{Class: detect.ClassLatency, Severity: detect.P2}
	require.Equal(t, detect.P2, p.severity(p.targets["codebase"], d, 0, 1))
	require.Equal(t, detect.P1, p.severity(p.targets["codebase"], d, 0, 2))
	require.Equal(t, detect.P1, p.severity(p.targets["codebase"], d, 5, 2), "one step in all")
}

func TestTheSeverityFallsAtOnceBeforeAnybodyIsToldAndAfterARestOtherwise(t *testing.T) {
	lost := func(run string) detect.Facts {
		return but(well(run), detect.HealthStatus, "unhealthy", detect.HealthDatabase, "disconnected", detect.HTTPStatus, 503, detect.PoolSize, 0, detect.PoolFree, 0)
	}
	crowded := func(t *testing.T, change ...func(*Options)) *story {
		t.Helper()
		s := quiet(t, change...)
		s.host["postgres"], s.host["codebase"], s.host["workflow"] = saturated("p1"), lost("c1"), lost("w1")
		return s.run(30 * time.Second)
	}
	t.Run("nobody was told", func(t *testing.T) {
		s := crowded(t, func(o *Options) {
			o.Modes = map[string]Mode{}
			o.PageAfter = PageAfter{Held: time.Hour, Unresolved: time.Hour}
			o.Escalation = Ages{time.Hour}
		})
		require.Empty(t, s.incident("postgres").Told)
		require.Equal(t, detect.P1, s.incident("postgres").Severity)
		s.host["codebase"] = well("c2")
		s.run(time.Minute)
		require.Empty(t, s.incident("postgres").Told)
		require.Equal(t, detect.P2, s.incident("postgres").Severity)
	})
	t.Run("people were told", func(t *testing.T) {
		s := crowded(t)
		s.run(8 * time.Minute)
		require.NotEmpty(t, s.incident("postgres").Told)
		require.Equal(t, detect.P1, s.incident("postgres").Severity)
		s.host["codebase"] = well("c2")
		s.run(9 * time.Minute).restart()
		require.Equal(t, detect.P1, s.incident("postgres").Severity, "not before the rest is over, a restart of the daemon included")
		before := len(s.kept)
		s.run(90 * time.Second)
		require.Equal(t, detect.P2, s.incident("postgres").Severity)
		require.True(t, slices.ContainsFunc(s.kept[before:], func(r Record) bool {
			return slices.ContainsFunc(r.Effects, func(e Effect) bool { return e.Kind == Notify && e.Notice.Kind == NoticeUpdate })
		}), "those who were told see it")
		s.host["codebase"] = lost("c2")
		s.run(30 * time.Second)
		require.Equal(t, detect.P1, s.incident("postgres").Severity, "and it rises again at once")
	})
}

func TestASaturatedClusterIsP2UntilBothServersWaitForIt(t *testing.T) {
	s := quiet(t)
	lost := func(run string) detect.Facts { // finds no connection, and holds none
		return but(well(run), detect.HealthStatus, "unhealthy", detect.HealthDatabase, "disconnected", detect.HTTPStatus, 503, detect.PoolSize, 0, detect.PoolFree, 0)
	}
	s.host["postgres"], s.host["codebase"], s.host["workflow"] = saturated("p1"), lost("c1"), well("w1")
	s.run(30 * time.Second)
	require.Equal(t, []string{"codebase"}, s.incident("postgres").Affected)
	require.Equal(t, detect.P2, s.incident("postgres").Severity)
	s.host["workflow"] = lost("w1")
	s.run(30 * time.Second)
	require.Equal(t, []string{"codebase", "workflow"}, s.incident("postgres").Affected)
	require.Equal(t, detect.P1, s.incident("postgres").Severity)
}
