package main

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/recoveryd/recoveryd/internal/httpserve"
	"github.com/recoveryd/recoveryd/pkg/escalate/escalatetest"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

// teller turns records of the journal and received messages into lines, each once.
type teller struct {
	screen  *screen
	began   time.Time
	told    map[string]bool // what was told, by a key of its own
	held    string          // the last reason not to act that was told
	waiting []line
}

// line is what will be printed.
type line struct {
	at         time.Time
	tone       tone
	word, text string
	below      []string // more, each on lines of its own
}

func newTeller(s *screen, began time.Time) *teller {
	return &teller{screen: s, began: began, told: map[string]bool{}}
}

// say adds a line.
func (t *teller) say(at time.Time, tn tone, word, text string, below ...string) {
	t.waiting = append(t.waiting, line{at, tn, word, text, below})
}

// once adds a line unless its key was told before.
func (t *teller) once(key string, at time.Time, tn tone, word, text string) {
	if !t.told[key] {
		t.told[key] = true
		t.say(at, tn, word, text)
	}
}

// flush prints what was added, in the order of time.
func (t *teller) flush() {
	slices.SortStableFunc(t.waiting, func(a, b line) int { return a.at.Compare(b.at) })
	for _, l := range t.waiting {
		t.screen.event(l.at.Sub(t.began), l.tone, l.word, l.text)
		for _, more := range l.below {
			t.screen.note(toneNone, more)
		}
	}
	t.waiting = nil
}

// records tells the records of one incident that are new.
func (t *teller) records(h httpserve.History) {
	for _, rec := range h.Records {
		key := fmt.Sprintf("record %d", rec.Seq)
		if t.told[key] {
			continue
		}
		t.told[key] = true
		t.record(h.Incident, rec)
	}
}

// record tells one decision.
func (t *teller) record(i incident.Incident, rec incident.Record) {
	if d := rec.After; d != nil && rec.Target == i.Target && !t.told["opened "+i.ID] {
		t.told["opened "+i.ID] = true
		t.say(rec.At, toneWork, "detected", fmt.Sprintf("%s: %s", d.Diagnosis.Class, d.Diagnosis.Because))
	}
	if rec.Event.Kind == incident.Ended && rec.Incident != nil {
		t.ended(rec)
	}
	switch {
	case rec.Target != i.Target:
		if rec.To == incident.Held {
			t.say(rec.At, toneDim, "waits", rec.Target+": "+i.Target+" is the culprit")
		}
	case rec.To == incident.Held && rec.Reason != incident.NoChange:
		if why := fmt.Sprintf("%s: %s", rec.Reason, heldWhy(rec)); why != t.held {
			t.held = why
			t.say(rec.At, toneWork, "held", why)
		}
	case cleared(rec) && rec.Reason == incident.Verified:
		t.say(rec.At, toneGood, "verified", becauseOf(rec))
	case cleared(rec):
		t.say(rec.At, toneGood, "clear", fmt.Sprintf("%s: %s", rec.Reason, becauseOf(rec)))
	case rec.Reason == incident.Closed:
		t.say(rec.At, toneGood, "closed", "it stayed well")
	case rec.To == incident.Escalated && rec.From != incident.Escalated:
		t.say(rec.At, toneTell, "gives up", rec.Sentence)
	}
	for _, e := range rec.Effects {
		if e.Kind == incident.Perform {
			t.say(rec.At, toneWork, "acts", fmt.Sprintf("%s (%s)", e.Action, planWhy(rec)))
		}
	}
}

// ended tells how an action ended.
func (t *teller) ended(rec incident.Record) {
	for _, a := range rec.Incident.Attempts {
		if a.ID == rec.Event.ActionID {
			t.say(rec.At, toneWork, "acted", fmt.Sprintf("%s in %s: %s", a.Result, stamp(a.Ended.Sub(a.At)), short(rec.Event.Detail)))
		}
	}
}

// cleared reports whether the record says that the condition is gone.
func cleared(rec incident.Record) bool {
	return rec.To == incident.Probation && rec.From != incident.Probation
}

func heldWhy(rec incident.Record) string {
	if rec.Incident != nil {
		return rec.Incident.HeldWhy
	}
	return rec.Sentence
}

func becauseOf(rec incident.Record) string {
	if rec.After != nil {
		return rec.After.Diagnosis.Because
	}
	return rec.Sentence
}

func planWhy(rec incident.Record) string {
	if rec.After != nil && rec.After.Plan != nil {
		return rec.After.Plan.Why
	}
	return rec.Sentence
}

// message tells what PagerDuty got; Slack gets the same.
func (t *teller) message(e escalatetest.Entry) {
	key := fmt.Sprintf("message %d", e.Seq)
	if t.told[key] || e.Vendor != "pagerduty" {
		return
	}
	t.told[key] = true
	var m pagerDutyEvent
	_ = json.Unmarshal([]byte(e.Body), &m) // the receiver has checked it
	switch {
	case e.Kind == "change":
		t.say(e.At, toneGood, "told", "nobody is woken; for the record, as PagerDuty change event and in Slack: "+m.Payload.Summary)
	case e.Pages:
		t.say(e.At, toneTell, "paged", "by PagerDuty and in Slack: "+m.Payload.Summary, m.lines()...)
	case e.Kind == "resolve":
		t.say(e.At, toneGood, "resolved", "the page, by recoveryd itself")
	}
}

// pagerDutyEvent is what is read of an event.
type pagerDutyEvent struct {
	Payload struct {
		Summary string
		Details struct {
			Evidence, Tried []string
			Next            string
		} `json:"custom_details"`
	}
}

// lines is what the person who was woken reads below the summary.
func (m pagerDutyEvent) lines() (out []string) {
	for _, x := range m.Payload.Details.Evidence {
		out = append(out, "  evidence: "+x)
	}
	for _, x := range m.Payload.Details.Tried {
		out = append(out, "  tried: "+short(x))
	}
	return append(out, "  next: "+m.Payload.Details.Next)
}

// invocation is the identity of a run; nobody reads it from a screen.
var invocation = regexp.MustCompile(`, invocation [0-9a-f]{32}`)

func short(detail string) string { return invocation.ReplaceAllString(detail, "") }
