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
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/recoveryd/recoveryd/pkg/platform/proctable"
)

// packageLocks are the locks of Debian's package tools. A front end (apt, aptitude,
// unattended-upgrades) holds the first from before it stops services until after it has started
// them; dpkg holds the second, also when it is called by hand.
var packageLocks = []string{"var/lib/dpkg/lock-frontend", "var/lib/dpkg/lock"}

// packageTools are the commands that are believed to hold one of these locks when only the
// inode number can be compared.
var packageTools = []string{"apt", "apt-get", "aptitude", "dpkg", "unattended-upgr", "packagekitd", "synaptic", "dselect", "apt.systemd.dai"}

// maintenance tells whether packages are being installed or removed on the host: "" or, for
// example, "package-upgrade: apt-get (pid 4711)".
//
// As root the kernel is asked about the lock itself (F_GETLK). The lock files are readable by
// root alone, so an unprivileged daemon looks for their device and inode number, which stat
// tells everybody, in /proc/locks, which everybody may read too.
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
	f, err := os.Open(h.path("proc/locks"))
	if err != nil {
		return 0, false
	}
	defer f.Close()
	return findLock(f, uint64(st.Dev), st.Ino, func(pid int) bool {
		name, err := proctable.Table(h.path("proc")).Command(pid)
		return err == nil && slices.Contains(packageTools, name)
	})
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

// findLock looks for a write lock on an inode in the text of /proc/locks:
//
//	2: POSIX  ADVISORY  WRITE 7987 fe:00:398607 0 EOF
//
// Some file systems (btrfs, overlayfs) show another device number to stat than the kernel has in
// the list. There the inode number alone decides, and only when known says that the holder is a
// package tool. A line with "->" is somebody waiting for the lock above it.
func findLock(r io.Reader, dev, ino uint64, known func(pid int) bool) (pid int, held bool) {
	want := fmt.Sprintf("%02x:%02x:%d", unix.Major(dev), unix.Minor(dev), ino)
	suffix := ":" + strconv.FormatUint(ino, 10)
	for s := bufio.NewScanner(r); s.Scan(); {
		f := bytes.Fields(s.Bytes())
		if len(f) < 6 || string(f[1]) == "->" || string(f[3]) != "WRITE" {
			continue
		}
		id := string(f[5])
		if !strings.HasSuffix(id, suffix) {
			continue
		}
		n, err := strconv.Atoi(string(f[4]))
		if err != nil {
			continue
		}
		if id == want || known(n) {
			return n, true
		}
	}
	return 0, false
}
