package live

import (
	"sync/atomic"
	"time"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

// Event is one look, one decision, or both at once.
type Event struct {
	At       time.Time      `json:"at"`
	Target   string         `json:"target,omitzero"` // "" for what concerns the whole host
	Phase    incident.Phase `json:"phase"`
	Verdict  detect.Verdict `json:"verdict"`
	Class    detect.Class   `json:"class,omitzero"`
	Because  string         `json:"because,omitzero"`
	Look     *Sample        `json:"look,omitzero"`
	Decision *Decision      `json:"decision,omitzero"`
}

// Decision is what a record changed.
type Decision struct {
	Seq      uint64          `json:"seq,omitzero"` // in the journal; 0 when it is not in it
	From     incident.Phase  `json:"from"`
	To       incident.Phase  `json:"to"`
	Reason   incident.Reason `json:"reason"`
	Sentence string          `json:"sentence"`
	Incident string          `json:"incident,omitzero"`
	Action   string          `json:"action,omitzero"` // what is performed
	Notices  []string        `json:"notices,omitzero"`
}

// decisionOf is nil for a record that changed nothing: most looks.
func decisionOf(rec incident.Record) *Decision {
	if rec.From == rec.To && !rec.Durable() {
		return nil
	}
	d := &Decision{Seq: rec.Seq, From: rec.From, To: rec.To, Reason: rec.Reason, Sentence: rec.Sentence}
	switch {
	case rec.Incident != nil:
		d.Incident = rec.Incident.ID
	case rec.After != nil:
		d.Incident = rec.After.Incident
	}
	for _, e := range rec.Effects {
		switch e.Kind {
		case incident.Perform:
			d.Action = e.Action.String()
		case incident.Notify:
			d.Notices = append(d.Notices, string(e.Notice.Kind))
		}
	}
	return d
}

// Follower receives events until it is stopped or the feed is closed.
type Follower struct {
	feed   *Feed
	events chan Event
	lost   atomic.Uint64
}

// Events is closed when the daemon stops.
func (w *Follower) Events() <-chan Event { return w.events }

// Lost returns how many events were left out since the last call, because the follower did not
// keep up.
func (w *Follower) Lost() uint64 { return w.lost.Swap(0) }

// Stop ends the following. It is idempotent.
func (w *Follower) Stop() {
	w.feed.mu.Lock()
	defer w.feed.mu.Unlock()
	delete(w.feed.followers, w)
}

// offer never waits; the feed's lock is held.
func (w *Follower) offer(ev Event) {
	select {
	case w.events <- ev:
	default:
		w.lost.Add(1)
	}
}
