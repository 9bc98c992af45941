// Package queue holds the rules by which notices leave: at least once, in order per key, through every restart, with
// backoff, the vendors' rates, one page for a storm, and word of a channel that fails through another. Its rules are
// pure: time is an argument. The storage is internal/journal, the loop internal/outbox.
//
// Start reading at [Queued], then [OutboxRules].
package queue

import (
	"time"

	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
)

// The outbox is the queue between a decision and the people it concerns. Its rules are the pure
// functions of [OutboxRules] over the values in this file; the rows live in the journal and a
// loop elsewhere does the sending. In the order in which they are used:
//
//	NewQueued   one row per channel, stored in the transaction that stored the decision
//	Tidy        collapses what is stale, groups a storm, notices a channel in trouble
//	Next        which row of a channel may leave now, or when to look again
//	Begin       marks the attempt; stored before the notifier is called
//	Settle      records what became of it; stored after

// QueueState says where a queued notice stands. Only Waiting rows are ever sent.
type QueueState string

// The four states. The last three are final.
const (
	Waiting   QueueState = "waiting"   // has not been accepted yet
	Delivered QueueState = "delivered" // the vendor accepted it
	Collapsed QueueState = "collapsed" // never left: a later notice of the same key made it pointless; Why says which
	Refused   QueueState = "refused"   // the vendor will never take this one; the other channels were told
)

// Origin says who made a row.
type Origin string

// The origins. Rows that the outbox made itself never count towards a storm, and a refused
// trouble notice opens no trouble of its own, so that notices cannot breed notices.
const (
	FromDecision Origin = ""        // the engine: an incident
	FromTrouble  Origin = "trouble" // the outbox: a channel does not deliver
	FromStorm    Origin = "storm"   // the outbox: one page in place of many
	FromRepeat   Origin = "repeat"  // the outbox: the same again, before the vendor lets the alert end
)

// ReasonPanic is the reason of an attempt that ended in a panic of the notifier. It is worth
// retrying: another notice may not meet the same bug.
const ReasonPanic notice.Reason = "panic"

// Queued is one notice on its way to one channel. ID and Channel together are unique: storing
// the same pair twice stores it once. Times are wall clock.
type Queued struct {
	Seq       uint64           `json:"-"` // order of arrival, given by whoever holds the book; FIFO per (Channel, Key) follows it
	ID        string           `json:"id"`
	Channel   string           `json:"channel"`
	Key       string           `json:"key"`
	Kind      notice.Kind      `json:"kind"` // how it will be sent: a trigger that a storm demoted is an Update here, and a Trigger in Notice
	Notice    notice.Notice    `json:"notice"`
	Origin    Origin           `json:"origin,omitzero"`
	Enqueued  time.Time        `json:"enqueued"`
	State     QueueState       `json:"state"`
	Settled   time.Time        `json:"settled,omitzero"` // when State became final
	Why       string           `json:"why,omitzero"`     // one sentence: why it was collapsed, refused or demoted
	Attempts  int              `json:"attempts,omitzero"`
	TriedAt   time.Time        `json:"tried_at,omitzero"` // start of the last attempt
	NextAt    time.Time        `json:"next_at,omitzero"`  // not before; zero: at once
	Reason    notice.Reason    `json:"reason,omitzero"`   // of the last failure
	LastError string           `json:"last_error,omitzero"`
	Sending   bool             `json:"sending,omitzero"` // an attempt was begun and its end is not recorded
	Touched   bool             `json:"touched,omitzero"` // an earlier attempt may have reached the vendor although it failed here
	Counted   bool             `json:"counted,omitzero"` // was looked at for storms
	Left      []string         `json:"left,omitzero"`    // receivers who do not have it yet, while others do; empty: all or none
	Refused   []notice.Refusal `json:"refused,omitzero"` // receivers who never will
	Reached   bool             `json:"reached,omitzero"` // some receiver has it
	Late      bool             `json:"late,omitzero"`    // the store could not take it at first, so that later rows may have a lower Seq
}

// NewQueued returns one row per channel for a notice. A channel named twice gets one row.
func NewQueued(now time.Time, n notice.Notice, channels ...string) []Queued {
	rows := make([]Queued, 0, len(channels))
	seen := make(map[string]bool, len(channels))
	for _, c := range channels {
		if seen[c] {
			continue
		}
		seen[c] = true
		rows = append(rows, Queued{
			ID: n.ID, Channel: c, Key: n.Key, Kind: n.Kind, Notice: n, Enqueued: now, State: Waiting,
		})
	}
	return rows
}

// Outgoing is the notice as the vendor gets it: a demoted trigger leaves as an Update of low
// severity, because the summary of its storm already woke somebody.
func (q Queued) Outgoing() notice.Notice {
	n := q.Notice
	if n.Kind != q.Kind {
		n.Kind, n.Severity = q.Kind, notice.Info
	}
	return n
}

// alerts reports whether accepting the row leaves an alert open at the vendor. A Change is for
// the record only and a Resolve ends one.
func (q Queued) alerts() bool { return q.Kind == notice.Trigger || q.Kind == notice.Update }

// arrived reports whether the vendor may have the row although no success is recorded.
func (q Queued) arrived() bool { return q.Sending || q.Touched || q.Reached }

// KeyState is what is known of one alert on one channel.
type KeyState struct {
	Channel string         `json:"channel"`
	Key     string         `json:"key"`
	Open    bool           `json:"open"`    // the vendor has, or may have, an open alert
	Receipt notice.Receipt `json:"receipt"` // of the last delivered notice; the Prior of the next
	At      time.Time      `json:"at"`      // last change
	// Unclear: an attempt without a recorded end may have reached receivers whom the receipt does not name.
	Unclear bool `json:"unclear,omitzero"`
	// Last is what the alert says, kept as long as the receipt asks for repetitions.
	Last *notice.Notice `json:"last,omitzero"`
}

// ChannelState is what the outbox remembers of one channel. It is stored with the rows, so that
// a restart neither forgets a rate limit nor reports the same trouble twice.
type ChannelState struct {
	Channel      string        `json:"channel"`
	Sends        []int64       `json:"sends,omitzero"`         // recent attempts, unix nanoseconds, oldest first
	NotBefore    time.Time     `json:"not_before,omitzero"`    // nothing leaves before: the vendor asked, or refused our credentials
	Failures     int           `json:"failures,omitzero"`      // failed attempts in a row
	FailingSince time.Time     `json:"failing_since,omitzero"` // first of them; zero: the last attempt worked
	LastFailure  time.Time     `json:"last_failure,omitzero"`
	LastReason   notice.Reason `json:"last_reason,omitzero"`
	LastError    string        `json:"last_error,omitzero"`
	LastSuccess  time.Time     `json:"last_success,omitzero"`
	RecoveredAt  time.Time     `json:"recovered_at,omitzero"` // success after several failures: rows tried earlier need wait no longer
	Lost         []Lost        `json:"lost,omitzero"`         // refused notices that the other channels were not told of yet
	// Refusing are the receivers who refused the last notice that they were sent, and their words. The
	// trouble lasts until they take one, or are taken out of the configuration.
	Refusing map[string]string `json:"refusing,omitzero"`
	Trouble  *Trouble          `json:"trouble,omitzero"`  // the open episode, nil when there is none
	Episodes int               `json:"episodes,omitzero"` // troubles so far, to number their keys
	Recent   []int64           `json:"recent,omitzero"`   // triggers of the storm window, unix nanoseconds
	Storms   []Storm           `json:"storms,omitzero"`   // storms whose alerts are not all over
}

// Lost is a notice which a vendor refused for good.
type Lost struct {
	ID       string          `json:"id"`
	Key      string          `json:"key,omitzero"`
	Kind     notice.Kind     `json:"kind"`
	Severity notice.Severity `json:"severity,omitzero"`
	Line     string          `json:"line"` // summary and target, for the people on another channel
	Error    string          `json:"error"`
	Receiver string          `json:"receiver,omitzero"` // who refused it, where the channel has several
	Reached  bool            `json:"reached,omitzero"`  // others behind the channel have it
}

// Trouble is one episode of a channel that does not deliver.
type Trouble struct {
	Key   string    `json:"key"` // dedup key of its notices
	Since time.Time `json:"since"`
	Why   string    `json:"why"`
	Paged bool      `json:"paged"`         // its trigger was queued at other channels
	To    []string  `json:"to,omitzero"`   // those channels
	Lost  bool      `json:"lost,omitzero"` // a notice was refused in it: it ends when somebody has been told
	Kept  string    `json:"kept,omitzero"` // a refused page of the worst severity, which nobody else has
	Told  int       `json:"told"`          // updates and withdrawals, to number the ids
}

// Storm is a burst of triggers that is told with one page.
type Storm struct {
	Key     string            `json:"key"`
	Since   time.Time         `json:"since"`
	Until   time.Time         `json:"until"`   // a further trigger of the burst before this joins it
	Count   int               `json:"count"`   // triggers in it
	Lines   []string          `json:"lines"`   // their summaries, the first few
	Targets []string          `json:"targets"` // each once
	Open    map[string]string `json:"open"`    // key -> ID of its trigger, until it is resolved
	First   notice.Notice     `json:"first"`
	Worst   notice.Severity   `json:"worst"`
	Told    bool              `json:"told"` // its trigger was queued
}

// ChannelBook is everything the rules need to know of one channel.
type ChannelBook struct {
	State ChannelState
	Rows  []Queued            // every Waiting row, in order of Seq
	Keys  map[string]KeyState // by key; a key that was never delivered to is absent
}

// Edits is what one step of the rules changed; it is to be stored in one transaction before
// anything is sent. Rows are known to the store by ID and Channel. New rows have no Seq yet and
// may be for other channels. Of several versions of the same thing the last counts.
type Edits struct {
	Rows     []Queued
	New      []Queued
	Keys     []KeyState
	Channels []ChannelState
}

// Empty reports whether there is nothing to store.
func (e Edits) Empty() bool {
	return len(e.Rows) == 0 && len(e.New) == 0 && len(e.Keys) == 0 && len(e.Channels) == 0
}

// Join returns both edits; f is the later one.
func (e Edits) Join(f Edits) Edits {
	e.Rows = append(e.Rows, f.Rows...)
	e.New = append(e.New, f.New...)
	e.Keys = append(e.Keys, f.Keys...)
	e.Channels = append(e.Channels, f.Channels...)
	return e
}
