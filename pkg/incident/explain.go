package incident

import (
	"math/bits"
	"slices"
	"strings"
)

// row is the place of a rule in the decision table.
type row struct {
	phase Phase
	n     int
}

// words writes a rule as one line: "bad confirmed rung, unless masked held page-first".
func (r rule) words() string {
	out := r.need.String()
	if out == "" {
		out = "in any case"
	}
	if r.deny != 0 {
		out += ", unless " + r.deny.String()
	}
	return out
}

// Near is a row of the decision table that was asked before the one that decided, and that one
// truth more or less would have made to decide.
type Near struct {
	Rule string `json:"rule"`
	To   Phase  `json:"to"`
	Why  Reason `json:"why"` // for a row that holds back: verdict-unknown stands for the reason that would have applied
	// Missing is the truth that it lacked, Barred the one that kept it from deciding; one of them is "".
	Missing string `json:"missing,omitzero"`
	Barred  string `json:"barred,omitzero"`
}

// Nearly lists the rows that nearly decided instead of the one in the record, in their order. It is
// empty for a record that was not decided by the table (a pause), or by another version of it.
func Nearly(rec Record) (out []Near) {
	seen, ok := readFlags(rec.Seen)
	if !ok || rec.Rule == "" {
		return nil
	}
	for _, ph := range []Phase{rec.From, Suspect} { // a conclusive first look passes through Suspect
		rows := rules()[ph]
		decided := slices.IndexFunc(rows, func(r rule) bool { return r.words() == rec.Rule && r.to == rec.To })
		if decided < 0 || ph != rec.From && rec.From != Watching {
			continue
		}
		for _, r := range rows[:decided] {
			lacks, bars := r.need&^seen, r.deny&seen
			if bits.OnesCount32(uint32(lacks))+bits.OnesCount32(uint32(bars)) != 1 {
				continue
			}
			out = append(out, Near{Rule: r.words(), To: r.to, Why: r.why, Missing: lacks.String(), Barred: bars.String()})
		}
		return out
	}
	return nil
}

// readFlags reads what flags.String wrote.
func readFlags(s string) (f flags, ok bool) {
	for name := range strings.FieldsSeq(s) {
		i := slices.Index(flagNames[:], name)
		if i < 0 {
			return 0, false
		}
		f |= 1 << i
	}
	return f, true
}

// Asked is one reason not to act, and what came of asking for it.
type Asked struct {
	Hold    Reason `json:"hold"`
	Applies bool   `json:"applies,omitzero"`
	Why     string `json:"why"` // what the reason means; of the one that applies what it was
}

// HoldsAsked lists the reasons not to act that were asked before the record's decision, in their
// order; the last applies when nothing was done. It is empty for a decision of another sort. Reasons
// that do not concern the plan (a second witness for what disrupts nobody, a budget for taking a
// change back) are left out.
func HoldsAsked(rec Record) (out []Asked) {
	if rec.Reason != Act && rec.Reason != Undo && (rec.To != Held || !slices.Contains(Holds(), rec.Reason)) {
		return nil
	}
	gentle := rec.Reason == Act && rec.After != nil && rec.After.Plan != nil && !rec.After.Plan.Disrupts()
	for i, h := range Holds() {
		switch {
		case h == rec.Reason:
			why := holdWords[h]
			if rec.Incident != nil && rec.Incident.Held == h {
				why = rec.Incident.HeldWhy
			}
			return append(out, Asked{h, true, why})
		case gentle && (h == HoldOneWitness || h == HoldStall || h == HoldInFlight),
			rec.Reason == Undo && (h == HoldApproval || i >= slices.Index(Holds(), HoldHealing)):
		default:
			out = append(out, Asked{Hold: h, Why: holdWords[h]})
		}
	}
	return out
}
