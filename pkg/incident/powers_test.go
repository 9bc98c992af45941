package incident

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// powerPolicy is a service with everything that can be grown, and its database.
func powerPolicy(t require.TestingT, modes map[string]Mode, overrides ...Override) *Policy {
	set, err := strategy.NewSet(strategy.Builtin()...)
	require.NoError(t, err)
	p, err := NewPolicy(Options{Strategies: set, Modes: modes, Overrides: overrides, Targets: []detect.Target{
		{Name: "web", Kind: detect.KindService, Platform: "systemd", Object: "web.service", DependsOn: []string{"db", "redis"}, Caches: []string{"/var/cache/web"}, StopGrace: time.Second,
			Pool:   detect.Pool{Application: "web", Database: "db", EnvFile: "/run/x/env/web.env", EnvKey: "SIZE", Cap: 40, Factor: 1.5, AdminURL: "http://127.0.0.1/resize"},
			Memory: detect.Memory{Cap: 1 << 30, Factor: 1.5}},
		{Name: "redis", Kind: detect.KindPlain, Platform: "systemd", Object: "redis.service"},
		{Name: "db", Kind: detect.KindPostgres, Platform: "systemd", Object: "postgresql@15-main.service"},
	}})
	require.NoError(t, err)
	return p
}

// verbs lists "verb object" of powers, in order.
func verbs(list []strategy.Action) (out []string) {
	for _, a := range list {
		if s := string(a.Verb) + " " + a.Object; !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	slices.Sort(out)
	return out
}

func TestPowersAreWhatTheLaddersCanLeadTo(t *testing.T) {
	p := powerPolicy(t, nil)
	require.Equal(t, []string{"cache.clean /var/cache/web", "http.pool-resize http://127.0.0.1/resize", "kill web.service", "pg.terminate-idle db", "pg.terminate-long db", "restart web.service", "set-env web.service", "set-memory web.service", "start redis.service", "start web.service", "stop web.service"},
		verbs(p.Powers("web")))
	require.NotContains(t, verbs(powerPolicy(t, map[string]Mode{"redis": Observe}).Powers("web")), "start redis.service",
		"a dependency that is only watched is not started for others")
	require.Equal(t, []string{"kill postgresql@15-main.service", "pg.terminate-idle db", "pg.terminate-long db",
		"restart postgresql@15-main.service", "start postgresql@15-main.service"}, verbs(p.Powers("db")))
}

func TestATargetThatIsOnlyWatchedNeedsNoPower(t *testing.T) {
	p := powerPolicy(t, map[string]Mode{"web": Observe, "db": Propose})
	require.Empty(t, p.Powers("web"))
	require.NotEmpty(t, p.Powers("db"), "what is proposed may be approved")
	require.Empty(t, p.Powers("no such target"))
}

func TestAShorterLadderNeedsLessPower(t *testing.T) {
	var o []Override
	for _, c := range detect.BuiltinClasses() {
		o = append(o, Override{Class: c, Timing: Timing{Ladder: []string{"start"}}})
	}
	require.Equal(t, []string{"start web.service"}, verbs(powerPolicy(t, nil, o...).Powers("web")))
}

// TestNoPlanNeedsMoreThanThePowers is the promise behind the derived rights: whatever the facts
// are, no rung of a ladder asks for an action that was not foreseen.
func TestNoPlanNeedsMoreThanThePowers(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		p := powerPolicy(r, nil)
		name := rapid.SampledFrom([]string{"web", "db"}).Draw(r, "target")
		x, _ := p.Target(name)
		class := rapid.SampledFrom(detect.BuiltinClasses()).Draw(r, "class")
		if _, ok := detect.ConditionFor(class, x.Kind, nil); !ok {
			return // cannot be diagnosed on this kind of target
		}
		f := detect.Facts{detect.WorkloadState: detect.Word(rapid.SampledFrom([]string{detect.StateRunning, detect.StateFailed, detect.StateStopped, detect.StateStarting, "a new word", ""}).Draw(r, "active"))}
		for _, n := range []string{detect.PoolMax, detect.PoolMin, detect.MemoryMax} {
			if rapid.Bool().Draw(r, n+" known") {
				f[n] = detect.Num(rapid.Float64Range(0, 2e9).Draw(r, n))
			}
		}
		powers := map[string]bool{}
		for _, a := range p.Powers(name) {
			powers[kindOf(a)] = true
		}
		var needs []strategy.Need
		for _, d := range x.DependsOn {
			target, _ := p.Target(d)
			needs = append(needs, strategy.Need{Target: target, Facts: detect.Facts{detect.WorkloadState: detect.Word(rapid.SampledFrom([]string{detect.StateRunning, detect.StateFailed, detect.StateStopped}).Draw(r, d))}})
		}
		ladder := p.Ladder(name, class)
		for from := range ladder {
			_, plan, _ := p.o.Strategies.Next(ladder, from, strategy.Input{Target: x, Facts: f, Needs: needs, Diagnosis: detect.Diagnosis{Target: name, Verdict: detect.Unhealthy, Class: class}})
			for _, a := range slices.Concat(plan.Actions, plan.Undo) {
				require.True(r, powers[kindOf(a)], "%s was not foreseen", a)
			}
		}
	})
}
