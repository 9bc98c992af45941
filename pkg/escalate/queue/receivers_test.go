package queue

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
)

// mailbox is a model of a channel with several receivers, as a mail is, under the rules of the outbox.
type mailbox struct {
	*world
	people []string
	got    map[string][]string        // receiver -> ids of the notices, in order
	twice  map[string]bool            // ids of which an attempt had an unclear end: at least once
	no     map[string]map[string]bool // receiver -> ids that he refused
}

func (m *mailbox) row(id string) Queued {
	return m.queued[slices.IndexFunc(m.queued, func(q Queued) bool { return q.ID == id })]
}

// take makes one attempt, in which every receiver has a fate of his own.
func (m *mailbox) take(t *rapid.T, healed bool) bool {
	m.tidy()
	q, ok, wake := m.rules.Next(m.book, m.now)
	if !ok {
		require.False(t, len(m.book.Rows) > 0 && wake.IsZero(), "waiting rows without a wake time are forgotten")
		if wake = earlier(wake, m.wake); m.wake.IsZero() {
			_, _, wake = m.rules.Next(m.book, m.now)
		}
		if !wake.IsZero() {
			m.now = wake
		}
		return false
	}
	d := m.book.Delivery(q)
	var e Edits
	m.book, e = m.rules.Begin(m.book, q.Seq, m.now)
	m.store(e)
	to := m.people
	if told := strings.Fields(d.Prior["told"]); q.Kind == notice.Resolve && len(told) > 0 && !d.Everybody {
		to = told
	}
	how := "each"
	if !healed {
		how = rapid.SampledFrom([]string{"each", "each", "each", "refused connection", "crash before", "crash after"}).Draw(t, "how")
	}
	if how == "refused connection" {
		m.settleOne(t, q, DeliveryResult{Error: how, Reason: notice.ReasonNetwork, Unsent: true})
		return true
	}
	some := DeliveryResult{Partial: true, Reason: notice.ReasonServer, Error: "450"}
	told := strings.Fields(d.Prior["told"])
	for _, name := range to {
		if !d.Wants(name) {
			continue
		}
		fate := "took"
		if !healed {
			fate = rapid.SampledFrom([]string{"took", "took", "later", "never"}).Draw(t, name)
		}
		switch {
		case how == "crash before" || fate == "later":
			some.Left = append(some.Left, name)
		case fate == "never":
			some.Refused = append(some.Refused, notice.Refusal{Receiver: name, Error: "550"})
		default:
			m.hand(t, name, q)
			some.Took = append(some.Took, name)
			told = union(told, []string{name})
		}
	}
	if strings.HasPrefix(how, "crash") {
		m.twice[q.ID] = true
		m.restart(t)
		return true
	}
	for _, no := range some.Refused {
		if m.no[no.Receiver] == nil {
			m.no[no.Receiver] = map[string]bool{}
		}
		m.no[no.Receiver][q.ID] = true
	}
	some.Receipt = notice.Receipt{"told": strings.Join(told, " ")}
	if len(some.Left)+len(some.Refused) == 0 {
		some = DeliveryResult{OK: true, Receipt: some.Receipt}
	} else if len(some.Took)+len(d.Only)+len(d.Skip) == 0 && len(some.Left) == 0 {
		some = DeliveryResult{Final: true, Reason: notice.ReasonRejected, Error: "550 for everybody"}
	}
	m.settleOne(t, q, some)
	return true
}

func (m *mailbox) settleOne(t *rapid.T, q Queued, d DeliveryResult) {
	var e Edits
	m.book, e = m.rules.Settle(m.book, q.Seq, d, rapid.Float64Range(0, 0.999).Draw(t, "jitter"), m.now)
	m.store(e)
}

// hand checks what must hold whenever somebody gets something.
func (m *mailbox) hand(t *rapid.T, name string, q Queued) {
	if slices.Contains(m.got[name], q.ID) {
		require.True(t, m.twice[q.ID], "%s gets %s twice", name, q.ID)
	}
	for _, id := range m.got[name] {
		before := m.row(id)
		require.False(t, before.Key == q.Key && before.Seq > q.Seq, "%s gets %s after %s", name, q.ID, id)
	}
	require.False(t, m.no[name][q.ID], "%s gets %s that he refused for good", name, q.ID)
	m.got[name] = append(m.got[name], q.ID)
}

func TestEveryReceiverGetsEachNoticeOnceInOrderAndTheAllClearOfHisPage(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rules := testRules()
		rules.StormOver = 0
		m := &mailbox{world: newWorld(t, rules), people: []string{"ann", "bob", "cy"},
			got: map[string][]string{}, twice: map[string]bool{}, no: map[string]map[string]bool{}}
		t.Repeat(map[string]func(*rapid.T){
			"enqueue": m.enqueue,
			"attempt": func(t *rapid.T) { m.take(t, false) },
			"again":   func(t *rapid.T) { m.take(t, false) },
			"pass":    m.pass,
			"restart": m.restart,
		})
		for range 50 * (len(m.queued) + 10) {
			if !m.take(t, true) && len(m.book.Rows) == 0 {
				break
			}
		}
		require.Empty(t, m.book.Rows, "everything queued is settled in the end")
		for _, name := range m.people {
			for key, alive := range m.alive {
				has := m.last(name, key)
				if has == "" || alive {
					continue
				}
				refused := slices.ContainsFunc(m.queued, func(q Queued) bool {
					return q.Key == key && q.Kind == notice.Resolve && q.Seq > m.row(has).Seq && (m.no[name][q.ID] || m.settled[q.ID].State == Refused)
				})
				require.True(t, m.row(has).Kind == notice.Resolve || refused,
					"%s was told of %s by %s and never that it is over", name, key, has)
			}
		}
		for _, key := range []string{"a", "b", "c", "d"} {
			last, unresolved := m.lastTrigger(key)
			if !unresolved {
				continue
			}
			for _, name := range m.people {
				require.True(t, slices.Contains(m.got[name], last.ID) || m.no[name][last.ID] || m.settled[last.ID].State == Refused,
					"%s never heard of %s", name, last.ID)
			}
		}
		m.everyRefusalIsTold(t)
	})
}

// last is the latest alert or all-clear of a key that somebody got.
func (m *mailbox) last(name, key string) (id string) {
	for _, got := range m.got[name] {
		if q := m.row(got); q.Key == key && q.Kind != notice.Change {
			id = got
		}
	}
	return id
}

func (m *mailbox) everyRefusalIsTold(t *rapid.T) {
	var told []string
	for _, q := range m.other {
		told = append(told, q.Notice.Evidence...)
	}
	for name, ids := range m.no {
		refused := 0
		for id := range ids {
			if m.settled[id].State != Refused { // those are told as a whole
				refused++
			}
		}
		for _, line := range told {
			if strings.HasPrefix(line, "refused ") && strings.Contains(line, " by "+name+": ") {
				refused--
			}
		}
		require.LessOrEqual(t, refused, 0, "what %s refused is told through the other channel", name)
	}
}

func TestAReceiverWhoRefusesIsATroubleUntilHeTakesAPageOrIsTakenOut(t *testing.T) {
	r := DefaultOutboxRules()
	at := time.Unix(1e9, 0)
	refuse := DeliveryResult{Partial: true, Took: []string{"ann"}, Refused: []notice.Refusal{{Receiver: "gone", Error: "550 no such user"}}, Reason: notice.ReasonRejected, Error: "550"}
	told := func(b ChannelBook) (ChannelBook, []Queued) {
		b, e, _ := r.Tidy(b, at, []ChannelBook{{State: ChannelState{Channel: "chat"}, Keys: map[string]KeyState{}}})
		return b, e.New
	}
	begin := func() ChannelBook {
		b, q := once(r, bookOf(page(1, at, notice.Error)), refuse, at)
		require.Equal(t, Delivered, q.State)
		require.Contains(t, q.Why, "gone (550 no such user)", "the log says who did not get it")
		b, rows := told(b)
		require.Len(t, rows, 1)
		require.Contains(t, rows[0].Notice.Summary, "gone gets nothing through pager: 550 no such user")
		require.Contains(t, fmt.Sprint(rows[0].Notice.Evidence), "refused trigger by gone: svc1: down")
		at = at.Add(time.Hour)
		b, rows = told(b)
		require.Empty(t, rows, "it does not end by time, since nobody saw it end")
		require.NotNil(t, b.State.Trouble)
		return b
	}
	t.Run("he takes the next page", func(t *testing.T) {
		b := begin().Add([]Queued{page(2, at, notice.Error)}, nil)
		b, _ = once(r, b, DeliveryResult{OK: true}, at)
		b, rows := told(b)
		require.Nil(t, b.State.Trouble)
		require.Equal(t, notice.Resolve, rows[0].Kind)
	})
	t.Run("he is taken out", func(t *testing.T) {
		b, e := r.Keep(begin(), []string{"ann"})
		require.Len(t, e.Channels, 1)
		b, _ = told(b)
		require.Nil(t, b.State.Trouble)
	})
	t.Run("he refuses again", func(t *testing.T) {
		b := begin().Add([]Queued{page(2, at, notice.Error)}, nil)
		b, _ = once(r, b, refuse, at)
		_, rows := told(b)
		require.Len(t, rows, 1)
		require.Equal(t, notice.Update, rows[0].Kind, "every page that he did not get is named, and nobody is woken for it again")
	})
}

func TestOneRefusedReceiverDelaysNoOtherPage(t *testing.T) {
	r := DefaultOutboxRules()
	at := time.Unix(1e9, 0)
	later := DeliveryResult{Partial: true, Took: []string{"ann"}, Left: []string{"bob"}, Reason: notice.ReasonRateLimited, After: 4 * time.Minute, Error: "450"}
	b, q := once(r, bookOf(page(1, at, notice.Error)), later, at)
	require.Equal(t, Waiting, q.State)
	require.Zero(t, b.State.NotBefore, "the channel itself does not wait")
	second := page(2, at, notice.Error)
	second.Key = q.Key
	b = b.Add([]Queued{second, page(3, at, notice.Error)}, nil)
	next, ok, _ := r.Next(b, at)
	require.True(t, ok)
	require.Equal(t, second.ID, next.ID, "not even for the same alert")
	require.Equal(t, []string{"bob"}, b.Delivery(next).Skip, "but he gets them in order")
	b, _ = r.Begin(b, next.Seq, at)
	b, e := r.Settle(b, next.Seq, DeliveryResult{OK: true}, 0, at)
	require.Equal(t, []string{"bob"}, e.Rows[0].Left)
	next, ok, _ = r.Next(b, at)
	require.True(t, ok)
	require.Equal(t, "n3", next.ID)
}
