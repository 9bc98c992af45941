package probe

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Without the right to look at other users' descriptors, nobody can be told to hold a socket. The
// kernel's socket monitoring (the interface of ss) tells everybody in which control group a socket was
// made, and so the unit that made it.

const (
	sockDiagByFamily = 20 // SOCK_DIAG_BY_FAMILY of linux/sock_diag.h
	diagCgroupID     = 21 // INET_DIAG_CGROUP_ID of linux/inet_diag.h, since Linux 5.7
	diagRequest      = 56 // bytes of struct inet_diag_req_v2
	diagMessage      = 72 // bytes of struct inet_diag_msg
	diagInode        = 68 // where the inode is in it
	// diagTimeout bounds each read; the kernel answers in microseconds.
	diagTimeout = 200 * time.Millisecond
)

// cgroupOf returns the id of the control group in which a listening TCP socket was made.
func cgroupOf(inode uint64) (uint64, error) {
	for _, family := range [...]byte{unix.AF_INET, unix.AF_INET6} {
		id, err := dumpListeners(family, inode)
		if err != nil || id != 0 {
			return id, err
		}
	}
	return 0, errors.New("the kernel does not list the socket")
}

// dumpListeners asks for all listening sockets of a family and returns the group of one of them; 0
// when it is not among them.
func dumpListeners(family byte, inode uint64) (uint64, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return 0, fmt.Errorf("socket monitoring: %w", err)
	}
	defer unix.Close(fd) //nolint:errcheck // nothing was written
	wait := unix.NsecToTimeval(int64(diagTimeout))
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wait); err != nil {
		return 0, fmt.Errorf("socket monitoring: %w", err)
	}
	req := make([]byte, unix.NLMSG_HDRLEN+diagRequest)
	ne := binary.NativeEndian
	ne.PutUint32(req[0:], uint32(len(req)))
	ne.PutUint16(req[4:], sockDiagByFamily)
	ne.PutUint16(req[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	body := req[unix.NLMSG_HDRLEN:]
	body[0], body[1] = family, unix.IPPROTO_TCP
	ne.PutUint32(body[4:], 1<<10) // TCP_LISTEN
	if err := unix.Sendto(fd, req, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return 0, fmt.Errorf("socket monitoring: %w", err)
	}
	buf := make([]byte, 64<<10)
	for {
		n, _, err := unix.Recvfrom(fd, buf, 0)
		if err != nil {
			return 0, fmt.Errorf("socket monitoring: %w", err)
		}
		id, done, err := readDump(buf[:n], inode)
		if err != nil || done || id != 0 {
			return id, err
		}
	}
}

// readDump reads one datagram of the answer.
func readDump(b []byte, inode uint64) (id uint64, done bool, err error) {
	msgs, err := syscall.ParseNetlinkMessage(b)
	if err != nil {
		return 0, false, fmt.Errorf("socket monitoring: %w", err)
	}
	for _, m := range msgs {
		switch m.Header.Type {
		case unix.NLMSG_DONE:
			return 0, true, nil
		case unix.NLMSG_ERROR:
			return 0, false, errors.New("socket monitoring: the kernel refuses to list sockets")
		}
		if len(m.Data) < diagMessage || uint64(binary.NativeEndian.Uint32(m.Data[diagInode:])) != inode {
			continue
		}
		for rest := m.Data[diagMessage:]; len(rest) >= 4; {
			size, kind := int(binary.NativeEndian.Uint16(rest)), binary.NativeEndian.Uint16(rest[2:])
			if size < 4 || size > len(rest) {
				break
			}
			if kind == diagCgroupID && size >= 12 {
				return binary.NativeEndian.Uint64(rest[4:]), false, nil
			}
			rest = rest[min(len(rest), (size+3)&^3):]
		}
		return 0, false, errors.New("the kernel does not tell the control group of sockets (Linux 5.7 does)")
	}
	return 0, false, nil
}

// maxGroups bounds how many control groups are looked at in search of one.
const maxGroups = 4096

// group is a control group: its path in the hierarchy and its processes.
type group struct {
	path string
	pids []int
}

// groupByID finds the control group with an id, which is the inode of its directory.
func (p *procfs) groupByID(id uint64) (group, bool) {
	return p.findGroup(func(_ string, st *syscall.Stat_t) bool { return st.Ino == id })
}

// groupOfUnit finds the control group of a systemd unit.
func (p *procfs) groupOfUnit(unit string) (group, bool) {
	return p.findGroup(func(path string, _ *syscall.Stat_t) bool { return filepath.Base(path) == unit })
}

// findGroup walks the hierarchy of version 2, where systemd keeps every unit.
func (p *procfs) findGroup(want func(path string, st *syscall.Stat_t) bool) (g group, found bool) {
	p.once.Do(func() {
		p.findMounts()
		_, p.own = p.parseCgroup(readOwn(or(p.root, "/proc")))
	})
	if p.v2 == "" {
		return group{}, false
	}
	left := maxGroups
	_ = filepath.WalkDir(p.v2, func(dir string, d fs.DirEntry, err error) error { // what cannot be read is passed over
		if err != nil || !d.IsDir() {
			return nil
		}
		if left--; left < 0 {
			return fs.SkipAll
		}
		var st syscall.Stat_t
		if syscall.Stat(dir, &st) == nil && want(dir, &st) {
			g, found = group{path: strings.TrimPrefix(dir, p.v2), pids: groupMembers(dir, nil, 0)}, true
			return fs.SkipAll
		}
		return nil
	})
	return g, found
}

// leader is the process of a group that started the others: the one with the lowest id.
func (g group) leader() int {
	lowest := 0
	for _, pid := range g.pids {
		if lowest == 0 || pid < lowest {
			lowest = pid
		}
	}
	return lowest
}

// commandOf is the name of a process that everybody may read, "" when it is gone.
func (p *procfs) commandOf(pid int) string {
	b, err := p.read(pid, "comm")
	if err != nil {
		return ""
	}
	return clean(string(b), maxWord)
}
