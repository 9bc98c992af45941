package incident

import "fmt"

// Phase is where one target stands. The zero value is Watching: nothing is known to be wrong.
type Phase uint8

// The phases of a target.
const (
	Watching  Phase = iota // nothing is known to be wrong
	Suspect                // something looks wrong and is being asked again
	Held                   // confirmed, and there is a stated reason not to act
	Acting                 // one action is in flight
	Verifying              // the action is over; its effect is being proven by observation
	Probation              // the condition is clear; a relapse still belongs to this incident
	Escalated              // people were told; recoveryd acts no more until it changes
)

var phaseNames = [...]string{"watching", "suspect", "held", "acting", "verifying", "probation", "escalated"}

// Phases lists all phases in order.
func Phases() []Phase {
	return []Phase{Watching, Suspect, Held, Acting, Verifying, Probation, Escalated}
}

// String returns the word used in logs, the journal and metrics.
func (p Phase) String() string {
	if int(p) < len(phaseNames) {
		return phaseNames[p]
	}
	return fmt.Sprintf("phase(%d)", uint8(p))
}

// MarshalText makes phases readable in the journal.
func (p Phase) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (p *Phase) UnmarshalText(b []byte) error {
	for i, n := range phaseNames {
		if n == string(b) {
			*p = Phase(i)
			return nil
		}
	}
	return fmt.Errorf("unknown phase %q", b)
}

// Reason is a stable slug: in the journal, as a log field, as a metric label. The set is closed.
type Reason string

// Why a target moved, or stayed.
const (
	NoChange          Reason = "no-change"
	FirstSign         Reason = "first-sign"          // one bad look: ask again before believing it
	Confirming        Reason = "confirming"          // bad again, not yet often or long enough
	Blip              Reason = "blip"                // gone before it was confirmed
	CannotTell        Reason = "cannot-tell"         // unknown verdict: waiting for a better look
	UnknownTooLong    Reason = "unknown-too-long"    // unknown for so long that a person must look
	DegradedTooLong   Reason = "degraded-too-long"   // degraded by its own word for so long that somebody must hear of it
	Act               Reason = "act"                 // confirmed, nothing holds it back: the next rung
	NextStep          Reason = "next-step"           // the next action of the same plan
	ActionOver        Reason = "action-over"         // the action ended; now its effect must show
	ActionFailed      Reason = "action-failed"       // the platform reports failure
	ActionUnknown     Reason = "action-unknown"      // the outcome is not known: judged by observation
	NotBegun          Reason = "not-begun"           // the target had changed since it was decided: nothing was done
	NoPermission      Reason = "no-permission"       // the host refuses the action: a person must mend it
	Undo              Reason = "undo"                // the change did not help: taken back
	BackToNormal      Reason = "back-to-normal"      // a change that helped is not needed any more: a step back
	Verified          Reason = "verified"            // the condition is clear, from a new process where one was promised
	ClearedByItself   Reason = "cleared-by-itself"   // clear, though not by what we did
	DependencyCured   Reason = "dependency-cured"    // clear since its dependency works again
	Relapse           Reason = "relapse"             // bad again within probation: same incident, next rung
	Closed            Reason = "closed"              // stayed clear through probation
	ClosedByPerson    Reason = "closed-by-person"    // a person said that it is over
	TargetLeft        Reason = "target-left"         // its target was removed from the configuration, renamed, or is another thing now
	LeftToPerson      Reason = "left-to-person"      // was clear, and in its probation a person stopped it: not judged any further
	PageFirst         Reason = "page-first"          // nothing that recoveryd may do can help
	LadderEnded       Reason = "ladder-ended"        // every applicable rung was tried
	Mended            Reason = "mended"              // clear after people were told
	TierDue           Reason = "tier-due"            // unresolved for so long that the next people are told
	HeldTooLong       Reason = "held-too-long"       // held back for so long that a person must know
	UnresolvedTooLong Reason = "unresolved-too-long" // being worked on, but for too long
	OperatorSaid      Reason = "operator-said"       // a person's command was taken
	OverdueAction     Reason = "action-overdue"      // no end was reported in time
	PlaybookBegan     Reason = "playbook-began"      // a run of a playbook began
	PlaybookStep      Reason = "playbook-step"       // a step of it began or ended
	PlaybookWaits     Reason = "playbook-waits"      // it waits for a person, or something holds it back
	PlaybookDone      Reason = "playbook-done"       // every step that was needed was done
	PlaybookFailed    Reason = "playbook-failed"     // a step failed, or its time was up
	PlaybookEnded     Reason = "playbook-ended"      // a person ended it
	Restarted         Reason = "recoveryd-restarted" // found in flight after a restart of the daemon
)

// Why nothing is done although a problem is confirmed, in the order in which they are asked:
// the most dangerous question first.
const (
	HoldJournal     Reason = "journal-broken"        // the intent could not be made durable
	HoldStop        Reason = "stop-file"             // the stop file exists
	HoldPaused      Reason = "paused"                // a person paused everything
	HoldOperator    Reason = "operator-intent"       // a person stopped, disabled or is restarting it, or nothing asks for it to run
	HoldCommand     Reason = "hold"                  // a person holds this target
	HoldPlaybook    Reason = "playbook"              // a playbook has the target in hand
	HoldHalted      Reason = "playbook-halted"       // a playbook failed and keeps the target as it is
	HoldMaintenance Reason = "maintenance"           // a maintenance window is open, or packages are being upgraded
	HoldDependency  Reason = "dependency"            // the culprit is another target
	HoldUnknown     Reason = "verdict-unknown"       // it cannot be told what is wrong
	HoldObserve     Reason = "observe-mode"          // this target is only observed
	HoldApproval    Reason = "needs-approval"        // this target's actions need a person's yes
	HoldOneWitness  Reason = "one-witness"           // a disruptive action needs two kinds of evidence
	HoldStall       Reason = "host-stalled"          // the host itself stalls: what is late may be well
	HoldRecovering  Reason = "dependency-recovering" // what it needs is being treated
	HoldInFlight    Reason = "action-in-flight"      // another disruptive action runs on this host
	HoldHealing     Reason = "self-healing"          // its platform itself is restarting it
	HoldBackoff     Reason = "backoff"               // the pause after a failed attempt
	HoldStartLimit  Reason = "start-limit-room"      // one more start would use up its platform's own start limit
	HoldTarget      Reason = "target-budget"         // this target's actions for the window are used up
	HoldClass       Reason = "class-budget"          // the actions against this failure class for the window are used up
	HoldHost        Reason = "host-budget"           // the host's actions for the window are used up
	HoldStorm       Reason = "storm"                 // too many targets at once: something larger is wrong
)

// Holds lists the hold reasons in the order in which they are asked.
func Holds() []Reason {
	return []Reason{HoldJournal, HoldStop, HoldPaused, HoldOperator, HoldCommand, HoldPlaybook, HoldHalted, HoldMaintenance, HoldDependency, HoldUnknown,
		HoldObserve, HoldApproval, HoldOneWitness, HoldStall, HoldRecovering, HoldInFlight, HoldHealing, HoldBackoff,
		HoldStartLimit, HoldTarget, HoldClass, HoldHost, HoldStorm}
}
