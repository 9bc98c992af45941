package route

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
)

// Due returns the messages of an open incident that are to be sent now and have not been sent.
// Sent is everything that Due has ever returned for the incident.
//
// A tier is due by the age of the incident on the wall clock, so that a restart, a sleep or a
// late call delays it but never loses it. Everything that became due by now goes out as one
// escalation with a number and a key of its own, and each channel gets one message of it. While
// an acknowledgement holds, only tiers that are told despite it are due; when it has run out and
// the incident is still open, those who were told first are told again, together with whatever
// became due meanwhile.
func (r *Router) Due(s Situation, acks []Ack, now time.Time, sent []Step) []Step {
	told, n := progress(sent)
	acked := slices.ContainsFunc(acks, func(a Ack) bool { return a.Active(now) })
	var due []dueTier
	for _, t := range r.Tiers(s) {
		if acked && !t.DespiteAck {
			continue
		}
		if d, ok := r.tierDue(t, s, now, told); ok {
			due = append(due, d)
		}
	}
	if d, ok := r.ackOver(s, acks, now, told, sent); ok && !acked {
		due = append(due, d)
	}
	if len(sent) > 0 && !s.Anew {
		return r.steps(s, due, n, now, sent)
	}
	if s.Working && !slices.Contains(r.atOnce, s.Priority) && !slices.ContainsFunc(due, func(d dueTier) bool { return !d.prompt }) {
		return nil // nobody is needed yet
	}
	first := r.steps(s, due, n, now, sent)
	if len(first) == 0 && !acked && len(due) > 0 && !r.soon(s, now) {
		return r.stepsTo(s, []dueTier{{name: "everyone", at: now, why: s.Priority + ": no rule leads to anybody"}}, n, now, sent, func(dueTier) []Receiver { return r.everyone() })
	}
	return first
}

// soon reports whether people will be told by age before the response time is over, although
// nobody stands for those who are due now: then nobody else need be woken for them.
func (r *Router) soon(s Situation, now time.Time) bool {
	return slices.ContainsFunc(r.Tiers(s), func(t Tier) bool {
		at := r.moment(t, s)
		return at.After(now) && !at.After(s.Opened.Add(Response(s.Priority))) && len(r.privately(t.Notify, at)) > 0
	})
}

// prompt reports whether a tier is due by nothing but the beginning of the escalation.
func (t Tier) prompt() bool { return t.After == 0 && !t.NextBusinessDay }

// dueTier is a tier that is due, under the name by which it is remembered.
type dueTier struct {
	name   string
	notify []string
	at     time.Time
	why    string
	prompt bool // due by the beginning alone
}

// history is what was told of a tier: how often, and when last.
type history struct {
	times int
	last  time.Time
}

// progress returns what was told, by the tier's name, and the next number. Repetitions are stored
// as "name#k" and count for their tier.
func progress(sent []Step) (told map[string]history, next int) {
	told = map[string]history{}
	counted := map[string]bool{}
	for _, st := range sent {
		next = max(next, st.N+1)
		for _, full := range st.Tiers {
			name, _, _ := strings.Cut(full, "#")
			h := told[name]
			if !counted[full] { // one for all channels
				counted[full] = true
				h.times++
			}
			if st.Sent.After(h.last) {
				h.last = st.Sent
			}
			told[name] = h
		}
	}
	return told, next
}

// moment is when a tier is due by age.
func (r *Router) moment(t Tier, s Situation) time.Time {
	at := s.Opened.Add(t.After)
	switch {
	case t.NextBusinessDay:
		at = r.office.next(at)
	case t.BusinessHours:
		at = r.office.within(at)
	}
	return at
}

func (r *Router) tierDue(t Tier, s Situation, now time.Time, told map[string]history) (dueTier, bool) {
	at := r.moment(t, s)
	d := dueTier{name: t.Name, notify: t.Notify, at: at, prompt: t.prompt()}
	atOnce := t.After == 0 && !t.NextBusinessDay && !t.BusinessHours
	switch h := told[t.Name]; {
	case h.times > 0:
		return repetition(t, h, now)
	// At once means at once, also when the clock was set back after the incident was opened.
	case atOnce:
		d.at = s.Opened
		if now.Before(d.at) {
			d.at = now
		}
		d.why = fmt.Sprintf("%s is told of %s at once", t.Name, s.Priority)
	case !now.Before(at):
		d.why = fmt.Sprintf("%s unresolved for %s", s.Priority, cmp.Or(notice.Age(s.Opened, now), "a moment"))
	case t.OrFailed > 0 && s.Failed >= t.OrFailed:
		d.at, d.prompt = now, false
		d.why = fmt.Sprintf("%d attempts to repair it did not help", s.Failed)
	default:
		return d, false
	}
	return d, true
}

// repetition is due when the last telling is long enough ago: what was missed while the daemon
// was down is not made up for.
func repetition(t Tier, h history, now time.Time) (dueTier, bool) {
	at := h.last.Add(t.Repeat)
	return dueTier{
		name: fmt.Sprintf("%s#%d", t.Name, h.times), notify: t.Notify, at: at,
		why: fmt.Sprintf("still unresolved, told again each %s", t.Repeat),
	}, t.Repeat > 0 && !now.Before(at)
}

// ackOver tells those who were told first that the acknowledgement has run out.
func (r *Router) ackOver(s Situation, acks []Ack, now time.Time, told map[string]history, sent []Step) (dueTier, bool) {
	var last Ack
	for _, a := range acks {
		if a.Until.After(last.Until) && !a.At.After(now) {
			last = a
		}
	}
	name := fmt.Sprintf("ack-over@%d", last.Until.Unix())
	if last.Until.IsZero() || now.Before(last.Until) || told[name].times > 0 {
		return dueTier{}, false
	}
	// Whoever was first told after it had run out need not be told of that.
	if !slices.ContainsFunc(sent, func(st Step) bool { return st.Sent.Before(last.Until) }) {
		return dueTier{}, false
	}
	first := sent[0].N
	var tiers []string
	for _, st := range sent {
		if first = min(first, st.N); st.N == first {
			tiers = append(tiers, st.Tiers...)
		}
	}
	var notify []string
	for _, t := range r.Tiers(s) {
		if slices.Contains(tiers, t.Name) {
			notify = append(notify, t.Notify...)
		}
	}
	by := cmp.Or(last.By, "somebody")
	return dueTier{name: name, notify: notify, at: last.Until, why: fmt.Sprintf("acknowledged by %s until %s, and still unresolved", by, notice.Stamp(last.Until))}, len(notify) > 0
}

// steps makes one escalation of what is due: one message per channel.
func (r *Router) steps(s Situation, due []dueTier, n int, now time.Time, sent []Step) []Step {
	return r.stepsTo(s, due, n, now, sent, func(d dueTier) []Receiver { return r.Receivers(d.notify, now) })
}

func (r *Router) stepsTo(s Situation, due []dueTier, n int, now time.Time, sent []Step, receivers func(dueTier) []Receiver) []Step {
	slices.SortStableFunc(due, func(a, b dueTier) int { return a.at.Compare(b.at) })
	var all []Step
	index := map[string]int{}
	for _, d := range due {
		for _, rec := range receivers(d) {
			i, ok := index[rec.Channel]
			if !ok {
				i = len(all)
				index[rec.Channel] = i
				all = append(all, Step{
					N: n, Key: r.key(s.Incident, n, rec.Channel, sent), Kind: notice.Trigger, Channel: rec.Channel, At: d.at, Sent: now,
				})
			}
			st := &all[i]
			st.Tiers = append(st.Tiers, d.name)
			st.To = append(st.To, rec.For)
			if !strings.Contains(st.Why, d.why) {
				st.Why = strings.TrimPrefix(st.Why+"; "+d.why, "; ")
			}
		}
	}
	return all
}

// key is the dedup key of a message. A threaded channel goes on under the key of the first.
func (r *Router) key(incident string, n int, channel string, sent []Step) string {
	if r.threaded[channel] {
		for _, st := range sent {
			if st.Channel == channel && st.Kind == notice.Trigger {
				return st.Key
			}
		}
	}
	return fmt.Sprintf("%s/t%d", incident, n)
}

// NextDue returns when Due may return something that it does not return now. ok is false when
// nothing will become due by time alone.
func (r *Router) NextDue(s Situation, acks []Ack, now time.Time, sent []Step) (next time.Time, ok bool) {
	consider := func(t time.Time) {
		if t.After(now) && (!ok || t.Before(next)) {
			next, ok = t, true
		}
	}
	for _, a := range acks {
		consider(a.Until)
	}
	told, _ := progress(sent)
	for _, t := range r.Tiers(s) {
		if h := told[t.Name]; h.times == 0 {
			consider(r.moment(t, s))
		} else if t.Repeat > 0 {
			consider(h.last.Add(t.Repeat))
		}
	}
	return next, ok
}

// Resolves returns the messages that end everything that was sent: each alert once, on the
// channel and under the key that it was opened with.
func Resolves(sent []Step) []Step { return ends(sent, notice.Resolve) }

// Updates returns the messages that bring everything that was sent to the current state.
func Updates(sent []Step) []Step { return ends(sent, notice.Update) }

func ends(sent []Step, kind notice.Kind) []Step {
	var all []Step
	seen := map[[2]string]bool{}
	for _, st := range sent {
		at := [2]string{st.Channel, st.Key}
		if st.Kind != notice.Trigger || seen[at] {
			continue
		}
		seen[at] = true
		st.Kind, st.Why = kind, ""
		all = append(all, st)
	}
	return all
}

// Planned is a line of what would happen to an incident that nobody resolves.
type Planned struct {
	Tier     string        `json:"tier"`
	At       time.Time     `json:"at"`
	After    time.Duration `json:"after"`          // age of the incident, before it waits for business hours
	Waits    bool          `json:"waits,omitzero"` // for business hours or the next business day
	OrFailed int           `json:"or_failed,omitzero"`
	To       []Receiver    `json:"to"`
	Repeat   time.Duration `json:"repeat,omitzero"`
	// DespiteAck: told although somebody has acknowledged.
	DespiteAck bool `json:"despite_ack,omitzero"`
}

// Plan returns, for a preview, who would be told of an incident and when.
func (r *Router) Plan(s Situation) []Planned {
	var all []Planned
	for _, t := range r.Tiers(s) {
		at := r.moment(t, s)
		all = append(all, Planned{Tier: t.Name, At: at, After: t.After, Waits: t.BusinessHours || t.NextBusinessDay, DespiteAck: t.DespiteAck, OrFailed: t.OrFailed, To: r.Receivers(t.Notify, at), Repeat: t.Repeat})
	}
	slices.SortStableFunc(all, func(a, b Planned) int { return a.At.Compare(b.At) })
	if len(all) > 0 && !slices.ContainsFunc(all, func(p Planned) bool { return p.After == 0 && len(p.To) > 0 }) && !r.soon(s, s.Opened) {
		all[0].To = append(all[0].To, r.everyone()...) // as Due does it
	}
	return all
}

// String writes the line as an operator reads it.
func (p Planned) String() string {
	var to []string
	for _, rec := range p.To {
		to = append(to, rec.Channel+" ("+rec.For+")")
	}
	who := "nobody"
	if len(to) > 0 {
		who = strings.Join(to, ", ")
	}
	when := notice.Stamp(p.At)
	if p.OrFailed > 0 {
		when += fmt.Sprintf(", or after %d attempts in vain", p.OrFailed)
	}
	if p.Repeat > 0 {
		when += fmt.Sprintf(", then each %s", p.Repeat)
	}
	return fmt.Sprintf("%s: %s: %s", when, p.Tier, who)
}
