package detect

import (
	"maps"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAnOutsideAlertIsEvidenceAndNeverDecides(t *testing.T) {
	at := time.Unix(1_700_000_000, 0)
	fires := Facts{AlertFiring: Word("PoolNearlyFull"), AlertClass: Word("pool")}
	well := Facts{WorkloadState: Word(StateRunning), HTTPOutcome: Word(OutcomeReply), HealthStatus: Word("healthy")}
	judge := func(more ...Facts) Diagnosis {
		f := maps.Clone(well)
		for _, m := range more {
			maps.Copy(f, m)
		}
		return Diagnose(Observation{Target: "mcp", At: at, Facts: f}, Background{Target: Target{Name: "mcp", Kind: KindService}, Answered: true})
	}
	d := judge(fires)
	require.Equal(t, Healthy, d.Verdict, "shown, and nothing more")
	require.Equal(t, "health reply says healthy; an outside alert fires: PoolNearlyFull (pool), and nothing that recoveryd sees agrees", d.Because)
	require.Equal(t, []Considered{{ClassPool, Degraded, "an outside alert fires: PoolNearlyFull (pool)"}}, d.Considered)

	full := Facts{HealthStatus: Word("unhealthy"), PoolSize: Num(30), PoolFree: Num(0), PoolMax: Num(30)}
	d = judge(fires, full)
	require.Equal(t, Unhealthy, d.Verdict)
	require.Equal(t, []Witness{ByHTTP, ByAlert}, d.Witnesses)
	require.Contains(t, d.Because, "; an outside alert fires: PoolNearlyFull (pool)")
	_, agree := Agree(d.Class, d.Witnesses)
	require.False(t, agree, "it is never one of a pair")
	require.Equal(t, []Witness{ByHTTP}, judge(full).Witnesses, "nothing is kept between two looks")

	other := Facts{AlertFiring: Word("SearchDown"), AlertClass: Word("hung")}
	d = judge(other, full)
	require.Equal(t, ClassPool, d.Class)
	require.NotContains(t, d.Witnesses, ByAlert)
	require.Contains(t, d.Considered, Considered{ClassHung, Degraded, "an outside alert fires: SearchDown (hung)"})

	d = judge(other, Facts{HTTPOutcome: Word(OutcomeNotFound)})
	require.Equal(t, Unknown, d.Verdict, "what could not be told is not told by an alert")

	d = judge(Facts{AlertFiring: NotMeasured("?"), AlertClass: Word("pool")})
	require.Equal(t, Healthy, d.Verdict)
}
