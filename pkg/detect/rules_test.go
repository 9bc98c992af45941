package detect

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestARuleIsJudgedFromMeasuredFactsOnly(t *testing.T) {
	at := time.Unix(2_000_000_000, 0)
	full := Facts{
		HTTPStatus: Num(200), HTTPOutcome: Word(OutcomeReply), HTTPLatency: Num(0.7),
		PoolUtilization: Num(0.93), PoolSize: Num(28), PoolMax: Num(30),
		SyntheticOK: Flag(false), WorkloadState: Word(StateRunning), WorkloadSince: Num(float64(at.Unix() - 3600)),
		MemoryCurrent: Num(900 << 20), DiskShare + "/var/lib": Num(0.97), SQLAppSessions + "codebase-mcp": Num(41),
		MemoryPressure: NotMeasured("no PSI on this kernel"), HealthError: Word("a \"quoted\"\nword"),
	}
	for _, c := range []struct {
		name, when string
		verdict    Verdict // Healthy = says nothing
		witnesses  []Witness
		because    string
	}{
		{"a share above its limit", `pool.utilization > 0.9`, Unhealthy, []Witness{ByHTTP}, "(pool.utilization 0.93)"},
		{"an integer literal compares with a number", `http.status == 200`, Unhealthy, []Witness{ByHTTP}, "(http.status 200)"},
		{"a list of numbers", `http.status in [200, 503]`, Unhealthy, []Witness{ByHTTP}, ""},
		{"a list of words", `workload.state in ["running", "starting"]`, Unhealthy, []Witness{ByPlatform}, `workload.state "running"`},
		{"not in a list", `not (http.status in [200, 503])`, Healthy, nil, ""},
		{"and joins evidence", `pool.utilization > 0.9 and synthetic.ok == false`, Unhealthy, []Witness{ByHTTP, BySynthetic}, ""},
		{"&& is and, ! is not", `pool.utilization > 0.9 && !synthetic.ok`, Unhealthy, []Witness{ByHTTP, BySynthetic}, "synthetic.ok false"},
		{"only the true side of or is evidence", `http.status == 500 or not synthetic.ok`, Unhealthy, []Witness{BySynthetic}, ""},
		{"both sides of or, when both hold", `http.status == 200 or not synthetic.ok`, Unhealthy, []Witness{ByHTTP, BySynthetic}, ""},
		{"one comparison is one piece of evidence", `http.latency + memory.current > 1`, Unhealthy, []Witness{ByHTTP}, ""},
		{"health and pool are one witness", `pool.size > 1 and http.latency > 0.5`, Unhealthy, []Witness{ByHTTP}, ""},
		{"age is a circumstance", `age() > seconds("30m") and http.latency > 0.5`, Unhealthy, []Witness{ByHTTP}, "(http.latency 0.7)"},
		{"a young process", `age() < 60 and http.latency > 0.5`, Healthy, nil, ""},
		{"has is a circumstance", `has("sql.used") or pool.size > 1`, Unknown, nil, "refused"},
		{"a size with its unit", `memory.current > bytes("512MiB")`, Unhealthy, []Witness{ByMemory}, ""},
		{"a name that is no word", `disk.share["/var/lib"] >= 0.95`, Unhealthy, []Witness{ByDisk}, "disk.share./var/lib 0.97"},
		{"an application with a hyphen", `sql.app["codebase-mcp"] > 40`, Unhealthy, []Witness{BySQL}, ""},
		{"a fact that could not be measured makes it unknown", `memory.pressure > 20`, Unknown, nil, "memory.pressure was not measured: no PSI on this kernel"},
		{"also when the other side would be enough", `pool.utilization > 0.9 or memory.pressure > 20`, Unknown, nil, ""},
		{"a fact that was never asked for: the rule does not apply", `synthetic.latency > 2`, Healthy, nil, ""},
		{"has() of a fact that was not measured", `pool.size > 1 and not has("memory.pressure")`, Unhealthy, []Witness{ByHTTP}, ""},
		{"words from outside stay on one line", `health.error contains "quoted"`, Unhealthy, []Witness{ByHTTP}, `health.error "a \"quoted\"\nword"`},
		{"a pattern", `health.error matches "quot.d"`, Unhealthy, []Witness{ByHTTP}, ""},
		{"arithmetic", `(pool.size - 1) / pool.max * 100 > 89 and pool.size ** 2 == 784`, Unhealthy, []Witness{ByHTTP}, ""},
		{"division by zero is infinite, not an error", `pool.size / (pool.size - 28) > 1`, Unhealthy, []Witness{ByHTTP}, ""},
		{"a choice", `workload.state == "running" ? http.latency > 0.5 : http.latency > 5`, Unhealthy, []Witness{ByPlatform}, ""},
		{"a chain of the same operator", `pool.size > 1 and pool.max > 1 and http.latency > 99`, Healthy, nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			cond, err := CompileRule(Rule{Name: "mine", When: c.when})
			if c.because == "refused" {
				require.ErrorContains(t, err, "without any evidence")
				return
			}
			require.NoError(t, err)
			f := cond.Match(Observation{Target: "x", At: at, Facts: full}, Background{Target: Target{Name: "x", Kind: KindService}})
			if c.verdict == Healthy {
				require.Equal(t, Finding{}, f)
				return
			}
			require.Equal(t, c.verdict, f.Verdict, f.Because)
			require.Equal(t, c.witnesses, f.Witnesses)
			require.Contains(t, f.Because, c.because)
			require.NotContains(t, f.Because, "\n")
		})
	}
}

func TestRulesThatCannotBeMeantAreRefused(t *testing.T) {
	for _, c := range []struct{ name, when, want string }{
		{"a misspelt fact", `pool.utilisation > 0.9`, "unknown fact pool.utilisation, did you mean pool.utilization? (column"},
		{"a group of facts", `pool > 1`, "unknown fact pool"},
		{"an unknown witness", `banana.split == 1`, "unknown fact banana.split (column"},
		{"a prefix without a name", `disk.share > 0.9`, "unknown fact disk.share, did you mean disk.share."},
		{"a word where a number belongs", `workload.state > 3`, "mismatched types string and int"},
		{"a number where a word belongs", `http.status == "200"`, "mismatched types float64 and string"},
		{"a truth compared with a number", `synthetic.ok == 1`, "mismatched types bool and int"},
		{"no truth at the end", `pool.size + 1`, "expected bool, but got float64"},
		{"no truth beside and", `pool.size and synthetic.ok`, "expected bool"},
		{"a percentage for a share", `pool.utilization > 95`, "pool.utilization is a share from 0 to 1, not a percentage: did you mean 0.95?"},
		{"a percentage on the left", `96.5 < pool.reported`, "did you mean 0.965?"},
		{"a word that never comes", `http.outcome == "noreply"`, `http.outcome is never "noreply", did you mean no-reply?`},
		{"a word that never comes, in a list", `sql.outcome in ["ok", "frosen"]`, "did you mean frozen?"},
		{"has without quotes", `has(pool.size) and pool.size > 1`, "has() wants the quoted name of a fact"},
		{"has of nothing known", `has("pool.sise") and pool.size > 1`, "did you mean pool.size?"},
		{"age with an argument", `age("pool.size") > 3`, "age() takes nothing"},
		{"a duration that is none", `age() > seconds("tomorrow") and pool.size > 1`, `"tomorrow" is no duration`},
		{"a size that is none", `memory.current > bytes("lots")`, `"lots" is no size`},
		{"an infinite size", `memory.current > bytes("InfMiB")`, `"InfMiB" is no size`},
		{"a loop", `any([1, 2], # > pool.size)`, "unknown function any"},
		{"a range", `pool.size in 1..1000000000`, "in wants a list"},
		{"a range by itself", `1..3 == 2`, "cannot be used"},
		{"a growing text", `repeat("x", 1000000000) == health.error`, "unknown function repeat"},
		{"a clock", `now().Year() == 2026 and pool.size > 1`, "only age, has, seconds and bytes can be called"},
		{"a variable", `let x = pool.size; x > 1`, "cannot be used in a rule"},
		{"a pipe", `pool.size | string()`, "cannot be used in a rule|unknown function"},
		{"optional access", `pool?.size > 1`, "this is no fact"},
		{"a computed name", `disk.share[health.error] > 0.9`, "this is no fact"},
		{"a map", `{"a": 1}.a == pool.size`, "this is no fact"},
		{"a list of facts", `1 in [pool.size]`, "a list may hold numbers, words and truths only"},
		{"a pattern made at run time", `health.error matches health.status`, "matches wants a quoted pattern"},
		{"a broken pattern", `health.error matches "("`, "missing closing"},
		{"no evidence at all", `1 < 2`, "without any evidence"},
		{"a side of or without evidence", `true or pool.size > 1`, "without any evidence"},
		{"circumstances only", `has("pool.size") and age() > 5`, "without any evidence"},
		{"half an expression", `pool.size >`, "unexpected token EOF"},
		{"nothing", "  ", "is empty"},
		{"too long", `pool.size > 1 or ` + strings.Repeat(" ", maxRule) + `pool.size > 2`, "the limit is 2000"},
		{"too many parts", strings.Repeat("pool.size>1||", 150) + "pool.size>2", "exceeds maximum allowed nodes"},
		{"deeply nested", strings.Repeat("(", 900) + "pool.size" + strings.Repeat(")", 900) + "> 1", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := CompileRule(Rule{Name: "mine", When: c.when})
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			require.Error(t, err)
			found := false
			for _, w := range strings.Split(c.want, "|") {
				found = found || strings.Contains(err.Error(), w)
			}
			require.True(t, found, "%q does not say %q", err, c.want)
			require.NotContains(t, err.Error(), "\n")
		})
	}
}

func TestTheFrameOfARuleIsChecked(t *testing.T) {
	ok := Rule{Name: "pool-creep", When: "pool.size > 1"}
	for _, c := range []struct {
		name   string
		change func(*Rule)
		want   string
	}{
		{"a built-in name", func(r *Rule) { r.Name = "pool" }, "pool is a built-in class"},
		{"no name", func(r *Rule) { r.Name = "" }, "is not a class name"},
		{"a name with spaces", func(r *Rule) { r.Name = "Pool creep" }, "is not a class name"},
		{"a negative time", func(r *Rule) { r.For = -time.Second }, "must not be negative"},
		{"an unknown kind", func(r *Rule) { r.Kinds = []Kind{"kubernetes"} }, "no kind of target"},
		{"evidence that it does not look at", func(r *Rule) { r.Witnesses = []Witness{ByHTTP, ByPlatform} }, `looks at no fact of kind "workload" (it looks at http)`},
		{"evidence that it cannot look at", func(r *Rule) { r.Witnesses = []Witness{ByDependents} }, "a rule sees one target only"},
		{"evidence that accuses nobody", func(r *Rule) { r.Witnesses = []Witness{ByHTTP, ByHost} }, "host accuses no target in particular"},
		{"a severity beyond the scale", func(r *Rule) { r.Severity = 9 }, "want P1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := ok
			c.change(&r)
			_, err := CompileRule(r)
			require.ErrorContains(t, err, c.want)
			wrong, ok := errors.AsType[*RuleError](err)
			require.True(t, ok, "the key that is wrong is known")
			require.Equal(t, wrong.Key+": "+wrong.Err.Error(), err.Error())
		})
	}
	cond, err := CompileRule(ok)
	require.NoError(t, err)
	cond.Match = nil
	require.Equal(t, Condition{Class: "pool-creep", Kinds: []Kind{KindService, KindPostgres, KindPlain}, Severity: P3, Looks: 2,
		Summary: "rule pool-creep holds: pool.size > 1", Facts: []string{PoolSize}}, cond)
}

func TestARuleWithNarrowedEvidenceNeverCountsMore(t *testing.T) {
	cond, err := CompileRule(Rule{Name: "mine", When: `http.latency > 1 and workload.state == "running" or synthetic.latency > 1`, Witnesses: []Witness{ByHTTP}})
	require.NoError(t, err)
	facts := Facts{HTTPLatency: Num(2), WorkloadState: Word(StateRunning), SyntheticLatency: Num(0)}
	require.Equal(t, []Witness{ByHTTP}, cond.Match(Observation{Facts: facts}, Background{}).Witnesses)
	facts = Facts{HTTPLatency: Num(0), WorkloadState: Word(StateRunning), SyntheticLatency: Num(2)}
	require.Equal(t, []Witness{BySynthetic}, cond.Match(Observation{Facts: facts}, Background{}).Witnesses)
}

func TestARuleHoldsForItsTargetsOnly(t *testing.T) {
	cond, err := CompileRule(Rule{Name: "mine", When: "pool.size > 1", Targets: []string{"a"}, Because: "too\n many ", Looks: 4})
	require.NoError(t, err)
	o := Observation{Facts: Facts{PoolSize: Num(2)}}
	require.Equal(t, "too many (pool.size 2)", cond.Match(o, Background{Target: Target{Name: "a"}}).Because)
	require.Equal(t, Finding{}, cond.Match(o, Background{Target: Target{Name: "b"}}))
	require.Equal(t, 4, cond.Looks)
}

func TestWhatARuleAsksFor(t *testing.T) {
	cond, err := CompileRule(Rule{Name: "mine", When: `process.fds > 900 and has("pool.size") or disk.share["/var"] > 0.9`, Kinds: []Kind{KindService}, Targets: []string{"a"}})
	require.NoError(t, err)
	require.Equal(t, []string{ProcessFDs, PoolSize, DiskShare + "/var"}, cond.Facts)
	a := Target{Name: "a", Kind: KindService}
	require.True(t, cond.Asks(a, "process."))
	require.False(t, cond.Asks(a, "socket."))
	require.False(t, cond.Asks(Target{Name: "b", Kind: KindService}, "process."), "it is not about that target")
	require.False(t, cond.Asks(Target{Name: "a", Kind: KindPlain}, "process."), "nor about that kind")
}
