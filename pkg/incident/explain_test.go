package incident

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/strategy"
)

func TestARowThatNearlyDecidedSaysWhatItLacked(t *testing.T) {
	// One witness: held back. Without the hold it would have acted.
	got := Nearly(Record{From: Suspect, To: Held, Rule: "bad confirmed held, unless masked", Seen: "bad confirmed held rung", Reason: HoldOneWitness})
	require.Equal(t, []Near{{Rule: "bad confirmed masked", To: Held, Why: HoldDependency, Missing: "masked"}}, got, "the rows before it, which were asked")

	got = Nearly(Record{From: Suspect, To: Suspect, Rule: "bad, unless confirmed", Seen: "bad rung", Reason: Confirming})
	require.Contains(t, got, Near{Rule: "bad confirmed rung, unless masked held page-first", To: Acting, Why: Act, Missing: "confirmed"})

	got = Nearly(Record{From: Verifying, To: Verifying, Rule: "in any case, unless verify-over", Seen: "good cleared", Reason: NoChange})
	require.Contains(t, got, Near{Rule: "cleared new-run", To: Probation, Why: Verified, Missing: "new-run"})
	require.Contains(t, got, Near{Rule: "cleared verify-over, unless new-run", To: Probation, Why: ClearedByItself, Missing: "verify-over"})
}

func TestARecordOfAnotherVersionOrOfThePauseHasNoNearRows(t *testing.T) {
	require.Nil(t, Nearly(Record{Rule: "bad", Seen: "something-new"}))
	require.Nil(t, Nearly(Record{}))
	require.Nil(t, Nearly(Record{From: Suspect, To: Held, Rule: "a row that is gone", Seen: "bad"}))
}

// TestEveryRowIsFoundAgain proves that the words of each row name it within its phase and next phase,
// and that no row nearly decides instead of itself.
func TestEveryRowIsFoundAgain(t *testing.T) {
	for ph, rows := range rules() {
		for i, r := range rows {
			same := slices.IndexFunc(rows, func(x rule) bool { return x.words() == r.words() && x.to == r.to })
			require.Equal(t, i, same, "%s: %s", Phase(ph), r.words())
			f, ok := readFlags(r.need.String())
			require.True(t, ok)
			require.Equal(t, r.need, f)
		}
	}
}

func TestTheReasonsNotToActAreListedUpToTheOneThatApplies(t *testing.T) {
	got := HoldsAsked(Record{To: Held, Reason: HoldCommand, Incident: &Incident{Held: HoldCommand, HeldWhy: "held by ann"}})
	require.Len(t, got, 5)
	require.Equal(t, Asked{HoldCommand, true, "held by ann"}, got[4])
	require.Equal(t, HoldJournal, got[0].Hold)

	restart := &TargetState{Plan: &strategy.Plan{Actions: []strategy.Action{{Disrupts: true}}}}
	require.Len(t, HoldsAsked(Record{To: Acting, Reason: Act, After: restart}), len(Holds()))
	start := &TargetState{Plan: &strategy.Plan{Actions: []strategy.Action{{}}}}
	for _, a := range HoldsAsked(Record{To: Acting, Reason: Act, After: start}) {
		require.NotContains(t, []Reason{HoldOneWitness, HoldInFlight}, a.Hold, "a start disrupts nobody")
		require.False(t, a.Applies)
	}
	require.Nil(t, HoldsAsked(Record{To: Verifying, Reason: ActionOver}))
}
