package evidence

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/recoveryd/recoveryd/pkg/platform/procview"
)

const (
	// topProcesses is how many of the largest processes are listed.
	topProcesses = 15
	// maxProcesses bounds how many are looked at: the process table of a sick host may be full.
	maxProcesses = 16384
	// argsShown is how much of a command line is shown.
	argsShown = 120
)

// procRoot is where the process table is. A test has its own.
type procRoot string

const proc procRoot = "/proc"

func (r procRoot) read(name string) ([]byte, error) { return os.ReadFile(string(r) + "/" + name) }

// of reads a file of a process. What is hidden from us in our own table may be told by the view.
func (r procRoot) of(pid int, name string) ([]byte, error) {
	if r == proc {
		return procview.Read(pid, name)
	}
	return r.read(strconv.Itoa(pid) + "/" + name)
}

// pids lists the processes.
func (r procRoot) pids() (pids []int, err error) {
	if r == proc {
		return procview.Processes()
	}
	entries, err := os.ReadDir(string(r))
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids, err
}

// process is one line of the table.
type process struct {
	pid, ppid, uid int
	rss            uint64 // bytes
	state, name    string
}

// gatherProcesses lists the processes that hold the most memory.
func gatherProcesses(ctx context.Context, k *scene, p *page) error {
	return proc.processes(ctx, k, p)
}

func (r procRoot) processes(ctx context.Context, k *scene, p *page) error {
	r.memoryOfHost(p)
	pids, err := r.pids()
	if err != nil {
		return fmt.Errorf("the process table cannot be read: %w", err)
	}
	var all []process
	seen, hidden := 0, 0
	for _, pid := range pids {
		if seen++; seen > maxProcesses || ctx.Err() != nil {
			break
		}
		x, err := r.process(pid)
		switch {
		case err == nil:
			all = append(all, x)
		case errors.Is(err, os.ErrPermission):
			hidden++
		}
	}
	slices.SortFunc(all, func(a, b process) int {
		if a.rss != b.rss {
			return int(min(max(int64(b.rss)-int64(a.rss), -1), 1))
		}
		return a.pid - b.pid
	})
	p.line("%d processes, the %d largest by resident memory:", len(all), min(len(all), topProcesses))
	p.line("%8s %8s %6s %2s %9s  %-40s %s", "PID", "PPID", "UID", "S", "RSS", "UNIT", "COMMAND")
	for i, x := range all {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if i >= topProcesses && x.pid != k.pid() { // ours is shown, however small it is
			continue
		}
		mark := ""
		if x.pid == k.pid() {
			mark = "  <- main process of " + k.Target
		}
		p.line("%8d %8d %6d %2s %9s  %-40s %s%s", x.pid, x.ppid, x.uid, x.state, mib(x.rss), r.unit(x.pid), r.command(x, k.redact), mark)
	}
	switch {
	case hidden > 0:
		return fmt.Errorf("%d processes of other users are hidden from recoveryd (hidepid= of /proc)", hidden)
	case seen > maxProcesses:
		return fmt.Errorf("only %d processes were looked at", maxProcesses)
	}
	return ctx.Err()
}

// process reads one process, from two files.
func (r procRoot) process(pid int) (process, error) {
	x := process{pid: pid}
	b, err := r.of(pid, "stat")
	if err != nil {
		return x, err
	}
	// pid (comm) state ppid ...; the command name may itself hold blanks and parentheses.
	from, to := bytes.IndexByte(b, '('), bytes.LastIndexByte(b, ')')
	if from < 0 || to < from {
		return x, errors.New("a stat of unknown form")
	}
	x.name = string(b[from+1 : to])
	f := strings.Fields(string(b[to+1:]))
	if len(f) < 22 {
		return x, errors.New("a stat of unknown form")
	}
	x.state = f[0]
	x.ppid, _ = strconv.Atoi(f[1])
	pages, _ := strconv.ParseUint(f[21], 10, 63)
	x.rss = pages * uint64(os.Getpagesize())
	if fi, err := os.Stat(string(r) + "/" + strconv.Itoa(pid)); err == nil {
		x.uid = uidOf(fi)
	} else if uid, err := procview.Owner(pid); r == proc && err == nil {
		x.uid = uid
	}
	return x, nil
}

// command is the command line of a process without secrets, or its name in brackets when it has none
// or hides it, as every process of another user does under our own unit.
func (r procRoot) command(x process, redact Redactor) string {
	b, err := r.read(strconv.Itoa(x.pid) + "/cmdline")
	if err != nil || len(bytes.Trim(b, "\x00")) == 0 {
		return "[" + redact.Short(x.name, argsShown) + "]"
	}
	if len(b) > 4096 {
		b = b[:4096]
	}
	return redact.Short(string(bytes.ReplaceAll(bytes.TrimRight(b, "\x00"), []byte{0}, []byte{' '})), argsShown)
}

// unit is the systemd unit in a process's control group path, "-" when there is none.
func (r procRoot) unit(pid int) string {
	b, err := r.of(pid, "cgroup")
	if err != nil {
		return "-"
	}
	for line := range strings.Lines(string(b)) {
		for at := strings.TrimSpace(line); strings.Contains(at, "/"); at = path.Dir(at) {
			if base := path.Base(at); strings.HasSuffix(base, ".service") || strings.HasSuffix(base, ".scope") {
				return base
			}
			if path.Dir(at) == at {
				break
			}
		}
	}
	return "-"
}

// memoryOfHost writes a line about the memory of the host.
func (r procRoot) memoryOfHost(p *page) {
	b, err := r.read("meminfo")
	if err != nil {
		return
	}
	var parts []string
	for line := range strings.Lines(string(b)) {
		name, rest, _ := strings.Cut(line, ":")
		if slices.Contains([]string{"MemTotal", "MemAvailable", "SwapTotal", "SwapFree"}, name) {
			f := strings.Fields(rest)
			if kb, err := strconv.ParseUint(strings.Join(f[:min(len(f), 1)], ""), 10, 53); err == nil {
				parts = append(parts, name+" "+mib(kb<<10))
			}
		}
	}
	p.line("host: %s", strings.Join(parts, ", "))
}

func mib(b uint64) string { return strconv.FormatUint(b>>20, 10) + " MiB" }
