package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/recoveryd/recoveryd/pkg/capture"
)

// Result is what a command said and how it ended.
type Result struct {
	Stdout, Stderr string
	Code           int // exit code; -1 when a signal ended it
}

// Exec runs a command in the lab as root, in a transient unit of its own, and waits for it. A
// command that fails is no error: look at Result.Code.
func (l *Lab) Exec(ctx context.Context, argv ...string) (Result, error) {
	return run(l.Command(ctx, "root", argv...))
}

// ExecAs is Exec as another user of the lab, without any privilege: polkit decides for it.
func (l *Lab) ExecAs(ctx context.Context, user string, argv ...string) (Result, error) {
	return run(l.Command(ctx, user, argv...))
}

// Command prepares what ExecAs runs, for callers that want pipes or do not want to wait. The command
// ends when ctx does.
func (l *Lab) Command(ctx context.Context, user string, argv ...string) *exec.Cmd {
	// systemd-run gives it a cgroup of the lab's own tree; by nsenter alone it would stay in the host's.
	wrap := []string{"systemd-run", "--quiet", "--pipe", "--wait", "--collect", "--service-type=exec"}
	if user != "root" {
		wrap = append(wrap, "--uid="+user)
	}
	return l.enter(ctx, append(append(wrap, "--"), argv...)...)
}

// Systemctl runs systemctl in the lab as root. It is quicker than Exec.
func (l *Lab) Systemctl(ctx context.Context, args ...string) (Result, error) {
	return run(l.enter(ctx, append([]string{"systemctl", "--no-pager"}, args...)...))
}

// RunHost runs a program of the host, with the host's files, in the lab's network and with the lab's
// bus as DBUS_SYSTEM_BUS_ADDRESS.
func (l *Lab) RunHost(ctx context.Context, argv ...string) (Result, error) {
	return run(l.HostCommand(ctx, argv...))
}

// HostCommand prepares what RunHost runs.
func (l *Lab) HostCommand(ctx context.Context, argv ...string) *exec.Cmd {
	args := []string{"-t", strconv.Itoa(l.leader), "-n", "env", "DBUS_SYSTEM_BUS_ADDRESS=" + l.BusAddress()}
	return command(ctx, "nsenter", append(args, argv...)...)
}

// enter runs a command in all namespaces of the lab, with a clean environment.
func (l *Lab) enter(ctx context.Context, argv ...string) *exec.Cmd {
	args := []string{
		"-t", strconv.Itoa(l.leader), "-m", "-u", "-i", "-n", "-p", "-r", "-w",
		"env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", "HOME=/root",
	}
	return command(ctx, "nsenter", append(args, argv...)...)
}

// Journal returns what journalctl prints with these arguments, for example "-u", "codebase-mcp", "-o", "cat".
func (l *Lab) Journal(ctx context.Context, args ...string) (string, error) {
	if _, err := run(l.enter(ctx, "journalctl", "--sync")); err != nil {
		return "", err
	}
	r, err := run(command(ctx, "journalctl", append([]string{"--directory", filepath.Join(l.dir, "journal"), "--no-pager", "--quiet"}, args...)...))
	if err == nil && r.Code > 1 { // 1 says that nothing matched
		err = fmt.Errorf("journal of lab %s: journalctl ended with %d: %s", l.Name, r.Code, r.Stderr)
	}
	return r.Stdout, err
}

// SQL runs commands as the superuser in a database of the lab and returns the rows, fields
// separated by |. It uses a reserved connection, so it works when the slots are full.
func (l *Lab) SQL(ctx context.Context, db, sql string) (string, error) {
	r, err := run(l.enter(ctx, "runuser", "-u", "postgres", "--", "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", db, "-c", sql))
	if err == nil && r.Code != 0 {
		err = fmt.Errorf("SQL in lab %s: %s", l.Name, strings.TrimSpace(r.Stderr))
	}
	return strings.TrimSpace(r.Stdout), err
}

// Signal sends a signal, such as "KILL", "STOP" or "CONT", to every process of a unit, behind
// systemd's back.
func (l *Lab) Signal(ctx context.Context, unit, signal string) error {
	return l.do(ctx, "kill", "--kill-who=all", "--signal="+signal, unit)
}

// SignalMain is Signal to the main process alone.
func (l *Lab) SignalMain(ctx context.Context, unit, signal string) error {
	return l.do(ctx, "kill", "--kill-who=main", "--signal="+signal, unit)
}

// DropIn puts a drop-in into place for a unit and makes systemd read it. It has effect from the next
// start of the unit on.
func (l *Lab) DropIn(ctx context.Context, unit, name, content string) error {
	if err := l.WriteFile("/etc/systemd/system/"+unit+".d/"+name+".conf", File{Content: content}); err != nil {
		return err
	}
	return l.do(ctx, "daemon-reload")
}

// Show returns one property of a unit, as systemctl show prints it.
func (l *Lab) Show(ctx context.Context, unit, property string) (string, error) {
	r, err := l.Systemctl(ctx, "show", "--value", "--property="+property, unit)
	if err == nil && r.Code != 0 {
		err = fmt.Errorf("show %s of %s in lab %s: %s", property, unit, l.Name, strings.TrimSpace(r.Stderr))
	}
	return strings.TrimSpace(r.Stdout), err
}

// do runs systemctl and turns a failure into an error.
func (l *Lab) do(ctx context.Context, args ...string) error {
	r, err := l.Systemctl(ctx, args...)
	if err == nil && r.Code != 0 {
		err = fmt.Errorf("systemctl %s in lab %s: %s", strings.Join(args, " "), l.Name, strings.TrimSpace(r.Stderr))
	}
	return err
}

func command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.WaitDelay = 5 * time.Second // where it is run without [run]: for a grandchild that keeps a pipe open
	return cmd
}

// run waits for a command. Only one that could not be run, or was cut off by its context, is an error.
func run(cmd *exec.Cmd) (Result, error) {
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := capture.Run(cmd)
	r := Result{Stdout: stdout.String(), Stderr: stderr.String(), Code: -1}
	if cmd.ProcessState != nil {
		r.Code = cmd.ProcessState.ExitCode()
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.Exited() {
		return r, nil
	}
	if err != nil {
		return r, fmt.Errorf("run %s: %w: %s", strings.Join(cmd.Args, " "), err, strings.TrimSpace(r.Stderr))
	}
	return r, nil
}
