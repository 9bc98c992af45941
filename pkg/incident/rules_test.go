package incident

import (
	"flag"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "rewrite generated files")

// consistent says whether a combination of flags can occur at all: the flags imply each other.
func consistent(f flags) bool {
	implies := []struct{ a, b flags }{
		{cleared, good}, {masked, bad}, {held, bad}, {confirmed, bad}, {pageFirst, bad}, {rung, bad},
		{endedOK, ended}, {endedDenied, ended}, {undoable, rung},
	}
	for _, i := range implies {
		if f&i.a != 0 && f&i.b == 0 {
			return false
		}
	}
	excludes := []flags{bad | good, bad | unclear, good | unclear, endedOK | endedDenied, masked | held, masked | rung}
	for _, x := range excludes {
		if f&x == x {
			return false
		}
	}
	return true
}

func TestEveryCombinationOfFlagsMatchesARuleAndNoRuleIsDead(t *testing.T) {
	table := rules()
	used := make([]map[int]bool, len(table))
	for i := range used {
		used[i] = map[int]bool{}
	}
	for f := flags(0); f < 1<<nFlags; f++ {
		if !consistent(f) {
			continue
		}
		for ph, rs := range table {
			hit := -1
			for i, r := range rs {
				if f&r.need == r.need && f&r.deny == 0 {
					hit = i
					break
				}
			}
			if hit < 0 {
				t.Fatalf("in phase %s no rule matches the flags %q", Phase(ph), f)
			}
			used[ph][hit] = true
		}
	}
	for ph, rs := range table {
		for i, r := range rs {
			require.True(t, used[ph][i], "phase %s: rule %d (needs %q, unless %q) can never match", Phase(ph), i, r.need, r.deny)
		}
	}
}

func TestDecisionTablePageIsInStepWithTheRules(t *testing.T) {
	const path = "../../docs/decision-table.md"
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(DecisionTable()), 0o644))
	}
	page, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, DecisionTable(), string(page), "stale: go test ./pkg/incident -run TestDecisionTable -update")
}
