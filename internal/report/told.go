package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
	"github.com/recoveryd/recoveryd/pkg/escalate/queue"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

// Told is one notice on its way to one channel, and what became of it.
type Told struct {
	At       time.Time        `json:"at"` // when it was decided
	Kind     notice.Kind      `json:"kind"`
	Tier     int              `json:"tier"`
	Channel  string           `json:"channel"`
	For      []string         `json:"for,omitzero"` // the roles and people that the channel is told for
	Summary  string           `json:"summary"`
	State    queue.QueueState `json:"state"`
	Settled  time.Time        `json:"settled,omitzero"`
	Attempts int              `json:"attempts"`
	Why      string           `json:"why,omitzero"` // why it waits, was refused or never left
}

// Delay is how long it took until the channel accepted or refused it; 0 while it waits.
func (t Told) Delay() time.Duration {
	if t.Settled.IsZero() {
		return 0
	}
	return t.Settled.Sub(t.At)
}

// Who is the channel, and for whom it was told: "alice (primary)".
func (t Told) Who() string {
	who := strings.Join(t.For, ", ")
	if who == "" || who == t.Channel {
		return t.Channel
	}
	return t.Channel + " (" + who + ")"
}

// Outcome says in a few words what became of it.
func (t Told) Outcome() string {
	tries := ""
	if t.Attempts > 1 {
		tries = fmt.Sprintf(", %d attempts", t.Attempts)
	}
	why := ""
	if t.Why != "" {
		why = ": " + t.Why
	}
	switch t.State {
	case queue.Delivered:
		return "accepted after " + span(t.Delay()) + tries
	case queue.Refused:
		return "refused for good" + tries + why
	case queue.Collapsed:
		return "never left" + why
	}
	return "waits" + tries + why
}

func told(rows []queue.Queued) []Told {
	out := make([]Told, 0, len(rows))
	for _, q := range rows {
		if q.Origin == queue.FromRepeat && q.State != queue.Refused {
			continue // the same again, for a vendor that would let the alert end
		}
		t := Told{At: q.Notice.At, Kind: q.Kind, Tier: q.Notice.Tier, Channel: q.Channel, For: q.Notice.To, Summary: notice.OneLine(q.Notice.Summary),
			State: q.State, Settled: q.Settled, Attempts: q.Attempts, Why: q.Why}
		if t.At.IsZero() {
			t.At = q.Enqueued
		}
		if q.State != queue.Delivered && q.LastError != "" && t.Why != q.LastError {
			if t.Why != "" {
				t.Why += "; "
			}
			t.Why += q.LastError
		}
		t.Why = notice.Cut(notice.OneLine(t.Why), 300)
		out = append(out, t)
	}
	return out
}

// same reports whether two notices say one thing of one moment under different keys: each alert that
// is open is brought up to date, and ended, by itself.
func (t Told) same(o Told) bool {
	return t.Kind != notice.Trigger && t.Kind == o.Kind && t.At.Equal(o.At) && t.Summary == o.Summary
}

// prompt is how soon a channel must take a notice for both to be one line of the timeline.
const prompt = 10 * time.Second

// noticeMoments makes the timeline's lines about notices: one for each notice, and one more for
// each channel that took it late, after several attempts, or not at all.
func noticeMoments(rows []queue.Queued) []Moment {
	var out []Moment
	list := told(rows)
	for n := 0; n < len(list); {
		end := n + 1
		for end < len(list) && (rows[end].Notice.ID == rows[n].Notice.ID || list[end].same(list[n])) {
			end++
		}
		first := list[n]
		var at, late []string
		var slowest time.Duration
		for _, t := range list[n:end] {
			if t.State == queue.Delivered && t.Delay() <= prompt {
				who := t.Channel
				if t.Kind == notice.Trigger {
					who = t.Who()
				}
				if !slices.Contains(at, who) { // it may have an alert for each tier
					at = append(at, who)
				}
				slowest = max(slowest, t.Delay())
				continue
			}
			late = append(late, t.Channel)
		}
		text := kindWords(first.Kind)
		if first.Kind == notice.Trigger {
			text += fmt.Sprintf(" (tier %d)", first.Tier)
		}
		text += ": " + first.Summary
		if len(at) > 0 {
			text += fmt.Sprintf("; accepted by %s within %s", listed(at), span(slowest))
		}
		if len(late) > 0 {
			text += "; queued for " + listed(late)
		}
		out = append(out, Moment{At: first.At, What: Notice, Text: text})
		for _, t := range list[n:end] {
			if t.State != queue.Waiting && slices.Contains(late, t.Channel) {
				out = append(out, Moment{At: t.Settled, What: Notice, Text: fmt.Sprintf("%s for %s: %s", kindWords(t.Kind), t.Channel, t.Outcome())})
			}
		}
		n = end
	}
	return out
}

// Word is what a person said to recoveryd during the incident.
type Word struct {
	At    time.Time            `json:"at"`
	By    string               `json:"by"`
	Verb  incident.CommandVerb `json:"verb"`
	Why   string               `json:"why,omitzero"`
	Until time.Time            `json:"until,omitzero"`
}

func words(recs []incident.Record) (out []Word) {
	for _, r := range recs {
		if c := r.Event.Command; r.Event.Kind == incident.Operator && c != nil {
			out = append(out, Word{At: r.At, By: c.By, Verb: c.Verb, Why: notice.OneLine(c.Why), Until: c.Until})
		}
	}
	return out
}
