package journal

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
	"github.com/recoveryd/recoveryd/pkg/escalate/queue"
)

func seqs(entries []Entry) (first, last uint64, n int) {
	if len(entries) == 0 {
		return 0, 0, 0
	}
	return entries[0].Seq, entries[len(entries)-1].Seq, len(entries)
}

func TestOldHistoryGoesAndTheChainStaysWhole(t *testing.T) {
	dir := t.TempDir()
	j := openAt(t, dir, func(o *Options) { o.KeepFor = time.Hour })
	var es []Entry
	for i := range 1300 { // more than two batches, one entry a second
		e := entry(i)
		e.Incident = "closed-old"
		es = append(es, e)
	}
	es[1200].Incident = "open"
	require.NoError(t, j.Append(t.Context(), Commit{
		Entries: es,
		Incidents: []IncidentRow{
			{ID: "closed-old", Opened: t0, Closed: t0.Add(time.Minute)},
			{ID: "closed-new", Opened: t0, Closed: t0.Add(2 * time.Hour)},
			{ID: "open", Opened: t0},
		},
		Queue: queue.NewQueued(t0, msg("waits", "k1", notice.Trigger), "pager"),
	}))
	require.NoError(t, j.SaveEvidence(t.Context(), EvidenceRow{Incident: "closed-old", Name: "ps", At: t0}))
	require.NoError(t, j.SaveEvidence(t.Context(), EvidenceRow{Incident: "open", Name: "ps", At: t0}))
	delivered := queue.NewQueued(t0, notice.Notice{ID: "done", Key: "k2", Incident: "closed-old"}, "pager")
	require.NoError(t, j.SaveOutbox(t.Context(), queue.Edits{New: delivered}))
	rows, _, _, err := j.LoadOutbox(t.Context(), 0)
	require.NoError(t, err)
	rows[1].State = queue.Delivered
	require.NoError(t, j.SaveOutbox(t.Context(), queue.Edits{Rows: rows[1:], Keys: []queue.KeyState{
		{Channel: "pager", Key: "k2", At: t0}, {Channel: "pager", Key: "k1", At: t0}, {Channel: "pager", Key: "k3", Open: true, At: t0},
	}}))

	now := t0.Add(100 * time.Hour)
	require.NoError(t, j.Prune(t.Context(), now))
	first, _, n := seqs(replayAll(t, j, 0))
	require.Equal(t, 1300, n, "without a snapshot a replay needs all of it")
	require.Equal(t, uint64(1), first)

	require.NoError(t, j.SaveSnapshot(t.Context(), 700, []byte("{}")))
	require.NoError(t, j.SaveSnapshot(t.Context(), 1300, []byte("{}")))
	require.NoError(t, j.Prune(t.Context(), now))
	first, last, _ := seqs(replayAll(t, j, 0))
	require.Equal(t, uint64(701), first, "the older snapshot may still be needed")
	require.Equal(t, uint64(1300), last)

	require.NoError(t, j.SaveSnapshot(t.Context(), 1299, []byte("{}")))
	require.NoError(t, j.Prune(t.Context(), now))
	first, _, _ = seqs(replayAll(t, j, 0))
	require.Equal(t, uint64(1201), first, "an open incident keeps its entries and all that follow")

	ids := func() (out []string) {
		rows, err := j.Incidents(t.Context(), Filter{})
		require.NoError(t, err)
		for _, r := range rows {
			out = append(out, r.ID)
		}
		return out
	}
	require.Equal(t, []string{"open"}, ids())
	ev, err := j.Evidence(t.Context(), "closed-old")
	require.NoError(t, err)
	require.Empty(t, ev)
	ev, err = j.Evidence(t.Context(), "open")
	require.NoError(t, err)
	require.Len(t, ev, 1)
	waiting, keys, _, err := j.LoadOutbox(t.Context(), 0)
	require.NoError(t, err)
	require.Len(t, waiting, 1, "a page is never pruned")
	require.Len(t, keys, 2)
	require.Equal(t, "k1", keys[1].Key, "nor what is known of its key")
	require.Equal(t, "k3", keys[0].Key, "nor an open alert")
	var n64 int64
	require.NoError(t, j.scalar(t.Context(), &n64, "SELECT count(*) FROM outbox_keys"))
	require.Equal(t, int64(2), n64, "an open alert is remembered")
	require.NoError(t, j.scalar(t.Context(), &n64, "SELECT count(*) FROM outbox"))
	require.Equal(t, int64(1), n64)

	require.NoError(t, j.Verify(t.Context()))
	more := []Entry{entry(1)}
	require.NoError(t, j.Append(t.Context(), Commit{Entries: more}))
	require.Equal(t, uint64(1301), more[0].Seq)
	require.NoError(t, j.Close())
	edit(t, dir, "DELETE FROM entries WHERE seq = 1201")
	j = openAt(t, dir)
	require.Nil(t, j.Salvaged(), "what lies before the snapshot is not checked at start")
	require.ErrorContains(t, j.Verify(t.Context()), "1 entries before it are missing")
}

func TestTheSizeIsBounded(t *testing.T) {
	j := openAt(t, t.TempDir(), func(o *Options) {
		o.MaxBytes = 2 << 20
		o.EvidenceBytes = 256 << 10
		o.ObservationBytes = 256 << 10
	})
	big := fmt.Sprintf(`"%0100000d"`, 1)
	for i := range 40 {
		require.NoError(t, j.SaveEvidence(t.Context(), EvidenceRow{Incident: "i", Name: fmt.Sprint(i), At: t0.Add(12_000 * time.Second), Body: []byte(big)}))
		require.NoError(t, j.SaveObservations(t.Context(), []ObservationRow{{Target: "t", At: t0, Body: []byte(fmt.Sprintf(`"%050000d"`, i))}}))
		require.NoError(t, j.flushObservations(t.Context()))
	}
	var es []Entry
	for i := range 12_000 {
		es = append(es, entry(i))
	}
	require.NoError(t, j.Append(t.Context(), Commit{Entries: es}))
	require.NoError(t, j.SaveSnapshot(t.Context(), 11_990, []byte("{}")))
	before, err := j.used(t.Context())
	require.NoError(t, err)
	require.Greater(t, before, int64(4<<20))

	require.NoError(t, j.Prune(t.Context(), t0))
	used, err := j.used(t.Context())
	require.NoError(t, err)
	require.LessOrEqual(t, used, int64(2<<20))
	require.Greater(t, used, int64(1<<20), "no more than needed goes")
	ev, err := j.Evidence(t.Context(), "i")
	require.NoError(t, err)
	require.NotEmpty(t, ev)
	require.LessOrEqual(t, len(ev), 2)
	require.Equal(t, "39", ev[len(ev)-1].Name, "the latest stays")
	_, last, n := seqs(replayAll(t, j, 0))
	require.Equal(t, uint64(12_000), last)
	require.Greater(t, n, 1000)
	pages, free, _, err := j.pages(t.Context())
	require.NoError(t, err)
	require.Less(t, free, max(pages/4, 1024)+1, "the room is given back")
	require.NoError(t, j.Verify(t.Context()))
}

func TestWhatMayNotGoIsKeptOverTheLimitAndSaidSo(t *testing.T) {
	j := openAt(t, t.TempDir(), func(o *Options) { o.MaxBytes = 256 << 10 })
	var es []Entry
	for i := range 3000 {
		es = append(es, entry(i))
	}
	require.NoError(t, j.Append(t.Context(), Commit{Entries: es}))
	require.ErrorContains(t, j.Prune(t.Context(), t0), "nothing in it may go")
	require.Len(t, replayAll(t, j, 0), 3000)
}

func TestAFloodOfOneTargetDoesNotPushOutTheIncidentsOfOthers(t *testing.T) {
	j := openAt(t, t.TempDir(), func(o *Options) { o.MaxBytes = 1 << 20 })
	appendIncidents := func(target string, from, n, size int) {
		var rows []IncidentRow
		var es []Entry
		for i := range n {
			at := t0.Add(time.Duration(from+i) * time.Second)
			body := []byte(fmt.Sprintf(`"%0*d"`, size, i))
			rows = append(rows, IncidentRow{ID: fmt.Sprintf("%s-%d", target, i), Target: target, Opened: at, Closed: at, Body: body})
			es = append(es, Entry{At: at, Target: target, Incident: rows[i].ID, From: "held", To: "watching", Reason: "closed", Body: body})
		}
		require.NoError(t, j.Append(t.Context(), Commit{Entries: es, Incidents: rows}))
		require.NoError(t, j.SaveSnapshot(t.Context(), j.lastSeq.Load(), []byte("{}")))
	}
	of := func(target string) int {
		rows, err := j.Incidents(t.Context(), Filter{Target: target})
		require.NoError(t, err)
		return len(rows)
	}
	appendIncidents("quiet", 0, 20, 1000)
	appendIncidents("flaps", 100, 2000, 3000)
	appendIncidents("last", 4000, 1, 10) // so that the older of the two snapshots is behind the flood
	require.NoError(t, j.Prune(t.Context(), t0.Add(time.Hour)))
	used, err := j.used(t.Context())
	require.NoError(t, err)
	require.LessOrEqual(t, used, int64(1<<20))
	require.Equal(t, 20, of("quiet"), "they are older than the flood, and stay")
	require.Less(t, of("flaps"), 500)
	require.Positive(t, of("flaps"), "the latest stay")
	require.NoError(t, j.Verify(t.Context()))
}
