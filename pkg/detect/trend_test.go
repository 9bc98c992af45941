package detect

import (
	"maps"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTrendsWarnAndNeverMore(t *testing.T) {
	at := time.Unix(1_700_000_000, 0)
	well := Facts{WorkloadState: Word(StateRunning), HTTPOutcome: Word(OutcomeReply), HealthStatus: Word("healthy"), HTTPLatency: Num(0.01)}
	for _, c := range []struct {
		name  string
		facts Facts
		want  Verdict
		class Class
		says  string
	}{
		{"memory that reaches its limit in nine minutes", Facts{TrendMemorySlope: Num(1 << 18), TrendMemoryLeft: Num(540)}, Degraded, ClassMemory,
			"memory grows steadily, by 15 MiB a minute: its limit is reached in about 9 min"},
		{"memory that has hours left", Facts{TrendMemorySlope: Num(1 << 10), TrendMemoryLeft: Num(7200)}, Healthy, ClassNone, "health reply says healthy in 10ms"},
		{"memory that shrinks", Facts{TrendMemorySlope: Num(-5), TrendMemoryLeft: Num(10)}, Healthy, ClassNone, "health reply says healthy in 10ms"},
		{"a trend that could not be told", Facts{TrendMemorySlope: NotMeasured("too few looks yet"), TrendPoolSlope: NotMeasured("too few looks yet"), TrendLatencyP95: NotMeasured("too few looks yet")},
			Healthy, ClassNone, "health reply says healthy in 10ms"},
		{"a pool that is used up in a minute", Facts{TrendPoolSlope: Num(0.1), TrendPoolLeft: Num(60), PoolSize: Num(30), PoolFree: Num(6), PoolMax: Num(30)}, Degraded, ClassPool,
			"the connection pool fills steadily, 24 of 30 in use: it is used up in about 60 s"},
		{"a pool that fills from nearly nothing", Facts{TrendPoolSlope: Num(0.1), TrendPoolLeft: Num(200), PoolSize: Num(30), PoolFree: Num(20), PoolMax: Num(30)}, Healthy, ClassNone, ""},
		{"a full pool is worse than its trend", Facts{TrendPoolSlope: Num(0.1), TrendPoolLeft: Num(0), PoolSize: Num(30), PoolFree: Num(0), PoolMax: Num(30)}, Unhealthy, ClassPool, ""},
		{"slow answers, one in twenty", Facts{TrendLatencyP95: Num(2.5)}, Degraded, ClassLatency, "one health reply in 20 took 2.5s or longer in the last minutes, more than 2s"},
		{"one slow answer among quick ones", Facts{TrendLatencyP95: Num(0.2), HTTPLatency: Num(2.9)}, Healthy, ClassNone, ""},
		{"one slow answer of a young process", Facts{TrendLatencyP95: NotMeasured("too few"), HTTPLatency: Num(2.9)}, Degraded, ClassLatency, "the health reply took 2.9s, more than 2s"},
		{"degraded for a while", Facts{HealthStatus: Word("degraded"), TrendDegradedFor: Num(750)}, Degraded, ClassUnknown, "the service calls itself degraded for 12m30s"},
		{"degraded just now", Facts{HealthStatus: Word("degraded"), TrendDegradedFor: Num(3)}, Degraded, ClassUnknown, "the service calls itself degraded"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := maps.Clone(well)
			maps.Copy(f, c.facts)
			target := Target{Name: "mcp", Kind: KindService, Limits: Limits{Latency: 2 * time.Second}}
			d := Diagnose(Observation{Target: "mcp", At: at, Facts: f}, Background{Target: target, Answered: true})
			require.Equal(t, c.want, d.Verdict, d.Because)
			require.Equal(t, c.class, d.Class)
			if c.says != "" {
				require.Equal(t, c.says, d.Because)
			}
		})
	}
}

func TestATrendChangesNoTimingOfItsClass(t *testing.T) {
	for class, looks := range map[Class]int{ClassPool: poolCondition.Looks, ClassMemory: memoryCondition.Looks} {
		c, ok := ConditionFor(class, KindService, nil)
		require.True(t, ok)
		require.Equal(t, looks, c.Looks)
		require.NotEmpty(t, c.Ladder)
	}
}

func TestATrendIsNoSecondWitnessOfWhatItIsATrendOf(t *testing.T) {
	cond, err := CompileRule(Rule{Name: "pool-soon", When: `trend.pool_left < 180 and pool.utilization > 0.6`})
	require.NoError(t, err)
	fd := cond.Match(Observation{Target: "mcp", Facts: Facts{TrendPoolLeft: Num(60), PoolUtilization: Num(0.8)}}, Background{Target: Target{Name: "mcp"}})
	require.Equal(t, []Witness{ByHTTP}, fd.Witnesses)
	_, agree := Agree("pool-soon", fd.Witnesses)
	require.False(t, agree, "a disruptive rung would need another kind of evidence")
}
