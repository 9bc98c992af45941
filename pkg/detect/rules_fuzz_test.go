package detect

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// FuzzCompileRule: any text either is refused with one line, or becomes a condition that judges
// any look at once, without a panic, and never without evidence.
func FuzzCompileRule(f *testing.F) {
	for _, s := range []string{
		`pool.utilization > 0.9 && http.status == 200`, `not (workload.state in ["failed", "stopped"])`,
		`age() > seconds("10m") and memory.current > bytes("1.5GiB")`, `disk.share["/var"] ** 2 / 0 >= -1e308`,
		`health.error matches "(a+)+$" ? pool.size % 2 == 1 : true`, `let x = 1; x`, `any(1..9, # > 1)`, `has("sql.used") or sql.used > 1`,
		`health.error + health.error + health.error contains "x"`, "((((((", `"\u0000" == health.status`, `5 % 0 == pool.size`,
	} {
		f.Add(s)
	}
	looks := []Facts{{}, {}, {}}
	for i, name := range factNames() {
		looks[0][name] = Reading{Value: float64(i), Text: strings.Repeat("a", i)}
		looks[1][name] = Reading{Value: math.Inf(1 - 2*(i%2)), Text: "healthy"}
		looks[2][name] = Reading{Value: math.NaN(), Err: map[bool]string{true: "gone"}[i%3 == 0]}
	}
	f.Fuzz(func(t *testing.T, when string) {
		began := time.Now()
		c, err := CompileRule(Rule{Name: "fuzz", When: when})
		require.Less(t, time.Since(began), 2*time.Second, "a rule must not be able to hold up the start")
		if err != nil {
			require.NotContains(t, err.Error(), "\n")
			return
		}
		for _, facts := range looks {
			start := time.Now()
			fd := c.Match(Observation{Target: "x", At: time.Unix(2e9, 0), Facts: facts}, Background{})
			require.Less(t, time.Since(start), 2*time.Second, "a rule must not be able to hold up a look")
			again := c.Match(Observation{Target: "x", At: time.Unix(2e9, 0), Facts: facts}, Background{})
			require.Equal(t, fd, again, "judging must be pure")
			if fd.Verdict == Unhealthy {
				require.NotEmpty(t, fd.Witnesses)
			}
			require.NotContains(t, fd.Because, "\n")
		}
	})
}

// FuzzDiagnose: any facts, read from JSON as the journal would, give a diagnosis that can be told.
func FuzzDiagnose(f *testing.F) {
	f.Add([]byte(`{"http.outcome":{"t":"reply"},"health.status":{"t":"unhealthy"},"pool.size":{"v":30},"pool.max":{"v":30}}`), "service", uint8(3))
	f.Add([]byte(`{"sql.outcome":{"t":"frozen"},"process.state":{"t":"T"},"workload.state":{"t":"failed"}}`), "postgres", uint8(0))
	f.Add([]byte(`{"plain.outcome":{"err":"no"},"workload.state":{"t":"stopped"},"workload.since":{"v":1e300}}`), "plain", uint8(9))
	f.Add([]byte(`{"disk.share./":{"v":2},"disk.inodes.":{"v":1},"memory.max":{"v":0},"memory.current":{"v":-1}}`), "service", uint8(255))
	f.Fuzz(func(t *testing.T, raw []byte, kind string, bits uint8) {
		var facts Facts
		if json.Unmarshal(raw, &facts) != nil {
			return
		}
		target := Target{Name: "x", Kind: Kind(kind), Object: "x.service", StartGrace: time.Duration(bits) * time.Second, External: bits&1 != 0}
		at := time.Unix(2e9, 0)
		n := Neighbour{Target: Target{Name: "n", Kind: []Kind{KindPostgres, KindPlain, KindService}[bits%3]},
			Observation: Observation{Target: "n", At: at, Facts: facts}}
		n.Diagnosis = Diagnose(n.Observation, Background{Target: n.Target})
		b := Background{Target: target, Answered: bits&2 != 0, Needs: []Neighbour{n}, Dependents: []Neighbour{n}}
		checkDiagnosis(t, Observation{Target: "x", At: at, Facts: facts}, b)
	})
}
