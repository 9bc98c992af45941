package journal

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/recoveryd/recoveryd/test/disktest"
)

// heard is what the maintenance has told meanwhile in a bubble, nil when nothing.
func heard(j *Journal) error {
	synctest.Wait()
	return heardNow(j)
}

func heardNow(j *Journal) error {
	select {
	case err := <-j.Broken():
		return err
	default:
		return nil
	}
}

func TestADiskThatTurnsReadOnlyIsFoundByAJournalThatNobodyWritesTo(t *testing.T) {
	disk := disktest.New(t, "that a journal finds out by itself that it cannot be written")
	synctest.Test(t, func(t *testing.T) {
		core, logged := observer.New(zap.InfoLevel)
		j, err := Open(t.Context(), optionsFor(filepath.Join(disk.Dir, "state"), func(o *Options) { o.Logger = zap.New(core) }))
		require.NoError(t, err)
		time.Sleep(10 * time.Minute)
		require.NoError(t, heard(j))
		disk.Break()
		broke := time.Now()
		for err = heard(j); err == nil; err = heard(j) {
			require.Less(t, time.Since(broke), 2*time.Minute, "within about a minute and a half")
			time.Sleep(time.Second)
		}
		require.ErrorIs(t, err, errNotWritable)
		require.ErrorContains(t, err, "read-only")
		time.Sleep(time.Minute)
		require.ErrorIs(t, heard(j), errNotWritable, "for as long as it lasts")
		require.Len(t, logged.FilterMessage("journal maintenance failed").All(), 1, "the same failure is one line")
		_ = j.Close()
	})
	disk.Repair()
}

func TestADiskThatIsFullIsFoundWithAMinuteThatIsToBeKeptAndForgottenWithTheRoom(t *testing.T) {
	dir := tmpfs(t, "8m")
	synctest.Test(t, func(t *testing.T) {
		j := openAt(t, dir)
		hog := fillDisk(t, dir)
		for range 4 {
			body, err := json.Marshal(string(make([]byte, 100_000)))
			require.NoError(t, err)
			require.NoError(t, j.SaveObservations(t.Context(), []ObservationRow{{Target: "svc", At: time.Now(), Body: body}}))
			time.Sleep(10*time.Second + time.Millisecond)
		}
		require.ErrorIs(t, heard(j), ErrFull)
		time.Sleep(10 * time.Second)
		require.NoError(t, os.Remove(hog)) // what was said last has not been heard yet
		time.Sleep(10 * time.Second)
		require.NoError(t, heard(j), "it is no longer true")
		rows, err := j.Observations(t.Context(), "svc", time.Time{}, 0)
		require.NoError(t, err)
		require.Len(t, rows, 4, "what was kept back is stored")
		time.Sleep(10 * time.Minute)
		require.NoError(t, heard(j))
	})
}

func TestALockThatSomebodyHoldsForAMomentIsNotABrokenJournal(t *testing.T) {
	dir := t.TempDir()
	j := openAt(t, dir)
	// The maintenance's own turns, one after the other: SQLite waits for a lock in real time.
	shell, err := openDB(writerDSN(j.path), 1)
	require.NoError(t, err)
	defer func() { require.NoError(t, shell.Close()) }()
	conn, err := shell.Conn(t.Context())
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close()) }()
	_, err = j.w.conn.ExecContext(t.Context(), "PRAGMA busy_timeout = 1") // instead of five seconds
	require.NoError(t, err)
	_, err = conn.ExecContext(t.Context(), "BEGIN IMMEDIATE")
	require.NoError(t, err)

	ctx := context.Background()
	p := proof{j: j}
	p.note(j.proveIdle(ctx))
	require.Equal(t, 1, p.failed)
	require.ErrorContains(t, p.settle(ctx), "locked")
	require.NoError(t, heardNow(j), "twice is not yet broken")
	_, err = conn.ExecContext(t.Context(), "ROLLBACK")
	require.NoError(t, err)
	require.NoError(t, p.settle(ctx))
	require.Equal(t, proof{j: j}, p)

	_, err = conn.ExecContext(t.Context(), "BEGIN IMMEDIATE")
	require.NoError(t, err)
	j.wrote.Store(false)
	p.note(j.proveIdle(ctx))
	require.Error(t, p.settle(ctx))
	require.Error(t, p.settle(ctx))
	require.ErrorContains(t, heardNow(j), "locked", "a lock that stays is one: no decision could be written either")
	_, err = conn.ExecContext(t.Context(), "ROLLBACK")
	require.NoError(t, err)
}

func TestAJournalThatIsTooLargeIsNotOneThatCannotBeWritten(t *testing.T) {
	j := openAt(t, t.TempDir(), func(o *Options) { o.MaxBytes = 1 })
	p := proof{j: j}
	for range 5 {
		err := j.Prune(t.Context(), time.Now())
		require.ErrorContains(t, err, "over its limit")
		p.note(err)
		require.NoError(t, p.settle(t.Context()))
	}
	require.NoError(t, heardNow(j))
}

func TestAQuietJournalIsWrittenToOnceAMinuteAndABusyOneNotMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := openAt(t, t.TempDir())
		last := func() (ns int64) {
			require.NoError(t, j.scalar(t.Context(), &ns, "SELECT coalesce(max(at), 0) FROM heartbeat"))
			return ns
		}
		time.Sleep(tidyEvery + time.Second)
		synctest.Wait()
		quiet := last()
		require.NotZero(t, quiet)
		for n := range 3 {
			appendN(t, j, n+1, 1)
			time.Sleep(tidyEvery)
			synctest.Wait()
		}
		require.Equal(t, quiet, last(), "a decision has proved it")
		time.Sleep(tidyEvery)
		synctest.Wait()
		require.Greater(t, last(), quiet)
	})
}
