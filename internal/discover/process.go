package discover

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// unitOf are the processes of one systemd service, with their sockets.
type unitOf struct {
	commands []string        // names of its programs
	sockets  map[uint64]bool // inodes
}

// socket is one line of /proc/net/tcp or tcp6.
type socket struct {
	local, remote int // ports
	loopback      bool
	any           bool // bound to every address
	listens       bool
	inode         uint64
}

// processes reads the process table: which service each process belongs to, and its sockets. Those
// of other users are visible only to root.
func processes(root string) (map[string]*unitOf, error) {
	entries, err := os.ReadDir(filepath.Join(root, "proc"))
	if err != nil {
		return nil, fmt.Errorf("read the process table: %w", err)
	}
	out := map[string]*unitOf{}
	for _, e := range entries {
		if _, err := strconv.Atoi(e.Name()); err != nil {
			continue
		}
		dir := filepath.Join(root, "proc", e.Name())
		groups, err := os.ReadFile(filepath.Join(dir, "cgroup"))
		if err != nil {
			continue // it has ended
		}
		unit := serviceOf(string(groups))
		if unit == "" {
			continue
		}
		u := out[unit]
		if u == nil {
			u = &unitOf{sockets: map[uint64]bool{}}
			out[unit] = u
		}
		if comm, err := os.ReadFile(filepath.Join(dir, "comm")); err == nil && !slices.Contains(u.commands, strings.TrimSpace(string(comm))) {
			u.commands = append(u.commands, strings.TrimSpace(string(comm)))
		}
		fds, err := os.ReadDir(filepath.Join(dir, "fd"))
		if err != nil {
			continue // another user's, and we are not root
		}
		for _, fd := range fds {
			at, err := os.Readlink(filepath.Join(dir, "fd", fd.Name()))
			if text, ok := strings.CutPrefix(at, "socket:["); err == nil && ok {
				if inode, err := strconv.ParseUint(strings.TrimSuffix(text, "]"), 10, 64); err == nil {
					u.sockets[inode] = true
				}
			}
		}
	}
	return out, nil
}

// serviceOf finds the system service in the text of /proc/PID/cgroup.
func serviceOf(groups string) string {
	for line := range strings.Lines(groups) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		for _, p := range strings.Split(parts[2], "/") {
			if strings.HasSuffix(p, ".service") {
				if strings.HasPrefix(p, "user@") {
					break // services of a person's own manager
				}
				return p
			}
		}
	}
	return ""
}

// sockets reads the kernel's tables.
func sockets(root string) (out []socket, err error) {
	for _, name := range []string{"tcp", "tcp6"} {
		text, err := os.ReadFile(filepath.Join(root, "proc/net", name))
		if os.IsNotExist(err) {
			continue // IPv6 is off
		}
		if err != nil {
			return nil, fmt.Errorf("read the table of sockets: %w", err)
		}
		s := bufio.NewScanner(bytes.NewReader(text))
		for s.Scan() {
			if one, ok := parseSocket(strings.Fields(s.Text())); ok {
				out = append(out, one)
			}
		}
	}
	return out, nil
}

// parseSocket reads one line: sl local_address rem_address st queues timer retrnsmt uid timeout inode.
func parseSocket(f []string) (s socket, ok bool) {
	if len(f) < 10 || f[0] == "sl" {
		return s, false
	}
	s.listens = f[3] == "0A"
	if !s.listens && f[3] != "01" { // established
		return s, false
	}
	address, local, ok1 := strings.Cut(f[1], ":")
	_, remote, ok2 := strings.Cut(f[2], ":")
	lp, err1 := strconv.ParseUint(local, 16, 16)
	rp, err2 := strconv.ParseUint(remote, 16, 16)
	inode, err3 := strconv.ParseUint(f[9], 10, 64)
	if !ok1 || !ok2 || err1 != nil || err2 != nil || err3 != nil {
		return s, false
	}
	s.local, s.remote, s.inode = int(lp), int(rp), inode
	raw, err := hex.DecodeString(address)
	if err != nil {
		return s, false
	}
	s.any = len(bytes.Trim(raw, "\x00")) == 0
	// Addresses stand there in words of the host's own byte order: 127.0.0.1 is 0100007F, or 7F000001.
	s.loopback = len(raw) == 4 && (raw[3] == 127 || raw[0] == 127) ||
		len(raw) == 16 && bytes.Count(raw, []byte{0}) == 15 && bytes.Count(raw, []byte{1}) == 1 ||
		len(raw) == 16 && bytes.Count(raw[:8], []byte{0}) == 8 && (raw[15] == 127 || raw[12] == 127) // ::ffff:127.0.0.1
	return s, true
}
