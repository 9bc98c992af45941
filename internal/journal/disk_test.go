package journal

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// tmpfs mounts a file system of its own, so that it can be filled. It skips the test, loudly,
// where mounting is not allowed.
func tmpfs(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Skipf("NOT TESTED: what happens on a full disk: mounting a tmpfs needs root: %v", err)
	}
	t.Cleanup(func() { require.NoError(t, syscall.Unmount(dir, 0)) })
	return dir
}

// fillDisk writes a file until nothing more fits.
func fillDisk(t *testing.T, dir string) (path string) {
	t.Helper()
	path = filepath.Join(dir, "somebody-elses-log")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	require.NoError(t, err)
	for block := 64 << 10; block > 0; {
		if _, err := f.Write(make([]byte, block)); err != nil {
			require.ErrorIs(t, err, syscall.ENOSPC)
			block /= 2
		}
	}
	require.NoError(t, f.Close())
	return path
}

func TestAFullDiskDoesNotSilenceTheJournalAtOnce(t *testing.T) {
	dir := tmpfs(t, "24m")
	j := openAt(t, dir, func(o *Options) { o.BallastBytes = 2 << 20 })
	appendN(t, j, 1, 5)
	fillDisk(t, dir)
	require.True(t, j.Health().Ballast)

	n := 5
	for j.Health().Ballast {
		appendN(t, j, n+1, 1)
		n++
		require.Less(t, n, 10_000, "the ballast is needed at some point")
	}
	appendN(t, j, n+1, 100)
	n += 100
	require.NoError(t, j.Writable(t.Context()))
	require.NoFileExists(t, filepath.Join(dir, ballastName))

	// Nothing is left to give up.
	hog := fillDisk(t, dir)
	var err error
	for range 10_000 {
		if err = j.Append(t.Context(), Commit{Entries: []Entry{entry(n + 1)}}); err != nil {
			break
		}
		n++
	}
	require.ErrorIs(t, err, ErrFull)
	require.ErrorContains(t, err, "the disk is full")
	require.ErrorIs(t, j.Writable(t.Context()), ErrFull)
	require.Equal(t, uint64(n), j.LastSeq())
	require.Len(t, replayAll(t, j, 0), n, "what was acknowledged can be read on a full disk")

	// Somebody makes room: it goes on by itself, without a gap, and the ballast comes back.
	require.NoError(t, os.Remove(hog))
	appendN(t, j, n+1, 1)
	n++
	require.NoError(t, j.Writable(t.Context()))
	j.tendBallast()
	require.True(t, j.Health().Ballast)
	require.FileExists(t, filepath.Join(dir, ballastName))
	require.NoError(t, j.Verify(t.Context()))
	require.NoError(t, j.Close())
	j = openAt(t, dir, func(o *Options) { o.BallastBytes = 2 << 20 })
	require.Nil(t, j.Salvaged())
	require.Len(t, replayAll(t, j, 0), n)
}

func TestADaemonStartsOnAFullDiskWithTheHelpOfTheBallast(t *testing.T) {
	dir := tmpfs(t, "24m")
	ballast := func(o *Options) { o.BallastBytes = 2 << 20 }
	j, err := Open(t.Context(), optionsFor(dir, ballast))
	require.NoError(t, err)
	appendN(t, j, 1, 5)
	require.NoError(t, j.Close())
	require.NoError(t, os.Remove(filepath.Join(dir, lockName))) // even its lock needs room
	fillDisk(t, dir)
	j = openAt(t, dir, ballast)
	appendN(t, j, 6, 5)
	require.Len(t, replayAll(t, j, 0), 10)
	require.False(t, j.Health().Ballast)
}

func TestTheBallastLeavesRoomForOthers(t *testing.T) {
	dir := tmpfs(t, "8m")
	j := openAt(t, dir, func(o *Options) { o.BallastBytes = 2 << 20 })
	require.False(t, j.Health().Ballast, "two of eight would be too much")
	require.NoFileExists(t, filepath.Join(dir, ballastName))
	require.NoError(t, j.Writable(t.Context()))
}

func TestASecondDaemonIsToldWhoHoldsTheDirectory(t *testing.T) {
	dir := t.TempDir()
	cmd := startChild(t, "append", dir)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	_, err = io.ReadFull(out, make([]byte, 2)) // it has appended once
	require.NoError(t, err)
	go func() { _, _ = io.Copy(io.Discard, out) }()

	_, err = Open(t.Context(), optionsFor(dir))
	locked := (*LockedError)(nil)
	require.ErrorAs(t, err, &locked)
	require.Equal(t, LockedError{Dir: dir, PID: cmd.Process.Pid}, *locked)
	require.ErrorContains(t, err, fmt.Sprintf("is in use by recoveryd with pid %d: stop it first", cmd.Process.Pid))

	// Looking on is welcome meanwhile.
	j, err := Open(t.Context(), optionsFor(dir, func(o *Options) { o.ReadOnly = true }))
	require.NoError(t, err)
	seen := len(replayAll(t, j, 0))
	require.Positive(t, seen)
	require.Eventually(t, func() bool { return len(replayAll(t, j, 0)) > seen }, 10*time.Second, time.Millisecond,
		"a reader sees what is written after it was opened")
	for _, err := range []error{
		j.Append(t.Context(), Commit{}), j.Writable(t.Context()), j.SaveSnapshot(t.Context(), 0, nil),
		j.SaveObservations(t.Context(), nil), j.SaveEvidence(t.Context(), EvidenceRow{}),
	} {
		require.ErrorIs(t, err, ErrReadOnly)
	}
	require.NoError(t, j.Close())

	require.NoError(t, cmd.Process.Signal(syscall.SIGKILL))
	require.Error(t, cmd.Wait())
	j, err = Open(t.Context(), optionsFor(dir, func(o *Options) { o.ReadOnly = true }))
	require.NoError(t, err, "what a killed daemon left can be read before anybody repairs it")
	seen = len(replayAll(t, j, 0))
	require.NoError(t, j.Close())
	after := openAt(t, dir)
	require.Len(t, replayAll(t, after, 0), seen, "the lock of a killed daemon is gone")
}

func TestADirectoryThatCannotBeWrittenIsAClearError(t *testing.T) {
	dir := tmpfs(t, "8m")
	j, err := Open(t.Context(), optionsFor(dir))
	require.NoError(t, err)
	appendN(t, j, 1, 3)
	require.NoError(t, j.Close())
	require.NoError(t, syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""))

	_, err = Open(t.Context(), optionsFor(dir))
	require.ErrorIs(t, err, errNotWritable)
	require.ErrorContains(t, err, "the state directory is not writable")
	require.ErrorContains(t, err, "read-only file system")
	require.ErrorContains(t, err, "findmnt -T "+dir)
	require.NotContains(t, err.Error(), "write access", "no right helps there")

	j, err = Open(t.Context(), optionsFor(dir, func(o *Options) { o.ReadOnly = true }))
	require.NoError(t, err, "it can still be read")
	require.Len(t, replayAll(t, j, 0), 3)
	require.NoError(t, j.Close())

	_, err = Open(t.Context(), optionsFor(filepath.Join(dir, "sub")))
	require.ErrorIs(t, err, errNotWritable)
	_, err = Open(t.Context(), optionsFor(filepath.Join(dir, "sub"), func(o *Options) { o.ReadOnly = true }))
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestAnotherUserMayLookOnWhenTheModesAllowIt(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("NOT TESTED: reading as another user needs root")
	}
	const nobody = 65534
	dir, err := os.MkdirTemp("", "recoveryd-journal")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	require.NoError(t, os.Chmod(dir, 0o755))
	j := openAt(t, dir)
	appendN(t, j, 1, 3)
	look := func() (string, error) {
		cmd := startChild(t, "read", dir)
		exe := filepath.Join(dir, "child") // the test binary itself may lie where nobody cannot go
		if _, err := os.Stat(exe); err != nil {
			raw, err := os.ReadFile(cmd.Path)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(exe, raw, 0o755))
		}
		cmd = &exec.Cmd{Path: exe, Args: []string{exe}, Env: cmd.Env, SysProcAttr: &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}}
		var out bytes.Buffer
		cmd.Stdout = &out
		err := cmd.Run()
		return strings.TrimSpace(out.String()), err
	}
	out, err := look()
	require.Error(t, err, "the journal holds log lines, so others may not read it: %s", out)

	for _, suffix := range []string{"", "-wal", "-shm"} { // as an operator's group would see it
		require.NoError(t, os.Chown(j.path+suffix, 0, nobody))
	}
	out, err = look()
	require.NoError(t, err, out)
	require.Equal(t, "3", out)
	appendN(t, j, 4, 1)
	out, err = look()
	require.NoError(t, err, out)
	require.Equal(t, "4", out)
}
