package detect

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestARuleOfWhichOnePartIsMissingIsNear(t *testing.T) {
	r := Rule{Name: "slow", When: `http.latency > 2 and (pool.utilization > 0.9 or workload.state == "failed") and http.status == 200`}
	o := Observation{Target: "mcp", Facts: Facts{HTTPLatency: Num(3), PoolUtilization: Num(0.5), WorkloadState: Word(StateRunning), HTTPStatus: Num(200)}}
	n, err := NearRule(r, o)
	require.NoError(t, err)
	require.True(t, n.Nearly())
	require.Equal(t, Nearness{Rule: "slow", Held: []string{"http.latency > 2", "http.status == 200"},
		Failed: []string{`pool.utilization > 0.9 or workload.state == "failed"`}}, n)

	o.Facts[HTTPStatus] = Num(503)
	n, err = NearRule(r, o)
	require.NoError(t, err)
	require.False(t, n.Nearly(), "two parts are missing")

	o.Facts[HTTPStatus] = NotMeasured("no reply")
	n, err = NearRule(r, o)
	require.NoError(t, err)
	require.Equal(t, Nearness{Rule: "slow"}, n, "what could not be measured is near to nothing")

	n, err = NearRule(Rule{Name: "slow", When: r.When, Targets: []string{"other"}}, o)
	require.NoError(t, err)
	require.False(t, n.Nearly())
}
