package detect

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// mild are the built-in strategies that end nobody's work (no action of their plans has Disrupts
// set); all others need two witnesses.
var mild = []string{"start", "terminate-idle", "resize-pool"}

func TestNoPairThatDisruptsContainsAnAlert(t *testing.T) {
	for _, p := range Pairs() {
		require.NotEqual(t, ByAlert, p.A, p.Why)
		require.NotEqual(t, ByAlert, p.B, p.Why)
	}
	for _, c := range append(BuiltinClasses(), "an-operators-class") {
		for _, w := range []Witness{ByHTTP, ByPlatform, BySQL, ByMemory, ByProcess, BySocket} {
			_, ok := Agree(c, []Witness{ByAlert, w})
			require.False(t, ok, "%s: alert and %s must not agree", c, w)
		}
	}
}

func TestPairsAreOfTwoKindsAndWrittenOnce(t *testing.T) {
	type key struct {
		c    Class
		a, b Witness
	}
	seen := map[key]bool{}
	for _, p := range Pairs() {
		require.NotEqual(t, p.A, p.B, p.Why)
		require.Contains(t, BuiltinClasses(), p.Class)
		require.NotEmpty(t, p.Why)
		require.False(t, seen[key{p.Class, p.A, p.B}] || seen[key{p.Class, p.B, p.A}], "%s: %s and %s twice", p.Class, p.A, p.B)
		seen[key{p.Class, p.A, p.B}] = true
		got, ok := Agree(p.Class, []Witness{p.B, ByDisk, p.A})
		require.True(t, ok)
		require.Equal(t, p.Class, got.Class)
		for _, one := range []Witness{p.A, p.B} {
			_, ok := Agree(p.Class, []Witness{one, one})
			require.False(t, ok, "%s: %s twice is one witness", p.Class, one)
		}
	}
}

func TestEveryClassHasAPairOrDisruptsNobody(t *testing.T) {
	for _, c := range Builtin() {
		require.Contains(t, BuiltinClasses(), c.Class)
		require.NotEmpty(t, c.Summary)
		hasPair := slices.ContainsFunc(Pairs(), func(p Pair) bool { return p.Class == c.Class })
		disrupts := slices.ContainsFunc(c.Ladder, func(s string) bool { return !slices.Contains(mild, s) })
		require.True(t, hasPair || !disrupts, "%s: its ladder %v disrupts, and no two witnesses can ever agree", c.Class, c.Ladder)
	}
	for _, c := range BuiltinClasses() {
		require.True(t, slices.ContainsFunc(Builtin(), func(b Condition) bool { return b.Class == c }), "no condition declares %s", c)
	}
}

func TestConditionsOfOneClassAgreeOnTheirLadder(t *testing.T) {
	for _, c := range Builtin() {
		for _, k := range c.Kinds {
			speaks, ok := ConditionFor(c.Class, k, nil)
			require.True(t, ok)
			if len(c.Ladder) > 0 {
				require.Equal(t, speaks.Ladder, c.Ladder, "%s on %s: the ladder that is declared is not the one that is used", c.Class, k)
			}
		}
	}
}

func TestAnOperatorsClassNeedsTwoDifferentKinds(t *testing.T) {
	for _, c := range []struct {
		name string
		ws   []Witness
		want bool
	}{
		{"nobody", nil, false},
		{"one", []Witness{ByHTTP}, false},
		{"the same twice", []Witness{ByHTTP, ByHTTP}, false},
		{"two", []Witness{ByHTTP, ByProcess}, true},
		{"one and an alert", []Witness{ByAlert, ByHTTP, ByAlert}, false},
		{"two and an alert between them", []Witness{ByHTTP, ByAlert, BySQL}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, ok := Agree("descriptor-leak", c.ws)
			require.Equal(t, c.want, ok)
		})
	}
}
