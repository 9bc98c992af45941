package replay

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

// format is the version of the lines of a recording.
const format = 1

// Tape is a recording: the state that the core was in, and what it was told from then on.
type Tape struct {
	Head  Head
	Items []Item
}

// Head is the first line of a recording.
type Head struct {
	Format int    `json:"format"`
	Target string `json:"target"` // whose incident it is about
	// Config is the fingerprint of the configuration in force when it began.
	Config string    `json:"config"`
	Began  time.Time `json:"began"`
	State  State     `json:"state"`
}

// State is an [incident.State] as it is written. Of targets that have nothing to do with the incident
// only what others see of them is kept.
type State struct {
	Targets   map[string]*incident.TargetState `json:"targets"`
	Incidents map[string]*incident.Incident    `json:"incidents"`
	Host      incident.Host                    `json:"host"`
	Seq       uint64                           `json:"seq"`
}

// Item is one line of a recording. One of its parts is set.
type Item struct {
	// An event, the time at which it was taken, and what was decided.
	Now   time.Time       `json:"now,omitzero"`
	Event *incident.Event `json:"event,omitzero"`
	Got   *Decision       `json:"got,omitzero"`
	// Fold is what a decision about another target left behind.
	Fold *incident.Record `json:"fold,omitzero"`
	// Config is the fingerprint of a configuration that was loaded here.
	Config string `json:"config,omitzero"`
	// Cut says why the recording ends before the incident did.
	Cut string `json:"cut,omitzero"`
}

// Decision is what the core decided about one event, as far as two configurations are compared by it.
type Decision struct {
	Target   string          `json:"target"`
	From     incident.Phase  `json:"from"`
	To       incident.Phase  `json:"to"`
	Reason   incident.Reason `json:"reason"`
	Sentence string          `json:"sentence"`
	Verdict  detect.Verdict  `json:"verdict"`
	Class    detect.Class    `json:"class,omitzero"`
	Culprit  string          `json:"culprit,omitzero"`
	Actions  []string        `json:"actions,omitzero"`
	Notices  []string        `json:"notices,omitzero"` // "trigger, tier 0 (ladder-ended)"
	// Sum is a checksum of the whole record, without its event and without its number in the journal.
	Sum string `json:"sum"`
}

// DecisionOf sums up a record. It does not modify it.
func DecisionOf(r incident.Record) Decision {
	d := Decision{Target: r.Target, From: r.From, To: r.To, Reason: r.Reason, Sentence: r.Sentence}
	if r.After != nil {
		d.Verdict, d.Class, d.Culprit = r.After.Diagnosis.Verdict, r.After.Diagnosis.Class, r.After.Diagnosis.Culprit
	}
	effects := make([]incident.Effect, 0, len(r.Effects))
	for _, e := range r.Effects {
		switch e.Kind {
		case incident.Perform:
			d.Actions = append(d.Actions, e.Action.String())
		case incident.Notify:
			d.Notices = append(d.Notices, fmt.Sprintf("%s, tier %d (%s)", e.Notice.Kind, e.Notice.Tier, e.Notice.Why))
		case incident.Look:
			// How soon to look again is worked out from the monotonic clock, which a recording does not keep.
			e.After = 0
		}
		effects = append(effects, e)
	}
	r.Seq, r.Event, r.Effects = 0, incident.Event{}, effects
	body, err := json.Marshal(r)
	if err != nil { // a fact that is no number, which no JSON can hold
		return d
	}
	sum := sha256.Sum256(body)
	d.Sum = hex.EncodeToString(sum[:8])
	return d
}

// Acts reports whether the decision does or tells something, or changes where the target stands.
func (d Decision) Acts() bool { return d.From != d.To || len(d.Actions) > 0 || len(d.Notices) > 0 }

// maxTape bounds what is read of one recording, uncompressed.
const maxTape = 64 << 20

// Decode reads a recording. One that ends in the middle of a line, because it was read while it was
// written, is read up to there.
func Decode(body []byte) (Tape, error) {
	var t Tape
	z, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return t, fmt.Errorf("the recording is no gzip: %w", err)
	}
	d := json.NewDecoder(io.LimitReader(z, maxTape))
	if err := d.Decode(&t.Head); err != nil {
		return t, fmt.Errorf("the recording has no readable head: %w", err)
	}
	if t.Head.Format != format {
		return t, fmt.Errorf("the recording has format %d, this recoveryd reads %d", t.Head.Format, format)
	}
	for {
		var i Item
		switch err := d.Decode(&i); {
		case errors.Is(err, io.EOF):
			return t, nil
		case errors.Is(err, io.ErrUnexpectedEOF):
			t.Items = append(t.Items, Item{Cut: "the recording is not complete"})
			return t, nil
		case err != nil:
			return t, fmt.Errorf("line %d of the recording: %w", len(t.Items)+2, err)
		}
		t.Items = append(t.Items, i)
	}
}

// state is the recorded state, for the core.
func (s State) state() incident.State {
	out := incident.NewState()
	for k, v := range s.Targets {
		out.Targets[k] = v
	}
	for k, v := range s.Incidents {
		out.Incidents[k] = v
	}
	out.Host, out.Seq = s.Host, s.Seq
	return out
}
