package systemd

import (
	"bytes"
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"
)

// lockWatch counts who has the lock files of the package tools open. A lock needs an open file, so as
// long as none is open nobody can have taken one, and the kernel need not be asked. It learns this
// by inotify of their directory, which everybody may read; the files themselves only root may.
type lockWatch struct {
	mu     sync.Mutex // guards what follows
	blind  bool       // the watch could not be made, or has ended
	opened int        // lock files that were opened and not closed since the watch began
}

// watchLocks watches until ctx ends. A host without the directory, or without inotify, is one on
// which the kernel is asked.
func watchLocks(ctx context.Context, dir string) *lockWatch {
	w := &lockWatch{}
	fd, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	if err != nil {
		w.blind = true
		return w
	}
	events := os.NewFile(uintptr(fd), "inotify") // waits in the runtime's poller
	if _, err := unix.InotifyAddWatch(fd, dir, unix.IN_OPEN|unix.IN_CLOSE|unix.IN_MOVE_SELF|unix.IN_DELETE_SELF|unix.IN_ONLYDIR); err != nil {
		w.blind = true
		_ = events.Close()
		return w
	}
	stop := context.AfterFunc(ctx, func() { _ = events.Close() })
	go func() { // ends with ctx, or when the watch can tell nothing any more
		defer stop()
		defer events.Close() //nolint:errcheck // only read
		buf := make([]byte, 4096)
		for {
			n, err := events.Read(buf)
			if err != nil || !w.saw(buf[:n]) {
				break
			}
		}
		w.mu.Lock()
		w.blind = true
		w.mu.Unlock()
	}()
	return w
}

// free reports that no lock file is open; false also when that is not known. Files that were open before
// the watch began do not count: who relies on it must have asked once since.
func (w *lockWatch) free() bool {
	if w == nil {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.blind && w.opened == 0
}

// saw takes over what inotify told, in the format of inotify(7). It is false when events were lost or
// the directory is gone.
func (w *lockWatch) saw(events []byte) bool {
	const head = unix.SizeofInotifyEvent
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(events) >= head {
		mask, length := binary.NativeEndian.Uint32(events[4:]), binary.NativeEndian.Uint32(events[12:])
		if uint64(length) > uint64(len(events)-head) {
			return false
		}
		name := string(bytes.TrimRight(events[head:head+length], "\x00"))
		events = events[head+length:]
		switch {
		case mask&(unix.IN_Q_OVERFLOW|unix.IN_IGNORED|unix.IN_UNMOUNT|unix.IN_MOVE_SELF|unix.IN_DELETE_SELF) != 0:
			return false
		case !isPackageLock(name):
		case mask&unix.IN_OPEN != 0:
			w.opened++
		case mask&unix.IN_CLOSE != 0 && w.opened > 0: // the others were open before
			w.opened--
		}
	}
	return len(events) == 0
}

func isPackageLock(name string) bool {
	for _, lock := range packageLocks {
		if filepath.Base(lock) == name {
			return true
		}
	}
	return false
}
