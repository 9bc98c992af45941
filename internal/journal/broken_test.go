package journal

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/test/disktest"
)

func TestADiskThatTurnsReadOnlyIsSaidToBeThatAndNothingIsLost(t *testing.T) {
	disk := disktest.New(t, "a journal on a disk that turns read-only")
	dir := filepath.Join(disk.Dir, "state")
	j, err := Open(t.Context(), optionsFor(dir, func(o *Options) { o.BallastBytes = 1 << 20 }))
	require.NoError(t, err)
	appendN(t, j, 1, 5)
	disk.Break()
	for range 3 {
		err = j.Append(t.Context(), Commit{Entries: []Entry{entry(6)}})
		require.ErrorIs(t, err, errNotWritable)
		require.NotErrorIs(t, err, ErrFull, "room would not help")
		require.ErrorContains(t, err, "read-only")
		require.ErrorIs(t, j.Writable(t.Context()), errNotWritable)
	}
	require.Len(t, replayAll(t, j, 0), 5, "what was acknowledged can be read")
	_ = j.Close() // it cannot tidy up

	disk.Repair()
	j = openAt(t, dir, func(o *Options) { o.BallastBytes = 1 << 20 })
	require.Nil(t, j.Salvaged())
	require.Len(t, replayAll(t, j, 0), 5)
	appendN(t, j, 6, 1)
	require.NoError(t, j.Verify(t.Context()))
}
