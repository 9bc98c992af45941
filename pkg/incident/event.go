package incident

import (
	"time"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// EventKind says which fields of an Event are set.
type EventKind string

// The kinds of event.
const (
	Observed EventKind = "observed" // Observation
	Ended    EventKind = "ended"    // ActionID, Result, Detail
	Woke     EventKind = "woke"     // a time that the state asked for has come, or a neighbour changed
	Operator EventKind = "operator" // Command
	Impaired EventKind = "impaired" // Detail: what recoveryd itself lacks; "" = mended
	// Reconfigured: Target is not configured any more, or is another thing now; see [Policy.Left].
	Reconfigured EventKind = "reconfigured"
	Stopped      EventKind = "stopped" // Detail: what the stop file says, never empty while it exists; "" = it is gone
)

// Event is one input of the core. Target is empty for events about the whole host.
type Event struct {
	Kind        EventKind           `json:"kind"`
	Target      string              `json:"target,omitzero"`
	Observation *detect.Observation `json:"observation,omitzero"`
	ActionID    string              `json:"action_id,omitzero"`
	Result      Result              `json:"result,omitzero"`
	Detail      string              `json:"detail,omitzero"`
	Command     *Command            `json:"command,omitzero"`
}

// Result is how an action ended, as the platform reports it.
type Result string

// The results. Unknown means that the answer was lost: the effect may have taken place.
const (
	ResultUnknown  Result = "unknown"
	ResultDone     Result = "done"
	ResultFailed   Result = "failed"
	ResultTimedOut Result = "timed-out"
	ResultDenied   Result = "denied" // the host refuses it: trying again cannot help
	ResultVoid     Result = "void"   // not begun: the target was not any more as it was when this was decided
)

// Verb of a person's command.
type CommandVerb string

// What a person may say.
const (
	CmdHold    CommandVerb = "hold"    // leave Target alone until Until
	CmdRelease CommandVerb = "release" // end the hold of Target
	CmdPause   CommandVerb = "pause"   // act on nothing until Until
	CmdResume  CommandVerb = "resume"  // end the pause
	CmdAck     CommandVerb = "ack"     // Incident is seen: no further tier until Until
	CmdClose   CommandVerb = "close"   // Incident is over, whatever is seen; Why is wanted
	CmdApprove CommandVerb = "approve" // do what was proposed for Incident
	CmdForget  CommandVerb = "forget"  // forget what was learned about Strategy on Target, or about all of them
	CmdRetry   CommandVerb = "retry"   // forget the spent ladder of Target's incident and try again
	CmdRecover CommandVerb = "recover" // recover Target now, by its ladder or by Strategy, whatever its mode

	CmdDrill    CommandVerb = "drill"     // Drill is about to happen to Target, and lasts until Until
	CmdDrillEnd CommandVerb = "drill-end" // Drill has put everything back

	CmdPlay        CommandVerb = "playbook-run"     // run Playbook
	CmdPlayApprove CommandVerb = "playbook-approve" // approve the step at which Run waits
	CmdPlayStop    CommandVerb = "playbook-stop"    // end Run, also when it is halted
)

// Command is what a person said.
type Command struct {
	Verb     CommandVerb `json:"verb"`
	Incident string      `json:"incident,omitzero"`
	Strategy string      `json:"strategy,omitzero"` // of CmdRecover and CmdForget; "" = all
	Playbook string      `json:"playbook,omitzero"`
	Run      string      `json:"run,omitzero"`
	By       string      `json:"by"`
	Why      string      `json:"why,omitzero"`
	Until    time.Time   `json:"until,omitzero"` // zero = until taken back
	Drill    *Drill      `json:"drill,omitzero"` // ID and Fault; of CmdDrillEnd the ID
}

// EffectKind says which fields of an Effect are set.
type EffectKind string

// The kinds of effect.
const (
	Perform EffectKind = "perform" // ActionID, Action: once, after the record is durable
	Look    EffectKind = "look"    // Target, After: observe (again) soon
	Wake    EffectKind = "wake"    // Target, At: send a Woke event then
	Notify  EffectKind = "notify"  // Notice: put into the outbox with the record
	// Conclude: post an Ended event for Target, ActionID with Result and Detail; the run of a playbook
	// that was a rung of Target's ladder is over.
	Conclude EffectKind = "conclude"
)

// Effect is one thing the shell must do.
type Effect struct {
	Kind     EffectKind       `json:"kind"`
	Target   string           `json:"target,omitzero"`
	ActionID string           `json:"action_id,omitzero"`
	Action   *strategy.Action `json:"action,omitzero"`
	After    time.Duration    `json:"after,omitzero"`
	At       time.Time        `json:"at,omitzero"`
	Notice   *Notice          `json:"notice,omitzero"`
	Result   Result           `json:"result,omitzero"`
	Detail   string           `json:"detail,omitzero"`
}

// NoticeKind says what people are to be told.
type NoticeKind string

// The kinds of notice.
const (
	NoticeTrigger NoticeKind = "trigger"
	NoticeUpdate  NoticeKind = "update"
	NoticeResolve NoticeKind = "resolve"
	NoticeChange  NoticeKind = "change" // wakes nobody: cured without anybody's help, or (Why HoldApproval) a question
)

// Notice asks that people be told about an incident. The engine renders it from the incident
// that goes with the same record.
type Notice struct {
	Kind NoticeKind `json:"kind"`
	Tier int        `json:"tier"` // ordinal of the escalation
	Why  Reason     `json:"why"`
	Next string     `json:"next"` // what recoveryd will do next, or why it will not
	// To are the channels that get it; never empty.
	To []Address `json:"to"`
	// Because says why these people are told now, in one sentence; of a trigger.
	Because string `json:"because,omitzero"`
	// Again says of a trigger that those whom it tells were told of the incident before.
	Again bool `json:"again,omitzero"`
	// Case is what it is about when that is no incident: the run of a playbook.
	Case *Incident `json:"case,omitzero"`
}
