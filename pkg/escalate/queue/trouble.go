package queue

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
)

// trouble opens, feeds and closes the episode of a channel that does not deliver. Its notices go
// to a few other channels, see [OutboxRules.Backup]: one trigger each, an update for each notice
// that was refused for good, one resolve when the channel works again and has been quiet for
// TroubleHold. It is about the channel and never about a notice, so nobody is told twice of one
// episode, whatever becomes of these notices in their turn.
func (r OutboxRules) trouble(b *ChannelBook, now time.Time, books []ChannelBook) (Edits, time.Time) {
	why, wake := r.broken(*b, now)
	if b.State.Trouble == nil && why == "" {
		return Edits{}, wake
	}
	t, opens := r.episode(b, why, now)
	t.To = r.told(t, books)
	o := r.group(*b, books)
	for _, l := range b.State.Lost {
		t.Lost = true
		if l.Kind == notice.Trigger && !l.Reached && o.nobodyHas(l.Key, l.Severity) {
			t.Kept = l.Line
		}
	}
	var e Edits
	if why != "" || b.State.Failures > 0 || t.Lost && !o.heard(t) {
		e.New = r.tellTrouble(*b, &t, books, o.kept(*b), now)
	}
	c := b.State
	switch {
	case opens || len(e.New) > 0 || len(c.Lost) > 0:
		c.Trouble, c.Lost = &t, nil
	case why != "" || c.Failures > 0: // nothing was seen to work since
		return e, wake
	case len(c.Refusing) > 0: // somebody behind the channel gets nothing
		return e, wake
	case len(o.needless(t)) > 0:
		gone := o.needless(t)
		e.New = r.troubleRows(now, r.troubleNotice(*b, t, notice.Resolve, now), gone)
		t.To = slices.DeleteFunc(slices.Clone(t.To), func(x string) bool { return slices.Contains(gone, x) })
		t.Paged = len(t.To) > 0
		t.Told++ // they may have to be told again
		c.Trouble = &t
	case now.Before(c.LastFailure.Add(r.TroubleHold)):
		return e, earlier(wake, c.LastFailure.Add(r.TroubleHold))
	case t.Lost && !o.heard(t): // what was lost would never be known
		return e, wake
	default:
		e.New = r.troubleRows(now, r.troubleNotice(*b, t, notice.Resolve, now), t.To)
		c.Trouble = nil
	}
	b.State = c
	e.Channels = append(e.Channels, c)
	return e, wake
}

// episode is the trouble under way, or a new one.
func (r OutboxRules) episode(b *ChannelBook, why string, now time.Time) (t Trouble, opens bool) {
	if open := b.State.Trouble; open != nil {
		t = *open
		if len(t.To) == 0 && !t.Paged && why != "" { // there was nobody to tell
			t.Why = why
		}
		return t, false
	}
	b.State.Episodes++
	return Trouble{ // the time keeps the key unique even if the count was lost with the journal
		Key:   fmt.Sprintf("channel/%s/%s/%d-%d", r.Host, b.State.Channel, now.Unix(), b.State.Episodes),
		Since: now, Why: why,
	}, true
}

// tellTrouble makes the notices that are due, and notes in the episode who was told.
func (r OutboxRules) tellTrouble(b ChannelBook, t *Trouble, books []ChannelBook, kept []string, now time.Time) (rows []Queued) {
	if t.Kept != "" {
		kept = append(kept, t.Kept)
	}
	before := t.To
	more := r.Backup(b, before, books, len(kept) > 0)
	for _, name := range more {
		n := r.troubleNotice(b, *t, notice.Trigger, now)
		if trait, _ := r.trait(name); trait.Reach == Wakes && len(kept) > 0 {
			n.Priority, n.Severity = "P1", notice.Critical
			n.Summary = fmt.Sprintf("a page through %s does not arrive: %s (%s)", b.State.Channel, kept[0], t.Why)
		}
		rows = append(rows, r.troubleRows(now, n, []string{name})...)
	}
	if len(before) > 0 && len(b.State.Lost) > 0 {
		t.Told++
		rows = append(rows, r.troubleRows(now, r.troubleNotice(b, *t, notice.Update, now), before)...)
	}
	t.To = slices.Concat(before, more)
	t.Paged = len(t.To) > 0
	return rows
}

// heard reports whether somebody has accepted what was lost, or nobody is left who could.
func (o others) heard(t Trouble) bool {
	waits := false
	for _, x := range o.people(t.To) {
		rows := slices.ContainsFunc(x.Rows, func(q Queued) bool { return q.Key == t.Key })
		if waits = waits || rows; !rows && x.Keys[t.Key].Open {
			return true
		}
	}
	return !waits
}

// needless are the pagers that were told, do not have it yet, and need not any more, since the
// channel works again: those of the same vendor would ring for what has just arrived.
func (o others) needless(t Trouble) (names []string) {
	for _, x := range o.pagers {
		if !t.Lost && slices.Contains(t.To, x.State.Channel) && x.waits(t.Key) {
			names = append(names, x.State.Channel)
		}
	}
	return names
}

// Orphan stands in for Next and Settle on a channel that has waiting rows but is not configured
// any more. The channel is in trouble until it is configured again; a row which has waited for
// OrphanAfter is refused, and the other channels are told what it said.
func (r OutboxRules) Orphan(b ChannelBook, now time.Time) (ChannelBook, Edits) {
	const what = "the channel is not configured any more"
	b = b.clone()
	var e Edits
	kept := b.Rows[:0]
	for _, q := range b.Rows {
		if now.Sub(q.Enqueued) < r.OrphanAfter {
			kept = append(kept, q)
			continue
		}
		q.State, q.Settled, q.Sending = Refused, now, false
		q.Reason, q.LastError, q.Why = notice.ReasonConfig, what, what
		e.Rows = append(e.Rows, q)
		if q.Origin != FromTrouble {
			b.State.Lost = append(slices.Clip(b.State.Lost), lostOf(q, what))
		}
	}
	b.Rows = kept
	switch failing := b.State.Failures > 0; {
	case len(b.Rows) > 0 && !failing:
		b.State = failed(b.State, DeliveryResult{Reason: notice.ReasonConfig, Error: what}, now)
	case len(b.Rows) == 0 && failing: // nothing left to deliver: the episode may end
		b.State = succeeded(b.State, now)
	case len(e.Rows) == 0:
		return b, Edits{}
	}
	e.Channels = append(e.Channels, b.State)
	return b, e
}

// broken says in a sentence why the channel is in trouble now, "" when it is not, and when time
// alone could change that.
func (r OutboxRules) broken(b ChannelBook, now time.Time) (why string, wake time.Time) {
	c := b.State
	if len(c.Lost) > 0 {
		l := c.Lost[0]
		if l.Receiver != "" {
			return fmt.Sprintf("%s gets nothing through %s: %s", l.Receiver, c.Channel, l.Error), wake
		}
		return fmt.Sprintf("%s refused a notice for good: %s", c.Channel, l.Error), wake
	}
	if c.Failures > 0 {
		if c.LastReason == notice.ReasonAuth || c.LastReason == notice.ReasonConfig {
			return fmt.Sprintf("%s does not accept our credentials or settings: %s", c.Channel, c.LastError), wake
		}
		at := c.FailingSince.Add(r.TroubleAfter)
		switch {
		case !b.missed(): // nobody misses anything; the next notice will tell
		case now.Before(at) && !c.NotBefore.After(at): // a vendor that asks for a longer wait is told of at once
			wake = at
		default:
			return fmt.Sprintf("%s has not delivered since %s: %s", c.Channel,
				notice.Stamp(c.FailingSince), c.LastError), wake
		}
	}
	for _, q := range b.Rows {
		if q.Kind != notice.Trigger || q.Origin == FromTrouble {
			continue
		}
		if at := q.Enqueued.Add(r.MaxAge); now.Before(at) {
			wake = earlier(wake, at)
		} else {
			whom := c.Channel
			if len(q.Left) > 0 {
				whom = strings.Join(q.Left, ", ") + " behind " + c.Channel
			}
			return fmt.Sprintf("a page waits for %s since %s", whom, notice.Stamp(q.Enqueued)), wake
		}
		break // the oldest decides
	}
	return "", wake
}

// missed reports whether anything waits that people do not learn otherwise: what we tell here of
// the trouble of another channel is told by one that works, too.
func (b ChannelBook) missed() bool {
	return slices.ContainsFunc(b.Rows, func(q Queued) bool { return q.Origin != FromTrouble })
}

func lostOf(q Queued, why string) Lost {
	return Lost{ID: q.ID, Key: q.Key, Kind: q.Kind, Severity: q.Notice.Severity, Line: line(q.Notice), Error: why}
}

func (r OutboxRules) troubleNotice(b ChannelBook, t Trouble, kind notice.Kind, now time.Time) notice.Notice {
	c := b.State
	n := notice.Notice{
		ID:       fmt.Sprintf("%s#%s-%d", t.Key, kind, t.Told),
		Key:      t.Key,
		Kind:     kind,
		At:       now,
		Priority: "P2",
		Severity: notice.Error,
		Status:   notice.Identified,
		Host:     r.Host,
		Target:   c.Channel,
		Class:    "channel",
		Event:    notice.EventChannel,
		Summary:  fmt.Sprintf("notifications through %s do not arrive: %s", c.Channel, t.Why),
		Since:    t.Since,
		Next:     "recoveryd keeps every page and goes on trying; look after the channel",
		Commands: []string{"recoveryd notify test --channel " + c.Channel, "recoveryd status"},
	}
	pages := 0
	for _, q := range b.Rows {
		if q.Kind == notice.Trigger {
			pages++
		}
	}
	switch {
	case len(b.Rows) == 1 && pages == 1:
		n.Evidence = append(n.Evidence, "1 notice waits, a page")
	case len(b.Rows) == 1:
		n.Evidence = append(n.Evidence, "1 notice waits, no page")
	case len(b.Rows) > 1:
		n.Evidence = append(n.Evidence, fmt.Sprintf("%d notices wait, %d of them pages", len(b.Rows), pages))
	}
	for _, l := range c.Lost {
		whom := ""
		if l.Receiver != "" {
			whom = " by " + l.Receiver
		}
		n.Evidence = append(n.Evidence, fmt.Sprintf("refused %s%s: %s (%s)", l.Kind, whom, l.Line, l.Error))
	}
	for _, q := range b.Rows {
		if len(n.Evidence) > stormLines {
			break
		}
		if q.Kind == notice.Trigger {
			n.Evidence = append(n.Evidence, "waiting page: "+line(q.Notice))
		}
	}
	if len(c.Refusing) > 0 && c.Failures == 0 {
		n.Summary = fmt.Sprintf("not everybody gets the notifications through %s: %s", c.Channel, t.Why)
		n.Next = "recoveryd goes on telling the others; mend the receiver, or take it out of the channel"
	}
	if kind == notice.Resolve {
		n.Status = notice.Resolved
		n.Summary = fmt.Sprintf("notifications through %s arrive again", c.Channel)
		n.Next = "nothing"
	}
	return n
}

func (r OutboxRules) troubleRows(now time.Time, n notice.Notice, to []string) []Queued {
	rows := NewQueued(now, n, to...)
	for i := range rows {
		rows[i].Origin = FromTrouble
	}
	return rows
}
