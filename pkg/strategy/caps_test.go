package strategy

import (
	"math"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

// drawInput is any target with any facts.
func drawInput(t *rapid.T) Input {
	size := rapid.OneOf(rapid.IntRange(-5, 200), rapid.Just(0), rapid.Just(math.MaxInt32))
	factor := rapid.OneOf(rapid.Float64Range(-1, 100), rapid.SampledFrom([]float64{0, 1, 1.5, math.Inf(1), math.NaN()}))
	x := detect.Target{Name: "x", Object: rapid.SampledFrom([]string{"x.service", ""}).Draw(t, "unit"),
		Kind:       rapid.SampledFrom([]detect.Kind{detect.KindService, detect.KindPostgres, detect.KindPlain}).Draw(t, "kind"),
		Platform:   rapid.SampledFrom([]string{"systemd", "", "none"}).Draw(t, "platform"),
		External:   rapid.Bool().Draw(t, "external"),
		StartGrace: time.Duration(rapid.IntRange(0, 600).Draw(t, "start grace")) * time.Second,
		StopGrace:  time.Duration(rapid.IntRange(0, 90).Draw(t, "stop grace")) * time.Second,
		Pool: detect.Pool{Application: rapid.SampledFrom([]string{"x", ""}).Draw(t, "app"), Database: rapid.SampledFrom([]string{"db", ""}).Draw(t, "db"),
			EnvFile: "/run/x.env", EnvKey: rapid.SampledFrom([]string{"K", ""}).Draw(t, "key"), AdminURL: rapid.SampledFrom([]string{"http://x", ""}).Draw(t, "api"),
			Initial: size.Draw(t, "initial"), Cap: size.Draw(t, "cap"), Factor: factor.Draw(t, "pool factor")},
		Memory: detect.Memory{Cap: uint64(rapid.Int64Range(0, math.MaxInt64).Draw(t, "memory cap")), Factor: factor.Draw(t, "memory factor")}}
	f := detect.Facts{detect.WorkloadState: detect.Word(rapid.SampledFrom([]string{detect.StateRunning, detect.StateFailed, detect.StateStopped, detect.StateStarting, ""}).Draw(t, "active"))}
	if rapid.Bool().Draw(t, "pool known") {
		f[detect.PoolMax] = detect.Num(float64(size.Draw(t, "pool max")))
	}
	if rapid.Bool().Draw(t, "memory known") {
		f[detect.MemoryMax] = detect.Num(rapid.Float64Range(-1, 1e19).Draw(t, "memory max"))
	}
	return Input{Target: x, Facts: f, Diagnosis: detect.Diagnosis{Target: "x", Verdict: detect.Unhealthy,
		Class: rapid.SampledFrom(detect.BuiltinClasses()).Draw(t, "class")}}
}

func TestNoPlanEverExceedsACapOrActsOnAnotherHost(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		in := drawInput(r)
		for _, s := range Builtin() {
			p, err := s.Plan(in)
			if err != nil {
				require.ErrorIs(r, err, ErrNotApplicable)
				require.Empty(r, p)
				continue
			}
			require.NotEmpty(r, p.Actions)
			require.False(r, in.Target.External)
			require.Positive(r, p.Verify)
			for i, a := range slices.Concat(p.Actions, p.Undo) {
				require.Positive(r, a.Timeout)
				grows := i < len(p.Actions)
				switch a.Verb {
				case HTTPPoolResize, SetEnv:
					text := a.Args[ArgMaxSize] + a.Args[ArgValue]
					if text == "" {
						require.False(r, grows, "a plan must not take the variable away, only its undo")
						continue
					}
					n, err := strconv.Atoi(text)
					require.NoError(r, err)
					require.Positive(r, n)
					require.LessOrEqual(r, n, max(in.Target.Pool.Cap, 0))
					if was, ok := in.Facts.Num(detect.PoolMax); ok && grows && was > 0 {
						require.Greater(r, float64(n), was, "%s makes it no larger", s.Name())
					}
				case SetMemory:
					n, err := strconv.ParseUint(a.Args[ArgBytes], 10, 64)
					require.NoError(r, err)
					require.LessOrEqual(r, n, in.Target.Memory.Cap)
					if was, _ := in.Facts.Num(detect.MemoryMax); grows {
						require.Greater(r, float64(n), was)
					}
				case Start, Restart, Kill:
					require.Equal(r, in.Target.Object, a.Object)
					require.NotEmpty(r, a.Object)
				}
			}
		}
	})
}

// TestNothingThatMayBeTriedAboutSaturationNamesTheDatabasesUnit is the promise that saturation is
// not death, as far as plans go: whatever ladder the class pool has, no rung of it touches the
// unit of a PostgreSQL cluster.
func TestNothingThatMayBeTriedAboutSaturationNamesTheDatabasesUnit(t *testing.T) {
	set, err := NewSet(Builtin()...)
	require.NoError(t, err)
	rapid.Check(t, func(r *rapid.T) {
		in := drawInput(r)
		in.Target.Kind, in.Target.Object, in.Diagnosis.Class = detect.KindPostgres, "postgresql@15-main.service", detect.ClassPool
		for from := range len(set.Names()) {
			rung, p, _ := set.Next(set.Names(), from, in) // any ladder an operator may write
			if rung < 0 {
				continue
			}
			for _, a := range slices.Concat(p.Actions, p.Undo) {
				require.NotEqual(r, in.Target.Object, a.Object, "%s", a)
			}
		}
		c, ok := detect.ConditionFor(detect.ClassPool, detect.KindPostgres, nil)
		require.True(r, ok)
		for _, name := range c.Ladder {
			require.Contains(r, []string{"terminate-idle", "terminate-long"}, name)
		}
	})
}
