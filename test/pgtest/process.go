package pgtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is a running postmaster.
type process struct {
	pid  int
	done chan struct{} // closed when it has been waited for
}

// startProcess starts the postmaster so that it shuts down when this program dies.
func startProcess(path string, args, env []string, cred *syscall.Credential, log *os.File) (*process, error) {
	cmd := exec.Command(path, args...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = "/", env, log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: cred, Setsid: true}
	endWithParent(cmd.SysProcAttr)

	p := &process{done: make(chan struct{})}
	started := make(chan error)
	go func() {
		// The kernel sends the death signal when the *thread* that forked ends, so that thread
		// must live as long as the server does.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := cmd.Start(); err != nil {
			started <- err
			return
		}
		p.pid = cmd.Process.Pid
		started <- nil
		_ = cmd.Wait() // every way to end is fine; the caller looks at the log
		close(p.done)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return p, nil
}

// signal sends a signal to the postmaster alone. One that has already ended is not an error.
func (p *process) signal(sig syscall.Signal) { _ = syscall.Kill(p.pid, sig) }

// stopAll sends SIGSTOP to the postmaster, then to its children, and returns all their pids.
func (p *process) stopAll() []int {
	p.signal(syscall.SIGSTOP) // first, so that no new child appears
	pids := append([]int{p.pid}, children(p.pid)...)
	for _, pid := range pids[1:] {
		_ = syscall.Kill(pid, syscall.SIGSTOP)
	}
	return pids
}

// kill sends SIGKILL to the postmaster and all its children, and waits until all have ended: a child
// that lingers holds the shared memory, and no new server starts beside it.
func (p *process) kill() {
	pids := p.stopAll() // stopped first, so that none can start another
	for _, pid := range pids {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	<-p.done
	for deadline := time.Now().Add(stopTimeout); len(pids) > 0 && time.Now().Before(deadline); {
		if pids = slices.DeleteFunc(pids, ended); len(pids) > 0 {
			time.Sleep(5 * time.Millisecond)
		}
	}
}

// ended reports whether a process is gone, or only waits for its parent to notice.
func ended(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return true
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && strings.Contains(string(stat), ") Z ")
}

// children lists the direct children of a process; every PostgreSQL process is one of the postmaster.
func children(pid int) []int {
	var fields []string
	if tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid)); len(tasks) > 0 {
		for _, t := range tasks {
			list, err := os.ReadFile(t)
			if err == nil {
				fields = append(fields, strings.Fields(string(list))...)
			}
		}
	} else if out, err := exec.Command("pgrep", "-P", strconv.Itoa(pid)).Output(); err == nil { // no /proc: macOS, BSD
		fields = strings.Fields(string(out))
	}
	pids := make([]int, 0, len(fields))
	for _, f := range fields {
		if n, err := strconv.Atoi(f); err == nil {
			pids = append(pids, n)
		}
	}
	return pids
}
