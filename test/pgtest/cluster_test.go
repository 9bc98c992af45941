package pgtest

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// ask connects anew and runs SELECT 1 with one second to do it in.
func ask(t *testing.T, c *Cluster) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	return c.Exec(ctx, "postgres", "SELECT 1")
}

func TestClusterFailsInTheWaysThatDatabasesFail(t *testing.T) {
	c := Start(t, "max_connections=12")
	require.NoError(t, ask(t, c))

	require.NoError(t, c.Freeze())
	require.ErrorIs(t, ask(t, c), context.DeadlineExceeded, "a frozen server accepts and never answers")
	c.Thaw()
	require.NoError(t, ask(t, c))

	require.NoError(t, c.Stop())
	require.ErrorIs(t, ask(t, c), syscall.ECONNREFUSED)
	require.Zero(t, c.PID())
	require.NoError(t, c.Start())
	require.NoError(t, ask(t, c))

	require.NoError(t, c.Exec(t.Context(), "postgres", "CREATE TABLE kept (n int); INSERT INTO kept VALUES (7)"))
	require.NoError(t, c.Kill())
	require.ErrorIs(t, ask(t, c), syscall.ECONNREFUSED)
	require.NoError(t, c.Start())
	conn, err := pgx.Connect(t.Context(), c.DSN("postgres", "postgres"))
	require.NoError(t, err)
	defer conn.Close(t.Context())
	var n int
	require.NoError(t, conn.QueryRow(t.Context(), "SELECT n FROM kept").Scan(&n))
	require.Equal(t, 7, n, "a committed row survives the kill")

	var limit string
	require.NoError(t, conn.QueryRow(t.Context(), "SHOW max_connections").Scan(&limit))
	require.Equal(t, "12", limit)
}

func TestAFrozenClusterCanBeClosed(t *testing.T) {
	c, err := StartCluster("")
	if err != nil {
		require.ErrorIs(t, err, ErrNoPostgres)
		t.Skip(err)
	}
	require.NoError(t, c.Freeze())
	pid, dir := c.PID(), c.dir
	id := segment(t, dir)
	require.Contains(t, segments(t), id)
	require.NoError(t, c.Close())
	require.NoError(t, c.Close(), "closing twice is harmless")
	require.ErrorIs(t, syscall.Kill(pid, 0), syscall.ESRCH)
	require.NoDirExists(t, dir)
	require.NotContains(t, segments(t), id, "the System V segment is gone")
}

func TestSomebodyElseCanRunTheServer(t *testing.T) {
	c := Start(t, "max_connections=12")
	require.NoError(t, c.Stop())
	argv, err := c.Command()
	require.NoError(t, err)
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir, cmd.Env = "/", environ()
	require.NoError(t, cmd.Start())
	require.Eventually(t, func() bool { return ask(t, c) == nil }, time.Minute, 20*time.Millisecond)
	require.NoError(t, cmd.Process.Signal(syscall.SIGINT))
	require.NoError(t, cmd.Wait())
}

// segment returns the id of the cluster's System V segment, from the seventh line of postmaster.pid.
func segment(t *testing.T, dir string) string {
	t.Helper()
	file, err := os.ReadFile(filepath.Join(dir, "data", "postmaster.pid"))
	require.NoError(t, err)
	return strings.Fields(strings.Split(string(file), "\n")[6])[1]
}

// segments lists the ids of all System V segments of the machine.
func segments(t *testing.T) []string {
	t.Helper()
	list, err := os.ReadFile("/proc/sysvipc/shm")
	if err != nil {
		t.Skipf("no list of shared memory segments: %v", err)
	}
	var ids []string
	for line := range strings.Lines(string(list)) {
		if f := strings.Fields(line); len(f) > 1 {
			ids = append(ids, f[1])
		}
	}
	return ids
}

// TestNothingOutlivesTheStartingProcess kills a child process that owns a cluster.
func TestNothingOutlivesTheStartingProcess(t *testing.T) {
	if os.Getenv("PGTEST_CHILD_DIR") != "" {
		c, err := StartCluster(os.Getenv("PGTEST_CHILD_DIR"))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(c.dir, "started"), []byte(strconv.Itoa(c.PID())), 0o644))
		select {} // until the parent kills this process
	}
	if _, err := binDir(); err != nil {
		t.Skip(err)
	}
	dir, err := os.MkdirTemp("", "pgtest-orphan-")
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })

	child := exec.Command(os.Args[0], "-test.run=^TestNothingOutlivesTheStartingProcess$")
	child.Env = append(os.Environ(), "PGTEST_CHILD_DIR="+dir)
	child.Stdout, child.Stderr = t.Output(), t.Output()
	require.NoError(t, child.Start())
	var pid int
	require.Eventually(t, func() bool {
		text, err := os.ReadFile(filepath.Join(dir, "started"))
		if err != nil {
			return false
		}
		pid, err = strconv.Atoi(string(text))
		return err == nil
	}, time.Minute, 20*time.Millisecond)
	require.NoError(t, child.Process.Kill())
	require.Error(t, child.Wait())
	require.Eventually(t, func() bool { return ended(pid) }, 10*time.Second, 20*time.Millisecond, "postmaster %d lives on", pid)
}
