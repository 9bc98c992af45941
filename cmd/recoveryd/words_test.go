package main

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/internal/console"
	"github.com/recoveryd/recoveryd/internal/httpserve/hosttest"
)

// ends runs recoveryd as a process and returns what it printed and its exit code.
func ends(t *testing.T, change func(*exec.Cmd), args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := program(t, args...)
	var out, said strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &said
	if change != nil {
		change(cmd)
	}
	err := cmd.Run()
	if ended := new(exec.ExitError); errors.As(err, &ended) {
		code = ended.ExitCode()
	} else {
		require.NoError(t, err)
	}
	return out.String(), said.String(), code
}

// declines requires that a command did nothing, said why in one sentence, and did not succeed.
func declines(t *testing.T, change func(*exec.Cmd), code int, says string, args ...string) {
	t.Helper()
	out, said, got := ends(t, change, args...)
	require.Equal(t, code, got, "%v: %s%s", args, out, said)
	require.Empty(t, out, "%v", args)
	require.Equal(t, 1, strings.Count(said, "\n"), "%v: %s", args, said)
	require.True(t, strings.HasPrefix(said, "recoveryd: "), said)
	require.Contains(t, said, says, "%v", args)
}

func TestEveryWordThatLeadsToNothingSaysWhyAndDoesNotSucceed(t *testing.T) {
	night, calm := hosttest.Serve(t, hosttest.Night)
	past, err := night.Incidents(t.Context(), false, 1)
	require.NoError(t, err)
	ended := past[0].ID
	broken, down := hosttest.Serve(t, hosttest.DatabaseDead)
	now, err := broken.Incidents(t.Context(), true, 10)
	require.NoError(t, err)
	var open string
	for _, i := range now {
		if i.Target == "postgres" {
			open = i.ID
		}
	}
	require.NotEmpty(t, open)
	run := func() string {
		r := night.State().Host.Run
		require.NotNil(t, r)
		return r.ID
	}
	near := open[:len(open)-1] + "x"
	for _, c := range []struct {
		socket string
		words  string // what is said, and once more when the table says so
		says   string // what the last one answers
	}{
		{calm, "hold codebase-mpc", `there is no target "codebase-mpc", did you mean codebase-mcp?`},
		{calm, "hold quite-another-thing", `there is no target "quite-another-thing" (see: recoveryd status)`},
		{calm, "release codebase-mpc", "did you mean codebase-mcp?"},
		{calm, "retry codebase-mpc", "did you mean codebase-mcp?"},
		{calm, "forget codebase-mpc", "did you mean codebase-mcp?"},
		{calm, "recover codebase-mpc", "did you mean codebase-mcp?"},
		{calm, "release task-mcp", "task-mcp is not held"},
		{calm, "hold task-mcp; release task-mcp; release task-mcp", "task-mcp is not held"},
		{calm, "resume", "nothing is paused"},
		{calm, "pause; resume; resume", "nothing is paused"},
		{calm, "ack nothing", `there is no open incident "nothing", and no other one (see: recoveryd incidents)`},
		{calm, "close nothing --why over", `there is no open incident "nothing", and no other one`},
		{calm, "approve nothing", `there is no open incident "nothing", and no other one`},
		{calm, "ack " + ended, "has ended at "},
		{calm, "close " + ended + " --why over", "nothing is left to close (see: recoveryd report " + ended + ")"},
		{calm, "approve " + ended, "has ended at "},
		{calm, "retry task-mcp", "task-mcp has no open incident"},
		{calm, "forget task-mcp", "nothing was learned about task-mcp"},
		{calm, "forget task-mcp --strategy restart", "nothing was learned about restart on task-mcp"},
		{calm, "recover task-mcp", "nothing is known to be wrong with it"},
		{calm, "playbook run restor", `there is no playbook "restor", did you mean restore?`},
		{calm, "playbook show restor", `there is no playbook "restor", did you mean restore?`},
		{calm, "playbook status nothing", `there is no run "nothing"`},
		{calm, "playbook approve nothing", `there is no run "nothing", and none is under way`},
		{calm, "playbook stop nothing", `there is no run "nothing", and none is under way`},
		{calm, "playbook run restore --detach; playbook run restore --detach", "is under way"},
		{calm, "playbook stop nothing", "the one under way is restore-"},
		{calm, "playbook approve RUN; playbook approve RUN", "waits for no approval"},
		{calm, "playbook stop RUN; playbook stop RUN", "the run has ended already: "},
		{down, "ack " + near, "did you mean " + open + "?"},
		{down, "ack postgres", `"postgres" is a target; its open incident is ` + open},
		{down, "approve " + open, "nothing is proposed for " + open},
		{down, "recover codebase-mcp", "postgres is the culprit: recover that one"},
		{down, "close " + open, "a reason is wanted (--reason)"},
		{down, "close " + open + " --why over; close " + open + " --why over", "has ended at "},
		{down, "ack " + open, "has ended at "},
	} {
		t.Run(c.words, func(t *testing.T) {
			words := c.words
			if strings.Contains(words, "RUN") {
				words = strings.ReplaceAll(words, "RUN", run())
			}
			list := strings.Split(words, "; ")
			for _, before := range list[:len(list)-1] {
				out, said, code := ends(t, nil, append(strings.Fields(before), "--socket", c.socket)...)
				require.Zero(t, code, "%s: %s", before, said)
				require.Equal(t, 1, strings.Count(out, "\n"), out)
			}
			declines(t, nil, console.NotHealthy, c.says, append(strings.Fields(list[len(list)-1]), "--socket", c.socket)...)
		})
	}
	for _, words := range []string{"hold task-mcp --for soon", "hold task-mcp --for -1h", "pause --for 0s", "ack " + open + " --for tomorrow"} {
		declines(t, nil, console.Usage, "is no positive duration", append(strings.Fields(words), "--socket", calm)...)
	}
	require.Nil(t, night.State().Targets["task-mcp"].Hold, "nothing of it was taken")
}

func TestEveryWordToADaemonThatCannotBeAskedSaysWhyAndDoesNotSucceed(t *testing.T) {
	dir, err := os.MkdirTemp("", "rd") // the path of a socket must be short
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	hangsUp := filepath.Join(dir, "deaf")
	l, err := net.Listen("unix", hangsUp)
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for { // as the daemon does with whoever is neither root nor its own user
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.Close()
		}
	}()
	left := filepath.Join(dir, "left")
	dead, err := net.Listen("unix", left)
	require.NoError(t, err)
	dead.(*net.UnixListener).SetUnlinkOnClose(false)
	require.NoError(t, dead.Close())
	for _, words := range []string{"status", "hold x", "release x", "pause", "resume", "ack x", "close x --why y", "approve x", "retry x", "forget x", "recover x", "recover x --dry-run",
		"playbook list", "playbook show x", "playbook run x", "playbook status x", "playbook approve x", "playbook stop x", "reload"} {
		t.Run(words, func(t *testing.T) {
			for socket, says := range map[string]string{
				filepath.Join(dir, "none"): "is it running (systemctl status recoveryd)?",
				left:                       "is it running (systemctl status recoveryd)?",
				hangsUp:                    "only root and its own user may command it",
			} {
				declines(t, nil, console.NotHealthy, says, append(strings.Fields(words), "--socket", socket)...)
			}
		})
	}
	t.Run("a directory that lets nobody in", func(t *testing.T) {
		closed := filepath.Join(dir, "closed")
		require.NoError(t, os.Mkdir(closed, 0o000))
		var change func(*exec.Cmd)
		if os.Getuid() == 0 { // whom no mode keeps out
			require.NoError(t, os.Chmod(dir, 0o755))
			self, err := os.ReadFile("/proc/self/exe")
			require.NoError(t, err)
			copied := filepath.Join(dir, "recoveryd") // where another user can run it
			require.NoError(t, os.WriteFile(copied, self, 0o755))
			change = func(cmd *exec.Cmd) {
				cmd.Path, cmd.Dir = copied, "/"
				cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
			}
		}
		declines(t, change, console.NotHealthy, "refuses user ", "hold", "x", "--socket", filepath.Join(closed, "s"))
	})
}
