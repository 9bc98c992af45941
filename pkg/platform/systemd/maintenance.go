package systemd

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/recoveryd/recoveryd/pkg/platform/kernfile"
	"github.com/recoveryd/recoveryd/pkg/platform/proctable"
)

// packageLocks are the locks of Debian's package tools, in packageDir. A front end (apt, aptitude,
// unattended-upgrades) holds the first from before it stops services until after it has started
// them; dpkg holds the second, also when it is called by hand.
var packageLocks = []string{"var/lib/dpkg/lock-frontend", "var/lib/dpkg/lock"}

// lastWord is the latest answer of maintenance.
type lastWord struct {
	mu   sync.Mutex // guards what follows, and lets one caller ask for all
	said string
	at   time.Time
}

// packageDir holds all packageLocks.
const packageDir = "var/lib/dpkg"

// askAgain is how long an answer of maintenance is believed where it must be asked: before the first
// answer, while a lock file is open, and where that is not known. To read /proc/locks costs little
// processor time but waits for all processors to pass a quiet point, 10 ms on an idle host, and
// holds up everybody who takes a file lock meanwhile: that must not happen at each look, and least of
// all at the one that finds a service down. A package tool takes its lock well before it touches a
// service.
const askAgain = 3 * time.Second

// atWork is maintenance, asked only when the answer can have changed.
func (h *hostFiles) atWork() string {
	h.work.mu.Lock()
	defer h.work.mu.Unlock()
	if !h.work.at.IsZero() && h.work.said == "" && h.locks.free() {
		return ""
	}
	if now := time.Now(); h.work.at.IsZero() || now.Sub(h.work.at) >= askAgain {
		h.work.said, h.work.at = h.maintenance(), now
	}
	return h.work.said
}

// maintenance tells whether packages are being installed or removed on the host: "" or, for
// example, "package-upgrade: apt-get (pid 4711)".
//
// As root the kernel is asked about the lock itself (F_GETLK). The lock files are readable by
// root alone, so an unprivileged daemon looks in /proc/locks, which everybody may read, for the
// inode of the file and the device of its file system, which everybody may know too.
func (h *hostFiles) maintenance() string {
	for _, lock := range packageLocks {
		pid, held := h.lockHolder(h.path(lock))
		if !held {
			continue
		}
		name, err := proctable.Table(h.path("proc")).Command(pid)
		if err != nil || pid <= 0 {
			name = "dpkg"
		}
		if pid <= 0 {
			return "package-upgrade: " + name
		}
		return fmt.Sprintf("package-upgrade: %s (pid %d)", name, pid)
	}
	return ""
}

func (h *hostFiles) lockHolder(path string) (pid int, held bool) {
	if pid, held, err := askLock(path); err == nil {
		return pid, held
	}
	var st syscall.Stat_t
	if err := syscall.Stat(path, &st); err != nil {
		return 0, false // no such package system on this host
	}
	locks, err := kernfile.Read(h.path("proc/locks"))
	if err != nil || !bytes.Contains(locks, fmt.Appendf(nil, ":%d ", st.Ino)) {
		return 0, false // nobody holds a lock on a file of that number, on whatever device
	}
	inodes := []string{lockID(unix.Major(uint64(st.Dev)), unix.Minor(uint64(st.Dev)), st.Ino)}
	// overlayfs and btrfs show another device to stat than the kernel keeps for the file system.
	if mounts, err := kernfile.Read(h.path("proc/self/mountinfo")); err == nil {
		if major, minor, ok := deviceOf(mounts, path); ok {
			inodes = append(inodes, lockID(major, minor, st.Ino))
		}
	}
	return findLock(locks, inodes)
}

// lockID names a file as /proc/locks does.
func lockID(major, minor uint32, ino uint64) string {
	return fmt.Sprintf("%02x:%02x:%d", major, minor, ino)
}

// deviceOf finds the device of the file system that a path is on, in the text of mountinfo:
//
//	100 80 0:40 / / rw,relatime shared:1 - overlay overlay rw,lowerdir=...
func deviceOf(mountinfo []byte, path string) (major, minor uint32, ok bool) {
	longest := -1
	for s := bufio.NewScanner(bytes.NewReader(mountinfo)); s.Scan(); {
		f := bytes.Fields(s.Bytes())
		if len(f) < 5 {
			continue
		}
		point := string(f[4])
		inside := point == "/" || path == point || strings.HasPrefix(path, point+"/")
		if !inside || len(point) < longest { // of two mounts on one point the later one counts
			continue
		}
		var ma, mi uint32
		if _, err := fmt.Sscanf(string(f[2]), "%d:%d", &ma, &mi); err == nil {
			longest, major, minor, ok = len(point), ma, mi, true
		}
	}
	return major, minor, ok
}

// askLock asks the kernel who holds a write lock on a file. Closing the file gives up the locks
// that this process holds on it; it holds none.
func askLock(path string) (pid int, held bool, err error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	defer f.Close()
	lk := unix.Flock_t{Type: unix.F_RDLCK, Whence: io.SeekStart} // a read lock clashes with a write lock only
	if err := unix.FcntlFlock(f.Fd(), unix.F_GETLK, &lk); err != nil {
		return 0, false, err
	}
	return int(lk.Pid), lk.Type == unix.F_WRLCK, nil
}

// findLock looks for a write lock on one of the inodes in the text of /proc/locks:
//
//	2: POSIX  ADVISORY  WRITE 7987 fe:00:398607 0 EOF
//
// A line with "->" is somebody who waits for the lock above it.
func findLock(locks []byte, inodes []string) (pid int, held bool) {
	for s := bufio.NewScanner(bytes.NewReader(locks)); s.Scan(); {
		f := strings.Fields(s.Text())
		if len(f) < 6 || f[1] == "->" || f[3] != "WRITE" || !slices.Contains(inodes, f[5]) {
			continue
		}
		if n, err := strconv.Atoi(f[4]); err == nil {
			return n, true
		}
	}
	return 0, false
}
