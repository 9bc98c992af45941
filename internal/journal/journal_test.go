package journal

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
	"github.com/recoveryd/recoveryd/pkg/escalate/queue"
)

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		os.Exit(child())
	}
	goleak.VerifyTestMain(m)
}

var t0 = time.Date(2026, 3, 1, 3, 0, 0, 123456789, time.UTC)

// openAt opens a journal that the test closes at its end.
func openAt(t testing.TB, dir string, change ...func(*Options)) *Journal {
	t.Helper()
	j, err := Open(t.Context(), optionsFor(dir, change...))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, j.Close()) })
	return j
}

func optionsFor(dir string, change ...func(*Options)) Options {
	o := Options{Dir: dir, BallastBytes: -1}
	for _, c := range change {
		c(&o)
	}
	return o
}

func entry(n int) Entry {
	return Entry{
		At: t0.Add(time.Duration(n) * time.Second), Target: "codebase-mcp.service", Incident: fmt.Sprintf("inc-%d", n/3),
		From: "healthy", To: "suspect", Reason: "confirmed",
		Body: json.RawMessage(fmt.Sprintf(`{"n":%d,"because":"health reply 500 and unit active"}`, n)),
	}
}

func appendN(t testing.TB, j *Journal, from, n int) []Entry {
	t.Helper()
	var all []Entry
	for i := range n {
		es := []Entry{entry(from + i)}
		require.NoError(t, j.Append(t.Context(), Commit{Entries: es}))
		all = append(all, es...)
	}
	return all
}

func replayAll(t testing.TB, j *Journal, after uint64) []Entry {
	t.Helper()
	var all []Entry
	for e, err := range j.Replay(t.Context(), after) {
		require.NoError(t, err)
		all = append(all, e)
	}
	return all
}

func msg(id, key string, kind notice.Kind) notice.Notice {
	return notice.Notice{ID: id, Key: key, Kind: kind, At: t0, Incident: "inc-1", Severity: notice.Error, Summary: "pool exhausted"}
}

func TestWhatWasAppendedIsReadBackAfterReopening(t *testing.T) {
	dir := t.TempDir()
	j := openAt(t, dir)
	require.Nil(t, j.Salvaged())
	row := IncidentRow{
		ID: "inc-1", Target: "codebase-mcp.service", Class: "pool", Severity: "error", Phase: "acting",
		Summary: "pool exhausted", Opened: t0, Body: json.RawMessage(`{"attempts":1}`),
	}
	queued := queue.NewQueued(t0, msg("n1", "inc-1/0", notice.Trigger), "pager", "chat")
	entries := []Entry{entry(1), entry(2)}
	require.NoError(t, j.Append(t.Context(), Commit{Entries: entries, Incidents: []IncidentRow{row}, Queue: queued}))
	require.Equal(t, []uint64{1, 2}, []uint64{entries[0].Seq, entries[1].Seq})
	require.Equal(t, uint64(2), j.LastSeq())
	require.NoError(t, j.Close())

	j = openAt(t, dir)
	require.Equal(t, uint64(2), j.LastSeq())
	require.Equal(t, entries, replayAll(t, j, 0))
	require.Equal(t, entries[1:], replayAll(t, j, 1))
	require.Empty(t, replayAll(t, j, 2))
	got, err := j.Incident(t.Context(), "inc-1")
	require.NoError(t, err)
	require.Equal(t, row, got)
	rows, keys, channels, err := j.LoadOutbox(t.Context(), 0)
	require.NoError(t, err)
	require.Empty(t, keys)
	require.Empty(t, channels)
	require.Equal(t, []uint64{1, 2}, []uint64{rows[0].Seq, rows[1].Seq})
	require.Equal(t, queued, rows, "Append told their numbers")
	byIncident, err := j.Entries(t.Context(), "inc-0")
	require.NoError(t, err)
	require.Equal(t, entries, byIncident)
	require.NoError(t, j.Verify(t.Context()))

	more := []Entry{entry(3)}
	require.NoError(t, j.Append(t.Context(), Commit{Entries: more}))
	require.Equal(t, uint64(3), more[0].Seq, "the chain goes on after reopening")
	require.NoError(t, j.Verify(t.Context()))
}

func TestACommitIsStoredAsAWholeOrNotAtAll(t *testing.T) {
	j := openAt(t, t.TempDir())
	appendN(t, j, 1, 2)
	bad := entry(4)
	bad.Body = json.RawMessage(`{"half":`)
	for name, c := range map[string]Commit{
		"a body that is not JSON":     {Entries: []Entry{entry(3), bad}},
		"an incident that is not":     {Entries: []Entry{entry(3)}, Incidents: []IncidentRow{{ID: "x", Body: json.RawMessage("no")}}},
		"a number that leaves a gap":  {Entries: []Entry{{Seq: 4}}, Incidents: []IncidentRow{{ID: "x"}}},
		"a number that was used":      {Entries: []Entry{{Seq: 2}}, Incidents: []IncidentRow{{ID: "x"}}},
		"numbers that do not go up":   {Entries: []Entry{{Seq: 3}, {Seq: 3}}},
		"a second entry out of order": {Entries: []Entry{{Seq: 3}, {Seq: 5}}},
	} {
		t.Run(name, func(t *testing.T) {
			err := j.Append(t.Context(), c)
			require.Error(t, err)
			if c.Entries[0].Seq != 0 {
				require.ErrorIs(t, err, ErrSequence)
			}
			require.Zero(t, bad.Seq)
			require.Equal(t, uint64(2), j.LastSeq())
			require.Len(t, replayAll(t, j, 0), 2)
			_, err = j.Incident(t.Context(), "x")
			require.ErrorIs(t, err, ErrNotFound)
		})
	}
	require.NoError(t, j.Append(t.Context(), Commit{Entries: []Entry{{Seq: 3}, {Seq: 4}}}))
	require.NoError(t, j.Verify(t.Context()))
}

func TestTheWriterSyncsEveryCommit(t *testing.T) {
	j := openAt(t, t.TempDir())
	for pragma, want := range map[string]string{
		"journal_mode": "wal", "synchronous": "2", "auto_vacuum": "2", "busy_timeout": "5000",
		"application_id": fmt.Sprint(applicationID), "user_version": fmt.Sprint(len(migrations())),
	} {
		var got string
		require.NoError(t, j.w.conn.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got))
		require.Equal(t, want, got, pragma)
	}
	fi, err := os.Stat(j.path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(fileMode), fi.Mode().Perm())
	fi, err = os.Stat(j.path + "-wal")
	require.NoError(t, err)
	require.Equal(t, os.FileMode(fileMode), fi.Mode().Perm())
}

func TestACancelledCallerLeavesTheJournalUsable(t *testing.T) {
	j := openAt(t, t.TempDir())
	<-j.turn // somebody writes
	ctx, cancel := contextWithCause(t)
	cancel()
	require.ErrorIs(t, j.Append(ctx, Commit{Entries: []Entry{entry(1)}}), errTest)
	j.turn <- struct{}{}
	appendN(t, j, 1, 1)
	require.Len(t, replayAll(t, j, 0), 1)
}

func TestSnapshotsFallBackToTheOneBefore(t *testing.T) {
	j := openAt(t, t.TempDir())
	seq, body, err := j.Snapshot(t.Context())
	require.NoError(t, err)
	require.Zero(t, seq)
	require.Nil(t, body)
	appendN(t, j, 1, 5)
	require.ErrorIs(t, j.SaveSnapshot(t.Context(), 6, []byte("{}")), ErrSequence, "a state that is ahead of its history")
	for s := range uint64(4) {
		require.NoError(t, j.SaveSnapshot(t.Context(), s+1, fmt.Appendf(nil, "state %d", s+1)))
	}
	seq, body, err = j.Snapshot(t.Context())
	require.NoError(t, err)
	require.Equal(t, uint64(4), seq)
	require.Equal(t, "state 4", string(body))

	_, err = j.w.conn.ExecContext(t.Context(), "UPDATE snapshots SET body = x'00' WHERE seq = 4")
	require.NoError(t, err)
	seq, body, err = j.Snapshot(t.Context())
	require.NoError(t, err)
	require.Equal(t, uint64(3), seq)
	require.Equal(t, "state 3", string(body))
	dir := j.opts.Dir
	require.NoError(t, j.Close())

	j = openAt(t, dir)
	require.NotNil(t, j.Salvaged())
	require.Equal(t, map[string]int{"snapshots": 1}, j.Salvaged().Dropped)
	seq, body, err = j.Snapshot(t.Context())
	require.NoError(t, err)
	require.Equal(t, uint64(3), seq)
	require.Equal(t, "state 3", string(body))
	require.Len(t, replayAll(t, j, seq), 2)
}

func TestIncidentsAreFiltered(t *testing.T) {
	j := openAt(t, t.TempDir())
	var rows []IncidentRow
	for i := range 6 {
		r := IncidentRow{ID: fmt.Sprintf("inc-%d", i), Target: "a", Opened: t0.Add(time.Duration(i) * time.Hour), Body: json.RawMessage("null")}
		if i%2 == 0 {
			r.Closed = r.Opened.Add(time.Minute)
		}
		if i > 3 {
			r.Target = "b"
		}
		rows = append(rows, r)
	}
	require.NoError(t, j.Append(t.Context(), Commit{Incidents: rows}))
	for name, c := range map[string]struct {
		f    Filter
		want []int
	}{
		"all, the latest first":          {Filter{}, []int{5, 4, 3, 2, 1, 0}},
		"the open ones":                  {Filter{Open: true}, []int{5, 3, 1}},
		"those of a target":              {Filter{Target: "b"}, []int{5, 4}},
		"since a time, and open ones":    {Filter{Since: t0.Add(3 * time.Hour)}, []int{5, 4, 3, 1}},
		"everything at once":             {Filter{Since: t0.Add(3 * time.Hour), Open: true, Target: "a", Limit: 1}, []int{3}},
		"at most so many":                {Filter{Limit: 2}, []int{5, 4}},
		"nothing of an unknown target":   {Filter{Target: "c"}, nil},
		"closed after, opened before it": {Filter{Since: t0.Add(2*time.Hour + time.Second)}, []int{5, 4, 3, 2, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := j.Incidents(t.Context(), c.f)
			require.NoError(t, err)
			var want []IncidentRow
			for _, i := range c.want {
				want = append(want, rows[i])
			}
			require.Equal(t, want, got)
		})
	}
	rows[1].Phase, rows[1].Closed = "healthy", t0.Add(9*time.Hour)
	require.NoError(t, j.Append(t.Context(), Commit{Incidents: rows[1:2]}))
	got, err := j.Incident(t.Context(), "inc-1")
	require.NoError(t, err)
	require.Equal(t, rows[1], got, "replaced")
}

func TestTheOutboxIsStoredOnceAndUpdatedInPlace(t *testing.T) {
	dir := t.TempDir()
	j := openAt(t, dir)
	queued := queue.NewQueued(t0, msg("n1", "k", notice.Trigger), "pager", "chat")
	require.NoError(t, j.Append(t.Context(), Commit{Queue: queued}))
	require.NoError(t, j.Append(t.Context(), Commit{Queue: queued}), "the same decision once more")
	require.Equal(t, []uint64{0, 0}, []uint64{queued[0].Seq, queued[1].Seq}, "nothing of it is new")
	rows, _, _, err := j.LoadOutbox(t.Context(), 0)
	require.NoError(t, err)
	require.Len(t, rows, 2)

	rows[0].State, rows[0].Settled, rows[0].Attempts = queue.Delivered, t0, 3
	rows[1].Attempts, rows[1].NextAt, rows[1].LastError = 1, t0.Add(time.Hour), "503"
	key := queue.KeyState{Channel: "pager", Key: "k", Open: true, Receipt: notice.Receipt{"ts": "1.2"}, At: t0}
	state := queue.ChannelState{Channel: "chat", Failures: 1, FailingSince: t0, Sends: []int64{t0.UnixNano()}}
	more := queue.NewQueued(t0, msg("n2", "k", notice.Resolve), "pager", "chat")
	require.NoError(t, j.SaveOutbox(t.Context(), queue.Edits{
		Rows: rows, New: more, Keys: []queue.KeyState{key}, Channels: []queue.ChannelState{state},
	}))
	require.NoError(t, j.Close())

	j = openAt(t, dir)
	waiting, keys, channels, err := j.LoadOutbox(t.Context(), 0)
	require.NoError(t, err)
	require.Len(t, waiting, 3)
	first, second := waiting[1].Seq, waiting[2].Seq
	require.True(t, 2 < first && first < second, "numbers go up, also over those that a repeated notice left out")
	require.Equal(t, []queue.Queued{rows[1], withSeq(more[0], first), withSeq(more[1], second)}, waiting)
	require.Equal(t, []queue.KeyState{key}, keys)
	require.Equal(t, []queue.ChannelState{state}, channels)
	newer, _, _, err := j.LoadOutbox(t.Context(), first)
	require.NoError(t, err)
	require.Len(t, newer, 1)
	all, err := j.Notices(t.Context(), "inc-1")
	require.NoError(t, err)
	require.Len(t, all, 4)
	require.Equal(t, rows[0], all[0])
}

func withSeq(q queue.Queued, seq uint64) queue.Queued {
	q.Seq = seq
	return q
}

func TestEvidenceAndObservationsComeBack(t *testing.T) {
	dir := t.TempDir()
	j := openAt(t, dir)
	big := make([]byte, maxEvidence+1)
	require.ErrorContains(t, j.SaveEvidence(t.Context(), EvidenceRow{Incident: "i", Name: "core", Body: big}), "at most 1048576 are kept")
	log := EvidenceRow{Incident: "i", Name: "journal", At: t0, Body: []byte("old")}
	require.NoError(t, j.SaveEvidence(t.Context(), log))
	ps := EvidenceRow{Incident: "i", Name: "ps", At: t0, Body: []byte{0, 1, 2}}
	require.NoError(t, j.SaveEvidence(t.Context(), ps))
	log.Body = []byte("oom-kill: task=python")
	require.NoError(t, j.SaveEvidence(t.Context(), log))
	got, err := j.Evidence(t.Context(), "i")
	require.NoError(t, err)
	require.Equal(t, []EvidenceRow{ps, log}, got)

	var want []ObservationRow
	for i := range 1000 { // over packBytes, so that it is compressed
		r := ObservationRow{Target: fmt.Sprintf("t%d", i%2), At: t0.Add(time.Duration(i) * time.Second),
			Body: json.RawMessage(fmt.Sprintf(`{"http.status":%d,"because":"a sentence of some length to fill the batch, as real ones do"}`, i))}
		require.NoError(t, j.SaveObservations(t.Context(), []ObservationRow{r}))
		if i%2 == 1 {
			want = append(want, r)
		}
	}
	require.Error(t, j.SaveObservations(t.Context(), []ObservationRow{{Target: "x", Body: json.RawMessage("{")}}))
	rows, err := j.Observations(t.Context(), "t1", time.Time{}, 0)
	require.NoError(t, err)
	require.Equal(t, want, rows)
	rows, err = j.Observations(t.Context(), "t1", t0.Add(990*time.Second), 3)
	require.NoError(t, err)
	require.Equal(t, want[len(want)-3:], rows)

	last := ObservationRow{Target: "t1", At: t0.Add(time.Hour), Body: json.RawMessage(`{}`)}
	require.NoError(t, j.SaveObservations(t.Context(), []ObservationRow{last}))
	require.NoError(t, j.Close(), "closing stores what is buffered")
	j = openAt(t, dir)
	rows, err = j.Observations(t.Context(), "t1", time.Time{}, 1)
	require.NoError(t, err)
	require.Equal(t, []ObservationRow{last}, rows)
}

func TestTheBufferOfObservationsIsBounded(t *testing.T) {
	j := openAt(t, t.TempDir())
	<-j.turn // the disk hangs
	body := json.RawMessage(fmt.Sprintf(`"%0100000d"`, 7))
	for range 100 {
		require.NoError(t, j.SaveObservations(t.Context(), []ObservationRow{{Target: "t", At: t0, Body: body}}))
	}
	j.pending.mu.Lock()
	size := j.pending.bytes
	j.pending.mu.Unlock()
	require.LessOrEqual(t, size, pendingBytes)
	j.turn <- struct{}{}
}

func TestHealthTellsSizeAndPosition(t *testing.T) {
	j := openAt(t, t.TempDir(), func(o *Options) { o.BallastBytes = 1 << 20 })
	appendN(t, j, 1, 3)
	h := j.Health()
	require.Equal(t, uint64(3), h.LastSeq)
	require.True(t, h.Ballast)
	require.Positive(t, h.Bytes)
	fi, err := os.Stat(filepath.Join(j.opts.Dir, ballastName))
	require.NoError(t, err)
	require.Equal(t, int64(1<<20), fi.Size())
	require.NoError(t, j.Writable(t.Context()))
}
