package systemd

import (
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// TestPackageToolsAreAskedForOnlyWhileALockFileIsOpen uses the kernel's own inotify and locks.
func TestPackageToolsAreAskedForOnlyWhileALockFileIsOpen(t *testing.T) {
	root := t.TempDir()
	dir := filepath.Join(root, packageDir)
	require.NoError(t, os.MkdirAll(dir, 0o755))
	path := filepath.Join(root, packageLocks[0])
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	ctx, cancel := context.WithCancel(t.Context())
	h := &hostFiles{root: root, locks: watchLocks(ctx, dir)}
	require.True(t, h.locks.free())
	require.Empty(t, h.atWork())
	soon := func(ok func() bool) { // inotify tells a moment later
		t.Helper()
		require.Eventually(t, ok, 10*time.Second, time.Millisecond)
	}
	soon(func() bool { // root opens the file to ask for its lock, and hears of that too
		h.work.at = time.Now().Add(-time.Hour)
		return h.atWork() == "" && time.Since(h.work.at) > time.Minute // not asked again: nobody can hold a lock
	})

	f, err := os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(t, err)
	lk := unix.Flock_t{Type: unix.F_WRLCK}
	require.NoError(t, unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &lk), "a lock that has no process, so that this one can ask for it")
	soon(func() bool { return h.atWork() == "package-upgrade: dpkg" })

	require.NoError(t, f.Close())
	soon(h.locks.free)
	require.Equal(t, "package-upgrade: dpkg", h.atWork(), "the answer is believed for a moment")
	h.work.at = time.Now().Add(-askAgain)
	require.Empty(t, h.atWork())

	other, err := os.Create(filepath.Join(dir, "status"))
	require.NoError(t, err)
	require.NoError(t, other.Close())
	cancel()
	soon(func() bool { // without the watch it is asked as before
		h.work.at = time.Now().Add(-time.Hour)
		return h.atWork() == "" && time.Since(h.work.at) < time.Minute
	})
	soon(func() bool { return !h.locks.free() })
}

func TestWhatInotifyTells(t *testing.T) {
	event := func(mask uint32, name string) []byte {
		padded := make([]byte, (len(name)+16)&^15)
		copy(padded, name)
		b := binary.NativeEndian.AppendUint32(nil, 1)
		b = binary.NativeEndian.AppendUint32(b, mask)
		b = binary.NativeEndian.AppendUint32(b, 0)
		return append(binary.NativeEndian.AppendUint32(b, uint32(len(padded))), padded...)
	}
	join := func(events ...[]byte) (all []byte) {
		for _, e := range events {
			all = append(all, e...)
		}
		return all
	}
	open, shut := event(unix.IN_OPEN, "lock"), event(unix.IN_CLOSE_WRITE, "lock")
	tests := []struct {
		name   string
		events []byte
		sees   bool
		opened int
	}{
		{"nothing", nil, true, 0},
		{"a lock file is opened", open, true, 1},
		{"the other lock file too", join(open, event(unix.IN_OPEN, "lock-frontend")), true, 2},
		{"it is closed again", join(open, shut), true, 0},
		{"one of two who opened it closes it", join(open, open, event(unix.IN_CLOSE_NOWRITE, "lock")), true, 1},
		{"a file that was open before is closed, then one is opened", join(shut, open), true, 1},
		{"other files of the directory", join(event(unix.IN_OPEN, "status"), event(unix.IN_OPEN, "lock-frontends")), true, 0},
		{"events were lost", join(shut, event(unix.IN_Q_OVERFLOW, "")), false, 0},
		{"the directory was moved away", event(unix.IN_MOVE_SELF, ""), false, 0},
		{"its file system was unmounted", event(unix.IN_UNMOUNT, ""), false, 0},
		{"cut short in the name", open[:len(open)-1], false, 0},
		{"cut short in the head", open[:7], false, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := &lockWatch{}
			require.Equal(t, tt.sees, w.saw(tt.events))
			require.Equal(t, tt.opened, w.opened)
		})
	}
}

func TestAHostWithoutPackageToolsIsNotWatched(t *testing.T) {
	require.False(t, watchLocks(t.Context(), filepath.Join(t.TempDir(), "none")).free())
	var none *lockWatch
	require.False(t, none.free())
}
