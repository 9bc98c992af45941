package host

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode"

	"github.com/recoveryd/recoveryd/pkg/capture"
	"github.com/recoveryd/recoveryd/pkg/platform"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

const (
	// keepOutput is how much of the end of a command's output is kept.
	keepOutput = 8 << 10
	// maxLine is how much of its last line is told.
	maxLine = 200
	// plainPath is the PATH of commands, which have no shell to set one.
	plainPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
)

// run runs a command that is on the list, in a process group that is killed as a whole when time
// is up.
func (a *Adapter) run(ctx context.Context, act strategy.Action) (platform.Report, error) {
	argv := strings.Split(act.Args[strategy.ArgArgv], "\x00")
	i := slices.IndexFunc(a.commands, func(c Command) bool { return slices.Equal(c.Argv, argv) && (c.Name == "" || c.Name == act.Object) })
	if i < 0 {
		return failed(act, "nothing was done: this command is not allowed", errors.New("the command line is not one of the configured ones"))
	}
	c := a.commands[i]
	if c.Unit {
		return a.start(ctx, act, c)
	}
	cmd := exec.CommandContext(ctx, c.Argv[0], c.Argv[1:]...)
	cmd.Dir, cmd.Env = c.Dir, append([]string{plainPath}, c.Env...)
	if cmd.Dir == "" {
		cmd.Dir = "/"
	}
	out := &tail{keep: c.Keep}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	began := time.Now()
	program, err := capture.Start(cmd)
	if err != nil {
		if errors.Is(err, fs.ErrPermission) {
			err = fmt.Errorf("%w: %w", platform.ErrPermission, err)
		}
		return failed(act, "nothing was done: the command could not be started", err)
	}
	err = program.Wait()
	took := time.Since(began).Round(time.Millisecond)
	if a.said != nil {
		a.said(act.Object, out.all())
	}
	said := out.lastLine()
	if said != "" {
		said = ": " + said
	}
	exit, exited := errors.AsType[*exec.ExitError](err)
	switch {
	case ctx.Err() != nil:
		return interrupted(ctx, act, fmt.Sprintf("killed after %s%s", took, said))
	case err == nil:
		return platform.Report{Result: platform.Done, Detail: fmt.Sprintf("ended well after %s%s", took, said)}, nil
	case exited:
		return failed(act, fmt.Sprintf("%s after %s%s", exit.ProcessState, took, said), errors.New(exit.ProcessState.String()))
	}
	return failed(act, "how the command ended is not known", err)
}

// tail keeps the end of what is written to it.
type tail struct {
	keep int // bytes; 0 = keepOutput
	mu   sync.Mutex
	end  []byte
}

// all is a copy of what is kept.
func (t *tail) all() []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.end)
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.end = append(t.end, b...)
	if extra := len(t.end) - cmp.Or(t.keep, keepOutput); extra > 0 {
		t.end = append(t.end[:0], t.end[extra:]...)
	}
	return len(b), nil
}

// lastLine returns the last line that is not empty, cut short and without control characters.
func (t *tail) lastLine() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := strings.FieldsFunc(string(t.end), func(r rune) bool { return r == '\n' || r == '\r' })
	for i := len(lines) - 1; i >= 0; i-- {
		line := strings.TrimSpace(strings.Map(func(r rune) rune {
			if unicode.IsPrint(r) {
				return r
			}
			return -1
		}, lines[i]))
		if line == "" {
			continue
		}
		if r := []rune(line); len(r) > maxLine {
			line = string(r[:maxLine]) + "…"
		}
		return line
	}
	return ""
}
