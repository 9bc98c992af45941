package residency

import (
	"os"
	"path/filepath"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheHeapStaysBelowTheLimitOfTheUnit(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	t.Cleanup(func() { debug.SetMemoryLimit(before) })
	t.Setenv("GOMEMLIMIT", "")
	root := t.TempDir()
	put := func(name, text string) {
		path := filepath.Join(root, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
	require.Zero(t, Memory(root), "nothing is known")
	put("proc/self/cgroup", "1:name=systemd:/elsewhere\n0::/system.slice/recoveryd.service\n")
	put("sys/fs/cgroup/system.slice/recoveryd.service/memory.max", "max\n")
	require.Zero(t, Memory(root), "there is no limit")
	require.Equal(t, before, debug.SetMemoryLimit(-1))

	put("sys/fs/cgroup/system.slice/recoveryd.service/memory.max", "201326592\n")
	require.Equal(t, int64(128<<20), Memory(root))
	require.Equal(t, int64(128<<20), debug.SetMemoryLimit(-1))

	put("sys/fs/cgroup/system.slice/memory.max", "100663296\n")
	require.Equal(t, int64(64<<20), Memory(root), "the limit of the slice is lower")

	t.Setenv("GOMEMLIMIT", "1GiB")
	require.Zero(t, Memory(root), "an operator's own number goes first")
}
