package incident

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

func TestAPolicyRefusesWhatWouldShowAtThreeInTheMorning(t *testing.T) {
	cases := map[string]struct {
		change func(*Options)
		want   string
	}{
		"two targets of one name":        {func(o *Options) { o.Targets = append(o.Targets, o.Targets[0]) }, `target name "codebase" is empty or used twice`},
		"a target without a name":        {func(o *Options) { o.Targets[0].Name = "" }, `target name "" is empty or used twice`},
		"a dependency that is no target": {func(o *Options) { o.Targets[0].DependsOn = []string{"redis"} }, `target codebase depends on "redis", which is no target`},
		"a ladder with an unknown strategy": {func(o *Options) {
			o.Overrides = []Override{{Class: detect.ClassHung, Timing: Timing{Ladder: []string{"pray"}}}}
		}, `ladder of class hung names strategy "pray", which does not exist`},
		"a rule's class with unknown strategy": {func(o *Options) {
			o.Extra = []detect.Condition{{Class: "slow-search", Kinds: []detect.Kind{detect.KindService}, Ladder: []string{"hope"}}}
		}, `ladder of class slow-search names strategy "hope"`},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			o := options(t)
			c.change(&o)
			_, err := NewPolicy(o)
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestAnOverrideReplacesWhatItNamesAndNothingElse(t *testing.T) {
	o := options(t)
	o.Overrides = []Override{
		{Class: detect.ClassHung, Timing: Timing{Looks: 9, For: time.Minute, Clear: time.Second, Probation: time.Hour, Severity: detect.P4, Ladder: []string{}}},
		{Class: detect.ClassDown, Targets: []string{"workflow"}, Timing: Timing{Ladder: []string{"kill-start"}}},
	}
	o.Severities = map[string]detect.Severity{"workflow": detect.P3}
	p, err := NewPolicy(o)
	require.NoError(t, err)
	require.Equal(t, Timing{Looks: 9, For: time.Minute, Clear: time.Second, Probation: time.Hour, Severity: detect.P4, Ladder: []string{}},
		p.timing(p.targets["codebase"], detect.ClassHung))
	require.Equal(t, []string{"start", "start", "start-dependencies", "clean-start", "kill-start"}, p.Ladder("codebase", detect.ClassDown))
	require.Equal(t, []string{"kill-start"}, p.Ladder("workflow", detect.ClassDown))
	require.Equal(t, detect.P3, p.timing(p.targets["workflow"], detect.ClassDown).Severity)
	require.Equal(t, detect.P1, p.timing(p.targets["codebase"], detect.ClassDown).Severity)
}

func TestAnEmptyLadderPagesAtOnce(t *testing.T) {
	s := quiet(t, func(o *Options) {
		o.Overrides = []Override{{Class: detect.ClassDown, Timing: Timing{Ladder: []string{}}}}
	})
	s.sees("codebase", crashed("c1")).is(Escalated, PageFirst).noAction().tells("trigger t0 codebase: page-first")
}

func TestATargetOnAnotherHostIsNamedAndPagedAndNeverActedOn(t *testing.T) {
	s := quiet(t, func(o *Options) { o.Targets[2].External = true })
	s.host["postgres"], s.host["workflow"], s.host["codebase"] = dead("p1"), well("w1"), noReply("c1")
	s.run(10*time.Minute).noAction().tells("trigger t0 postgres: page-first").heldBy("codebase", HoldDependency)
}

func TestAClassOfTheOperatorsOwnIsConfirmedAndClimbsItsLadder(t *testing.T) {
	s := quiet(t, func(o *Options) {
		o.Extra = []detect.Condition{{Class: "stale-index", Kinds: []detect.Kind{detect.KindService}, Severity: detect.P3, Looks: 2, Ladder: []string{"restart"},
			Match: func(ob detect.Observation, _ detect.Background) detect.Finding {
				if ob.Facts.Text("index.state") != "stale" {
					return detect.Finding{}
				}
				return detect.Finding{Verdict: detect.Unhealthy, Because: "the index is stale", Witnesses: []detect.Witness{detect.ByHTTP, detect.BySynthetic}}
			}}}
	})
	stale := but(well("c1"), "index.state", "stale")
	s.sees("codebase", stale).is(Suspect, FirstSign)
	s.in(time.Second).sees("postgres", database("p1")).sees("codebase", stale).is(Acting, Act).performed("restart")
	require.Equal(t, detect.Class("stale-index"), s.incident("codebase").Class)
}

func TestAGlanceSaysWhatWouldBeDone(t *testing.T) {
	p, err := NewPolicy(options(t))
	require.NoError(t, err)
	now := time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
	would := func(pg, cb detect.Facts) map[string]string {
		out := map[string]string{}
		for _, g := range p.Glance([]detect.Observation{{Target: "postgres", At: now, Facts: pg}, {Target: "codebase", At: now, Facts: cb}}, now) {
			out[g.Target] = g.Would
		}
		return out
	}
	require.Equal(t, map[string]string{"postgres": "nothing", "codebase": "nothing"}, would(database("p1"), well("c1")))
	require.Contains(t, would(database("p1"), crashed("c1"))["codebase"], "start: start codebase-mcp.service")
	require.Contains(t, would(database("p1"), stopped("c1"))["codebase"], "hold back (operator-intent)")
	require.Equal(t, "wait for postgres", would(frozen("p1"), noReply("c1"))["codebase"])
	require.Contains(t, would(database("p1"), but(noReply("c1"), detect.HTTPOutcome, detect.OutcomeNotFound))["codebase"], "nothing but page")
	require.Equal(t, "nothing but page: no action can cure this", would(database("p1"), but(well("c1"), detect.DiskShare+"/", 0.99))["codebase"])
}
