package queue

import (
	"fmt"
	"strings"
	"time"

	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
)

// Sentences of the Why of collapsed rows. They are read in the incident's history.
const (
	WhyNeverSeen  = "nobody was told on this channel: the alert was over before it could be delivered"
	WhyOver       = "not sent: the alert was over before this page could be delivered"
	WhyNewer      = "not sent: a newer update of the same alert takes its place"
	WhyNothing    = "not sent: there is no open alert under this key on this channel"
	WhyOverUpdate = "not sent: the alert was over and is only resolved"
)

// Tidy applies the rules that need no vendor: it collapses what is stale, groups a storm,
// repeats alerts that would end, and opens or closes the channel's trouble. The new rows it returns are for this channel (storms)
// or for others (trouble), whose books it is given and only reads. Tidy again after storing them; it is done when the edits are
// empty. Wake is when to call it again although nothing happened, zero for never.
func (r OutboxRules) Tidy(b ChannelBook, now time.Time, others []ChannelBook) (ChannelBook, Edits, time.Time) {
	b = b.clone()
	var news []Queued
	for _, q := range b.Rows {
		if !q.Counted && (q.Kind == notice.Trigger || q.Kind == notice.Resolve) {
			news = append(news, q)
		}
	}
	e := b.collapse(now)
	stormEdits, stormWake := r.storms(&b, news, now)
	troubleEdits, troubleWake := r.trouble(&b, now, others)
	repeatEdits, repeatWake := b.repeat(now)
	e = e.Join(stormEdits).Join(troubleEdits).Join(repeatEdits)
	wake := stormWake
	if !repeatWake.IsZero() {
		wake = earlier(wake, repeatWake)
	}
	if !troubleWake.IsZero() {
		wake = earlier(wake, troubleWake)
	}
	return b, e, wake
}

// collapse drops the rows that became pointless, key by key.
func (b *ChannelBook) collapse(now time.Time) Edits {
	byKey := map[string][]int{}
	busy := map[string]bool{}
	var order []string
	for i, q := range b.Rows {
		if byKey[q.Key] == nil {
			order = append(order, q.Key)
		}
		byKey[q.Key] = append(byKey[q.Key], i)
		busy[q.Key] = busy[q.Key] || q.Sending
	}
	var e Edits
	gone := map[int]bool{}
	for _, key := range order {
		if busy[key] { // what becomes of the attempt decides; it ends or times out soon
			continue
		}
		drop, opened := collapseKey(b.Rows, byKey[key], b.Keys[key], b.knows(key))
		for _, i := range byKey[key] {
			why, dropped := drop[i]
			if !dropped {
				continue
			}
			q := b.Rows[i]
			q.State, q.Settled, q.Why = Collapsed, now, why
			if q.Reached {
				q.State, q.Why = Delivered, fmt.Sprintf("not to %s: %s", strings.Join(q.Left, ", "), strings.TrimPrefix(why, "not sent: "))
			}
			e.Rows = append(e.Rows, q)
			gone[i] = true
			if q.alerts() && q.arrived() {
				e.Rows = append(e.Rows, b.owe(i)...)
			}
			if _, known := b.Keys[key]; !known || q.alerts() && (opened && q.arrived() || q.Touched) {
				e.Keys = append(e.Keys, b.touchKey(q, now))
			}
		}
	}
	if len(gone) > 0 {
		kept := b.Rows[:0]
		for i, q := range b.Rows {
			if !gone[i] {
				kept = append(kept, q)
			}
		}
		b.Rows = kept
	}
	return e
}

// owe notes in the all-clear behind a dropped row that somebody may have that row: it is sent even if
// an earlier all-clear, which others still wait for, ends the alert in the meantime.
func (b *ChannelBook) owe(dropped int) []Queued {
	for i := dropped + 1; i < len(b.Rows); i++ {
		if q := &b.Rows[i]; q.Key == b.Rows[dropped].Key && q.Kind == notice.Resolve {
			if q.Touched {
				return nil
			}
			q.Touched = true
			return []Queued{*q}
		}
	}
	return nil
}

func (b *ChannelBook) knows(key string) bool {
	_, known := b.Keys[key]
	return known
}

// collapseKey looks at the waiting rows of one key, oldest first, and returns why which of them
// need not leave. Opened tells that a dropped row may have reached the vendor, so that the key
// has to be remembered as open until its Resolve is accepted.
//
// The rows are cut into episodes, each ended by a Resolve; the last may have no end.
//
//   - An ended episode of which the vendor has nothing leaves no trace there: neither its trigger
//     nor its resolve is sent.
//   - An ended episode of which the vendor has, or may have, something: its resolve is sent, and
//     no trigger any more.
//   - In every episode only the latest of several updates is sent.
//   - A trigger without a resolve behind it is never dropped, and neither is a Change.
func collapseKey(rows []Queued, at []int, k KeyState, known bool) (drop map[int]string, opened bool) {
	drop = map[int]string{}
	open := k.Open
	start := 0
	for start < len(at) {
		end := start // index of the Resolve, or len(at)
		for end < len(at) && rows[at[end]].Kind != notice.Resolve {
			end++
		}
		episode := at[start:end]
		touched := false
		for _, i := range at[start:min(end+1, len(at))] {
			touched = touched || rows[i].arrived()
		}
		over := end < len(at)
		lone := over && !hasAlert(rows, episode)
		switch {
		case !over:
			opened = dropOlderUpdates(rows, episode, drop) || opened
		case lone && !known, lone && (open || touched):
			// A resolve whose trigger is not in the queue any more. Without any memory of the key
			// (a lost journal) it is sent: a superfluous resolve harms nobody, a missing one
			// leaves a page open for ever.
		case lone:
			drop[at[end]] = WhyNothing
		case !open && !touched:
			dropAlerts(rows, episode, drop, WhyNeverSeen, WhyNeverSeen)
			drop[at[end]] = WhyNeverSeen
		case !open: // an attempt may have arrived: end it, add nothing to it
			dropAlerts(rows, episode, drop, WhyOver, WhyOverUpdate)
			opened = true
		default:
			opened = dropOlderUpdates(rows, episode, drop) || opened
			dropTriggers(rows, episode, drop)
		}
		open, known = false, true
		start = end + 1
	}
	return drop, opened
}

func hasAlert(rows []Queued, episode []int) bool {
	for _, i := range episode {
		if rows[i].alerts() {
			return true
		}
	}
	return false
}

func dropAlerts(rows []Queued, episode []int, drop map[int]string, trigger, update string) {
	for _, i := range episode {
		switch rows[i].Kind {
		case notice.Trigger:
			drop[i] = trigger
		case notice.Update:
			drop[i] = update
		case notice.Resolve, notice.Change:
		}
	}
}

func dropTriggers(rows []Queued, episode []int, drop map[int]string) {
	for _, i := range episode {
		if rows[i].Kind == notice.Trigger {
			drop[i] = WhyOver
		}
	}
}

// dropOlderUpdates keeps the latest update and reports whether a dropped one may have arrived.
func dropOlderUpdates(rows []Queued, episode []int, drop map[int]string) (touched bool) {
	latest := -1
	for _, i := range episode {
		if rows[i].Kind != notice.Update {
			continue
		}
		if latest >= 0 {
			drop[latest] = WhyNewer
			touched = touched || rows[latest].arrived()
		}
		latest = i
	}
	return touched
}
