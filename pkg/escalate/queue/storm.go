package queue

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
)

// stormLines bounds what the summary of a storm lists; the rest is a number.
const stormLines = 20

// storms counts the triggers of the channel. When there are more than StormOver within
// StormWindow, the further ones, and those of the window which have not been tried yet, are
// demoted to updates, and one trigger for the whole storm takes their place. It is resolved when
// all of them are. Pages that already left stay as they are, and a trigger that is worse than
// everything the storm has told is never demoted. A storm that was told covers what begins within
// StormWindow of its page and while one of its alerts is open; what begins later is news again. News are the triggers and resolves that were
// not looked at yet, before collapsing; each is looked at once, in order of arrival.
func (r OutboxRules) storms(b *ChannelBook, news []Queued, now time.Time) (Edits, time.Time) {
	c := b.State
	c.Storms = cloneStorms(c.Storms)
	grown := map[string]bool{}
	changed := map[int]bool{}
	for _, q := range news {
		i := b.index(q.Seq) // -1 when it was collapsed
		if i >= 0 {
			b.Rows[i].Counted = true
			changed[i] = true
		}
		switch {
		case q.Kind == notice.Resolve:
			for _, s := range c.Storms {
				delete(s.Open, q.Key)
			}
		case i >= 0 && q.Origin == FromDecision:
			r.count(b, &c, i, changed, grown)
		}
	}
	var e Edits
	for i, q := range b.Rows {
		if changed[i] {
			e.Rows = append(e.Rows, q)
		}
	}
	var wake time.Time
	kept := c.Storms[:0]
	for _, s := range c.Storms {
		over := len(s.Open) == 0
		if over && !now.Before(s.Until) {
			e.New = append(e.New, r.stormRows(c.Channel, s, notice.Resolve, now)...)
			continue
		}
		if over {
			wake = earlier(wake, s.Until)
		}
		if grown[s.Key] {
			kind := notice.Update
			if !s.Told {
				kind, s.Told = notice.Trigger, true
			}
			e.New = append(e.New, r.stormRows(c.Channel, s, kind, now)...)
		}
		kept = append(kept, s)
	}
	c.Storms = kept
	if len(news) > 0 || len(e.New) > 0 {
		b.State = c
		e.Channels = append(e.Channels, c)
	}
	return e, wake
}

// count takes note of the trigger at index i and demotes what belongs to a storm.
func (r OutboxRules) count(b *ChannelBook, c *ChannelState, i int, changed map[int]bool, grown map[string]bool) {
	q := b.Rows[i]
	c.Recent = append(within(c.Recent, q.Enqueued, r.StormWindow), q.Enqueued.UnixNano())
	if r.StormOver <= 0 || len(c.Recent) <= r.StormOver || r.Public[c.Channel] {
		return
	}
	s := r.current(c, q)
	if !s.Told {
		s.Until = q.Enqueued.Add(r.StormWindow)
	}
	for j := range b.Rows[:i+1] {
		m := &b.Rows[j]
		fresh := m.Kind == notice.Trigger && m.Origin == FromDecision && m.Counted && m.Attempts == 0 &&
			m.Enqueued.After(q.Enqueued.Add(-r.StormWindow))
		if !fresh || s.Told && worse(m.Notice.Severity, s.Worst) || b.endsLater(*m) {
			continue
		}
		m.Kind, m.Why = notice.Update, "told with one page for many: "+s.Key
		changed[j] = true
		grown[s.Key] = s.join(*m) || grown[s.Key]
	}
}

// endsLater reports whether a resolve of the same key waits behind a row.
func (b *ChannelBook) endsLater(q Queued) bool {
	return slices.ContainsFunc(b.Rows, func(r Queued) bool {
		return r.Key == q.Key && r.Kind == notice.Resolve && r.Seq > q.Seq
	})
}

// current is the storm that a trigger belongs to: the one under way, or a new one.
func (r OutboxRules) current(c *ChannelState, q Queued) *Storm {
	if n := len(c.Storms); n > 0 && !q.Enqueued.After(c.Storms[n-1].Until) && !(c.Storms[n-1].Told && len(c.Storms[n-1].Open) == 0) {
		return &c.Storms[n-1]
	}
	c.Storms = append(c.Storms, Storm{
		Key:   fmt.Sprintf("storm/%s/%s/%s", r.Host, c.Channel, q.ID),
		Since: q.Enqueued,
		Open:  map[string]string{},
		First: q.Notice,
		Worst: notice.Info,
	})
	return &c.Storms[len(c.Storms)-1]
}

// join adds a trigger and reports whether the storm's page has something new to tell.
func (s *Storm) join(q Queued) bool {
	_, again := s.Open[q.Key]
	s.Open[q.Key] = q.ID
	if worse(q.Notice.Severity, s.Worst) {
		s.Worst = q.Notice.Severity
	}
	if again {
		return false
	}
	if s.Count++; s.Count == 1 { // what came before the one with which it was seen to be a storm
		s.First, s.Since = q.Notice, q.Enqueued
	}
	if len(s.Lines) < stormLines {
		s.Lines = append(s.Lines, line(q.Notice))
	}
	if t := q.Notice.Target; t != "" && !slices.Contains(s.Targets, t) && len(s.Targets) < stormLines {
		s.Targets = append(s.Targets, t)
	}
	return true
}

func (r OutboxRules) stormRows(channel string, s Storm, kind notice.Kind, now time.Time) []Queued {
	n := notice.Notice{
		ID:       fmt.Sprintf("%s#%s-%d", s.Key, kind, s.Count),
		Key:      s.Key,
		Kind:     kind,
		At:       now,
		Incident: s.First.Incident,
		Tier:     s.First.Tier,
		Priority: s.First.Priority,
		Severity: s.Worst,
		Status:   notice.Investigating,
		Host:     s.First.Host,
		Target:   s.First.Target,
		Class:    "storm",
		Event:    notice.EventStorm,
		Since:    s.Since,
		Affected: s.Targets,
		Evidence: slices.Clone(s.Lines),
		Next:     "the single alerts follow as updates of low severity; this page is resolved when all of them are",
		Commands: []string{"recoveryd status", "recoveryd incidents"},
	}
	what := fmt.Sprintf("%d alerts", s.Count)
	if s.Count == 1 {
		what = "one more alert"
	}
	n.Summary = fmt.Sprintf("%s within %s on %s, first: %s", what, strings.TrimSuffix(r.StormWindow.String(), "0s"), n.Host, line(s.First))
	if more := s.Count - len(s.Lines); more > 0 {
		n.Evidence = append(n.Evidence, fmt.Sprintf("and %d more", more))
	}
	if kind == notice.Resolve {
		n.Status = notice.Resolved
		n.Summary = fmt.Sprintf("all %d alerts of the storm on %s are over", s.Count, n.Host)
		n.Next = "nothing"
	}
	rows := NewQueued(now, n, channel)
	for i := range rows {
		rows[i].Origin = FromStorm
	}
	return rows
}

// worse reports whether a needs more attention than b. A severity outside the closed set is
// taken for the worst: what cannot be understood is not hidden.
func worse(a, b notice.Severity) bool { return weight(a) > weight(b) }

func weight(s notice.Severity) int {
	switch s {
	case notice.Info:
		return 1
	case notice.Warning:
		return 2
	case notice.Error:
		return 3
	case notice.Critical:
		return 4
	}
	return 5
}

func cloneStorms(storms []Storm) []Storm {
	storms = slices.Clone(storms)
	for i := range storms {
		storms[i].Open = maps.Clone(storms[i].Open)
		storms[i].Lines = slices.Clone(storms[i].Lines)
		storms[i].Targets = slices.Clone(storms[i].Targets)
	}
	return storms
}

// within keeps the times of the window that ends at to. A time after it is from before a step of
// the clock.
func within(ms []int64, to time.Time, window time.Duration) []int64 {
	first, last := to.Add(-window).UnixNano(), to.UnixNano()
	return slices.DeleteFunc(slices.Clone(ms), func(t int64) bool { return t <= first || t > last })
}
