package proctable

import (
	"os"
	"os/exec"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const table = Table("/proc")

// start runs a shell with a child, in a process group of its own.
func start(t *testing.T) (pid int) {
	t.Helper()
	cmd := exec.Command("/bin/sh", "-c", "sleep 60 & exec 3</dev/null; wait")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
	})
	require.Eventually(t, func() bool { return len(table.Tree(cmd.Process.Pid)) == 2 }, 5*time.Second, time.Millisecond, "the shell starts its child")
	return cmd.Process.Pid
}

func TestStateTellsAStoppedProcess(t *testing.T) {
	pid := start(t)
	require.NoError(t, syscall.Kill(pid, syscall.SIGSTOP))
	require.Eventually(t, func() bool { s, err := table.State(pid); return err == nil && s == "T" }, 5*time.Second, time.Millisecond)
	name, err := table.Command(pid)
	require.NoError(t, err)
	require.Equal(t, "sh", name)
}

func TestResidentCountsSharedMemoryOnce(t *testing.T) {
	pid := start(t)
	one, err := table.Resident([]int{pid})
	require.NoError(t, err)
	require.Greater(t, one, uint64(100<<10), "a shell needs more than 100 KiB")
	require.Less(t, one, uint64(64<<20))
	twice, err := table.Resident([]int{pid, pid})
	require.NoError(t, err)
	require.Greater(t, twice, one)
	require.Less(t, twice, 2*one, "the shared part must not count twice")
}

func TestFilesCountsDescriptorsAndLimit(t *testing.T) {
	before, limit, err := table.Files(os.Getpid())
	require.NoError(t, err)
	var want syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &want))
	require.Equal(t, want.Cur, limit)
	f, err := os.Open("/dev/null")
	require.NoError(t, err)
	defer f.Close()
	after, _, err := table.Files(os.Getpid())
	require.NoError(t, err)
	require.Greater(t, after, before)
}

func TestTreeAndGroupFindTheChild(t *testing.T) {
	pid := start(t)
	tree := table.Tree(pid)
	require.Len(t, tree, 2)
	group, err := table.Group(pid)
	require.NoError(t, err)
	slices.Sort(tree)
	slices.Sort(group)
	require.Equal(t, tree, group)
}

func TestAProcessThatIsGoneIsAnErrorAndNotZero(t *testing.T) {
	cmd := exec.Command("/bin/true")
	require.NoError(t, cmd.Run())
	pid := cmd.Process.Pid
	_, err := table.State(pid)
	require.ErrorIs(t, err, ErrHidden)
	_, err = table.Resident([]int{pid})
	require.ErrorIs(t, err, ErrHidden)
	_, _, err = table.Files(pid)
	require.ErrorIs(t, err, ErrHidden)
	_, err = table.Resident(nil)
	require.Error(t, err)
}
