package incident

import (
	"fmt"
	"strings"
	"time"

	"github.com/recoveryd/recoveryd/pkg/detect"
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

// WakeTable renders as Markdown, per class and mode, what must be seen before anybody is told of a
// problem: of each built-in class with the times of a configuration.
func WakeTable(after PageAfter, deadline time.Duration) string {
	p := &Policy{o: Options{PageAfter: after}}
	var b strings.Builder
	b.WriteString("| class | of a | severity | confirmed by | auto | propose | observe, or nothing to act on, or on another host |\n|---|---|---|---|---|---|---|\n")
	for _, c := range detect.Builtin() {
		for _, k := range c.Kinds {
			if first, _ := detect.ConditionFor(c.Class, k, nil); first.Summary != c.Summary {
				continue // another condition of the class sets its times
			}
			tm := p.merge(detect.Target{Kind: k}, c.Class)
			seen := fmt.Sprintf("%d looks", tm.Looks)
			if tm.Looks == 1 {
				seen = "1 look"
			}
			if tm.For > 0 {
				seen += " and " + words(tm.For)
			}
			helpless := "seen for " + words(tm.Lasts)
			auto, propose := "at the end of its ladder, at the latest after "+words(after.Unresolved), "proposed at once; told after "+words(deadline)+" without a yes"
			switch {
			case c.Class == detect.ClassMisconfigured: // its verdict is unknown
				helpless = "when confirmed"
				auto, propose = helpless, helpless
			case len(tm.Ladder) == 0:
				auto, propose = helpless, helpless
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s |\n", c.Class, k, tm.Severity, seen, auto, propose, helpless)
		}
	}
	fmt.Fprintf(&b, "| (cannot be told) | all | P3 | %s | when confirmed | when confirmed | when confirmed |\n", words(after.Unknown))
	if after.Degraded > 0 {
		fmt.Fprintf(&b, "| (degraded by its own word) | all | P3 | %s | when confirmed | when confirmed | when confirmed |\n", words(after.Degraded))
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
	HoldOperator:    "a person stopped, disabled or is restarting it, or nothing asks for it to run",
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
	HoldHealing:     "its platform itself is starting or restarting it, or does something to it that nobody is known to have asked for",
	HoldBackoff:     "the pause after a failed attempt",
	HoldStartLimit:  "one more start would use up its platform's own start limit",
	HoldTarget:      "this target's actions for the window are used up",
	HoldClass:       "the actions against this failure class, on all targets, for the window are used up",
	HoldHost:        "the host's actions for the window are used up",
	HoldStorm:       "too many targets at once: something larger is wrong",
}
