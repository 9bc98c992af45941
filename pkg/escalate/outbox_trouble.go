package escalate

import (
	"fmt"
	"slices"
	"time"
)

// trouble opens, feeds and closes the episode of a channel that does not deliver. Its notices go
// to the other channels: one trigger when it opens, an update for each page that was refused for
// good, one resolve when the channel works again and has been quiet for TroubleHold. It is about
// the channel and never about a notice, so there is at most one trigger per channel and episode,
// whatever becomes of these notices in their turn.
func (r OutboxRules) trouble(b *ChannelBook, now time.Time, others []string) (Edits, time.Time) {
	c := b.State
	why, wake := r.broken(*b, now)
	var e Edits
	switch {
	case c.Trouble == nil && why == "":
		return e, wake
	case c.Trouble == nil:
		c.Episodes++
		t := Trouble{ // the time keeps the key unique even if the count was lost with the journal
			Key:   fmt.Sprintf("channel/%s/%s/%d-%d", r.Host, c.Channel, now.Unix(), c.Episodes),
			Since: now, Why: why,
		}
		e.New = r.troubleRows(now, r.troubleNotice(*b, t, Trigger, now), others)
		t.Paged = len(e.New) > 0
		c.Trouble, c.Lost = &t, nil
	case !c.Trouble.Paged && why != "" && len(r.audience(others)) > 0: // there was nobody to tell
		t := *c.Trouble
		t.Why, t.Paged = why, true
		e.New = r.troubleRows(now, r.troubleNotice(*b, t, Trigger, now), others)
		c.Trouble, c.Lost = &t, nil
	case len(c.Lost) > 0:
		t := *c.Trouble
		t.Told++
		e.New = r.troubleRows(now, r.troubleNotice(*b, t, Update, now), others)
		c.Trouble, c.Lost = &t, nil
	case why != "":
		return e, wake
	case c.Failures > 0:
		return e, wake // nothing was seen to work since
	case now.Before(c.LastFailure.Add(r.TroubleHold)):
		return e, earlier(wake, c.LastFailure.Add(r.TroubleHold))
	default:
		if c.Trouble.Paged {
			e.New = r.troubleRows(now, r.troubleNotice(*b, *c.Trouble, Resolve, now), others)
		}
		c.Trouble = nil
	}
	b.State = c
	e.Channels = append(e.Channels, c)
	return e, wake
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
		q.Reason, q.LastError, q.Why = ReasonConfig, what, what
		e.Rows = append(e.Rows, q)
		if q.Origin != FromTrouble {
			b.State.Lost = append(slices.Clip(b.State.Lost), Lost{ID: q.ID, Kind: q.Kind, Line: line(q.Notice), Error: what})
		}
	}
	b.Rows = kept
	switch failing := b.State.Failures > 0; {
	case len(b.Rows) > 0 && !failing:
		b.State = failed(b.State, DeliveryResult{Reason: ReasonConfig, Error: what}, now)
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
		return fmt.Sprintf("%s refused a notice for good: %s", c.Channel, l.Error), wake
	}
	if c.Failures > 0 {
		if c.LastReason == ReasonAuth || c.LastReason == ReasonConfig {
			return fmt.Sprintf("%s does not accept our credentials or settings: %s", c.Channel, c.LastError), wake
		}
		at := c.FailingSince.Add(r.TroubleAfter)
		switch {
		case len(b.Rows) == 0: // nobody misses anything; the next notice will tell
		case now.Before(at):
			wake = at
		default:
			return fmt.Sprintf("%s has not delivered since %s: %s", c.Channel,
				c.FailingSince.UTC().Format(time.RFC3339), c.LastError), wake
		}
	}
	for _, q := range b.Rows {
		if q.Kind != Trigger || q.Origin == FromTrouble {
			continue
		}
		if at := q.Enqueued.Add(r.MaxAge); now.Before(at) {
			wake = earlier(wake, at)
		} else {
			return fmt.Sprintf("a page waits for %s since %s", c.Channel, q.Enqueued.UTC().Format(time.RFC3339)), wake
		}
		break // the oldest decides
	}
	return "", wake
}

func (r OutboxRules) troubleNotice(b ChannelBook, t Trouble, kind Kind, now time.Time) Notice {
	c := b.State
	n := Notice{
		ID:       fmt.Sprintf("%s#%s-%d", t.Key, kind, t.Told),
		Key:      t.Key,
		Kind:     kind,
		At:       now,
		Priority: "P2",
		Severity: Error,
		Status:   Identified,
		Host:     r.Host,
		Target:   c.Channel,
		Class:    "channel",
		Summary:  fmt.Sprintf("notifications through %s do not arrive: %s", c.Channel, t.Why),
		Since:    t.Since,
		Next:     "recoveryd keeps every page and goes on trying; look after the channel",
		Commands: []string{"recoveryd notify test --channel " + c.Channel, "recoveryd status"},
	}
	pages := 0
	for _, q := range b.Rows {
		if q.Kind == Trigger {
			pages++
		}
	}
	n.Evidence = append(n.Evidence, fmt.Sprintf("%d notices wait, %d of them pages", len(b.Rows), pages))
	for _, l := range c.Lost {
		n.Evidence = append(n.Evidence, fmt.Sprintf("refused %s: %s (%s)", l.Kind, l.Line, l.Error))
	}
	for _, q := range b.Rows {
		if len(n.Evidence) > stormLines {
			break
		}
		if q.Kind == Trigger {
			n.Evidence = append(n.Evidence, "waiting page: "+line(q.Notice))
		}
	}
	if kind == Resolve {
		n.Status = Resolved
		n.Summary = fmt.Sprintf("notifications through %s arrive again", c.Channel)
		n.Next = "nothing"
	}
	return n
}

// audience is who may read of our own troubles.
func (r OutboxRules) audience(others []string) []string {
	return slices.DeleteFunc(slices.Clone(others), func(c string) bool { return r.Public[c] })
}

func (r OutboxRules) troubleRows(now time.Time, n Notice, others []string) []Queued {
	rows := NewQueued(now, n, r.audience(others)...)
	for i := range rows {
		rows[i].Origin = FromTrouble
	}
	return rows
}
