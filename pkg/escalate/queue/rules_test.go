package queue

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
)

func page(seq uint64, at time.Time, sev notice.Severity) Queued {
	n := notice.Notice{ID: fmt.Sprintf("n%d", seq), Key: fmt.Sprintf("k%d", seq), Kind: notice.Trigger, Severity: sev,
		Host: "db1", Target: fmt.Sprintf("svc%d", seq), Summary: "down"}
	q := NewQueued(at, n, "pager")[0]
	q.Seq = seq
	return q
}

func bookOf(rows ...Queued) ChannelBook {
	return ChannelBook{State: ChannelState{Channel: "pager"}, Rows: rows}
}

// books are of other channels, of which nothing is known.
func books(names ...string) (all []ChannelBook) {
	for _, n := range names {
		all = append(all, ChannelBook{State: ChannelState{Channel: n}})
	}
	return all
}

func TestBackoffDoublesUpToItsCap(t *testing.T) {
	r := DefaultOutboxRules()
	for _, c := range []struct {
		attempts int
		jitter   float64
		want     time.Duration
	}{
		{1, 0, 500 * time.Millisecond}, {1, 1, time.Second}, {2, 1, 2 * time.Second}, {5, 0.5, 12 * time.Second},
		{9, 1, 256 * time.Second}, {10, 1, 5 * time.Minute}, {10, 0, 150 * time.Second}, {1 << 30, 1, 5 * time.Minute},
	} {
		require.Equal(t, c.want, r.Backoff(c.attempts, c.jitter), "after %d attempts", c.attempts)
	}
}

func TestDefaultRatesLeaveRoomBelowTheVendorsLimits(t *testing.T) {
	require.Equal(t, SendRate{100, time.Minute}, DefaultRate("pagerduty"))
	require.Equal(t, SendRate{1, time.Second}, DefaultRate("slack"))
	require.Equal(t, SendRate{1, time.Second}, DefaultRate("statuspage"))
	require.Equal(t, SendRate{}, DefaultRate("webhook"))
}

// once makes one attempt and returns the book and the row afterwards.
func once(r OutboxRules, b ChannelBook, d DeliveryResult, at time.Time) (ChannelBook, Queued) {
	seq := b.Rows[0].Seq
	b, _ = r.Begin(b, seq, at)
	b, e := r.Settle(b, seq, d, 0, at)
	return b, e.Rows[0]
}

func TestSettleDecidesByTheReason(t *testing.T) {
	r := DefaultOutboxRules()
	for _, c := range []struct {
		name    string
		result  DeliveryResult
		state   QueueState
		wait    time.Duration // of the row
		held    time.Duration // of the whole channel, 0 for not
		touched bool
	}{
		{"accepted", DeliveryResult{OK: true}, Delivered, 0, 0, false},
		{"a lost answer may have arrived", DeliveryResult{Reason: notice.ReasonTimeout}, Waiting, 500 * time.Millisecond, 0, true},
		{"a server error may have arrived", DeliveryResult{Reason: notice.ReasonServer}, Waiting, 500 * time.Millisecond, 0, true},
		{"a panic may have happened after sending", DeliveryResult{Reason: ReasonPanic}, Waiting, 500 * time.Millisecond, 0, true},
		{"a refused connection brought nothing over", DeliveryResult{Reason: notice.ReasonNetwork, Unsent: true}, Waiting, 500 * time.Millisecond, 0, false},
		{"the vendor's wait holds for the channel", DeliveryResult{Reason: notice.ReasonRateLimited, After: 30 * time.Second}, Waiting, 30 * time.Second, 30 * time.Second, false},
		{"the vendor's wait has a cap", DeliveryResult{Reason: notice.ReasonRateLimited, After: 48 * time.Hour}, Waiting, time.Hour, time.Hour, false},
		{"a server's wait holds for the row", DeliveryResult{Reason: notice.ReasonServer, After: time.Minute}, Waiting, time.Minute, 0, true},
		{"bad credentials keep the row", DeliveryResult{Reason: notice.ReasonAuth, Final: true}, Waiting, 500 * time.Millisecond, 500 * time.Millisecond, false},
		{"bad settings keep the row", DeliveryResult{Reason: notice.ReasonConfig, Final: true}, Waiting, 500 * time.Millisecond, 500 * time.Millisecond, false},
		{"a rejected notice is refused", DeliveryResult{Reason: notice.ReasonRejected, Final: true}, Refused, 0, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, q := once(r, bookOf(page(1, t0, notice.Error)), c.result, t0)
			require.Equal(t, c.state, q.State)
			require.False(t, q.Sending)
			require.Equal(t, c.touched, q.Touched)
			require.Equal(t, 1, q.Attempts)
			if c.wait > 0 {
				require.Equal(t, t0.Add(c.wait), q.NextAt)
				_, ok, wake := r.Next(b, t0)
				require.False(t, ok)
				require.Equal(t, t0.Add(c.wait), wake)
			} else {
				require.Empty(t, b.Rows)
			}
			held := time.Time{}
			if c.held > 0 {
				held = t0.Add(c.held)
			}
			require.Equal(t, held, b.State.NotBefore)
			if c.held > 0 {
				_, ok, wake := r.Next(b.Add([]Queued{page(2, t0, notice.Error)}, nil), t0)
				require.False(t, ok, "a fresh page waits too")
				require.Equal(t, held, wake)
			} else {
				_, ok, _ := r.Next(b.Add([]Queued{page(2, t0, notice.Error)}, nil), t0)
				require.True(t, ok, "a fresh page is tried at once")
			}
		})
	}
}

func TestAChannelThatWorksAgainIsNotMadeToWaitForOldBackoffs(t *testing.T) {
	r := DefaultOutboxRules()
	b := bookOf(page(1, t0, notice.Error), page(2, t0, notice.Error), page(3, t0, notice.Error), page(4, t0, notice.Error))
	for i := range 3 {
		seq := b.Rows[i].Seq
		b, _ = r.Begin(b, seq, t0)
		b, _ = r.Settle(b, seq, DeliveryResult{Reason: notice.ReasonServer, After: time.Hour}, 0, t0)
	}
	at := t0.Add(time.Minute)
	q, ok, _ := r.Next(b, at)
	require.True(t, ok)
	require.Equal(t, uint64(4), q.Seq)
	b, _ = r.Begin(b, 4, at)
	b, _ = r.Settle(b, 4, DeliveryResult{OK: true}, 0, at)
	q, ok, _ = r.Next(b, at)
	require.True(t, ok, "the others follow at once")
	require.Equal(t, uint64(1), q.Seq)
}

func TestAClockSetBackDoesNotHoldAPage(t *testing.T) {
	r := DefaultOutboxRules()
	r.Rates = map[string]SendRate{"pager": {N: 1, Per: time.Second}}
	b, _ := once(r, bookOf(page(1, t0, notice.Error)), DeliveryResult{Reason: notice.ReasonRateLimited, After: time.Hour}, t0)
	_, ok, wake := r.Next(b, t0.Add(time.Second))
	require.False(t, ok)
	require.Equal(t, t0.Add(time.Hour), wake)
	_, ok, _ = r.Next(b, t0.Add(-10*time.Hour))
	require.True(t, ok)
}

func TestARestartForgivesBadCredentialsAndRemembersWhatWasUnderWay(t *testing.T) {
	r := DefaultOutboxRules()
	b, _ := once(r, bookOf(page(1, t0, notice.Error)), DeliveryResult{Reason: notice.ReasonAuth, Final: true}, t0)
	b = b.Add([]Queued{page(2, t0, notice.Error)}, nil)
	b, _ = r.Begin(b, 2, t0)
	got, e := r.Recover(b)
	require.Len(t, e.Rows, 2)
	require.Len(t, e.Channels, 1)
	require.True(t, got.Rows[0].NextAt.IsZero())
	require.True(t, got.Rows[1].Touched)
	require.False(t, got.Rows[1].Sending)
	q, ok, _ := r.Next(got, t0)
	require.True(t, ok)
	require.Equal(t, uint64(1), q.Seq)
	_, again := r.Recover(got)
	require.True(t, again.Empty(), "a second restart finds nothing to mend")
}

func TestATroubleIsToldOnceAndResolvedWhenTheChannelWorksAgain(t *testing.T) {
	r := DefaultOutboxRules()
	r.Host = "db1"
	r.Public = map[string]bool{"statuspage": true}
	others := books("chat", "statuspage")
	fail := DeliveryResult{Reason: notice.ReasonServer, Error: "503"}

	b, _ := once(r, bookOf(page(1, t0, notice.Error)), fail, t0)
	b, e, wake := r.Tidy(b, t0, others)
	require.Empty(t, e.New, "one failure is no trouble")
	require.Equal(t, t0.Add(r.TroubleAfter), wake)

	at := wake
	b, e, _ = r.Tidy(b, at, others)
	require.Len(t, e.New, 1, "the public page is not told")
	opened := e.New[0]
	require.Equal(t, "chat", opened.Channel)
	require.Equal(t, notice.Trigger, opened.Kind)
	require.Equal(t, FromTrouble, opened.Origin)
	require.Contains(t, opened.Notice.Summary, "pager has not delivered since 2026-03-01 03:00:00 UTC: 503")
	require.Equal(t, []string{"1 notice waits, a page", "waiting page: svc1: down"}, opened.Notice.Evidence)
	require.Len(t, e.Channels, 1, "the episode is stored with its notices")

	b, _ = once(r, b, fail, at)
	b, e, _ = r.Tidy(b, at.Add(time.Hour), others)
	require.Empty(t, e.New, "told once")

	silent := b.clone()
	silent.Rows = nil // all collapsed meanwhile
	silent, e, _ = r.Tidy(silent, at.Add(time.Hour), others)
	require.Empty(t, e.New, "nothing was seen to work, so it is not over")
	require.NotNil(t, silent.State.Trouble)

	at = at.Add(time.Hour)
	b, _ = once(r, b, DeliveryResult{OK: true}, at)
	b, e, wake = r.Tidy(b, at, others)
	require.Len(t, e.New, 1)
	require.Equal(t, notice.Resolve, e.New[0].Kind)
	require.Equal(t, opened.Key, e.New[0].Key)
	require.Zero(t, wake)
	require.Nil(t, b.State.Trouble)
}

func TestTroubleStartsAtOnceForBadCredentialsAndRefusedNotices(t *testing.T) {
	r := DefaultOutboxRules()
	b, _ := once(r, bookOf(page(1, t0, notice.Error)), DeliveryResult{Reason: notice.ReasonAuth, Final: true, Error: "401"}, t0)
	_, e, _ := r.Tidy(b, t0, books("chat"))
	require.Len(t, e.New, 1)
	require.Contains(t, e.New[0].Notice.Summary, "pager does not accept our credentials or settings: 401")

	b, _ = once(r, bookOf(page(1, t0, notice.Error), page(2, t0, notice.Error)), DeliveryResult{Reason: notice.ReasonRejected, Final: true, Error: "400"}, t0)
	b, e, _ = r.Tidy(b, t0, books("chat"))
	require.Len(t, e.New, 1)
	require.Contains(t, e.New[0].Notice.Evidence, "refused trigger: svc1: down (400)", "what was lost is told")

	b, _ = once(r, b, DeliveryResult{Reason: notice.ReasonRejected, Final: true, Error: "400"}, t0)
	b, e, _ = r.Tidy(b, t0, books("chat"))
	require.Len(t, e.New, 1)
	require.Equal(t, notice.Update, e.New[0].Kind, "the same episode")
	require.Contains(t, e.New[0].Notice.Evidence, "refused trigger: svc2: down (400)")
	require.Empty(t, b.State.Lost)

	// A refused trouble notice opens nothing by itself.
	own := page(9, t0, notice.Error)
	own.Origin = FromTrouble
	b, _ = once(r, bookOf(own), DeliveryResult{Reason: notice.ReasonRejected, Final: true, Error: "400"}, t0)
	_, e, _ = r.Tidy(b, t0.Add(time.Hour), books("chat"))
	require.Empty(t, e.New)
}

func TestALongWaitThatAVendorAsksForIsToldAtOnceAndAShortOneIsNot(t *testing.T) {
	r := DefaultOutboxRules()
	for wait, told := range map[time.Duration]bool{r.TroubleAfter - time.Second: false, 5 * time.Minute: true} {
		at := time.Unix(1e9, 0)
		b, _ := once(r, bookOf(page(1, at, notice.Error)), DeliveryResult{Reason: notice.ReasonRateLimited, Error: "429", After: wait}, at)
		_, e, _ := r.Tidy(b, at, books("mail"))
		require.Equal(t, told, len(e.New) > 0, "a wait of %s", wait)
	}
}

func TestATroubleThatNobodyCouldBeToldOfIsToldLater(t *testing.T) {
	r := DefaultOutboxRules()
	r.Public = map[string]bool{"statuspage": true}
	b, _ := once(r, bookOf(page(1, t0, notice.Error)), DeliveryResult{Reason: notice.ReasonAuth, Final: true, Error: "401"}, t0)
	b, e, _ := r.Tidy(b, t0, books("statuspage"))
	require.Empty(t, e.New)
	require.NotNil(t, b.State.Trouble, "it shows in the statistics")
	told, e, _ := r.Tidy(b, t0, books("statuspage", "chat"))
	require.Len(t, e.New, 1)
	require.Equal(t, notice.Trigger, e.New[0].Kind)
	_, e, _ = r.Tidy(told, t0, books("statuspage", "chat"))
	require.Empty(t, e.New)

	b, _ = once(r, b, DeliveryResult{OK: true}, t0.Add(time.Hour))
	b, e, _ = r.Tidy(b, t0.Add(time.Hour), books("chat"))
	require.Empty(t, e.New, "nobody was told, so nobody needs to hear that it is over")
	require.Nil(t, b.State.Trouble)
}

func TestFlappingIsOneTrouble(t *testing.T) {
	r := DefaultOutboxRules()
	b := bookOf(page(1, t0, notice.Error), page(2, t0, notice.Error), page(3, t0, notice.Error))
	refuse := DeliveryResult{Reason: notice.ReasonRejected, Final: true, Error: "400"}
	b, _ = once(r, b, refuse, t0)
	b, e, _ := r.Tidy(b, t0, books("chat"))
	require.Equal(t, notice.Trigger, e.New[0].Kind)
	b, _ = once(r, b, DeliveryResult{OK: true}, t0.Add(time.Second))
	b, e, wake := r.Tidy(b, t0.Add(time.Second), books("chat"))
	require.Empty(t, e.New, "not over yet")
	require.Equal(t, t0.Add(r.TroubleHold), wake)
	b, e, _ = r.Tidy(b, wake, books("chat"))
	require.Equal(t, notice.Resolve, e.New[0].Kind)
	require.Nil(t, b.State.Trouble)
}

func TestAPageThatWaitsTooLongIsATroubleAndIsNotDropped(t *testing.T) {
	r := DefaultOutboxRules()
	b, e, wake := r.Tidy(bookOf(page(1, t0, notice.Error)), t0, books("chat"))
	require.Empty(t, e.New)
	require.Equal(t, t0.Add(r.MaxAge), wake)
	b, e, _ = r.Tidy(b, wake, books("chat"))
	require.Contains(t, e.New[0].Notice.Summary, "a page waits for pager since 2026-03-01 03:00:00 UTC")
	require.Len(t, b.Rows, 1)
	b, e, _ = r.Tidy(b, wake.Add(1000*time.Hour), books("chat"))
	require.Empty(t, e.New)
	require.Len(t, b.Rows, 1)
}

func TestOrphanedRowsWaitForTheirChannelAndAreToldWhenItDoesNotReturn(t *testing.T) {
	r := DefaultOutboxRules()
	b, e := r.Orphan(bookOf(page(1, t0, notice.Error)), t0)
	require.Len(t, b.Rows, 1)
	require.Len(t, e.Channels, 1)
	b, e, _ = r.Tidy(b, t0, books("chat"))
	require.Contains(t, e.New[0].Notice.Summary, "the channel is not configured any more")
	b, e = r.Orphan(b, t0.Add(time.Minute))
	require.True(t, e.Empty(), "nothing new")

	back, _ := r.Recover(b)
	_, ok, _ := r.Next(back, t0)
	require.True(t, ok, "configured again, it leaves")

	at := t0.Add(r.OrphanAfter)
	b, e = r.Orphan(b, at)
	require.Empty(t, b.Rows)
	require.Equal(t, Refused, e.Rows[0].State)
	b, e, _ = r.Tidy(b, at, books("chat"))
	require.Equal(t, notice.Update, e.New[0].Kind)
	require.Contains(t, e.New[0].Notice.Evidence, "refused trigger: svc1: down (the channel is not configured any more)")
	b, _ = r.Orphan(b, at)
	_, e, _ = r.Tidy(b, at.Add(r.TroubleHold), books("chat"))
	require.Equal(t, notice.Resolve, e.New[0].Kind, "nothing is left to deliver")
}

// settleStorm runs Tidy until it rests, giving new rows their Seq, and returns the new rows.
func settleStorm(r OutboxRules, b ChannelBook, at time.Time) (ChannelBook, []Queued) {
	var added []Queued
	seq := uint64(1000)
	for _, q := range b.Rows {
		seq = max(seq, q.Seq)
	}
	for {
		next, e, _ := r.Tidy(b, at, nil)
		b = next
		if e.Empty() {
			return b, added
		}
		for _, q := range e.New {
			seq++
			q.Seq = seq
			added = append(added, q)
			b = b.Add([]Queued{q}, nil)
		}
	}
}

func TestAStormIsToldWithOnePage(t *testing.T) {
	r := DefaultOutboxRules()
	r.Host = "db1"
	var rows []Queued
	for i := range uint64(8) {
		rows = append(rows, page(i+1, t0.Add(time.Duration(i)*time.Second), notice.Error))
	}
	b, added := settleStorm(r, bookOf(rows...), t0.Add(8*time.Second))
	require.Len(t, added, 1)
	s := added[0]
	require.Equal(t, notice.Trigger, s.Kind)
	require.Equal(t, FromStorm, s.Origin)
	require.Equal(t, "8 alerts within 1m on db1, first: svc1: down", s.Notice.Summary)
	require.Len(t, s.Notice.Evidence, 8)
	require.Equal(t, "U1 U2 U3 U4 U5 U6 U7 U8 T1001", kindsOf(b.Rows))
	q, ok, _ := r.Next(b, t0.Add(8*time.Second))
	require.True(t, ok)
	require.Equal(t, s.ID, q.ID, "the one page leaves first")

	// One more joins silently; a worse one does not.
	at := t0.Add(20 * time.Second)
	b, added = settleStorm(r, b.Add([]Queued{page(2001, at, notice.Warning), page(2002, at, notice.Critical)}, nil), at)
	require.Len(t, added, 1)
	require.Equal(t, notice.Update, added[0].Kind)
	require.Equal(t, "9 alerts within 1m on db1, first: svc1: down", added[0].Notice.Summary)
	require.Equal(t, notice.Trigger, b.Rows[len(b.Rows)-2].Kind, "the critical one pages by itself")

	// When all of them are over so is the storm, once its window has passed.
	seq := uint64(3000)
	for i := range uint64(8) {
		seq++
		b = b.Add([]Queued{resolveOf(seq, fmt.Sprintf("k%d", i+1), at)}, nil)
	}
	b, added = settleStorm(r, b, at)
	require.Empty(t, added)
	b, added = settleStorm(r, b.Add([]Queued{resolveOf(seq+1, "k2001", at)}, nil), at)
	require.Empty(t, added, "a burst may go on for a window")
	b, added = settleStorm(r, b, at.Add(r.StormWindow))
	require.Len(t, added, 1)
	require.Equal(t, notice.Resolve, added[0].Kind)
	require.Equal(t, s.Key, added[0].Key)
	require.Empty(t, b.State.Storms)
	require.Equal(t, "T2002", kindsOf(b.Rows), "nothing of it was delivered, so nothing of it leaves")
}

func TestAStormSwallowsNothingThatBeganAfterIt(t *testing.T) {
	r := DefaultOutboxRules()
	r.Host = "db1"
	burst := func() ChannelBook {
		var rows []Queued
		for i := range uint64(8) {
			rows = append(rows, page(i+1, t0, notice.Critical))
		}
		b, added := settleStorm(r, bookOf(rows...), t0)
		require.Len(t, added, 1)
		return b
	}
	pages := func(added []Queued) (keys []string) {
		for _, q := range added {
			if q.Kind == notice.Trigger {
				keys = append(keys, q.Key)
			}
		}
		return keys
	}
	t.Run("after its alerts are over", func(t *testing.T) {
		at := t0.Add(20 * time.Second)
		b := burst()
		first := b.State.Storms[0].Key
		for i := range uint64(8) {
			b = b.Add([]Queued{resolveOf(2000+i, fmt.Sprintf("k%d", i+1), at)}, nil)
		}
		b, _ = settleStorm(r, b, at)
		_, added := settleStorm(r, b.Add([]Queued{page(3000, at.Add(time.Second), notice.Critical)}, nil), at.Add(time.Second))
		require.Len(t, pages(added), 1, "the page of those is history")
		require.NotEqual(t, first, pages(added)[0])
	})
	t.Run("a minute after its page, however steadily more come", func(t *testing.T) {
		b, told := burst(), 1
		for i := range uint64(30) {
			at := t0.Add(time.Duration(i+1) * 10 * time.Second)
			var added []Queued
			b, added = settleStorm(r, b.Add([]Queued{page(2000+1000*i, at, notice.Critical)}, nil), at)
			told += len(pages(added))
		}
		require.GreaterOrEqual(t, told, 4, "somebody is woken again for five minutes of new alerts")
		require.Less(t, told, 12, "and not for each")
	})
}

func resolveOf(seq uint64, key string, at time.Time) Queued {
	q := NewQueued(at, notice.Notice{ID: fmt.Sprintf("r%d", seq), Key: key, Kind: notice.Resolve}, "pager")[0]
	q.Seq = seq
	return q
}

func TestPagesThatAreNotABurstAreNotGrouped(t *testing.T) {
	r := DefaultOutboxRules()
	var rows []Queued
	for i := range uint64(20) {
		rows = append(rows, page(i+1, t0.Add(time.Duration(i)*13*time.Second), notice.Error))
	}
	b, added := settleStorm(r, bookOf(rows...), t0.Add(time.Hour))
	require.Empty(t, added)
	require.Len(t, b.Rows, 20)

	r.Public = map[string]bool{"pager": true}
	rows = rows[:0]
	for i := range uint64(20) {
		rows = append(rows, page(i+1, t0, notice.Error))
	}
	b, added = settleStorm(r, bookOf(rows...), t0)
	require.Empty(t, added, "outsiders get no summary of our host")
	require.Equal(t, notice.Trigger, b.Rows[19].Kind)
}

func TestATriedPageIsNotDemoted(t *testing.T) {
	r := DefaultOutboxRules()
	b, _ := once(r, bookOf(page(1, t0, notice.Error)), DeliveryResult{Reason: notice.ReasonTimeout}, t0)
	for i := range uint64(6) {
		b = b.Add([]Queued{page(i+2, t0, notice.Error)}, nil)
	}
	b, added := settleStorm(r, b, t0)
	require.Len(t, added, 1)
	require.Equal(t, "T1 U2 U3 U4 U5 U6 U7 T1001", kindsOf(b.Rows))
	require.NotContains(t, added[0].Notice.Affected, "svc1")
}

func TestOnlyAlertsThatAreOverForLongAreForgotten(t *testing.T) {
	b := bookOf(page(1, t0, notice.Error))
	b.Keys = map[string]KeyState{
		"k1": {Key: "k1", At: t0}, "over": {Key: "over", At: t0}, "open": {Key: "open", Open: true, At: t0},
		"lately": {Key: "lately", At: t0.Add(2 * time.Hour)},
	}
	got := b.Forget(t0.Add(time.Hour))
	require.Len(t, b.Keys, 4)
	require.NotContains(t, got.Keys, "over")
	require.Len(t, got.Keys, 3)
}

func TestTheVendorsLimitIsCountedFromItsAnswer(t *testing.T) {
	r := DefaultOutboxRules()
	r.Rates = map[string]SendRate{"pager": {N: 1, Per: time.Second}}
	at := time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
	b := bookOf(page(1, at, notice.Critical), page(2, at, notice.Critical))
	b, _ = r.Begin(b, 1, at)
	answered := at.Add(700 * time.Millisecond) // when it arrived there, nobody here knows
	b, e := r.Settle(b, 1, DeliveryResult{OK: true}, 0, answered)
	require.Equal(t, []int64{answered.UnixNano()}, e.Channels[0].Sends, "and it is stored")
	_, ok, wake := r.Next(b, at.Add(time.Second))
	require.False(t, ok)
	require.True(t, wake.Equal(answered.Add(time.Second)), "%s", wake)
	_, ok, _ = r.Next(b, answered.Add(time.Second))
	require.True(t, ok)
}
