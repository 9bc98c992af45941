package journal

import (
	"crypto/sha256"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
	"github.com/recoveryd/recoveryd/pkg/escalate/queue"
)

// filled makes a closed journal with entries, an open incident, a waiting page, evidence and
// observations, and returns its entries.
func filled(t *testing.T, dir string, n int) []Entry {
	t.Helper()
	j, err := Open(t.Context(), optionsFor(dir))
	require.NoError(t, err)
	var all []Entry
	for i := range n {
		all = append(all, entry(i+1))
	}
	require.NoError(t, j.Append(t.Context(), Commit{Entries: all}))
	require.NoError(t, j.Append(t.Context(), Commit{
		Incidents: []IncidentRow{{ID: "inc-1", Target: "a", Opened: t0}},
		Queue:     queue.NewQueued(t0, msg("n1", "k", notice.Trigger), "pager"),
	}))
	require.NoError(t, j.SaveOutbox(t.Context(), queue.Edits{
		Keys:     []queue.KeyState{{Channel: "pager", Key: "k", Open: true, At: t0}},
		Channels: []queue.ChannelState{{Channel: "pager", Failures: 2}},
	}))
	require.NoError(t, j.SaveEvidence(t.Context(), EvidenceRow{Incident: "inc-1", Name: "ps", At: t0, Body: []byte("x")}))
	require.NoError(t, j.SaveObservations(t.Context(), []ObservationRow{{Target: "a", At: t0, Body: []byte(`{}`)}}))
	require.NoError(t, j.Close())
	return all
}

// edit changes a closed journal behind our back.
func edit(t *testing.T, dir string, queries ...string) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(dir, fileName))
	require.NoError(t, err)
	for _, q := range queries {
		_, err := db.ExecContext(t.Context(), q)
		require.NoError(t, err)
	}
	require.NoError(t, db.Close())
}

func TestAChangedJournalIsNoticedAndSalvaged(t *testing.T) {
	for _, c := range []struct {
		name    string
		queries []string
		cause   string
		gaps    []Gap
		dropped map[string]int
		kept    int // entries
		next    uint64
	}{
		{
			name:    "an entry was changed",
			queries: []string{"UPDATE entries SET reason = 'operator' WHERE seq = 5"},
			cause:   "journal entry 5: was changed or damaged",
			gaps:    []Gap{{4, 6}}, dropped: map[string]int{"entries": 1}, kept: 9, next: 11,
		},
		{
			name:    "entries in the middle were deleted",
			queries: []string{"DELETE FROM entries WHERE seq IN (3, 4, 8)"},
			cause:   "journal entry 5: 2 entries before it are missing",
			gaps:    []Gap{{2, 5}, {7, 9}}, dropped: map[string]int{}, kept: 7, next: 11,
		},
		{
			name:    "the first entries were deleted",
			queries: []string{"DELETE FROM entries WHERE seq < 3"},
			cause:   "journal entry 3: 2 entries before it are missing",
			gaps:    []Gap{{0, 3}}, dropped: map[string]int{}, kept: 8, next: 11,
		},
		{
			name:    "the last entries were deleted",
			queries: []string{"DELETE FROM entries WHERE seq > 8"},
			cause:   "journal entry 10: the last 2 entries are missing",
			gaps:    []Gap{{8, 11}}, dropped: map[string]int{}, kept: 8, next: 11,
		},
		{
			name: "an entry was replaced by a consistent one of another history",
			queries: []string{
				"CREATE TEMP TABLE x AS SELECT * FROM entries WHERE seq = 1",
				"DELETE FROM entries WHERE seq <= 2", "UPDATE entries SET seq = 1 WHERE seq = 3",
			},
			cause: "journal entry 1: was changed or damaged",
			gaps:  []Gap{{0, 4}}, dropped: map[string]int{"entries": 1}, kept: 7, next: 11,
		},
		{
			name:    "the end of the chain was changed",
			queries: []string{"UPDATE chain SET seq = 4 WHERE id = 1"},
			cause:   "the end of the chain does not match its checksum",
			gaps:    nil, dropped: map[string]int{}, kept: 10, next: 11,
		},
		{
			name:    "a waiting page was marked as delivered by hand without its checksum",
			queries: []string{"UPDATE outbox SET body = replace(body, 'pool', 'pole')"},
			cause:   "a row of outbox (1) does not match its checksum",
			dropped: map[string]int{"outbox": 1}, kept: 10, next: 11,
		},
		{
			name:    "what is known of a key was changed",
			queries: []string{"UPDATE outbox_keys SET open = 0"},
			cause:   "a row of outbox_keys (pager) does not match its checksum",
			dropped: map[string]int{"outbox_keys": 1}, kept: 10, next: 11,
		},
		{
			name:    "an open incident was changed",
			queries: []string{"UPDATE incidents SET severity = 'info'"},
			cause:   "a row of incidents (inc-1) does not match its checksum",
			dropped: map[string]int{"incidents": 1}, kept: 10, next: 11,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			filled(t, dir, 10)
			edit(t, dir, c.queries...)
			damaged, err := os.ReadFile(filepath.Join(dir, fileName))
			require.NoError(t, err)

			j := openAt(t, dir)
			s := j.Salvaged()
			require.NotNil(t, s)
			require.ErrorIs(t, s.Cause, ErrCorrupt)
			require.ErrorContains(t, s.Cause, c.cause)
			require.Equal(t, c.gaps, s.Gaps)
			require.Equal(t, c.dropped, s.Dropped)
			require.Equal(t, c.kept, s.Kept["entries"])
			require.Empty(t, s.Unreadable)
			aside, err := os.ReadFile(s.MovedTo)
			require.NoError(t, err)
			require.Equal(t, sha256.Sum256(damaged), sha256.Sum256(aside), "the damaged file is kept as it was")

			require.Len(t, replayAll(t, j, 0), c.kept, "what was carried over replays without complaint")
			es := []Entry{entry(1)}
			require.NoError(t, j.Append(t.Context(), Commit{Entries: es}))
			require.Equal(t, c.next, es[0].Seq, "no number is given twice")
			require.NoError(t, j.Verify(t.Context()))
			require.NoError(t, j.Close())
			j = openAt(t, dir)
			require.Equal(t, s.String(), j.Salvaged().String(), "nobody was told yet")
			told := queue.NewQueued(t0, msg("damage", "damage", notice.Trigger), "pager")
			require.NoError(t, j.TellSalvage(t.Context(), told))
			require.NotZero(t, told[0].Seq)
			require.NoError(t, j.Close())
			j = openAt(t, dir)
			require.Nil(t, j.Salvaged(), "the new file is sound, and somebody was told")
			require.Len(t, replayAll(t, j, 0), c.kept+1)
		})
	}
}

func TestAJournalOfAnotherHostInPlaceOfTheOwnOneIsSaidAndTakenOver(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	filled(t, dir, 10)
	filled(t, other, 30)
	rewrite(t, other, tableEntries, "reason", func(any, string) string { return "of another host" })
	theirs, err := os.ReadFile(filepath.Join(other, fileName))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, fileName), theirs, 0o600))
	j, err := Open(t.Context(), optionsFor(dir))
	require.NoError(t, err, "it starts")
	require.ErrorContains(t, j.Salvaged().Cause, "is not the one that was written last")
	require.NoError(t, j.Append(t.Context(), Commit{Entries: []Entry{entry(1)}}))
	require.NoError(t, j.TellSalvage(t.Context(), nil))
	require.NoError(t, j.Close())
	j = openAt(t, dir)
	require.Nil(t, j.Salvaged(), "once")
}

func TestALaterLossInASalvagedJournalIsNoticedToo(t *testing.T) {
	dir := t.TempDir()
	filled(t, dir, 10)
	edit(t, dir, "DELETE FROM entries WHERE seq IN (3, 4)")
	j, err := Open(t.Context(), optionsFor(dir))
	require.NoError(t, err)
	require.Equal(t, []Gap{{2, 5}}, j.Salvaged().Gaps)
	require.NoError(t, j.Close())
	edit(t, dir, "DELETE FROM entries WHERE seq IN (2, 7)")
	j = openAt(t, dir)
	require.Equal(t, []Gap{{6, 8}}, j.Salvaged().Gaps, "an entry before a known gap cannot be told from the gap")
}

func TestADamagedFileIsSalvagedAsFarAsItCanBeRead(t *testing.T) {
	const page = 4096
	garbage := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(i * 7)
		}
		return b
	}
	overwrite := func(t *testing.T, path string, off int64, b []byte) {
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		require.NoError(t, err)
		_, err = f.WriteAt(b, off)
		require.NoError(t, err)
		require.NoError(t, f.Close())
	}
	for _, c := range []struct {
		name   string
		damage func(t *testing.T, path string, size int64)
		kept   func(n int) bool // of 3000 entries
		outbox int
	}{
		{"a page in the middle is garbage", func(t *testing.T, path string, size int64) {
			overwrite(t, path, size/2/page*page, garbage(page))
		}, func(n int) bool { return n >= 1000 && n < 3000 }, 1},
		{"a stretch in the middle is garbage", func(t *testing.T, path string, size int64) {
			overwrite(t, path, size/2/page*page, garbage(20*page))
		}, func(n int) bool { return n >= 1000 && n < 3000 }, 1},
		{"the second half is missing", func(t *testing.T, path string, size int64) {
			require.NoError(t, os.Truncate(path, size/2))
		}, func(n int) bool { return n >= 500 && n < 3000 }, 1},
		{"the header is garbage", func(t *testing.T, path string, size int64) {
			overwrite(t, path, 0, garbage(page))
		}, func(n int) bool { return n == 3000 }, 1},
		{"it is not a database at all", func(t *testing.T, path string, size int64) {
			require.NoError(t, os.WriteFile(path, []byte(strings.Repeat("lost+found ", 1000)), 0o600))
		}, func(n int) bool { return n == 0 }, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			all := filled(t, dir, 3000)
			path := filepath.Join(dir, fileName)
			fi, err := os.Stat(path)
			require.NoError(t, err)
			c.damage(t, path, fi.Size())

			j := openAt(t, dir)
			s := j.Salvaged()
			require.NotNil(t, s)
			t.Log(s)
			require.FileExists(t, s.MovedTo)
			require.True(t, c.kept(s.Kept["entries"]), "%d entries kept", s.Kept["entries"])
			require.GreaterOrEqual(t, s.Kept["outbox"], c.outbox)
			got := replayAll(t, j, 0)
			require.Len(t, got, s.Kept["entries"])
			for _, e := range got {
				require.Equal(t, all[e.Seq-1], e)
			}
			if len(got) > 0 && len(got) < len(all) {
				require.NotEmpty(t, s.Gaps)
			}
			appendN(t, j, 5000, 3)
			require.NoError(t, j.Verify(t.Context()))
		})
	}
}

func TestASalvageThatWasInterruptedIsFinished(t *testing.T) {
	const stamp = "20260301T030000"
	// Each case is a state of the directory in which a crash can leave it. The old file is the
	// damaged one with 10 entries, the complete new one has the 9 sound ones.
	build := func(t *testing.T) (dir string) {
		dir = t.TempDir()
		filled(t, dir, 10)
		edit(t, dir, "DELETE FROM entries WHERE seq = 5")
		src := t.TempDir()
		filled(t, src, 10)
		edit(t, src, "DELETE FROM entries WHERE seq = 5")
		j, err := Open(t.Context(), optionsFor(src))
		require.NoError(t, err)
		require.NoError(t, j.Close())
		require.NoError(t, os.Rename(filepath.Join(src, fileName), filepath.Join(dir, fileName+completeSuffix)))
		return dir
	}
	for name, crash := range map[string]func(t *testing.T, dir string){
		"before anything was moved": func(t *testing.T, dir string) {
			require.NoError(t, os.WriteFile(filepath.Join(dir, fileName+"-wal"), []byte("log of the damaged file"), 0o600))
		},
		"after the log was moved": func(*testing.T, string) {},
		"after the damaged file was moved": func(t *testing.T, dir string) {
			require.NoError(t, os.Rename(filepath.Join(dir, fileName), filepath.Join(dir, fileName+".corrupt-"+stamp)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := build(t)
			crash(t, dir)
			j := openAt(t, dir)
			require.Len(t, replayAll(t, j, 0), 9)
			require.NoFileExists(t, filepath.Join(dir, fileName+completeSuffix))
			aside, err := filepath.Glob(filepath.Join(dir, fileName+".corrupt-*"))
			require.NoError(t, err)
			require.NotEmpty(t, aside)
			for _, p := range aside {
				if strings.HasSuffix(p, "-wal") {
					b, err := os.ReadFile(p)
					require.NoError(t, err)
					require.Equal(t, "log of the damaged file", string(b))
				}
			}
		})
	}
	t.Run("while the new file was being made", func(t *testing.T) {
		dir := t.TempDir()
		filled(t, dir, 10)
		edit(t, dir, "DELETE FROM entries WHERE seq = 5")
		require.NoError(t, os.WriteFile(filepath.Join(dir, fileName+makingSuffix), []byte("half"), 0o600))
		j := openAt(t, dir)
		require.Len(t, replayAll(t, j, 0), 9)
		require.NoFileExists(t, filepath.Join(dir, fileName+makingSuffix))
	})
}

func TestFilesThatAreNotOursAreRefusedAndLeftAlone(t *testing.T) {
	for name, c := range map[string]struct {
		make func(t *testing.T, dir string)
		want error
		says string
	}{
		"written by a newer recoveryd": {func(t *testing.T, dir string) {
			filled(t, dir, 3)
			edit(t, dir, fmt.Sprintf("PRAGMA user_version = %d", len(migrations())+1), "DELETE FROM entries")
		}, ErrNewer, "its schema is 2 and this one knows up to 1: upgrade recoveryd"},
		"a database of another program": {func(t *testing.T, dir string) {
			edit(t, dir, "CREATE TABLE users (name)")
		}, ErrForeign, "move it away or choose another state directory"},
		"a database of another program that says so": {func(t *testing.T, dir string) {
			edit(t, dir, "PRAGMA application_id = 77")
		}, ErrForeign, "application id 0x4d"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			c.make(t, dir)
			before, err := os.ReadFile(filepath.Join(dir, fileName))
			require.NoError(t, err)
			for _, ro := range []bool{false, true} {
				_, err = Open(t.Context(), optionsFor(dir, func(o *Options) { o.ReadOnly = ro }))
				require.ErrorIs(t, err, c.want)
				require.ErrorContains(t, err, c.says)
			}
			after, err := os.ReadFile(filepath.Join(dir, fileName))
			require.NoError(t, err)
			require.Equal(t, before, after)
			aside, err := filepath.Glob(filepath.Join(dir, "*corrupt*"))
			require.NoError(t, err)
			require.Empty(t, aside)
		})
	}
}

func TestASchemaIsUpgradedInOneTransaction(t *testing.T) {
	dir := t.TempDir()
	all := filled(t, dir, 3)
	w, err := openWriter(t.Context(), filepath.Join(dir, fileName))
	require.NoError(t, err)
	defer func() { require.NoError(t, w.close()) }()
	now := len(migrations())
	steps := append(migrations(), "ALTER TABLE incidents ADD COLUMN owner TEXT NOT NULL DEFAULT ''", "CREATE TABLE broken (")
	require.ErrorContains(t, migrate(t.Context(), w.conn, now, steps), fmt.Sprintf("schema %d", now+2))
	version, err := checkVersion(t.Context(), w.conn, len(steps))
	require.NoError(t, err)
	require.Equal(t, now, version, "the step before it was taken back too")

	steps[now+1] = "CREATE TABLE whole (x) "
	require.NoError(t, migrate(t.Context(), w.conn, now, steps))
	version, err = checkVersion(t.Context(), w.conn, len(steps))
	require.NoError(t, err)
	require.Equal(t, now+2, version)
	var n int
	require.NoError(t, w.conn.QueryRowContext(t.Context(), "SELECT count(*) FROM entries").Scan(&n))
	require.Equal(t, len(all), n)
	_, err = checkVersion(t.Context(), w.conn, now)
	require.ErrorIs(t, err, ErrNewer, "the older program refuses it now")
}

func TestVerifyFindsDamageThatOpenDoesNotLookFor(t *testing.T) {
	dir := t.TempDir()
	filled(t, dir, 10)
	j, err := Open(t.Context(), optionsFor(dir))
	require.NoError(t, err)
	require.NoError(t, j.SaveSnapshot(t.Context(), 9, []byte("{}")))
	require.NoError(t, j.Close())
	edit(t, dir, "UPDATE entries SET target = 'b' WHERE seq = 2")
	j = openAt(t, dir)
	require.Nil(t, j.Salvaged(), "old history is not needed to go on")
	require.ErrorIs(t, j.Verify(t.Context()), ErrCorrupt)
	var broken []uint64
	n := 0
	for e, err := range j.Replay(t.Context(), 0) {
		n++
		if err != nil {
			require.ErrorIs(t, err, ErrCorrupt)
			require.Equal(t, Entry{Seq: e.Seq}, e)
			broken = append(broken, e.Seq)
		}
	}
	require.Equal(t, []uint64{2}, broken, "a replay goes on behind a damaged entry")
	require.Equal(t, 10, n)
	for e := range j.Replay(t.Context(), 0) {
		require.Equal(t, uint64(1), e.Seq)
		break // a consumer may stop
	}
	es, err := j.Entries(t.Context(), "inc-0")
	require.ErrorIs(t, err, ErrCorrupt)
	require.Len(t, es, 1, "with what is good")

	_, err = j.w.conn.ExecContext(t.Context(), "UPDATE evidence SET body = x'00'")
	require.NoError(t, err)
	require.ErrorContains(t, j.Verify(t.Context()), "a row of evidence (1) does not match its checksum")
}
