package lab

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestAKilledTestLeavesNothingBehind kills a process that owns a lab: the kernel must end the lab,
// and the next start must remove what is left of it.
func TestAKilledTestLeavesNothingBehind(t *testing.T) {
	const name = "orphan"
	if os.Getenv("LAB_CHILD") != "" {
		_, err := Start(t.Context(), Options{Name: name, Bare: true})
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(os.Getenv("LAB_CHILD"), nil, 0o644))
		select {} // until the parent kills this process
	}
	if err := Supported(); err != nil {
		t.Skipf("needs a lab: %v", err)
	}
	started := filepath.Join(t.TempDir(), "started")
	child := exec.Command(os.Args[0], "-test.run=^TestAKilledTestLeavesNothingBehind$")
	child.Env = append(os.Environ(), "LAB_CHILD="+started)
	child.Stdout, child.Stderr = t.Output(), t.Output()
	require.NoError(t, child.Start())
	dead := make(chan error, 1)
	go func() { dead <- child.Wait() }()
	require.Eventually(t, func() bool { return exists(started) || len(dead) > 0 }, 10*time.Minute, 20*time.Millisecond)
	require.FileExists(t, started)
	require.NotEmpty(t, groupPIDs(name))

	require.NoError(t, child.Process.Kill())
	require.Error(t, <-dead)
	require.Eventually(t, func() bool { return len(groupPIDs(name)) == 0 }, 30*time.Second, 20*time.Millisecond,
		"the lab lives on without its owner")

	l, err := Start(t.Context(), Options{Bare: true})
	require.NoError(t, err)
	require.NoDirExists(t, filepath.Join(stateDir(), name))
	require.Empty(t, groups(name))
	require.NoError(t, l.Stop())
	require.NoError(t, l.Stop(), "stopping twice is harmless")
	require.NoDirExists(t, filepath.Join(stateDir(), l.Name))
	require.Empty(t, groups(l.Name))
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	require.NoError(t, err)
	require.NotContains(t, string(mounts), l.Name)
}

func TestADetachedLabIsFoundByItsName(t *testing.T) {
	if err := Supported(); err != nil {
		t.Skipf("needs a lab: %v", err)
	}
	l, err := Start(t.Context(), Options{Bare: true, Detached: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.Stop()) })
	names, err := List()
	require.NoError(t, err)
	require.Contains(t, names, l.Name)
	require.False(t, stale(l.dir))

	again, err := Open(l.Name)
	require.NoError(t, err)
	r, err := again.Exec(t.Context(), "hostname")
	require.NoError(t, err)
	require.Equal(t, "lab", strings.TrimSpace(r.Stdout))
	require.NoError(t, again.Stop())
	_, err = Open(l.Name)
	require.Error(t, err)
}

func TestOptionsAreChecked(t *testing.T) {
	for _, c := range []struct {
		name string
		opts Options
		want string
	}{
		{"a name that is no host name", Options{Name: "Big Lab", Bare: true}, "small letters"},
		{"no programs for the servers", Options{}, "must hold mcp-target"},
		{"a file by a relative path", Options{Bare: true, Files: map[string]File{"etc/x": {}}}, "not an absolute path"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := c.opts.complete()
			require.ErrorContains(t, err, c.want)
		})
	}
}
