package detect

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestSessionsThatThePoolDoesNotAccountForAreFoundAtTheDatabase(t *testing.T) {
	at := time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)
	judge := func(limit, sessions int, change func(Facts)) Finding {
		f := Facts{HTTPOutcome: Word(OutcomeReply), HTTPStatus: Num(200), HealthStatus: Word("healthy"), HealthDatabase: Word("connected"),
			PoolMax: Num(30), PoolSize: Num(20), PoolFree: Num(18), WorkloadState: Word(StateRunning)}
		if change != nil {
			change(f)
		}
		db := Neighbour{Target: Target{Name: "postgres", Kind: KindPostgres}, Observation: Observation{Target: "postgres", At: at,
			Facts: Facts{SQLOutcome: Word(SQLOK), SQLAppSessions + "codebase": Num(float64(sessions))}}}
		target := Target{Name: "codebase", Kind: KindService, DependsOn: []string{"postgres"},
			Pool: Pool{Application: "codebase", Database: "postgres", Sessions: limit}}
		return poolCondition.Match(Observation{Target: "codebase", At: at, Facts: f}, Background{Target: target, Needs: []Neighbour{db}, Fresh: time.Minute})
	}
	require.Equal(t, Finding{}, judge(0, 99, nil), "not judged unless it is asked for")
	require.Equal(t, Finding{}, judge(40, 39, nil))
	fd := judge(40, 42, nil)
	require.Equal(t, Unhealthy, fd.Verdict)
	require.Equal(t, []Witness{BySQL}, fd.Witnesses, "one witness: nothing is disrupted for it")
	require.Equal(t, "PostgreSQL counts 42 sessions of codebase, and 40 are its limit; its own pool has 2 of 30 in use", fd.Because)
	fd = judge(40, 42, func(f Facts) { f[PoolFree], f[PoolSize] = Num(0), Num(30) })
	require.Equal(t, []Witness{ByHTTP, BySQL}, fd.Witnesses, "a full pool is said first")
	fd = judge(40, 42, func(f Facts) { delete(f, PoolMax); delete(f, PoolSize); delete(f, PoolFree) })
	require.Equal(t, "PostgreSQL counts 42 sessions of codebase, and 40 are its limit", fd.Because, "the reply need not speak of a pool")
}

func TestAFewSessionsAtTheDatabaseDoNotConfirmThatAPoolIsFull(t *testing.T) {
	at := time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)
	for sessions, want := range map[float64][]Witness{3: {ByHTTP}, 27: {ByHTTP}, 30: {ByHTTP, BySQL}} {
		f := Facts{HTTPOutcome: Word(OutcomeReply), HTTPStatus: Num(503), HealthStatus: Word("unhealthy"), HealthDatabase: Word("disconnected"),
			PoolMax: Num(30), PoolSize: Num(30), PoolFree: Num(0), WorkloadState: Word(StateRunning)}
		db := Neighbour{Target: Target{Name: "postgres", Kind: KindPostgres}, Observation: Observation{Target: "postgres", At: at,
			Facts: Facts{SQLOutcome: Word(SQLOK), SQLAppSessions + "codebase": Num(sessions)}}}
		target := Target{Name: "codebase", Kind: KindService, DependsOn: []string{"postgres"}, Pool: Pool{Application: "codebase", Database: "postgres"}}
		fd := poolCondition.Match(Observation{Target: "codebase", At: at, Facts: f}, Background{Target: target, Needs: []Neighbour{db}, Fresh: time.Minute})
		require.Equal(t, want, fd.Witnesses, "%.0f sessions", sessions)
	}
}

func TestAHealthPortThatAcceptsAndIsSilentIsNotRefused(t *testing.T) {
	for outcome, want := range map[string]bool{OutcomeRefused: true, "": true, OutcomeConnect: true, OutcomeDNS: true,
		OutcomeNoReply: false, OutcomeReset: false, OutcomeReply: false, OutcomeGarbage: false} {
		f := Facts{SocketConnect: Word("refused")}
		if outcome != "" {
			f[HTTPOutcome] = Word(outcome)
		}
		require.Equal(t, want, refused(f), "health request %q, socket refused", outcome)
	}
}
