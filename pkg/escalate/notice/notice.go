// Package notice is what is told: one message about one alert, its texts, and the contract with those who send it.
//
// It knows nothing of incidents, units or databases. The notifiers beside it (pkg/escalate/slack and others) do the
// talking: they make one attempt and never retry, because the queue owns every retry.
//
// Start reading at [Notice], then [Notifier].
package notice

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Kind says what a notice asks of its receiver.
type Kind string

// The kinds of notice.
const (
	Trigger Kind = "trigger" // somebody must look: opens or re-opens an alert under Key
	Update  Kind = "update"  // the same alert, new state; never wakes anybody
	Resolve Kind = "resolve" // the alert under Key is over
	Change  Kind = "change"  // wakes nobody and opens nothing: for the record, or a question
)

// Event says what a notice tells of. Kind says what becomes of it at the receiver; two notices of one
// Kind may tell of very different things, and each begins with its own word.
type Event string

// The events.
const (
	EventPage         Event = "page"            // the first people are told
	EventUpdate       Event = "update"          // what people were told of has changed
	EventAck          Event = "acknowledged"    // somebody looks after it
	EventTier         Event = "tier"            // the next people are told
	EventReminder     Event = "reminder"        // the same people are told again
	EventApproval     Event = "approval"        // a person's yes is wanted
	EventCure         Event = "cure"            // cured, and nobody was woken
	EventOver         Event = "over"            // over by itself, and nobody was woken
	EventAllClear     Event = "all-clear"       // what people were told of has recovered
	EventClosed       Event = "closed"          // ended by a person's word or the configuration, not by a recovery
	EventPlaybookDone Event = "playbook-done"   // a run of a playbook succeeded
	EventPlaybookFail Event = "playbook-failed" // it failed
	EventChannel      Event = "channel"         // a channel does not deliver
	EventStorm        Event = "storm"           // one page for many
	EventOwn          Event = "recoveryd"       // recoveryd itself is impaired
	EventCanary       Event = "canary"          // a scheduled test of the channels
)

// firstWords are the first words of titles, by event.
var firstWords = map[Event]string{
	EventPage: "Problem", EventUpdate: "Update", EventAck: "Acknowledged",
	EventTier: "Escalated", EventReminder: "Reminder", EventApproval: "Approval wanted", EventCure: "Done", EventOver: "Over", EventAllClear: "Resolved",
	EventClosed: "Closed", EventPlaybookDone: "Playbook done", EventPlaybookFail: "Playbook failed", EventChannel: "Channel trouble", EventStorm: "Storm",
	EventOwn: "recoveryd impaired", EventCanary: "Canary",
}

// Events lists all events.
func Events() []Event { return slices.Sorted(maps.Keys(firstWords)) }

// First is the first word of what a notice is told as, in subject, title, message and log; never "". What
// opens an alert and what ends it never begin alike. A notice without an event (an older release has
// queued it) begins with the word of its kind.
func (n Notice) First() string {
	word, known := firstWords[n.Event]
	switch {
	case n.Kind == Resolve && n.Event != EventClosed:
		return firstWords[EventAllClear]
	case known:
		return word
	case n.Kind == Update:
		return firstWords[EventUpdate]
	case n.Kind == Change:
		return firstWords[EventCure]
	}
	return firstWords[EventPage]
}

// Stage is the runbook's word for where the problem stands, "" where the first word says it: at its end,
// and in what only goes on record.
func (n Notice) Stage() Status {
	if n.Kind == Trigger || n.Kind == Update {
		return n.Status
	}
	return ""
}

// Severity is the vendor-neutral severity of a notice.
type Severity string

// The severities, as PagerDuty's Events API v2 names them.
const (
	Critical Severity = "critical"
	Error    Severity = "error"
	Warning  Severity = "warning"
	Info     Severity = "info"
)

// Status is the runbook's word for where an incident stands.
type Status string

// The four words of the runbook's status format, and one for what was no problem.
const (
	Investigating Status = "Investigating"
	Identified    Status = "Identified"
	Monitoring    Status = "Monitoring"
	Resolved      Status = "Resolved"
	Completed     Status = "Completed" // a run of a playbook that did what it should
)

// Over reports whether nothing is wrong, or wanted, any more.
func (s Status) Over() bool { return s == Resolved || s == Completed }

// Attempt is one thing that was tried, for the message.
type Attempt struct {
	At     time.Time `json:"at"`
	What   string    `json:"what"`
	Result string    `json:"result"`
}

// Notice is one message about one alert. It is complete in itself: a notifier needs nothing
// else to render it. It holds no secret.
type Notice struct {
	ID       string    `json:"id"`               // unique for ever; the idempotence key of delivery
	Key      string    `json:"key"`              // dedup key: incident id and tier; FIFO order holds per key
	Kind     Kind      `json:"kind"`             //
	Event    Event     `json:"event,omitzero"`   // what it tells of
	At       time.Time `json:"at"`               // when the decision was taken, wall clock
	Incident string    `json:"incident"`         // incident id, for the links and commands
	Tier     int       `json:"tier"`             // ordinal of the escalation: 0 for the first people to be told
	To       []string  `json:"to,omitzero"`      // the roles and people that this channel is told for
	With     []string  `json:"with,omitzero"`    // who else is told by the same decision, for the conversation in a chat
	Because  string    `json:"because,omitzero"` // why they are told now, one sentence
	Priority string    `json:"priority"`         // "P1" to "P4"
	Severity Severity  `json:"severity"`         //
	Status   Status    `json:"status"`           //
	Host     string    `json:"host"`             //
	Target   string    `json:"target"`           // the culprit
	Class    string    `json:"class"`            // failure class
	Summary  string    `json:"summary"`          // one line: what is wrong with what
	Since    time.Time `json:"since"`            // when the problem was first seen
	Affected []string  `json:"affected,omitzero"`
	Evidence []string  `json:"evidence,omitzero"` // sentences, most telling first
	Tried    []Attempt `json:"tried,omitzero"`
	Next     string    `json:"next"`              // what recoveryd will do next, or why it will not
	Commands []string  `json:"commands,omitzero"` // exact commands to look further
	Link     string    `json:"link,omitzero"`     // incident page, when one is served
	Runbook  string    `json:"runbook,omitzero"`  // of its class: a web address, or the command that prints it
	Test     bool      `json:"test,omitzero"`     // a marked test or canary
	Drill    string    `json:"drill,omitzero"`    // id of the drill that it began as; the summary says so
	Real     bool      `json:"real,omitzero"`     // with Drill: it outlived the drill and is a problem like any other
}

// Receipt is what a channel returned for a key and needs again for its next notice: a Slack ts
// and channel, a Statuspage incident id, the name of the routing key that was used. It is stored
// with the outbox and never holds a secret.
type Receipt map[string]string

// Delivery is one notice on its way to one channel.
type Delivery struct {
	Notice  Notice
	Prior   Receipt // receipt of the last delivered notice with the same key on this channel; nil at first
	Attempt int     // 1 for the first try
	// Only are the receivers for whom it is tried again, empty for all of the channel; Skip are those
	// who must not get it yet. Notifiers with one receiver need not look; see [Delivery.Wants].
	Only, Skip []string
	// Everybody may have something of the key, whatever Prior says: an all-clear goes to all.
	Everybody bool
}

// Notifier sends to one channel. Notify returns nil only when the vendor accepted the notice.
// It makes one attempt, bounded by ctx, and never retries. The error is a *[RetryError] when
// trying again later can help, a *[PartialError] when some of several receivers have the notice; any
// other error is final. What is final is not sent again, but for
// a *[FinalError] of reason auth or config: then the channel is broken and not the notice, so the
// outbox keeps it waiting for somebody to mend the channel, tries at the pace of its backoff and
// after every reload, and reports the channel through the others. No error ever contains a
// secret. Safe for concurrent use.
type Notifier interface {
	Notify(ctx context.Context, d Delivery) (Receipt, error)
}

// RetryError says that the same notice may be tried again, not before After has passed.
type RetryError struct {
	After  time.Duration // 0: the outbox's own backoff decides
	Reason Reason
	Err    error
}

// Reason classes failures for metrics and for the sentence an operator reads.
type Reason string

// The closed set of reasons.
const (
	ReasonNetwork     Reason = "network"
	ReasonTimeout     Reason = "timeout"
	ReasonRateLimited Reason = "rate-limited"
	ReasonServer      Reason = "server-error"
	ReasonAuth        Reason = "auth"
	ReasonRejected    Reason = "rejected"
	ReasonConfig      Reason = "config"
)

// Error implements error.
func (e *RetryError) Error() string {
	if e.After > 0 {
		return fmt.Sprintf("%s (retry after %s): %v", e.Reason, e.After, e.Err)
	}
	return fmt.Sprintf("%s: %v", e.Reason, e.Err)
}

// Unwrap returns the cause.
func (e *RetryError) Unwrap() error { return e.Err }

// FinalError says that trying again cannot help: never, or with ReasonAuth and ReasonConfig not
// before somebody has changed the channel's secret or settings.
type FinalError struct {
	Reason Reason
	Err    error
}

// Error implements error.
func (e *FinalError) Error() string { return fmt.Sprintf("%s: %v", e.Reason, e.Err) }

// Unwrap returns the cause.
func (e *FinalError) Unwrap() error { return e.Err }

// ReceiptResend is the key of a receipt by which a notifier asks that its open alert be repeated:
// the time after which, in RFC 3339. Alertmanager ends an alert that nobody repeats.
const ReceiptResend = "resend_at"

// ResendAt is when the alert of a receipt wants to be repeated, by an Update with the same
// content; ok is false when it need not be.
func (r Receipt) ResendAt() (at time.Time, ok bool) {
	at, err := time.Parse(time.RFC3339, r[ReceiptResend])
	return at, err == nil
}

// A channel may have several receivers behind it: the addresses of a mail, the components of a public
// page. Each is delivered to by itself: who has a notice never gets it again, who cannot take it now is
// tried again without the others, and who refuses it for good is told of through another channel.

// PartialError is how a notifier with several receivers says that not all of them have a notice. It
// tells only of those whom this attempt tried. The receipt that comes with it counts.
type PartialError struct {
	Took    []string      // receivers who accepted it
	Left    []string      // receivers for whom it can be tried again
	Refused []Refusal     // receivers who will never take it
	Reason  Reason        // of the first who did not take it
	After   time.Duration // as in RetryError
	Err     error         // the sentence, without secrets
}

// Error implements error.
func (e *PartialError) Error() string { return fmt.Sprintf("%s: %v", e.Reason, e.Err) }

// Unwrap returns the cause.
func (e *PartialError) Unwrap() error { return e.Err }

// Refusal is one receiver who refused a notice for good.
type Refusal struct {
	Receiver string `json:"receiver"`
	Error    string `json:"error"` // in the vendor's words, without secrets
}

// Several is a notifier with receivers of its own. A receiver that is not among them any more is not
// missed.
type Several interface{ Receivers() []string }

// Wants reports whether a delivery is meant for a receiver.
func (d Delivery) Wants(receiver string) bool {
	return !slices.Contains(d.Skip, receiver) && (len(d.Only) == 0 || slices.Contains(d.Only, receiver))
}
