package journal

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
	"github.com/recoveryd/recoveryd/pkg/escalate/queue"
)

// written is what a daemon was told to be on the disk.
type written struct {
	files   map[string][]byte // of the state directory
	entries []Entry
}

// killed is the state directory of a daemon that was killed in the middle of its work: entries 1 to 60 are
// in the file, later ones and the end of a page only in its log.
func killed(t *testing.T) written {
	t.Helper()
	dir := t.TempDir()
	j, err := Open(t.Context(), optionsFor(dir))
	require.NoError(t, err)
	var w written
	add := func(n int) {
		for range n {
			es := []Entry{entry(len(w.entries) + 1)}
			require.NoError(t, j.Append(t.Context(), Commit{Entries: es}))
			w.entries = append(w.entries, es...)
		}
	}
	add(60)
	require.NoError(t, j.Append(t.Context(), Commit{
		Incidents: []IncidentRow{{ID: "inc-1", Target: "a", Opened: t0}},
		Queue:     queue.NewQueued(t0, msg("n1", "k", notice.Trigger), "pager"),
	}))
	require.NoError(t, j.SaveEvidence(t.Context(), EvidenceRow{Incident: "inc-1", Name: "ps", At: t0, Body: []byte(strings.Repeat("x", 9000))}))
	_, err = j.w.conn.ExecContext(t.Context(), "PRAGMA wal_checkpoint(TRUNCATE)")
	require.NoError(t, err)
	add(15)
	require.NoError(t, j.SaveOutbox(t.Context(), queue.Edits{
		Keys:     []queue.KeyState{{Channel: "pager", Key: "k", Open: true, At: t0}},
		Channels: []queue.ChannelState{{Channel: "pager", Failures: 2}},
	}))
	w.files = map[string][]byte{}
	for _, name := range []string{fileName, fileName + "-wal", fileName + "-shm", markName} {
		w.files[name], err = os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
	}
	require.NoError(t, j.Close())
	return w
}

// lay puts the files into a new state directory.
func (w written) lay(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, body := range w.files {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), body, fileMode))
	}
	return dir
}

// holds opens what is left and checks what must be true after any damage. It returns what is told.
func (w written) holds(t *testing.T, dir string) *Salvage {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	j, err := Open(ctx, optionsFor(dir))
	require.NoError(t, err, "the daemon starts")
	s := j.Salvaged()
	var got []Entry
	for e, err := range j.Replay(ctx, 0) {
		require.NoError(t, err, "what is there is sound")
		require.Equal(t, w.entries[e.Seq-1], e)
		got = append(got, e)
	}
	_, keys, channels, err := j.LoadOutbox(ctx, 0)
	require.NoError(t, err)
	if s == nil {
		require.Len(t, got, len(w.entries), "entries are lost and nothing is said")
		require.Len(t, keys, 1, "a key is lost and nothing is said")
		require.Len(t, channels, 1)
	} else if len(got) < len(w.entries) {
		require.NotContains(t, s.Forgotten(), "all carried over")
	}
	es := []Entry{entry(99)}
	require.NoError(t, j.Append(ctx, Commit{Entries: es, Queue: queue.NewQueued(t0, msg("n2", "k2", notice.Trigger), "pager")}), "the next record is written")
	require.Greater(t, es[0].Seq, uint64(len(w.entries)), "no number is given twice")
	require.Equal(t, es[0].Seq, j.LastSeq())
	waiting, _, _, err := j.LoadOutbox(ctx, 0)
	require.NoError(t, err)
	require.Equal(t, "n2", waiting[len(waiting)-1].ID)
	if s != nil {
		require.NoError(t, j.TellSalvage(ctx, nil))
		require.NoError(t, j.Verify(ctx))
	}
	require.NoError(t, j.Close())
	j, err = Open(ctx, optionsFor(dir))
	require.NoError(t, err)
	require.Nil(t, j.Salvaged(), "it is told once")
	require.NoError(t, j.Close())
	return s
}

func TestALossIsToldWhateverLostItAndTheNextRecordIsWritten(t *testing.T) {
	w := killed(t)
	other := killed(t)
	flip := func(name string, at int) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			body := []byte(string(w.files[name]))
			if at < 0 {
				at += len(body)
			}
			body[at] ^= 0x40
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), body, fileMode))
		}
	}
	put := func(name string, body []byte) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), body, fileMode))
		}
	}
	remove := func(names ...string) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			for _, name := range names {
				require.NoError(t, os.Remove(filepath.Join(dir, name)))
			}
		}
	}
	sql := func(queries ...string) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) { edit(t, dir, queries...) }
	}
	foreign := t.TempDir()
	edit(t, foreign, "PRAGMA journal_mode = DELETE", "CREATE TABLE users (name)", "INSERT INTO users VALUES ('x')")
	theirs, err := os.ReadFile(filepath.Join(foreign, fileName))
	require.NoError(t, err)
	for name, c := range map[string]struct {
		damage func(t *testing.T, dir string)
		told   string // "" = nothing is lost, and nothing is told
	}{
		"nothing":                            {func(*testing.T, string) {}, ""},
		"the log is missing":                 {remove(fileName + "-wal"), "the last 16 writes are lost"},
		"the log and its index are missing":  {remove(fileName+"-wal", fileName+"-shm"), "entries after 60 and before 76 are lost"},
		"the log is empty":                   {put(fileName+"-wal", nil), "the last 16 writes are lost"},
		"the log is damaged in the middle":   {flip(fileName+"-wal", len(w.files[fileName+"-wal"])/2), "writes are lost"},
		"the log is damaged at its end":      {flip(fileName+"-wal", -100), "the last 1 writes are lost"},
		"the log is damaged at its header":   {flip(fileName+"-wal", 20), "the last 16 writes are lost"},
		"the log is cut":                     {put(fileName+"-wal", w.files[fileName+"-wal"][:len(w.files[fileName+"-wal"])/2+7]), "writes are lost"},
		"the log is of another journal":      {put(fileName+"-wal", other.files[fileName+"-wal"]), ""},
		"the index of the log is garbage":    {put(fileName+"-shm", []byte(strings.Repeat("garbage ", 4096))), ""},
		"the file is empty":                  {put(fileName, nil), "is gone or empty"},
		"the file is gone":                   {remove(fileName), "is gone or empty"},
		"the file and its log are gone":      {remove(fileName, fileName+"-wal", fileName+"-shm"), "entries after 0 and before 76 are lost"},
		"the file is half":                   {put(fileName, w.files[fileName][:len(w.files[fileName])/2]), "carried over"},
		"the file is another program's":      {put(fileName, theirs), "is not as it was written"},
		"the mark is gone":                   {remove(markName), ""},
		"the mark is garbage":                {put(markName, []byte("garbage")), ""},
		"the last entry was changed":         {sql("UPDATE entries SET reason = 'x' WHERE seq = (SELECT max(seq) FROM entries)"), "1 damaged entries dropped"},
		"the last entry was deleted":         {sql("DELETE FROM entries WHERE seq = (SELECT max(seq) FROM entries)"), "entries after 74 and before 76 are lost"},
		"entries were renumbered":            {sql("UPDATE entries SET seq = seq + 5 WHERE seq > 70"), "5 damaged entries dropped"},
		"the outbox alone is gone":           {sql("DROP TABLE outbox"), "the definition of outbox"},
		"the outbox has other columns":       {sql("ALTER TABLE outbox ADD COLUMN x TEXT"), "the definition of outbox"},
		"an index is gone":                   {sql("DROP INDEX outbox_id"), "the definition of outbox_id"},
		"the numbers of notices are gone":    {sql("DELETE FROM sqlite_sequence"), ""},
		"the version of the schema is gone":  {sql("PRAGMA user_version = 0"), "has lost the version"},
		"the version of the schema is huge":  {sql("PRAGMA user_version = 16777217"), "is not as it was written"},
		"the file says that it is another's": {sql("PRAGMA application_id = 77"), "is not as it was written"},
		"the ends of the chain are gone":     {sql("DELETE FROM chain"), "carried over"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := w.lay(t)
			c.damage(t, dir)
			s := w.holds(t, dir)
			if c.told == "" {
				if s != nil {
					t.Log(s)
				}
				require.True(t, s == nil || strings.Contains(name, "another journal"))
				return
			}
			require.NotNil(t, s, "nothing is said")
			require.Contains(t, s.String(), c.told)
		})
	}
}

func TestNoDamageAtRandomPlacesIsSilentOrFatal(t *testing.T) {
	w := killed(t)
	worlds := 60
	if testing.Short() {
		worlds = 15
	}
	for seed := range uint64(worlds) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 68))
			dir := w.lay(t)
			var did []string
			for range 1 + r.IntN(3) {
				name := []string{fileName, fileName, fileName + "-wal", fileName + "-shm"}[r.IntN(4)]
				body, err := os.ReadFile(filepath.Join(dir, name))
				require.NoError(t, err)
				if len(body) < pageSize {
					continue
				}
				from := r.IntN(len(body) - 64)
				if r.IntN(2) == 0 {
					from = len(body) - 64 - r.IntN(1000) // near its end
				}
				what := r.IntN(5)
				switch what {
				case 0: // some bits
					for range 1 + r.IntN(40) {
						body[from+r.IntN(64)] ^= 1 << r.IntN(8)
					}
				case 1: // a torn page
					from = from / pageSize * pageSize
					copy(body[min(len(body), from+512*r.IntN(8)):min(len(body), from+pageSize)], make([]byte, pageSize))
				case 2:
					body = body[:from]
				case 3: // a page that was written to a wrong place
					page := body[r.IntN(len(body)/pageSize)*pageSize:][:pageSize]
					copy(body[from/pageSize*pageSize:], append([]byte(nil), page...))
				case 4:
					for i := range min(len(body)-from, pageSize) {
						body[from+i] = byte(r.Uint32())
					}
				}
				did = append(did, fmt.Sprintf("%s: %d at %d", name, what, from))
				require.NoError(t, os.WriteFile(filepath.Join(dir, name), body, fileMode))
			}
			t.Log(did)
			if s := w.holds(t, dir); s != nil {
				t.Log(s)
			}
		})
	}
}

func TestWhatIsNoFileOfOursIsRefusedAtOnce(t *testing.T) {
	for _, name := range []string{fileName, fileName + "-wal", fileName + "-shm", lockName, markName, ballastName} {
		for what, make := range map[string]func(path string) error{
			"a named pipe (FIFO)": func(path string) error { return syscall.Mkfifo(path, 0o600) },
			"a directory":         func(path string) error { return os.Mkdir(path, 0o700) },
			"a symbolic link":     func(path string) error { return os.Symlink("/etc/passwd", path) },
			"a socket": func(path string) error {
				fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
				if err != nil {
					return err
				}
				defer syscall.Close(fd) //nolint:errcheck // of a test
				return syscall.Bind(fd, &syscall.SockaddrUnix{Name: path})
			},
		} {
			t.Run(name+" is "+what, func(t *testing.T) {
				dir, err := os.MkdirTemp("", "j") // the path of a socket is short
				require.NoError(t, err)
				t.Cleanup(func() { _ = os.RemoveAll(dir) })
				require.NoError(t, make(filepath.Join(dir, name)))
				for _, reader := range []bool{false, true} {
					_, err = Open(t.Context(), optionsFor(dir, func(o *Options) { o.ReadOnly = reader }))
					require.ErrorIs(t, err, ErrForeign)
					require.ErrorContains(t, err, name+" is "+what+": move it away")
				}
			})
		}
	}
	t.Run("the file belongs to somebody else", func(t *testing.T) {
		if os.Geteuid() != 0 {
			t.Skip("only root can give a file away")
		}
		dir := t.TempDir()
		filled(t, dir, 3)
		require.NoError(t, os.Chown(filepath.Join(dir, fileName), 65534, 65534))
		_, err := Open(t.Context(), optionsFor(dir))
		require.ErrorContains(t, err, "belongs to uid 65534 and recoveryd runs as uid 0")
		j, err := Open(t.Context(), optionsFor(dir, func(o *Options) { o.ReadOnly = true }))
		require.NoError(t, err, "a reader may")
		require.NoError(t, j.Close())
	})
}
