package incident

import (
	"fmt"
	"slices"
	"time"
)

// Escalation decides whom to tell of an open incident, and when. It is pure: what was told is in
// the incident, so that a restart of the daemon neither repeats nor resets anything. It is
// immutable and safe for concurrent use.
type Escalation interface {
	// Due returns whom to tell now and who is not in i.Told yet; at most one entry per channel. needed
	// says that recoveryd has come to an end with the incident: a person must look. Without it,
	// only those are due whose time has come by the age of the incident alone.
	Due(i *Incident, needed bool, now time.Time) []Told
	// Next is when Due may return something new by time alone; ok is false when nothing will.
	Next(i *Incident, now time.Time) (at time.Time, ok bool)
	// Cured returns who is told, for the record, of a cure that nobody was woken for.
	Cured(i *Incident, now time.Time) []Address
}

// Address is a channel, and the key of the message there.
type Address struct {
	Channel string   `json:"channel,omitzero"`
	Key     string   `json:"key"`          // dedup key: a later message under the same key is about the same alert
	For     []string `json:"for,omitzero"` // the roles and people it is for
}

// Told is one message by which people were told of an incident. The incident keeps them all.
type Told struct {
	Address
	N     int       `json:"n"`     // ordinal of this escalation in the incident: 0, 1, 2, ...
	Tiers []string  `json:"tiers"` // names of the tiers that were due; never empty
	Due   time.Time `json:"due"`   // since when it was due
	At    time.Time `json:"at"`    // when it was decided
	Why   string    `json:"why,omitzero"`
}

// DrillTier is the tier of what was told of an incident while it was an exercise: it counts for no
// other tier when the incident turns out to be real.
const DrillTier = "drill"

// Anew reports whether everything that was told so far was told of an exercise.
func (i *Incident) Anew() bool { return i.Drill != nil && i.Paged.IsZero() && len(i.Told) > 0 }

// Counted is since when the escalation of the incident counts: since it was confirmed, or since a
// person's own hold ended before anybody was told. Later holds do not put it off.
func (i *Incident) Counted() time.Time {
	if !i.Clock.IsZero() {
		return i.Clock
	}
	return i.ours()
}

// Failed counts the cures that were tried and did not help. Taking a change back is none, nor is what was
// not begun, or what a person stepped into.
func (i *Incident) Failed() (n int) {
	for _, a := range i.Attempts {
		switch a.Verdict {
		case "", NextStep, Verified, ClearedByItself, NotBegun, HoldOperator:
		default:
			if !a.Undo {
				n++
			}
		}
	}
	return n
}

// void counts the actions that came too late: the target had changed since they were decided.
func (i *Incident) void() (n int) {
	for _, a := range i.Attempts {
		if a.Verdict == NotBegun && !a.Undo {
			n++
		}
	}
	return n
}

// escalate tells whoever is to be told by now.
func (tn *turn) escalate(rec *Record) {
	i, why := tn.inc, tn.pageReason()
	begun := !i.Paged.IsZero()
	if !begun && why == "" && byPerson(i.Held) {
		return // who holds it knows
	}
	clock := i.Counted()
	if !begun && byPerson(i.Held) {
		clock = tn.now // until now it was that person's business
	}
	view := *i
	view.Clock = clock
	due := tn.p.o.Escalation.Due(&view, why != "", tn.now)
	if len(due) == 0 {
		return
	}
	c := tn.change()
	if begun {
		why = TierDue
		if rec.Reason == NoChange {
			rec.Reason = TierDue
		}
	} else {
		if why == "" {
			why = UnresolvedTooLong
		}
		c.Clock, c.Paged, c.PagedWhy = clock, tn.now, why
	}
	earlier := slices.Clone(c.Told)
	c.Told = append(c.Told, due...)
	for _, group := range byOrdinal(due) {
		c.Tier = max(c.Tier, group[0].N)
		tn.notify(NoticeTrigger, group[0].N, why, group[0].Why, addresses(group))
		tn.effects[len(tn.effects)-1].Notice.Again = toldBefore(earlier, group)
	}
}

// toldBefore reports whether every tier of some messages has been told before.
func toldBefore(earlier, group []Told) bool {
	for _, now := range group {
		for _, tier := range now.Tiers {
			if !slices.ContainsFunc(earlier, func(t Told) bool { return slices.Contains(t.Tiers, tier) }) {
				return false
			}
		}
	}
	return len(group) > 0
}

// bringUpToDate shows the present state on every channel that was told before this step.
func (tn *turn) bringUpToDate(why Reason, before int) {
	var to []Address
	now := addresses(tn.inc.Told[before:])
	for _, a := range addresses(tn.inc.Told[:before]) {
		if !slices.ContainsFunc(now, a.same) { // a threaded channel has just been told under the same key
			to = append(to, a)
		}
	}
	if len(to) > 0 {
		tn.notify(NoticeUpdate, 0, why, "", to)
	}
}

// allClear ends every alert on the channel and under the key that it was opened with.
func (tn *turn) allClear() {
	var ended []Address
	for _, group := range byOrdinal(tn.inc.Told) {
		var to []Address
		for _, a := range addresses(group) {
			if !slices.ContainsFunc(ended, a.same) {
				to, ended = append(to, a), append(ended, a)
			}
		}
		if len(to) > 0 {
			tn.notify(NoticeResolve, group[0].N, tn.inc.Outcome, "", to)
		}
	}
}

func (a Address) same(b Address) bool { return a.Channel == b.Channel && a.Key == b.Key }

// addresses are those of the messages, each once.
func addresses(list []Told) (out []Address) {
	for _, t := range list {
		if !slices.ContainsFunc(out, t.same) {
			out = append(out, t.Address)
		}
	}
	return out
}

// byOrdinal groups messages of the same escalation, in their order.
func byOrdinal(list []Told) (out [][]Told) {
	for _, t := range list {
		if n := len(out); n > 0 && out[n-1][0].N == t.N {
			out[n-1] = append(out[n-1], t)
			continue
		}
		out = append(out, []Told{t})
	}
	return out
}

// Ages is the plainest Escalation: one receiver without a name is told at each of these ages of
// the incident, the first time as soon as a person is needed. It stands where nobody's names are
// known.
type Ages []time.Duration

var _ Escalation = Ages{}

// Due implements Escalation.
func (a Ages) Due(i *Incident, needed bool, now time.Time) []Told {
	next := i.inEarnest()
	if next >= len(a) || i.Ack.active(now) {
		return nil
	}
	at := i.Counted().Add(a[next])
	if a[next] == 0 && !needed || now.Before(at) {
		return nil
	}
	n := len(i.Told)
	return []Told{{Address: Address{Key: fmt.Sprintf("%s/t%d", i.ID, n)}, N: n, Tiers: []string{fmt.Sprintf("tier-%d", next)}, Due: at, At: now}}
}

// inEarnest counts what was told of it, but for an exercise.
func (i *Incident) inEarnest() (n int) {
	for _, t := range i.Told {
		if !slices.Contains(t.Tiers, DrillTier) {
			n++
		}
	}
	return n
}

// Next implements Escalation.
func (a Ages) Next(i *Incident, now time.Time) (time.Time, bool) {
	next := i.inEarnest()
	if next >= len(a) {
		return time.Time{}, false
	}
	at := i.Counted().Add(a[next])
	if i.Ack.active(now) && i.Ack.Until.After(at) {
		at = i.Ack.Until
	}
	return at, at.After(now)
}

// Cured implements Escalation.
func (a Ages) Cured(i *Incident, _ time.Time) []Address { return []Address{{Key: i.ID + "/t0"}} }
