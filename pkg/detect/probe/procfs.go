package probe

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/recoveryd/recoveryd/pkg/platform/procview"
)

// procfs reads the process table. The zero value reads /proc.
type procfs struct {
	root string // "/proc" when empty

	once   sync.Once
	v2, v1 string // where the cgroup2 and the name=systemd hierarchy are mounted; "" = nowhere
	own    string // control group path of this program
}

// maxProcesses bounds how many processes of one unit are looked at.
const maxProcesses = 4096

func (p *procfs) path(pid int, name string) string {
	return or(p.root, "/proc") + "/" + strconv.Itoa(pid) + "/" + name
}

func (p *procfs) read(pid int, name string) ([]byte, error) {
	if p.root == "" { // our own: what is hidden from us may be told by the view
		return procview.Read(pid, name)
	}
	return os.ReadFile(p.path(pid, name))
}

// why explains why a file of a process could not be read. A process that we can still signal
// (or that refuses it) exists, and is only hidden from us.
func (p *procfs) why(pid int, err error) string {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Sprintf("process %d belongs to another user: not permitted to look", pid)
	case errors.Is(err, fs.ErrNotExist):
		if err := syscall.Kill(pid, 0); err == nil || errors.Is(err, syscall.EPERM) {
			return fmt.Sprintf("process %d is hidden from us (ProtectProc= of our unit, or hidepid of /proc)", pid)
		}
		return fmt.Sprintf("process %d is gone", pid)
	case errors.Is(err, syscall.ESRCH):
		return fmt.Sprintf("process %d is gone", pid)
	}
	return fmt.Sprintf("process %d: %s", pid, bare(err))
}

// state returns the state letter of a process.
func (p *procfs) state(pid int) (string, error) {
	b, err := p.read(pid, "stat")
	if err != nil {
		return "", err
	}
	// pid (comm) state ...; the command name may itself hold blanks and parentheses.
	i := bytes.LastIndexByte(b, ')')
	if i < 0 || i+2 >= len(b) {
		return "", fmt.Errorf("/proc/%d/stat has an unknown form", pid)
	}
	return string(b[i+2]), nil
}

// resident returns the resident memory of a process in bytes: what is its own, and what it
// shares with others (files and shared memory).
func (p *procfs) resident(pid int) (own, shared float64, err error) {
	b, err := p.read(pid, "statm")
	if err != nil {
		return 0, 0, err
	}
	f := strings.Fields(string(b))
	if len(f) < 3 {
		return 0, 0, fmt.Errorf("/proc/%d/statm has an unknown form", pid)
	}
	all, err1 := strconv.ParseUint(f[1], 10, 63)
	common, err2 := strconv.ParseUint(f[2], 10, 63)
	if err := errors.Join(err1, err2); err != nil || common > all {
		return 0, 0, fmt.Errorf("/proc/%d/statm has an unknown form", pid)
	}
	page := float64(os.Getpagesize())
	return float64(all-common) * page, float64(common) * page, nil
}

// descriptors counts the open file descriptors of a process. Since Linux 6.2 the size of its
// directory is the count, for everybody; before, the directory must be listed, which needs the
// same user.
func (p *procfs) descriptors(pid int) (int, error) {
	dir := p.path(pid, "fd")
	var st syscall.Stat_t
	if err := syscall.Stat(dir, &st); err != nil {
		if p.root == "" {
			if n, told := procview.Descriptors(pid); told == nil {
				return n, nil
			}
		}
		return 0, &fs.PathError{Op: "stat", Path: dir, Err: err}
	}
	if st.Size > 0 {
		return int(st.Size), nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return 0, err
	}
	defer d.Close() //nolint:errcheck // read only
	names, err := d.Readdirnames(-1)
	return len(names), err
}

// descriptorLimit returns the soft RLIMIT_NOFILE of a process; 0 means unlimited.
func (p *procfs) descriptorLimit(pid int) (float64, error) {
	b, err := p.read(pid, "limits")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "Max open files"); ok {
			f := strings.Fields(rest)
			if len(f) > 0 && f[0] == "unlimited" {
				return 0, nil
			}
			if len(f) > 0 {
				n, err := strconv.ParseUint(f[0], 10, 63)
				return float64(n), err
			}
		}
	}
	return 0, fmt.Errorf("/proc/%d/limits has an unknown form", pid)
}

// command returns the command name of a process.
func (p *procfs) command(pid int) (string, error) {
	b, err := p.read(pid, "comm")
	return clean(string(b), maxWord), err
}

// cgroup returns the directory of the control group of a process and its path in the hierarchy.
func (p *procfs) cgroup(pid int) (dir, path string, err error) {
	b, err := p.read(pid, "cgroup")
	if err != nil {
		return "", "", err
	}
	p.once.Do(func() {
		p.findMounts()
		_, p.own = p.parseCgroup(readOwn(or(p.root, "/proc")))
	})
	dir, path = p.parseCgroup(b)
	return dir, path, nil
}

func readOwn(root string) []byte {
	b, _ := os.ReadFile(root + "/self/cgroup") // unreadable: then no group is taken for ours
	return b
}

func (p *procfs) parseCgroup(b []byte) (dir, path string) {
	for line := range strings.Lines(string(b)) {
		id, rest, _ := strings.Cut(strings.TrimSpace(line), ":")
		name, at, _ := strings.Cut(rest, ":")
		switch {
		case id == "0" && name == "" && p.v2 != "" && at != "/":
			return filepath.Join(p.v2, at), at
		case name == "name=systemd" && path == "":
			dir, path = filepath.Join(or(p.v1, "/nonexistent"), at), at
		case id == "0" && name == "" && path == "":
			path = at
		}
	}
	return dir, path
}

// findMounts looks up where the control group hierarchies are mounted; they do not move.
func (p *procfs) findMounts() {
	b, err := os.ReadFile(or(p.root, "/proc") + "/self/mounts")
	if err != nil {
		return
	}
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		switch {
		case len(f) < 4:
		case f[2] == "cgroup2" && p.v2 == "":
			p.v2 = f[1]
		case f[2] == "cgroup" && strings.Contains(f[3], "name=systemd") && p.v1 == "":
			p.v1 = f[1]
		}
	}
}

// unitOf returns the systemd unit in a control group path: the last component that names a
// service, or else a scope. "" when there is none.
func unitOf(path string) string {
	parts := strings.Split(path, "/")
	for _, suffix := range [...]string{".service", ".scope"} {
		for i := len(parts) - 1; i >= 0; i-- {
			if strings.HasSuffix(parts[i], suffix) {
				return parts[i]
			}
		}
	}
	return ""
}

// processes lists the processes that belong together with a main process: those of its systemd
// unit's control group, or else its descendants. A process in our own control group is a child
// that we started, so there its descendants count.
func (p *procfs) processes(main int) []int {
	if dir, path, err := p.cgroup(main); err == nil && dir != "" && unitOf(path) != "" && path != p.own {
		// The unit's own directory, when the process sits in a sub-group of it.
		unit := unitOf(path)
		if i := strings.LastIndex(dir, "/"+unit); i >= 0 {
			dir = dir[:i+1+len(unit)]
		}
		if pids := groupMembers(dir, nil, 0); len(pids) > 0 {
			return pids
		}
	}
	return p.descendants(main)
}

func groupMembers(dir string, pids []int, depth int) []int {
	b, err := os.ReadFile(dir + "/cgroup.procs")
	if err != nil {
		return pids
	}
	for field := range strings.FieldsSeq(string(b)) {
		if n, err := strconv.Atoi(field); err == nil && n > 0 && len(pids) < maxProcesses {
			pids = append(pids, n)
		}
	}
	var st syscall.Stat_t
	if depth > 8 || syscall.Stat(dir, &st) != nil || st.Nlink <= 2 {
		return pids // a directory without sub-directories has two links
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return pids
	}
	for _, e := range entries {
		if e.IsDir() {
			pids = groupMembers(filepath.Join(dir, e.Name()), pids, depth+1)
		}
	}
	return pids
}

func (p *procfs) descendants(main int) []int {
	pids := []int{main}
	for i := 0; i < len(pids) && len(pids) < maxProcesses; i++ {
		tasks, err := os.ReadDir(p.path(pids[i], "task"))
		if err != nil {
			continue
		}
		for _, t := range tasks {
			b, err := os.ReadFile(p.path(pids[i], "task/"+t.Name()+"/children"))
			if err != nil {
				continue
			}
			for field := range strings.FieldsSeq(string(b)) {
				if n, err := strconv.Atoi(field); err == nil && n > 0 {
					pids = append(pids, n)
				}
			}
		}
	}
	return pids
}
