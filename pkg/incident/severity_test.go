package incident

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

// needy makes redis a third thing that both servers need.
func needy(o *Options) {
	o.Targets = append(o.Targets, detect.Target{Name: "redis", Kind: detect.KindPlain, Platform: "systemd", Unit: "redis.service", StartGrace: 5 * time.Second})
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
			require.Equal(t, c.want, p.severity(p.targets["redis"], c.d, c.affected))
		})
	}
}

func TestTheSeverityNeverFallsWhileTheIncidentIsOpen(t *testing.T) {
	p, err := NewPolicy(options(t))
	require.NoError(t, err)
	i := &Incident{Target: "postgres", Affected: []string{"codebase", "workflow"}}
	p.worsen(i, detect.Diagnosis{Class: detect.ClassPool, Severity: detect.P2})
	require.Equal(t, detect.P1, i.Severity)
	i.Affected = nil
	p.worsen(i, detect.Diagnosis{Class: detect.ClassDisk, Severity: detect.P4})
	require.Equal(t, detect.P1, i.Severity)
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
