package queue

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
)

var t0 = time.Date(2026, 3, 1, 3, 0, 0, 0, time.UTC)

// rowsOf reads a queue: T trigger, U update, C change, R resolve; a ? behind one says that an
// attempt may have reached the vendor, a ! that one is under way.
func rowsOf(queued string) []Queued {
	kinds := map[byte]notice.Kind{'T': notice.Trigger, 'U': notice.Update, 'C': notice.Change, 'R': notice.Resolve}
	var rows []Queued
	for i, word := range strings.Fields(queued) {
		n := notice.Notice{ID: fmt.Sprintf("n%d", i+1), Key: "k", Kind: kinds[word[0]], Summary: "down", Target: "svc"}
		q := NewQueued(t0, n, "pager")[0]
		q.Seq = uint64(i + 1)
		q.Touched = strings.HasSuffix(word, "?")
		q.Sending = strings.HasSuffix(word, "!")
		rows = append(rows, q)
	}
	return rows
}

func kindsOf(rows []Queued) string {
	letters := map[notice.Kind]string{notice.Trigger: "T", notice.Update: "U", notice.Change: "C", notice.Resolve: "R"}
	var out []string
	for _, q := range rows {
		out = append(out, letters[q.Kind]+fmt.Sprint(q.Seq))
	}
	return strings.Join(out, " ")
}

func TestTidyCollapsesWhatIsStale(t *testing.T) {
	closed, open := &KeyState{Key: "k"}, &KeyState{Key: "k", Open: true}
	for _, c := range []struct {
		name   string
		queue  string
		key    *KeyState
		left   string
		why    string // of the first collapsed row
		opened bool   // the key is remembered as open
	}{
		{name: "a page waits", queue: "T", left: "T1"},
		{name: "a page and what follows wait in order", queue: "T U C", left: "T1 U2 C3"},
		{name: "only the latest of several updates leaves", queue: "T U U C U", left: "T1 C4 U5", why: WhyNewer},
		{name: "two pages of one alert both leave", queue: "T U T U", left: "T1 T3 U4", why: WhyNewer},
		{name: "over before anybody was told", queue: "T U R", left: "", why: WhyNeverSeen},
		{name: "over before anybody was told, but a cure is for the record", queue: "T U C R", left: "C3", why: WhyNeverSeen},
		{name: "over after an earlier episode was delivered whole", queue: "T R", key: closed, left: "", why: WhyNeverSeen},
		{name: "the resolve of a delivered alert leaves", queue: "R", key: open, left: "R1"},
		{name: "the last update and the resolve of a delivered alert leave", queue: "U U R", key: open, left: "U2 R3", why: WhyNewer},
		{name: "a second page of a delivered alert is pointless once it is over", queue: "T R", key: open, left: "R2", why: WhyOver},
		{name: "an attempt may have arrived: no page any more, but its end is told", queue: "T? U R", left: "R3", why: WhyOver, opened: true},
		{name: "an earlier resolve that may have arrived is repeated", queue: "R?", key: closed, left: "R1"},
		{name: "a relapse after the end waits as a page of its own", queue: "T R T", left: "T3", why: WhyNeverSeen},
		{name: "a relapse after a delivered alert keeps the order", queue: "R T", key: open, left: "R1 T2"},
		{name: "a relapse that is over too leaves only the first resolve", queue: "R T R", key: open, left: "R1", why: WhyNeverSeen},
		{name: "a resolve that nothing was told of is pointless", queue: "R", key: closed, left: "", why: WhyNothing},
		{name: "a resolve of which nothing is known is sent to be safe", queue: "R", left: "R1"},
		{name: "nothing is decided while an attempt is under way", queue: "T! U U R", left: "T1 U2 U3 R4"},
		{name: "a dropped update that may have arrived opens the key", queue: "U? U", left: "U2", why: WhyNewer, opened: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := ChannelBook{State: ChannelState{Channel: "pager"}, Rows: rowsOf(c.queue)}
			if c.key != nil {
				b.Keys = map[string]KeyState{"k": *c.key}
			}
			before := kindsOf(b.Rows)
			got, e, _ := DefaultOutboxRules().Tidy(b, t0, nil)
			require.Equal(t, before, kindsOf(b.Rows), "the book that was given is unchanged")
			require.Equal(t, c.left, kindsOf(got.Rows))
			collapsed := slices.DeleteFunc(slices.Clone(e.Rows), func(q Queued) bool { return q.State == Waiting })
			require.Len(t, collapsed, len(b.Rows)-len(got.Rows), "every row that went is stored")
			for i, q := range collapsed {
				require.Equal(t, Collapsed, q.State)
				require.Equal(t, t0, q.Settled)
				if i == 0 {
					require.Equal(t, c.why, q.Why)
				}
			}
			if c.opened {
				require.True(t, got.Keys["k"].Open)
				require.True(t, e.Keys[len(e.Keys)-1].Open, "and that is stored")
			}
			_, again, _ := DefaultOutboxRules().Tidy(got, t0, nil)
			require.Empty(t, again.Rows, "a second look finds nothing more")
		})
	}
}

func TestNextOffersPagesFirstAndNeverTwoOfAKey(t *testing.T) {
	rules := DefaultOutboxRules()
	row := func(seq uint64, key string, kind notice.Kind, attempts int) Queued {
		q := NewQueued(t0, notice.Notice{ID: fmt.Sprint(seq), Key: key, Kind: kind}, "pager")[0]
		q.Seq, q.Attempts = seq, attempts
		return q
	}
	b := ChannelBook{State: ChannelState{Channel: "pager"}, Rows: []Queued{
		row(1, "a", notice.Update, 0), row(2, "a", notice.Trigger, 0), row(3, "b", notice.Resolve, 0), row(4, "c", notice.Trigger, 2), row(5, "d", notice.Trigger, 0),
	}}
	var order []uint64
	for {
		q, ok, _ := rules.Next(b, t0)
		if !ok {
			break
		}
		order = append(order, q.Seq)
		b, _ = rules.Begin(b, q.Seq, t0)
		b, _ = rules.Settle(b, q.Seq, DeliveryResult{OK: true}, 0, t0)
	}
	require.Equal(t, []uint64{5, 4, 3, 1, 2}, order)
	require.Equal(t, map[string]KeyState{
		"a": {Channel: "pager", Key: "a", Open: true, At: t0},
		"b": {Channel: "pager", Key: "b", Open: false, At: t0},
		"c": {Channel: "pager", Key: "c", Open: true, At: t0},
		"d": {Channel: "pager", Key: "d", Open: true, At: t0},
	}, b.Keys)
}

func TestADemotedTriggerLeavesAsAnUpdateOfLowSeverity(t *testing.T) {
	q := NewQueued(t0, notice.Notice{ID: "1", Kind: notice.Trigger, Severity: notice.Critical}, "pager", "pager", "chat")
	require.Len(t, q, 2, "a channel named twice gets one row")
	require.Equal(t, notice.Notice{ID: "1", Kind: notice.Trigger, Severity: notice.Critical}, q[0].Outgoing())
	q[0].Kind = notice.Update
	require.Equal(t, notice.Notice{ID: "1", Kind: notice.Update, Severity: notice.Info}, q[0].Outgoing())
}
