package envfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func newDir(t *testing.T, keys ...string) (*Dir, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "env")
	d, err := New(path, keys)
	require.NoError(t, err)
	return d, path
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(b)
}

func TestSetAddsChangesAndRemovesAVariable(t *testing.T) {
	d, path := newDir(t, "DB_POOL_SIZE", "DB_MAX_OVERFLOW")
	file := filepath.Join(path, "codebase-mcp.service.env")

	before, err := d.Set("codebase-mcp.service.env", "DB_POOL_SIZE", "30")
	require.NoError(t, err)
	require.Empty(t, before)
	require.Equal(t, "DB_POOL_SIZE=30\n", read(t, file))
	info, err := os.Stat(file)
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o600), info.Mode())
	info, err = os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o700), info.Mode().Perm())

	before, err = d.Set(file, "DB_POOL_SIZE", "45") // the full path is as good
	require.NoError(t, err)
	require.Equal(t, "30", before)
	_, err = d.Set(file, "DB_MAX_OVERFLOW", "15")
	require.NoError(t, err)
	require.Equal(t, "DB_POOL_SIZE=45\nDB_MAX_OVERFLOW=15\n", read(t, file))

	before, err = d.Set(file, "DB_POOL_SIZE", "")
	require.NoError(t, err)
	require.Equal(t, "45", before)
	require.Equal(t, "DB_MAX_OVERFLOW=15\n", read(t, file))
	_, err = d.Set(file, "DB_MAX_OVERFLOW", "")
	require.NoError(t, err)
	require.NoFileExists(t, file, "the last variable takes the file along")
	_, err = d.Set(file, "DB_MAX_OVERFLOW", "")
	require.NoError(t, err, "removing what is not there is no error")

	left, err := os.ReadDir(path)
	require.NoError(t, err)
	require.Empty(t, left, "no temporary file stays")
}

func TestSetDropsLinesThatAreNotItsOwn(t *testing.T) {
	d, path := newDir(t, "DB_POOL_SIZE", "DB_MAX_OVERFLOW")
	require.NoError(t, os.Mkdir(path, 0o700))
	file := filepath.Join(path, "a.env")
	require.NoError(t, os.WriteFile(file, []byte("LD_PRELOAD=/tmp/evil.so\nDB_MAX_OVERFLOW=5\nDB_POOL_SIZE=\"a b\"\ngarbage\n"), 0o644))
	_, err := d.Set("a.env", "DB_POOL_SIZE", "30")
	require.NoError(t, err)
	require.Equal(t, "DB_MAX_OVERFLOW=5\nDB_POOL_SIZE=30\n", read(t, file))
}

func TestSetRefuses(t *testing.T) {
	tests := []struct{ name, file, key, value, says string }{
		{"a variable that the operator did not allow", "a.env", "LD_PRELOAD", "x", "not allowed"},
		{"a value with a line end", "a.env", "DB_POOL_SIZE", "1\nLD_PRELOAD=x", "characters"},
		{"a value with a blank", "a.env", "DB_POOL_SIZE", "1 2", "characters"},
		{"a value with a quote", "a.env", "DB_POOL_SIZE", `"1"`, "characters"},
		{"a value with a dollar sign", "a.env", "DB_POOL_SIZE", "$HOME", "characters"},
		{"a file in another directory", "/etc/systemd/a.env", "DB_POOL_SIZE", "1", "is not in"},
		{"a file above the directory", "../a.env", "DB_POOL_SIZE", "1", "plain name"},
		{"a file below the directory", "b/a.env", "DB_POOL_SIZE", "1", "plain name"},
		{"a file of another kind", "a.conf", "DB_POOL_SIZE", "1", ".env"},
		{"a hidden file", ".a.env", "DB_POOL_SIZE", "1", "plain name"},
		{"no file", "", "DB_POOL_SIZE", "1", "plain name"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d, path := newDir(t, "DB_POOL_SIZE")
			_, err := d.Set(tt.file, tt.key, tt.value)
			require.ErrorContains(t, err, tt.says)
			require.NoDirExists(t, path, "nothing may be touched")
		})
	}
}

func TestSetNeverFollowsALinkOutOfTheDirectory(t *testing.T) {
	d, path := newDir(t, "DB_POOL_SIZE")
	require.NoError(t, os.Mkdir(path, 0o700))
	victim := filepath.Join(filepath.Dir(path), "victim")
	require.NoError(t, os.WriteFile(victim, []byte("DB_POOL_SIZE=1\n"), 0o644))

	require.NoError(t, os.Symlink(victim, filepath.Join(path, "a.env")))
	_, err := d.Set("a.env", "DB_POOL_SIZE", "30")
	require.ErrorContains(t, err, "not a regular file")

	require.NoError(t, os.Symlink(victim, filepath.Join(path, ".b.env.tmp")))
	_, err = d.Set("b.env", "DB_POOL_SIZE", "30")
	require.NoError(t, err, "a planted temporary file is removed, not followed")
	require.Equal(t, "DB_POOL_SIZE=1\n", read(t, victim))
	require.Equal(t, "DB_POOL_SIZE=30\n", read(t, filepath.Join(path, "b.env")))

	require.NoError(t, os.Mkdir(filepath.Join(path, "c.env"), 0o700))
	_, err = d.Set("c.env", "DB_POOL_SIZE", "30")
	require.ErrorContains(t, err, "not a regular file")
}

func TestSetFromManyGoroutinesLosesNoVariable(t *testing.T) {
	var keys []string
	for i := range 8 {
		keys = append(keys, fmt.Sprintf("POOL_%d", i))
	}
	d, _ := newDir(t, keys...)
	var wg sync.WaitGroup
	errs := make([]error, len(keys))
	for i, k := range keys {
		wg.Go(func() { _, errs[i] = d.Set("a.env", k, fmt.Sprint(i+1)) })
	}
	wg.Wait()
	require.NoError(t, errors.Join(errs...))
	for i, k := range keys {
		before, err := d.Set("a.env", k, "")
		require.NoError(t, err)
		require.Equal(t, fmt.Sprint(i+1), before)
	}
}

func TestNewRefusesVariablesThatRunCode(t *testing.T) {
	for _, k := range []string{"LD_PRELOAD", "LD_LIBRARY_PATH", "PATH", "BASH_ENV", "NODE_OPTIONS", "A B", ""} {
		_, err := New("/run/recoveryd/env", []string{k})
		require.Error(t, err, k)
	}
	_, err := New("relative", nil)
	require.ErrorContains(t, err, "absolute")
}
