package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// enterGroups puts the shell into the cgroups before the double dash and becomes what follows it.
// Each lab needs its own: nspawn puts the payload below the group it runs in.
const enterGroups = `while [ "$1" != -- ]; do echo $$ >"$1/cgroup.procs" || exit 125; shift; done; shift; exec "$@"`

// boot starts nspawn and waits until the lab's system bus can be reached.
func (l *Lab) boot(ctx context.Context, root string, opts Options) error {
	groups, err := l.makeGroups(opts.V1Memory)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(l.dir, "journal"), 0o755); err != nil {
		return err
	}
	pid, done, err := startNspawn(l.dir, append(append(groups, "--"), l.nspawnArgs(root, opts)...), !opts.Detached)
	if err != nil {
		return err
	}
	l.nspawn = done
	if err := l.findLeader(ctx, pid); err != nil {
		return err
	}
	if l.netns, err = os.Open(fmt.Sprintf("/proc/%d/ns/net", l.leader)); err != nil {
		return fmt.Errorf("find the network of the lab: %w", err)
	}
	return nil
}

func (l *Lab) nspawnArgs(root string, opts Options) []string {
	args := []string{
		"systemd-nspawn", "--quiet", "--directory=" + root,
		"--volatile=overlay", // everything written goes to memory, the root stays as it is
		"--machine=" + l.Name, "--register=no", "--keep-unit",
		"--private-network", "--console=pipe", "--kill-signal=SIGRTMIN+4", // SIGTERM to nspawn is a poweroff
		"--bind=" + filepath.Join(l.dir, "journal") + ":/var/log/journal", "--link-journal=no",
		"--resolv-conf=off", "--timezone=off",
		"--bind-ro=" + filepath.Join(l.dir, "files") + ":/opt/lab/files",
	}
	if opts.Binaries != "" {
		args = append(args, "--bind-ro="+opts.Binaries+":"+BinDir)
	}
	if opts.Programs != "" {
		args = append(args, "--bind-ro="+opts.Programs+":"+ProgramsDir)
	}
	args = append(args, "/usr/local/sbin/lab-init")
	if opts.Bare {
		args = append(args, "--unit=lab-bare.target")
	}
	return args
}

// startNspawn starts it so that it powers the lab off when this process dies.
func startNspawn(dir string, args []string, endWithUs bool) (pid int, done <-chan struct{}, err error) {
	console, err := os.Create(filepath.Join(dir, "console.log"))
	if err != nil {
		return 0, nil, err
	}
	defer console.Close() //nolint:errcheck // nspawn has its own descriptor
	cmd := exec.Command("/bin/sh", append([]string{"-c", enterGroups, "lab"}, args...)...)
	cmd.Stdout, cmd.Stderr = console, console
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // a ^C at the terminal is for the tests
	if endWithUs {
		cmd.SysProcAttr.Pdeathsig = syscall.SIGTERM
	}
	started, ended := make(chan error), make(chan struct{})
	go func() {
		// The kernel sends the death signal when the thread that forked ends: keep it.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := cmd.Start(); err != nil {
			started <- err
			return
		}
		started <- nil
		_ = cmd.Wait() // how it ended is told by the console log
		close(ended)
	}()
	if err := <-started; err != nil {
		return 0, nil, err
	}
	return cmd.Process.Pid, ended, nil
}

// findLeader waits for the lab's systemd, a child of nspawn, and for its bus.
func (l *Lab) findLeader(ctx context.Context, nspawn int) error {
	ctx, cancel := context.WithTimeoutCause(ctx, bootTimeout, fmt.Errorf("no system bus after %s", bootTimeout))
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if pid := childNamed(nspawn, "systemd"); pid != 0 {
			if l.leader == 0 {
				l.leader = pid
				if err := rememberLeader(l.dir, pid); err != nil {
					return err
				}
			}
			if exists(l.Path("/run/dbus/system_bus_socket")) {
				return nil
			}
		}
		select {
		case <-l.nspawn:
			return errors.New("systemd-nspawn ended during the boot")
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}

// childNamed returns the child of a process with this command name, or 0.
func childNamed(pid int, name string) int {
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, list := range lists {
		text, err := os.ReadFile(list)
		if err != nil {
			continue // the thread is gone
		}
		for _, field := range strings.Fields(string(text)) {
			child, err := strconv.Atoi(field)
			if err == nil && commandName(child) == name {
				return child
			}
		}
	}
	return 0
}

// enableV1Memory lets the lab's systemd use the lab's own group of the v1 memory controller.
func (l *Lab) enableV1Memory(ctx context.Context) error {
	r, err := run(l.enter(ctx, "mount", "-o", "remount,rw,bind,nosuid,nodev,noexec", "/sys/fs/cgroup/memory"))
	if err == nil && r.Code != 0 {
		err = errors.New(strings.TrimSpace(r.Stderr))
	}
	if err != nil {
		return fmt.Errorf("make the memory controller writable: %w", err)
	}
	return l.do(ctx, "daemon-reexec")
}
