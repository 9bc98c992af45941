package incident

import (
	"fmt"
	"strings"
)

// DecisionTable renders the rules as the Markdown page docs/decision-table.md, from the very
// slices that Step reads.
func DecisionTable() string {
	var b strings.Builder
	b.WriteString(`# Decision table

Generated from ` + "`pkg/incident/rules.go`" + ` (` + "`go test ./pkg/incident -run TestDecisionTable -update`" + ` rewrites it).
In each phase the first row whose *needs* all hold, and whose *unless* all do not, decides.
Rows that lead to **held** carry the reason that applies, in the order given at the end.

`)
	for ph, rs := range rules() {
		fmt.Fprintf(&b, "## %s\n\n| needs | unless | next phase | reason | does |\n|---|---|---|---|---|\n", Phase(ph))
		for _, r := range rs {
			var does []string
			for _, m := range r.do {
				does = append(does, m.name)
			}
			why := string(r.why)
			if r.to == Held && r.why == HoldUnknown {
				why = "(the hold reason)"
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", cell(r.need), cell(r.deny), r.to, why, strings.Join(does, ", "))
		}
		b.WriteString("\n")
	}
	b.WriteString("## Reasons not to act, in the order in which they are asked\n\n")
	for i, h := range Holds() {
		fmt.Fprintf(&b, "%d. `%s`: %s\n", i+1, h, holdWords[h])
	}
	return b.String()
}

func cell(f flags) string {
	if f == 0 {
		return ""
	}
	return strings.ReplaceAll(f.String(), " ", ", ")
}

var holdWords = map[Reason]string{
	HoldJournal:     "the intent could not be made durable; recoveryd may only page",
	HoldStop:        "the stop file exists: nothing is done on this host",
	HoldPaused:      "a person paused everything",
	HoldOperator:    "a person stopped, masked or is restarting the unit, or nothing asks for it to run",
	HoldCommand:     "a person holds this target",
	HoldPlaybook:    "a playbook has the target in hand; what it does is judged when that is over",
	HoldHalted:      "a playbook failed and keeps the target as it is, until a person ends the run",
	HoldMaintenance: "a maintenance window is open, or packages are being upgraded",
	HoldDependency:  "the culprit is another target; this one waits in its incident",
	HoldUnknown:     "it cannot be told what is wrong",
	HoldObserve:     "this target is only observed",
	HoldApproval:    "this target's actions need a person's yes",
	HoldOneWitness:  "a disruptive action needs two kinds of evidence that agree",
	HoldStall:       "the host itself stalls for memory or disk: what does not answer may be well",
	HoldRecovering:  "what it needs is being treated",
	HoldInFlight:    "another disruptive action runs on this host",
	HoldSystemd:     "systemd itself is restarting the unit",
	HoldBackoff:     "the pause after a failed attempt",
	HoldStartLimit:  "one more start would use up systemd's start limit of the unit",
	HoldTarget:      "this target's actions for the window are used up",
	HoldClass:       "the actions against this failure class, on all targets, for the window are used up",
	HoldHost:        "the host's actions for the window are used up",
	HoldStorm:       "too many targets at once: something larger is wrong",
}
