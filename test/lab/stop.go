package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Files of a lab's state directory, and of the directory of all labs.
const (
	ownerFile    = "owner"    // locked by the process that started the lab, for as long as it lives
	detachedFile = "detached" // there when the lab shall outlive that process
)

// stateDir holds one directory for each lab of this machine.
func stateDir() string { return filepath.Join(os.TempDir(), "recoveryd-lab") }

// claim makes the state directory of a lab and marks it as ours. It removes stale labs on the way.
func claim(opts Options) (unlock func(), err error) {
	if err := os.MkdirAll(stateDir(), 0o700); err != nil {
		return nil, fmt.Errorf("make the directory of labs: %w", err)
	}
	// Between making a directory and locking its owner file it would look stale.
	release, err := lock(filepath.Join(stateDir(), ".lock"))
	if err != nil {
		return nil, err
	}
	defer release()
	if err := reap(); err != nil {
		return nil, fmt.Errorf("remove labs whose tests were killed: %w", err)
	}
	dir := filepath.Join(stateDir(), opts.Name)
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, fmt.Errorf("lab %s exists already: %w", opts.Name, err)
	}
	if opts.Detached {
		if err := os.WriteFile(filepath.Join(dir, detachedFile), nil, 0o644); err != nil {
			return nil, err
		}
	}
	return lock(filepath.Join(dir, ownerFile))
}

// reap removes every lab whose owner is dead. The caller holds the lock of all labs.
func reap() error {
	dirs, err := os.ReadDir(stateDir())
	if err != nil {
		return err
	}
	var errs []error
	for _, d := range dirs {
		dir := filepath.Join(stateDir(), d.Name())
		if !d.IsDir() || !stale(dir) {
			continue
		}
		errs = append(errs, destroy(d.Name()))
	}
	return errors.Join(errs...)
}

// stale reports whether nobody owns the lab any more. A detached one owns itself while it runs.
func stale(dir string) bool {
	if exists(filepath.Join(dir, detachedFile)) && len(groupPIDs(filepath.Base(dir))) > 0 {
		return false
	}
	f, err := os.Open(filepath.Join(dir, ownerFile))
	if err != nil {
		return true
	}
	defer f.Close() //nolint:errcheck // read only; closing gives up the lock
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil
}

// Stop ends the lab at once, as pulling the plug does, and removes everything of it. Keep what you
// want of the journal before. Stopping twice is harmless.
func (l *Lab) Stop() error {
	if l.netns != nil {
		_ = l.netns.Close()
		l.netns = nil
	}
	err := destroy(l.Name)
	if l.nspawn != nil && err == nil {
		<-l.nspawn // waited for, so no zombie stays
	}
	if l.unlock != nil {
		l.unlock()
		l.unlock = nil
	}
	return err
}

// Open returns a running lab that another process started, detached, by its name.
func Open(name string) (*Lab, error) {
	dir := filepath.Join(stateDir(), name)
	leader := recallLeader(dir)
	if !nameForm.MatchString(name) || !isLeader(leader, name) {
		return nil, fmt.Errorf("there is no running lab %q", name)
	}
	netns, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", leader))
	if err != nil {
		return nil, fmt.Errorf("open lab %s: %w", name, err)
	}
	return &Lab{Name: name, State: "running", leader: leader, dir: dir, netns: netns}, nil
}

// List returns the names of the labs that run on this machine.
func List() ([]string, error) {
	dirs, err := os.ReadDir(stateDir())
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("list labs: %w", err)
	}
	var names []string
	for _, d := range dirs {
		if isLeader(recallLeader(filepath.Join(stateDir(), d.Name())), d.Name()) {
			names = append(names, d.Name())
		}
	}
	return names, nil
}

// destroy ends the processes of a lab and removes its files, cgroups and traces.
func destroy(name string) error {
	dir := filepath.Join(stateDir(), name)
	// The lab's PID 1 takes every process of the lab with it, and nspawn ends by itself then. The
	// other way round its systemd would live on.
	if leader := recallLeader(dir); isLeader(leader, name) {
		_ = syscall.Kill(leader, syscall.SIGKILL)
		waitFor(time.Second, func() bool { return len(groupPIDs(name)) == 0 })
	}
	waitFor(5*time.Second, func() bool {
		pids := groupPIDs(name)
		for _, pid := range pids {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		return len(pids) == 0
	})
	var err error
	waitFor(2*time.Second, func() bool { // a cgroup counts as used for a moment after its last process
		err = removeGroups(name)
		return err == nil
	})
	// Left behind by nspawn where /run is no tmpfs.
	if e := os.Remove("/run/systemd/nspawn/propagate/" + name); e != nil && !errors.Is(e, os.ErrNotExist) {
		err = errors.Join(err, e)
	}
	if err = errors.Join(err, os.RemoveAll(dir)); err != nil {
		return fmt.Errorf("remove lab %s: %w", name, err)
	}
	return nil
}

// waitFor asks every 10 ms whether something is so, for at most d.
func waitFor(d time.Duration, so func() bool) {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// rememberLeader and recallLeader keep the process id of the lab's systemd in the state directory.
func rememberLeader(dir string, pid int) error {
	if err := os.WriteFile(filepath.Join(dir, "leader"), []byte(strconv.Itoa(pid)), 0o644); err != nil {
		return fmt.Errorf("remember the process id of the lab: %w", err)
	}
	return nil
}

func recallLeader(dir string) int {
	text, err := os.ReadFile(filepath.Join(dir, "leader"))
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(string(text))
	if err != nil {
		return 0
	}
	return pid
}

// isLeader asks more than whether the process id exists: it may be used again, or be of a process
// that is dead and only not waited for.
func isLeader(pid int, name string) bool {
	if pid <= 1 || commandName(pid) != "systemd" {
		return false
	}
	groups, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	return err == nil && strings.Contains(string(groups), "/"+groupPrefix+name+"/")
}

// commandName returns the name of a running process, "" for one that is dead.
func commandName(pid int) string {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return ""
	}
	name, state := "", ""
	for line := range strings.Lines(string(status)) {
		if v, ok := strings.CutPrefix(line, "Name:"); ok {
			name = strings.TrimSpace(v)
		}
		if v, ok := strings.CutPrefix(line, "State:"); ok {
			state = strings.TrimSpace(v)
		}
	}
	if strings.HasPrefix(state, "Z") || strings.HasPrefix(state, "X") {
		return ""
	}
	return name
}
