package queue

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
)

// world drives the rules of one channel against a model of a vendor. Its checks are the promises
// of the outbox; they run at every attempt.
type world struct {
	t      *rapid.T
	rules  OutboxRules
	now    time.Time
	book   ChannelBook
	seq    uint64
	serial int

	queued  []Queued          // everything that was ever queued for the channel
	alive   map[string]bool   // key -> the engine has an unresolved trigger
	settled map[string]Queued // by id, rows with a final state
	other   []Queued          // rows for the other channel

	open     map[string]bool   // vendor: key -> an alert is open
	acked    map[string]bool   // ids whose success was recorded
	accepted map[string]uint64 // key -> highest Seq that the vendor accepted
	lastID   map[string]string // key -> its id
	maybe    map[string]bool   // key -> the vendor may have something that a resolve ends
	paged    map[string]bool   // keys for which the vendor accepted a trigger
	attempts []time.Time
	wake     time.Time // when to tidy again
	held     time.Time // the vendor's own Retry-After
}

func newWorld(t *rapid.T, rules OutboxRules) *world {
	return &world{
		t: t, rules: rules,
		now:      time.Date(2026, 3, 1, 3, 0, 0, 0, time.UTC),
		book:     ChannelBook{State: ChannelState{Channel: "pager"}},
		alive:    map[string]bool{},
		settled:  map[string]Queued{},
		open:     map[string]bool{},
		acked:    map[string]bool{},
		accepted: map[string]uint64{},
		lastID:   map[string]string{},
		paged:    map[string]bool{},
		maybe:    map[string]bool{},
	}
}

// store does what the journal does: rows get their Seq, settled rows leave the book.
func (w *world) store(e Edits) {
	for _, q := range e.Rows {
		if q.State != Waiting {
			w.settled[q.ID] = q
		}
	}
	for _, q := range e.New {
		if q.Channel != w.book.State.Channel {
			w.other = append(w.other, q)
			continue
		}
		w.insert(q)
	}
}

// chat is another channel, which accepts whatever it gets.
func (w *world) chat() []ChannelBook {
	b := ChannelBook{State: ChannelState{Channel: "chat"}, Keys: map[string]KeyState{}}
	for _, q := range w.other {
		b.Keys[q.Key] = KeyState{Channel: "chat", Key: q.Key, Open: q.Kind != notice.Resolve}
	}
	return []ChannelBook{b}
}

func (w *world) insert(q Queued) {
	w.seq++
	q.Seq = w.seq
	w.queued = append(w.queued, q)
	w.book = w.book.Add([]Queued{q}, nil)
}

func (w *world) tidy() {
	for range 10 {
		b, e, wake := w.rules.Tidy(w.book, w.now, w.chat())
		w.book, w.wake = b, wake
		if e.Empty() {
			return
		}
		w.store(e)
	}
	w.t.Fatalf("Tidy does not come to rest")
}

func (w *world) enqueue(t *rapid.T) {
	key := rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(t, "key")
	kind := notice.Trigger
	if w.alive[key] {
		kind = rapid.SampledFrom([]notice.Kind{notice.Trigger, notice.Update, notice.Update, notice.Change, notice.Resolve, notice.Resolve}).Draw(t, "kind")
	}
	switch kind {
	case notice.Trigger:
		w.alive[key] = true
	case notice.Resolve:
		w.alive[key] = false
	case notice.Update, notice.Change:
	}
	w.serial++
	n := notice.Notice{ID: fmt.Sprintf("%s-%d", key, w.serial), Key: key, Kind: kind, At: w.now, Severity: notice.Warning, Summary: "s"}
	w.insert(NewQueued(w.now, n, "pager")[0])
}

func (w *world) pass(t *rapid.T) {
	w.now = w.now.Add(time.Duration(rapid.Int64Range(0, int64(7*time.Minute)).Draw(t, "pass")))
}

// restart loses everything that is not stored.
func (w *world) restart(t *rapid.T) {
	rows := make([]Queued, len(w.book.Rows))
	for i, q := range w.book.Rows {
		raw, err := json.Marshal(q)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(raw, &rows[i]))
		rows[i].Seq = q.Seq
	}
	raw, err := json.Marshal(w.book.State)
	require.NoError(t, err)
	var state ChannelState
	require.NoError(t, json.Unmarshal(raw, &state))
	b, e := w.rules.Recover(ChannelBook{State: state, Rows: rows, Keys: maps.Clone(w.book.Keys)})
	w.book = b
	w.store(e)
	for _, q := range b.Rows {
		require.False(t, q.Sending, "nothing is under way after a restart")
	}
	if state.LastReason != notice.ReasonRateLimited {
		w.held = time.Time{}
	}
}

// attempt lets at most one row leave and meets one of the fates of a network call.
func (w *world) attempt(t *rapid.T) {
	w.deliver(t, rapid.SampledFrom([]string{
		"ok", "ok", "answer lost", "timeout", "refused connection", "429", "auth", "rejected",
		"crash before", "crash after",
	}).Draw(t, "fate"))
}

func (w *world) deliver(t *rapid.T, fate string) bool {
	w.tidy()
	q, ok, wake := w.rules.Next(w.book, w.now)
	if !ok {
		require.True(t, wake.IsZero() || wake.After(w.now), "a wake time lies ahead")
		require.False(t, len(w.book.Rows) > 0 && wake.IsZero(), "waiting rows without a wake time are forgotten")
		if !w.wake.IsZero() {
			require.True(t, w.wake.After(w.now), "what Tidy wants to do later lies ahead")
			wake = earlier(wake, w.wake)
		}
		if !wake.IsZero() {
			w.now = wake
		}
		return false
	}
	w.check(t, q)
	var e Edits
	w.book, e = w.rules.Begin(w.book, q.Seq, w.now)
	require.Len(t, e.Rows, 1)
	w.store(e)
	w.attempts = append(w.attempts, w.now)
	before := w.maybe[q.Key]
	w.maybe[q.Key] = before || q.alerts()
	w.meanwhile(t, q)

	d := DeliveryResult{Error: fate}
	switch fate {
	case "ok":
		w.accept(t, q)
		d = DeliveryResult{OK: true, Receipt: notice.Receipt{"last": q.ID}}
	case "answer lost":
		w.accept(t, q)
		d.Reason = notice.ReasonTimeout
	case "timeout":
		d.Reason = notice.ReasonTimeout
	case "refused connection":
		d.Reason, d.Unsent = notice.ReasonNetwork, true
	case "429":
		d.Reason, d.After = notice.ReasonRateLimited, 90*time.Second
		w.held = w.now.Add(d.After)
	case "auth":
		d.Reason, d.Final = notice.ReasonAuth, true
	case "rejected":
		d.Reason, d.Final = notice.ReasonRejected, true
	case "crash after":
		w.accept(t, q)
		w.restart(t)
		return true
	case "crash before":
		w.restart(t)
		return true
	}
	if d.Unsent || d.Final || d.Reason == notice.ReasonRateLimited {
		w.maybe[q.Key] = before
	}
	if d.OK && q.Kind == notice.Resolve {
		w.maybe[q.Key] = false
	}
	jitter := rapid.Float64Range(0, 0.999).Draw(t, "jitter")
	w.book, e = w.rules.Settle(w.book, q.Seq, d, jitter, w.now)
	w.store(e)
	w.acked[q.ID] = w.acked[q.ID] || d.OK
	if d.OK {
		require.Equal(t, q.ID, w.book.Keys[q.Key].Receipt["last"], "the receipt is kept for the next notice of the key")
	}
	return true
}

// meanwhile is what happens while a call is under way: more is queued and tidied, and nothing of
// the same key may leave or be collapsed.
func (w *world) meanwhile(t *rapid.T, q Queued) {
	for range rapid.IntRange(0, 2).Draw(t, "meanwhile") {
		w.enqueue(t)
		w.tidy()
	}
	next, ok, _ := w.rules.Next(w.book, w.now)
	require.False(t, ok && next.Key == q.Key, "%s overtakes %s which is under way", next.ID, q.ID)
	still := slices.ContainsFunc(w.book.Rows, func(r Queued) bool { return r.ID == q.ID && r.Sending })
	require.True(t, still, "a row under way is not collapsed")
}

// check holds before every attempt.
func (w *world) check(t *rapid.T, q Queued) {
	require.False(t, w.acked[q.ID], "%s was accepted before", q.ID)
	require.Equal(t, Waiting, q.State)
	if last := w.accepted[q.Key]; q.Seq <= last {
		require.Equal(t, w.lastID[q.Key], q.ID, "only the last one may be repeated, after an unclear outcome")
	}
	for _, earlier := range w.book.Rows {
		require.False(t, earlier.Key == q.Key && earlier.Seq < q.Seq, "%s overtakes %s", q.ID, earlier.ID)
	}
	for _, later := range w.queued {
		require.False(t, q.Kind == notice.Trigger && later.Key == q.Key && later.Kind == notice.Resolve && later.Seq > q.Seq,
			"%s pages although %s says that it is over", q.ID, later.ID)
	}
	require.False(t, q.Kind == notice.Resolve && !w.maybe[q.Key], "%s ends what was never told", q.ID)
	require.False(t, w.now.Before(w.held), "the vendor asked to wait until %s", w.held)
	rate := w.rules.Rates["pager"]
	recent := 0
	for _, at := range w.attempts {
		if at.After(w.now.Add(-rate.Per)) {
			recent++
		}
	}
	require.Less(t, recent, rate.N, "the rate limit of the channel")
}

func (w *world) accept(t *rapid.T, q Queued) {
	w.accepted[q.Key], w.lastID[q.Key] = q.Seq, q.ID
	switch q.Kind {
	case notice.Trigger:
		w.open[q.Key], w.paged[q.Key] = true, true
	case notice.Update:
		w.open[q.Key] = true
	case notice.Resolve:
		w.open[q.Key] = false
	case notice.Change:
	}
}

// drain lets the vendor work and checks what must be true when everything has come to rest.
func (w *world) drain(t *rapid.T) {
	for range 50 * (len(w.queued) + 10) {
		if !w.deliver(t, "ok") && len(w.book.Rows) == 0 && w.wake.IsZero() {
			break
		}
	}
	require.Zero(t, w.wake, "everything comes to rest")
	require.Empty(t, w.book.Rows, "everything queued is settled in the end")
	for _, q := range w.queued {
		s, settled := w.settled[q.ID]
		require.True(t, settled, "%s is settled", q.ID)
		require.Equal(t, s.State == Delivered, w.acked[q.ID])
		if s.State == Collapsed {
			require.NotEmpty(t, s.Why)
			overtaken := slices.ContainsFunc(w.queued, func(later Queued) bool {
				return later.Key == q.Key && (later.Kind == notice.Resolve || s.Kind == notice.Update && later.Seq > q.Seq)
			})
			require.True(t, overtaken, "%s %s was collapsed without a reason: %s", q.Kind, q.ID, s.Why)
		}
	}
	stormy := map[string]bool{}
	for _, s := range w.book.State.Storms {
		require.NotEmpty(t, s.Open, "a storm whose alerts are all over was resolved")
		stormy[s.Key] = true
	}
	for key, open := range w.open {
		refused := slices.ContainsFunc(w.queued, func(q Queued) bool {
			return q.Key == key && q.Kind == notice.Resolve && w.settled[q.ID].State == Refused
		})
		require.False(t, open && !w.alive[key] && !stormy[key] && !refused, "%s stays open at the vendor although it is over", key)
	}
	w.checkTrouble(t)
}

// lastTrigger is the latest trigger of a key with no resolve behind it.
func (w *world) lastTrigger(key string) (last Queued, unresolved bool) {
	for _, q := range w.queued {
		switch {
		case q.Key != key:
		case q.Notice.Kind == notice.Trigger:
			last, unresolved = q, true
		case q.Kind == notice.Resolve:
			unresolved = false
		}
	}
	return last, unresolved
}

// checkTrouble holds that trouble is told once per episode and only about this channel, and that
// every refused notice was told.
func (w *world) checkTrouble(t *rapid.T) {
	state := map[string]notice.Kind{}
	told := 0
	for _, q := range w.other {
		require.Equal(t, "chat", q.Channel)
		require.Equal(t, FromTrouble, q.Origin)
		require.Equal(t, "pager", q.Notice.Target)
		switch q.Kind {
		case notice.Trigger:
			_, before := state[q.Key]
			require.False(t, before, "one trigger per episode")
		case notice.Resolve:
			require.NotEqual(t, notice.Resolve, state[q.Key], "one resolve per episode")
		case notice.Update, notice.Change:
		}
		state[q.Key] = q.Kind
		for _, line := range q.Notice.Evidence {
			if len(line) > 8 && line[:8] == "refused " {
				told++
			}
		}
	}
	refused := 0
	for _, q := range w.settled {
		if q.State == Refused {
			refused++
		}
	}
	require.Equal(t, refused, told, "every refused notice is told on another channel")
	c := w.book.State
	require.True(t, c.Trouble == nil || c.Failures > 0, "trouble is over when the channel works")
}

func testRules() OutboxRules {
	r := DefaultOutboxRules()
	r.Host = "db1"
	r.Rates = map[string]SendRate{"pager": {N: 3, Per: time.Minute}}
	return r
}

func TestOutboxKeepsItsPromisesUnderAnyInterleaving(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rules := testRules()
		rules.StormOver = 0
		w := newWorld(t, rules)
		t.Repeat(map[string]func(*rapid.T){
			"enqueue": w.enqueue,
			"attempt": w.attempt,
			"again":   w.attempt,
			"pass":    w.pass,
			"restart": w.restart,
		})
		w.drain(t)
		for key, alive := range w.alive {
			last, unresolved := w.lastTrigger(key)
			require.Equal(t, alive, unresolved)
			if unresolved {
				require.Contains(t, []QueueState{Delivered, Refused}, w.settled[last.ID].State, "%s is lost", last.ID)
			}
		}
	})
}

func TestOutboxTellsEveryUnresolvedTriggerOfAStorm(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rules := testRules()
		rules.StormOver = 2
		w := newWorld(t, rules)
		t.Repeat(map[string]func(*rapid.T){
			"enqueue": w.enqueue,
			"more":    w.enqueue,
			"attempt": func(t *rapid.T) {
				w.deliver(t, rapid.SampledFrom([]string{"ok", "refused connection", "crash before", "answer lost"}).Draw(t, "fate"))
			},
			"pass": func(t *rapid.T) {
				w.now = w.now.Add(time.Duration(rapid.Int64Range(0, int64(40*time.Second)).Draw(t, "pass")))
			},
			"restart": w.restart,
		})
		w.drain(t)
		for key, alive := range w.alive {
			last, unresolved := w.lastTrigger(key)
			require.Equal(t, alive, unresolved)
			if !unresolved {
				continue
			}
			s := w.settled[last.ID]
			if s.Kind == notice.Trigger {
				require.Equal(t, Delivered, s.State, "%s is lost", last.ID)
				continue
			}
			storm, found := w.stormOf(last)
			require.True(t, found, "the demoted %s belongs to a storm that is still open", last.ID)
			require.True(t, w.paged[storm.Key], "the storm of %s was paged", last.ID)
		}
	})
}

func (w *world) stormOf(q Queued) (Storm, bool) {
	for _, s := range w.book.State.Storms {
		if s.Open[q.Key] == q.ID {
			return s, true
		}
	}
	return Storm{}, false
}

func TestAWaitThatWasStoredByAClockHoursAheadIsNone(t *testing.T) {
	r := DefaultOutboxRules()
	now := time.Now()
	for _, left := range []time.Duration{-time.Hour, 0, time.Minute, r.RetryAfterCap} {
		at := r.OnClock(now.Round(0).Add(left), now)
		require.True(t, at.Equal(now.Add(left)))
		require.Contains(t, at.String(), "m=", "it does not follow the clock from here on")
	}
	require.Zero(t, r.OnClock(now.Add(6*time.Hour), now))
	require.Zero(t, r.OnClock(time.Time{}, now))
}
