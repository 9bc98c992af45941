package detect

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// words that a reading may carry, whatever the fact: all that mean something to a condition, and
// some that do not.
var someWords = []string{
	"", "healthy", "degraded", "unhealthy", "connected", "disconnected", "connecting", "active", "inactive", "failed", "activating",
	"deactivating", "reloading", "maintenance", "auto-restart", "not-found", "masked", "loaded", "success", "signal", "oom-kill", "killed", "exited",
	"stopped", "crash", "start-limit-hit", "T", "D", "R", "Z", "ok", "refused", "timeout", "unreachable", "error", "unknown", "frozen", "saturated",
	"starting", "denied", "no-connect", "procfs", "systemd", OutcomeReply, OutcomeNoReply, OutcomeReset, OutcomeDNS, OutcomeTLS, OutcomeNotFound,
	OutcomeLimited, OutcomeHTML, OutcomeGarbage, OutcomeTooLarge, OutcomeRedirect, OutcomeRPC, OutcomeHTTPError, "banana",
	"Health check failed: ValidationError", "Health service not initialized", "ends with a stop.", "two\nlines",
}

var someNumbers = []float64{0, 1, 2, 9, 21, 29, 30, 0.5, 0.8, 0.95, 0.97, 97, 100, 200, 404, 500, 503, -1, 1 << 30, 1 << 31, math.MaxUint64,
	math.MaxFloat64, -math.MaxFloat64, math.SmallestNonzeroFloat64, math.Inf(1), math.Inf(-1), math.NaN(), 2e9 - 5, 2e9 + 500, 2e9 - 3600}

// someFacts draws a subset of all facts, with readings that are right, extreme, or not measured.
func someFacts(t *rapid.T, label string) Facts {
	out := Facts{}
	table := FactTable()
	for _, i := range rapid.SliceOfNDistinct(rapid.IntRange(0, len(table)-1), 0, 40, rapid.ID[int]).Draw(t, label) {
		f := table[i]
		name := f.Name
		if f.Prefix {
			name += rapid.SampledFrom([]string{"codebase-mcp", "/var/lib", "/"}).Draw(t, "suffix")
		}
		words := slices.Concat(f.Words, f.Words, someWords) // mostly those that belong there
		switch {
		case rapid.IntRange(0, 9).Draw(t, "measured") == 0:
			out[name] = NotMeasured("could not look")
		case f.Type == Text:
			out[name] = Word(rapid.SampledFrom(words).Draw(t, name))
		case f.Type == Truth:
			out[name] = Flag(rapid.Bool().Draw(t, name))
		default:
			out[name] = Num(rapid.OneOf(rapid.SampledFrom(someNumbers), rapid.Float64()).Draw(t, name))
		}
	}
	return out
}

func someTarget(t *rapid.T, name string, kind Kind) Target {
	return Target{Name: name, Kind: kind, Object: name + ".service", Platform: "systemd",
		External:   rapid.Bool().Draw(t, "external"),
		StartGrace: time.Duration(rapid.IntRange(0, 60).Draw(t, "grace")) * time.Second,
		Limits:     Limits{Latency: time.Duration(rapid.IntRange(0, 2).Draw(t, "latency")) * time.Second},
		Memory:     Memory{Limit: rapid.SampledFrom([]uint64{0, 1 << 30, math.MaxUint64}).Draw(t, "memory limit")},
		Pool:       Pool{Application: rapid.SampledFrom([]string{"", "codebase-mcp"}).Draw(t, "application")},
	}
}

// someLook draws one observation and what is known around it.
func someLook(t *rapid.T, kind Kind) (Observation, Background) {
	at := time.Unix(2_000_000_000, 0)
	neighbour := func(name string, k Kind) Neighbour {
		n := Neighbour{Target: someTarget(t, name, k)}
		if rapid.IntRange(0, 5).Draw(t, "seen") > 0 {
			n.Observation = Observation{Target: name, Facts: someFacts(t, name),
				At: at.Add(-time.Duration(rapid.SampledFrom([]int{0, 1, 60, -60}).Draw(t, "age")) * time.Second)}
			n.Diagnosis = Diagnose(n.Observation, Background{Target: n.Target})
		}
		return n
	}
	b := Background{Target: someTarget(t, "x", kind), Answered: rapid.Bool().Draw(t, "answered")}
	if rapid.Bool().Draw(t, "has database") {
		b.Needs = append(b.Needs, neighbour("main", KindPostgres))
	}
	if rapid.Bool().Draw(t, "has cache") {
		b.Needs = append(b.Needs, neighbour("redis", KindPlain))
	}
	for i := range rapid.IntRange(0, 2).Draw(t, "dependents") {
		b.Dependents = append(b.Dependents, neighbour(fmt.Sprint("s", i), KindService))
	}
	return Observation{Target: "x", At: at, Facts: someFacts(t, "facts")}, b
}

var allKinds = []Kind{KindService, KindPostgres, KindPlain}

// checkDiagnosis holds every diagnosis to what the rest of recoveryd relies on.
func checkDiagnosis(t require.TestingT, o Observation, b Background) Diagnosis {
	before := maps.Clone(o.Facts)
	d := Diagnose(o, b)
	require.Equal(t, d, Diagnose(o, b), "the same look must give the same diagnosis")
	require.Equal(t, fmt.Sprint(before), fmt.Sprint(o.Facts), "a look must not be modified")
	sentence := func(s string) {
		require.NotEmpty(t, s)
		require.NotContains(t, s, "\n")
		require.Equal(t, strings.TrimRight(s, " .,;:"), s, "no noise at the end of a sentence")
		require.NotContains(t, s, "%!", "a format went wrong")
	}
	sentence(d.Because)
	for _, c := range d.Considered {
		sentence(c.Because)
	}
	switch d.Verdict {
	case Unhealthy:
		require.NotEmpty(t, d.Culprit, d.Because)
		require.NotEmpty(t, d.Class, d.Because)
		require.NotEmpty(t, d.Witnesses, d.Because)
	case Healthy:
		require.Empty(t, d.Class)
		require.Empty(t, d.Culprit)
		require.Empty(t, d.Severity)
	}
	seen := map[Witness]bool{}
	for _, w := range d.Witnesses {
		require.False(t, seen[w], "%s is named twice in %v", w, d.Witnesses)
		seen[w] = true
		require.True(t, saw(w, o, b), "%s is named as a witness and saw nothing: %s", w, d.Because)
	}
	return d
}

// saw reports whether a kind of evidence measured anything at all.
func saw(w Witness, o Observation, b Background) bool {
	measured := func(f Facts) bool {
		for name, r := range f {
			if r.Err == "" && witnessOf(name) == w {
				return true
			}
		}
		return false
	}
	if measured(o.Facts) {
		return true
	}
	switch w {
	case ByDependents:
		return len(b.Dependents) > 0
	case BySocket: // a refused connection is the kernel's word, whoever asked for it
		return o.Facts.Text(HTTPOutcome) == OutcomeRefused || o.Facts.Text(PlainOutcome) == "refused"
	case ByProcess: // resident memory, told by the platform instead of the accounting
		return o.Facts.Text(MemorySource) == "procfs"
	case BySQL, ByPlain, ByPlatform: // as seen at what the target needs
		return slices.ContainsFunc(b.Needs, func(n Neighbour) bool { return measured(n.Observation.Facts) })
	}
	return false
}

func TestAnyLookGivesADiagnosisThatCanBeTold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o, b := someLook(t, rapid.SampledFrom(allKinds).Draw(t, "kind"))
		checkDiagnosis(t, o, b)
	})
}

func TestWhatCouldNotBeMeasuredNeverMakesATargetUnhealthy(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o, b := someLook(t, rapid.SampledFrom(allKinds).Draw(t, "kind"))
		before := Diagnose(o, b)
		if before.Verdict == Unhealthy {
			t.Skip("it is unhealthy already")
		}
		more := maps.Clone(o.Facts)
		for _, f := range FactTable() {
			if _, there := more[f.Name]; !there && !f.Prefix && rapid.Bool().Draw(t, f.Name) {
				more[f.Name] = NotMeasured("could not look")
			}
		}
		after := Diagnose(Observation{Target: o.Target, At: o.At, Facts: more}, b)
		require.NotEqual(t, Unhealthy, after.Verdict, "%s: %s, after %s: %s", before.Verdict, before.Because, after.Verdict, after.Because)
	})
}

func TestALookThatSawNothingIsUnknown(t *testing.T) {
	for _, k := range allKinds {
		for name, facts := range map[string]Facts{"no facts": {}, "all not measured": allNotMeasured()} {
			d := Diagnose(Observation{Target: "x", At: time.Unix(2e9, 0), Facts: facts}, Background{Target: Target{Name: "x", Kind: k}})
			require.Equal(t, Unknown, d.Verdict, "%s, %s: %s", k, name, d.Because)
		}
	}
}

func allNotMeasured() Facts {
	f := Facts{}
	for _, x := range FactTable() {
		if !x.Prefix {
			f[x.Name] = NotMeasured("could not look")
		}
	}
	return f
}

func TestAnsweringSQLIsNeverADeadDatabase(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o, b := someLook(t, KindPostgres)
		o.Facts[SQLOutcome] = Word(rapid.SampledFrom([]string{SQLOK, SQLSaturated, SQLDenied, SQLFailed, SQLStarting}).Draw(t, "sql"))
		d := Diagnose(o, b)
		require.False(t, d.Verdict == Unhealthy && d.Class == ClassDatabase, d.Because)
		if d.Verdict == Unhealthy {
			for _, s := range ladderOf(d.Class, KindPostgres) {
				require.NotContains(t, []string{"restart", "kill-start"}, s, "%s: %s", d.Class, d.Because)
			}
		}
	})
}

func TestEvidenceAboutTheProbeIsNeverAWitnessAgainstTheService(t *testing.T) {
	aboutUs := []string{OutcomeNotFound, OutcomeDenied, OutcomeLimited, OutcomeHTML, OutcomeTLS, OutcomeDNS, OutcomeRedirect,
		OutcomeGarbage, OutcomeTooLarge, OutcomeRPC, OutcomePartial, OutcomeStream}
	rapid.Check(t, func(t *rapid.T) {
		o, b := someLook(t, KindService)
		o.Facts[HTTPOutcome] = Word(rapid.SampledFrom(aboutUs).Draw(t, "outcome"))
		for name := range o.Facts {
			if witnessOf(name) == ByHTTP && name != HTTPOutcome {
				delete(o.Facts, name) // no payload came
			}
		}
		d := Diagnose(o, b)
		require.False(t, d.Verdict == Unhealthy && slices.Contains(d.Witnesses, ByHTTP), "%v: %s", d.Witnesses, d.Because)
	})
}

func ladderOf(c Class, k Kind) []string {
	cond, _ := ConditionFor(c, k, nil)
	return cond.Ladder
}

func TestAYoungTargetThatHasNotAnsweredIsNotJudged(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o, b := someLook(t, rapid.SampledFrom(allKinds).Draw(t, "kind"))
		b.Target.StartGrace, b.Answered = 30*time.Second, false
		maps.Copy(o.Facts, Facts{WorkloadState: Word(StateRunning), WorkloadSince: Num(float64(o.At.Unix() - 5))})
		if serves(o.Facts) {
			t.Skip("it has answered")
		}
		require.NotEqual(t, Unhealthy, Diagnose(o, b).Verdict)
	})
}

func TestAServiceNeverBlamesItselfWhileItsDatabaseIsDeadOrFrozen(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o, b := someLook(t, KindService)
		db := Neighbour{Target: Target{Name: "main", Kind: KindPostgres}, Observation: Observation{Target: "main", At: o.At,
			Facts: Facts{SQLOutcome: Word(rapid.SampledFrom([]string{SQLRefused, SQLFrozen}).Draw(t, "sql"))}}}
		db.Diagnosis = Diagnose(db.Observation, Background{Target: db.Target})
		b.Needs = []Neighbour{db}
		d := Diagnose(o, b)
		mute := d.Class == ClassHung || d.Class == ClassDown
		require.False(t, d.Verdict == Unhealthy && mute && !d.Masked(), "%s: a restart now would only make it exit", d.Because)
	})
}
