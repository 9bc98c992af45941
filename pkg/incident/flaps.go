package incident

import (
	"fmt"
	"math/bits"
	"strings"
	"time"

	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// Flaps counts the decisions about a target that led nowhere: it went from one phase or reason to hold to
// another and back, and nothing was done. A target that changes every 70 ms makes a million of them a day.
type Flaps struct {
	N     int       `json:"n"`
	First time.Time `json:"first"`
	Last  time.Time `json:"last"`
	Hands int       `json:"hands,omitzero"` // how many of them were a person's doing, as far as can be seen
	// Unwritten: decisions were taken since the last durable record of the target. They are written with
	// the next one.
	Unwritten bool `json:"unwritten,omitzero"`
}

const (
	// flapsWritten is how many of them are records of their own. Later ones are when their number has
	// doubled: 16 and 16 more make a million.
	flapsWritten = 16
	// flapsByPerson is how often what a person was seen to do is a record of its own, however the target flaps.
	// What does it more often is a script.
	flapsByPerson = 100
	// flapsSettled is how long without one it takes until what was not written is.
	flapsSettled = 5 * time.Minute
	// flapsRest is how long without one it takes until they are counted and told anew.
	flapsRest = time.Hour
)

// flapping reports whether a target goes to and fro so often that it is not told each time.
func (f *Flaps) flapping(now time.Time) bool {
	return f != nil && f.N > flapsWritten && now.Sub(f.Last) < flapsRest
}

// written reports whether the latest is a record of its own.
func (f *Flaps) written() bool { return f.N <= flapsWritten || bits.OnesCount(uint(f.N)) == 1 }

// Churn counts what happens to a target again and again, one soon after the other: a new run, whoever has
// started it and whatever was decided about it; a wish.
type Churn struct {
	N     int       `json:"n"`
	First time.Time `json:"first"`
	Last  time.Time `json:"last"`
}

// churnRest is how long without one it takes until they are counted anew.
const churnRest = 5 * time.Minute

// more counts n more that came between two times.
func (c *Churn) more(n int, since, at time.Time) *Churn {
	out := Churn{First: since}
	if c != nil && at.Sub(c.Last).Abs() < churnRest { // a clock may have been set
		out = *c
	}
	out.N, out.Last = out.N+n, at
	return &out
}

// flapWords says that it flaps, since when and how often; "" when it does not.
func (t *TargetState) flapWords() string {
	var what []string
	if f := t.Flaps; f != nil && f.N > flapsWritten && t.Since.Sub(f.Last) < flapsRest {
		what = append(what, fmt.Sprintf("%d changes to and fro since %s; each is counted, few are written down", f.N, often(f.N, f.First, f.Last)))
	}
	if c := t.Churn; c != nil && c.N > flapsWritten && t.Last.At.Sub(c.Last).Abs() < churnRest {
		what = append(what, fmt.Sprintf("started anew %d times since %s", c.N, often(c.N, c.First, c.Last)))
	}
	if len(what) == 0 {
		return ""
	}
	return "it flaps: " + strings.Join(what, "; ")
}

// often is since when something happened n times, how far apart, and when last.
func often(n int, first, last time.Time) string {
	each := last.Sub(first) / time.Duration(n-1)
	return fmt.Sprintf("%s, one every %s, the last at %s",
		first.UTC().Format("2006-01-02 15:04:05 MST"), words(each.Round(max(each/100, time.Millisecond))), last.UTC().Format("15:04:05"))
}

// coalesce counts a record that leads nowhere, and keeps it out of the journal when there have been many:
// the journal grows with what is decided, and not with time.
func (tn *turn) coalesce(rec *Record) {
	if rec.Durable() && refusedWish(*rec) {
		tn.t.Wishes = tn.t.Wishes.more(1, tn.now, tn.now)
		if tn.t.Wishes.N > flapsByPerson && tn.nothingCame(*rec) {
			rec.passing = true
			return
		}
	}
	if rec.Durable() && tn.leadsNowhere(*rec) {
		f, byHand := tn.toAndFro(), tn.t.Intent != tn.wished && !(fleeting(tn.t.IntentOf) && fleeting(tn.wishedOf))
		if byHand {
			f.Hands++
		}
		if !f.written() && !(byHand && f.Hands <= flapsByPerson) {
			f.Unwritten, rec.passing = true, true
		}
	}
	f := tn.t.Flaps
	if f == nil || !f.Unwritten || rec.passing {
		return
	}
	if settled := tn.now.Sub(f.Last) >= flapsSettled; !settled && !rec.Durable() {
		return
	}
	h, c := tn.s.Host, *f
	c.Unwritten = false
	tn.t.Flaps = &c
	if rec.Host == nil {
		rec.Host = &h // makes the record durable
	}
	if rec.Incident == nil {
		rec.Incident = tn.inc
	}
}

// toAndFro counts one more, and returns the count, which may be changed.
func (tn *turn) toAndFro() *Flaps {
	f := Flaps{First: tn.now}
	if old := tn.t.Flaps; old != nil && tn.now.Sub(old.Last) < flapsRest {
		f = *old
	}
	f.N, f.Last = f.N+1, tn.now
	tn.t.Flaps = &f
	return &f
}

// leadsNowhere reports whether a record does, tells, ends and learns nothing, and takes nobody's word.
func (tn *turn) leadsNowhere(rec Record) bool {
	if rec.Event.Kind == Operator || rec.Answered {
		return false
	}
	return tn.nothingCame(rec)
}

// refusedWish reports a person's wish for a recovery, or its answer when that is a refusal. A script that asks
// all day is written down as often as one that stops and starts a target.
func refusedWish(rec Record) bool {
	return rec.Event.Kind == Operator && rec.Event.Command.Verb == CmdRecover || rec.Answered && rec.Refused
}

// nothingCame reports whether a record does, tells, ends and learns nothing.
func (tn *turn) nothingCame(rec Record) bool {
	for _, e := range rec.Effects {
		if e.Kind == Perform || e.Kind == Notify || e.Kind == Conclude {
			return false
		}
	}
	if tn.t.Unsaved || tn.s.Host.Impaired != "" {
		return false // there is something to catch up on
	}
	if rec.Event.Kind == Ended || rec.Run != nil || rec.Eased != "" || tn.host != nil {
		return false
	}
	if tn.touched == nil {
		return true
	}
	was := tn.was[tn.touched.ID]
	if was == nil {
		return false // it begins
	}
	// What goes to and fro with the looks is no news.
	same := *tn.touched
	same.Class, same.Held, same.Milder, same.Severity = was.Class, was.Held, was.Milder, was.Severity
	return tn.touched.Severity >= was.Severity && !material(was, &same)
}

// fleeting reports a wish that ends with what it rests on: something pending, or none at all.
func fleeting(wish Intent) bool { return wish == "" || wish == IntentPending }

const (
	// maxAttempts is how many actions one incident may have.
	maxAttempts = 50
	// maxAsked is how many it may have with those that a person asks for: each record has all of them, so what
	// an incident may write is bounded with them. A script that asks all day is no person.
	maxAsked = 100
)

// exhausted reports whether the incident has had so many actions that no further one is planned.
func (tn *turn) exhausted(plan *strategy.Plan) bool {
	most := maxAttempts
	if tn.asked() {
		most = maxAsked
	}
	return plan != nil && tn.inc != nil && len(tn.inc.Attempts)+len(plan.Actions) > most
}
