package probe

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// owner is the process that holds a socket.
type owner struct {
	pid  int
	fd   string // name in /proc/PID/fd, to check cheaply that it still holds it
	ours bool   // one of the unit's processes
}

// maxLinks bounds how many descriptors are read in search of one socket.
const maxLinks = 200_000

// findOwner searches a process that holds the socket: first among the unit's processes, then
// everywhere. The reason says why there is none.
func (p *procfs) findOwner(ctx context.Context, inode uint64, unit []int) (owner, string) {
	want := socketName(inode)
	left := maxLinks
	hidden := 0
	search := func(pids []int, ours bool) (owner, bool) {
		for _, pid := range pids {
			if ctx.Err() != nil {
				return owner{}, false
			}
			fd, err := p.holds(pid, want, &left)
			if fd != "" {
				return owner{pid: pid, fd: fd, ours: ours}, true
			}
			if errors.Is(err, fs.ErrPermission) {
				hidden++
			}
		}
		return owner{}, false
	}
	if o, ok := search(unit, true); ok {
		return o, ""
	}
	all, err := p.everybody()
	if err != nil {
		return owner{}, "the process table cannot be read: " + bare(err)
	}
	if o, ok := search(slices.DeleteFunc(all, func(pid int) bool { return slices.Contains(unit, pid) }), false); ok {
		return o, ""
	}
	switch {
	case ctx.Err() != nil:
		return owner{}, "the look ended before the owner was found"
	case left <= 0:
		return owner{}, "too many open files on this host to search for the owner"
	case hidden > 0:
		return owner{}, fmt.Sprintf("the owner is among %d processes of other users, whose files we may not see", hidden)
	}
	return owner{}, "no visible process holds the socket (hidden by ProtectProc=, or in the kernel)"
}

// holds returns the descriptor under which a process holds a socket, or "".
func (p *procfs) holds(pid int, socket string, left *int) (string, error) {
	dir := p.path(pid, "fd")
	d, err := os.Open(dir)
	if err != nil {
		return "", err
	}
	defer d.Close() //nolint:errcheck // read only
	names, err := d.Readdirnames(-1)
	for _, name := range names {
		if *left--; *left < 0 {
			return "", nil
		}
		if at, err := os.Readlink(dir + "/" + name); err == nil && at == socket {
			return name, nil
		}
	}
	return "", err
}

// still reports whether an owner found earlier holds the socket yet.
func (p *procfs) still(o owner, inode uint64) bool {
	at, err := os.Readlink(p.path(o.pid, "fd/"+o.fd))
	return err == nil && at == socketName(inode)
}

// socketName is what a descriptor of a socket leads to.
func socketName(inode uint64) string { return "socket:[" + strconv.FormatUint(inode, 10) + "]" }

// user is the name of the user as whom a process runs; its number when it has no name, "" when it cannot be seen.
func (p *procfs) user(pid int) string {
	var st syscall.Stat_t
	if err := syscall.Stat(p.path(pid, ""), &st); err != nil {
		return ""
	}
	id := strconv.FormatUint(uint64(st.Uid), 10)
	if u, err := user.LookupId(id); err == nil {
		return clean(u.Username, maxWord)
	}
	return id
}

// everybody lists the processes that we can see.
func (p *procfs) everybody() ([]int, error) {
	d, err := os.Open(or(p.root, "/proc"))
	if err != nil {
		return nil, err
	}
	defer d.Close() //nolint:errcheck // read only
	names, err := d.Readdirnames(-1)
	pids := make([]int, 0, len(names))
	for _, n := range names {
		if pid, err := strconv.Atoi(n); err == nil && !strings.HasPrefix(n, "+") {
			pids = append(pids, pid)
		}
	}
	return pids, err
}
