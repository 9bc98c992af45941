package evidence

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/recoveryd/recoveryd/pkg/capture"
)

// program is how a command is run: without a shell, without our environment (which may hold
// secrets), in a process group of its own that is killed as a whole.
func program(ctx context.Context, argv []string, stdout, stderr io.Writer, env ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir = "/"
	cmd.Env = append([]string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8"}, env...)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	return cmd
}

// gatherCommand runs the operator's own program.
func gatherCommand(ctx context.Context, k *scene, p *page) error {
	ctx, cancel := context.WithTimeout(ctx, k.Timeout)
	defer cancel()
	env := []string{"RECOVERYD_TARGET=" + k.Target, "RECOVERYD_UNIT=" + k.Unit, "RECOVERYD_INCIDENT=" + k.incident}
	if pid := k.pid(); pid > 0 {
		env = append(env, "RECOVERYD_PID="+strconv.Itoa(pid))
	}
	name := filepath.Base(k.Command[0])
	err := capture.Run(program(ctx, k.Command, p, p, env...))
	exit, ended := errors.AsType[*exec.ExitError](err)
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("%s was killed: it had not ended after %s", name, k.Timeout)
	case err == nil:
		return nil
	case ended:
		return fmt.Errorf("%s ended with %s", name, exit.ProcessState)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s may not be run by recoveryd: %w", name, err)
	}
	return fmt.Errorf("run %s: %w", name, err)
}
