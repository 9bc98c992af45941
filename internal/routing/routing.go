// Package routing answers the core's question whom to tell, by the rules of package escalate.
//
// It decides nothing itself: it translates an incident into an [route.Situation] and the
// router's steps into what the incident remembers, since neither of the two packages knows the
// other. It never stores and never sends anything, and is as pure as both of them.
//
// Start reading at [New].
package routing

import (
	"fmt"
	"slices"
	"time"

	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
	"github.com/recoveryd/recoveryd/pkg/escalate/queue"
	"github.com/recoveryd/recoveryd/pkg/escalate/route"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

// Routing is a router as the core asks it. It is immutable and safe for concurrent use.
type Routing struct {
	router *route.Router
	drills []string
}

var _ incident.Escalation = (*Routing)(nil)

// New returns a Routing by a router. Drills are the channels that are told of drills, and nobody
// else is; without any, a drill is told like everything else.
func New(r *route.Router, drills ...string) *Routing { return &Routing{r, slices.Clone(drills)} }

// Router is the router behind it.
func (r *Routing) Router() *route.Router { return r.router }

// Situation is what routing must know of an incident. working says that recoveryd needs nobody yet.
func Situation(i *incident.Incident, working bool) route.Situation {
	return route.Situation{Incident: i.ID, Priority: i.Severity.String(), Class: string(i.Class), Target: i.Target,
		Opened: i.Counted(), Failed: i.Failed(), Working: working, Anew: i.Anew()}
}

// Due implements incident.Escalation.
func (r *Routing) Due(i *incident.Incident, needed bool, now time.Time) []incident.Told {
	if r.apart(i) {
		if !needed || len(i.Told) > 0 {
			return nil
		}
		return r.drilled(i, now)
	}
	var out []incident.Told
	for _, s := range r.router.Due(Situation(i, !needed && i.Paged.IsZero()), acks(i), now, sent(i)) {
		if i.Exercise() && r.router.Public(s.Channel) {
			continue // outsiders are not told of drills
		}
		out = append(out, incident.Told{Address: incident.Address{Channel: s.Channel, Key: s.Key, For: s.To}, N: s.N, Tiers: s.Tiers,
			Due: s.At, At: s.Sent, Why: s.Why})
	}
	if i.Anew() && len(out) > 0 { // who was told of the drill is told that it is none any more
		for _, t := range r.drilled(i, now) {
			if !slices.ContainsFunc(out, func(o incident.Told) bool { return o.Channel == t.Channel }) {
				t.N, t.Key = out[0].N, fmt.Sprintf("%s/t%d", i.ID, out[0].N)
				out = append(out, t)
			}
		}
	}
	return out
}

// apart reports whether an incident is a drill that only its own channels are told of.
func (r *Routing) apart(i *incident.Incident) bool { return len(r.drills) > 0 && i.Exercise() }

// drilled tells the channels for drills, once.
func (r *Routing) drilled(i *incident.Incident, now time.Time) (out []incident.Told) {
	for _, c := range r.drills {
		out = append(out, incident.Told{Address: incident.Address{Channel: c, Key: i.ID + "/t0", For: []string{"drills"}}, Tiers: []string{incident.DrillTier},
			Due: now, At: now, Why: "drill " + i.Drill.ID})
	}
	return out
}

// Next implements incident.Escalation.
func (r *Routing) Next(i *incident.Incident, now time.Time) (time.Time, bool) {
	if r.apart(i) {
		return time.Time{}, false
	}
	return r.router.NextDue(Situation(i, false), acks(i), now, sent(i))
}

// Cured implements incident.Escalation. A change has no alert, so its key is the incident's first.
func (r *Routing) Cured(i *incident.Incident, now time.Time) []incident.Address {
	var out []incident.Address
	if r.apart(i) {
		for _, t := range r.drilled(i, now) {
			out = append(out, t.Address)
		}
		return out
	}
	for _, to := range r.router.Cured(Situation(i, false), now) {
		out = append(out, incident.Address{Channel: to.Channel, Key: i.ID + "/t0"})
	}
	return out
}

// Own returns the rows of a notice about recoveryd itself, which belongs to no incident.
func (r *Routing) Own(n notice.Notice) []queue.Queued {
	var channels []string
	for _, to := range r.router.Own(route.Situation{Priority: n.Priority, Class: n.Class, Target: n.Target, Opened: n.At}, n.At) {
		channels = append(channels, to.Channel)
	}
	return queue.NewQueued(n.At, n, channels...)
}

// forGood stands for the end of an acknowledgement that somebody must take back.
var forGood = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// acks is the word that counts: a later one has replaced the earlier ones.
func acks(i *incident.Incident) []route.Ack {
	if i.Ack == nil {
		return nil
	}
	a := route.Ack{By: i.Ack.By, At: i.Ack.Since, Until: i.Ack.Until}
	if a.Until.IsZero() {
		a.Until = forGood
	}
	return []route.Ack{a}
}

func sent(i *incident.Incident) []route.Step {
	out := make([]route.Step, 0, len(i.Told))
	for _, t := range i.Told {
		out = append(out, route.Step{Tiers: t.Tiers, N: t.N, Key: t.Key, Kind: notice.Trigger, Channel: t.Channel, To: t.For,
			At: t.Due, Sent: t.At, Why: t.Why})
	}
	return out
}
