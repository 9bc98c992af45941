package onhost

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/recoveryd/recoveryd/pkg/platform/cgroup"
)

// hog is a child process that holds memory. It ends with its standard input, and so with us.
type hog struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines *bufio.Scanner
}

// groupFiles finds where a process is put so that its memory is charged to a control group, and so
// that it ends with the unit. Where memory is not charged to the group that a process is in, it
// could not be taken safely: that is refused.
func groupFiles(m cgroup.Mounts, group string) ([]string, error) {
	if group == "" || group == "/" {
		return nil, errors.New("the unit has no control group of its own")
	}
	has := func(root, file string) bool {
		if root == "" {
			return false
		}
		_, err := os.Stat(filepath.Join(root, group, file))
		return err == nil
	}
	procs := func(root string) string { return filepath.Join(root, group, "cgroup.procs") }
	if has(m.Unified, "memory.current") {
		return []string{procs(m.Unified)}, nil
	}
	if has(m.Memory, "memory.usage_in_bytes") {
		files := []string{procs(m.Memory)}
		for _, root := range []string{m.Systemd, m.Unified} { // where systemd keeps the unit's processes, in both of a hybrid host
			if has(root, "cgroup.procs") {
				files = append(files, procs(root))
			}
		}
		if len(files) > 1 {
			return files, nil
		}
	}
	return nil, fmt.Errorf("no memory controller accounts for the unit (%s): memory could not be charged to it safely", group)
}

// groupsOf finds the files for a unit on this host.
func groupsOf(group string) ([]string, error) {
	table, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return nil, err
	}
	return groupFiles(cgroup.Parse(string(table)), group)
}

// fillMemory starts the hog, puts it into the target's control group, and has it allocate there.
func (h *Hands) fillMemory(ctx context.Context, r *Record, size uint64) (string, error) {
	u, err := inspect(ctx, h.conn, r.Unit)
	if err != nil {
		return "", err
	}
	files, err := groupsOf(u.group)
	if err != nil {
		return "", err
	}
	g, err := startHog(h.Program, size)
	if err != nil {
		return "", err
	}
	h.hog = g
	r.Hog, r.HogAge = g.cmd.Process.Pid, startOf(g.cmd.Process.Pid)
	if err := h.Store.SaveRecord(*r); err != nil {
		return "", err
	}
	for _, procs := range files {
		if err := os.WriteFile(procs, []byte(strconv.Itoa(r.Hog)), 0); err != nil {
			return "", fmt.Errorf("move process %d into %s: %w", r.Hog, u.group, err)
		}
	}
	if err := g.tell("go", "done"); err != nil {
		return "", err
	}
	return fmt.Sprintf("%d MiB allocated within %s", size>>20, r.Unit), nil
}

// startHog starts a process that waits to be told to allocate.
func startHog(program string, size uint64) (*hog, error) {
	cmd := exec.Command(program, "drill", "hog", strconv.FormatUint(size, 10))
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start what holds the memory: %w", err)
	}
	g := &hog{cmd: cmd, in: in, lines: bufio.NewScanner(out)}
	return g, g.tell("", "ready")
}

// tell sends a word and waits for the answer.
func (g *hog) tell(word, want string) error {
	if word != "" {
		if _, err := fmt.Fprintln(g.in, word); err != nil {
			return fmt.Errorf("what holds the memory has ended: %w", err)
		}
	}
	if !g.lines.Scan() || g.lines.Text() != want {
		return fmt.Errorf("what holds the memory says %q instead of %q", g.lines.Text(), want)
	}
	return nil
}

// Hog is the child's side: it allocates when it is told to, and holds until its input ends.
func Hog(in io.Reader, out io.Writer, size uint64) error {
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("1000"), 0) // if anybody is killed for memory, it must be us
	lines := bufio.NewScanner(in)
	fmt.Fprintln(out, "ready")
	if !lines.Scan() || lines.Text() != "go" {
		return nil
	}
	b, err := unix.Mmap(-1, 0, int(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return fmt.Errorf("allocate %d bytes: %w", size, err)
	}
	for i := 0; i < len(b); i += os.Getpagesize() {
		b[i] = 1 // only what is written to is charged
	}
	fmt.Fprintln(out, "done")
	lines.Scan()
	return unix.Munmap(b)
}

// freeMemory ends the hog: our own child, or one that a killed drill left.
func (h *Hands) freeMemory(r Record) (string, error) {
	if h.hog != nil {
		_ = h.hog.in.Close()
		err := h.hog.cmd.Wait()
		h.hog = nil
		if err != nil {
			return "", nil // killed with the unit that it was in
		}
		return "the memory of the drill is free again", nil
	}
	if r.Hog == 0 || startOf(r.Hog) != r.HogAge {
		return "", nil
	}
	if err := unix.Kill(r.Hog, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
		return "", fmt.Errorf("end process %d, which holds memory: %w", r.Hog, err)
	}
	return "the memory of the drill is free again", nil
}

// startOf is when a process was started, in clock ticks since boot; 0 when there is none.
func startOf(pid int) uint64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	// The name in brackets may hold anything; 20 fields after it comes starttime.
	f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	if len(f) < 20 {
		return 0
	}
	n, _ := strconv.ParseUint(f[19], 10, 64)
	return n
}
