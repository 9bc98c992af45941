// Package proctable reads what the process table (/proc) says about the processes of a unit:
// the state of one process, the resident memory of many, open files, descendants.
//
// It only reads, and only what the kernel shows to this user. Under ProtectProc=invisible other
// users' processes are hidden: then the view of package procview is asked, and where there is none
// every function returns an error that says so.
//
// Start reading at [State] and [Resident].
package proctable

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/recoveryd/recoveryd/pkg/platform/kernfile"
	"github.com/recoveryd/recoveryd/pkg/platform/procview"
)

// ErrHidden is wrapped by errors about a process that does not exist, or exists and is hidden
// from this user.
var ErrHidden = errors.New("no such process, or it is hidden from this user (ProtectProc=invisible)")

// Table is a mounted process table, normally "/proc".
type Table string

// State returns the state letter of a process: R, S, D, T, t, Z, ...
func (t Table) State(pid int) (string, error) {
	fields, err := t.stat(pid)
	if err != nil {
		return "", err
	}
	return fields[0], nil
}

// stat returns the fields of /proc/PID/stat after the command name, which may itself hold
// blanks and parentheses.
func (t Table) stat(pid int) ([]string, error) {
	b, err := t.read(pid, "stat")
	if err != nil {
		return nil, err
	}
	_, rest, ok := cutLast(string(b), ") ")
	fields := strings.Fields(rest)
	if !ok || len(fields) < 20 {
		return nil, fmt.Errorf("process %d: unreadable stat", pid)
	}
	return fields, nil
}

func cutLast(s, sep string) (before, after string, ok bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// Command returns the command name of a process, at most 15 characters.
func (t Table) Command(pid int) (string, error) {
	b, err := t.read(pid, "comm")
	return strings.TrimSpace(string(b)), err
}

// Resident returns the resident memory of processes together, in bytes. Memory that is shared
// (files, shared memory) is counted once, by the process that has most of it: the sum of plain
// RSS would count PostgreSQL's shared buffers once for every session. Processes that have ended
// are left out; it is an error when none is left.
func (t Table) Resident(pids []int) (uint64, error) {
	page := uint64(os.Getpagesize())
	var own, shared uint64
	var last error
	seen := 0
	for _, pid := range pids {
		b, err := t.read(pid, "statm")
		if err != nil {
			last = err
			continue
		}
		f := bytes.Fields(b)
		if len(f) < 3 {
			continue // a zombie has no memory
		}
		resident, err1 := strconv.ParseUint(string(f[1]), 10, 64)
		common, err2 := strconv.ParseUint(string(f[2]), 10, 64)
		if err1 != nil || err2 != nil || common > resident {
			continue
		}
		own += (resident - common) * page
		shared = max(shared, common*page)
		seen++
	}
	if seen == 0 {
		if last == nil {
			last = ErrHidden
		}
		return 0, fmt.Errorf("resident memory of %d processes: %w", len(pids), last)
	}
	return own + shared, nil
}

// Files returns the number of open file descriptors of a process and its limit (RLIMIT_NOFILE).
// Only root and the owner of the process may count them.
func (t Table) Files(pid int) (open int, limit uint64, err error) {
	b, err := t.read(pid, "limits")
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(string(b)) {
		rest, ok := strings.CutPrefix(line, "Max open files")
		if !ok {
			continue
		}
		if f := strings.Fields(rest); len(f) > 0 {
			limit, _ = strconv.ParseUint(f[0], 10, 64) // "unlimited" is 0 here: no limit known
		}
	}
	d, err := os.Open(t.path(pid, "fd"))
	if err != nil {
		return 0, 0, t.explain(pid, err)
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return 0, 0, t.explain(pid, err)
	}
	return len(names), limit, nil
}

// Tree returns a process and all its descendants. A child whose parent has ended is not among
// them.
func (t Table) Tree(pid int) []int {
	pids := []int{pid}
	for i := 0; i < len(pids) && len(pids) < maxTree; i++ {
		tasks, err := filepath.Glob(t.path(pids[i], "task") + "/*/children")
		if err != nil {
			continue // never: the pattern is well formed
		}
		for _, f := range tasks {
			b, err := kernfile.Read(f)
			if err != nil {
				continue // the thread has ended
			}
			for _, w := range bytes.Fields(b) {
				if child, err := strconv.Atoi(string(w)); err == nil {
					pids = append(pids, child)
				}
			}
		}
	}
	return pids
}

// maxTree bounds a walk: a fork bomb must not keep the daemon busy.
const maxTree = 1024

// Group returns the members of a process group.
func (t Table) Group(pgid int) ([]int, error) {
	entries, err := os.ReadDir(string(t))
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if f, err := t.stat(pid); err == nil && f[2] == strconv.Itoa(pgid) {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

func (t Table) path(pid int, name string) string {
	return filepath.Join(string(t), strconv.Itoa(pid), name)
}

func (t Table) read(pid int, name string) ([]byte, error) {
	read := func() ([]byte, error) { return kernfile.Read(t.path(pid, name)) }
	if t == "/proc" { // our own: what is hidden from us may be told by the view
		read = func() ([]byte, error) { return procview.Read(pid, name) }
	}
	b, err := read()
	if err != nil {
		return nil, t.explain(pid, err)
	}
	return b, nil
}

func (t Table) explain(pid int, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("process %d: %w", pid, ErrHidden)
	}
	return fmt.Errorf("process %d: %w", pid, err)
}
