package envfile

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOneNumberIsPassedOnAndNothingElse(t *testing.T) {
	wishes, dir := t.TempDir(), filepath.Join(t.TempDir(), "passed")
	from, to := filepath.Join(wishes, "web.env"), filepath.Join(dir, "web.env")
	for _, c := range []struct{ name, wish, passed, says string }{
		{"a size", "DB_POOL_SIZE=33\n", "DB_POOL_SIZE=33\n", ""},
		{"a size among what changes the code that runs", "LD_PRELOAD=/tmp/x.so\nDB_POOL_SIZE=33\nPYTHONPATH=/tmp\nBASH_ENV=/tmp/x\nPATH=/tmp\n", "DB_POOL_SIZE=33\n", ""},
		{"the last one, as systemd has it", "DB_POOL_SIZE=20\nDB_POOL_SIZE=34", "DB_POOL_SIZE=34\n", ""},
		{"nothing", "", "", ""},
		{"something else alone", "LD_PRELOAD=/tmp/x.so\n", "", ""},
		{"more than the cap", "DB_POOL_SIZE=41\n", "", "41 is not from 1 to 40"},
		{"no pool", "DB_POOL_SIZE=0\n", "", "0 is not from 1 to 40"},
		{"a text", "DB_POOL_SIZE=33; LD_PRELOAD=x\n", "", "it is no number"},
		{"a line that goes on", "DB_POOL_SIZE=3\\\nLD_PRELOAD=x\n", "", "it is no number"},
		{"a quoted one", "DB_POOL_SIZE=\"33\"\n", "", "it is no number"},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.NoError(t, os.MkdirAll(dir, 0o755))
			require.NoError(t, os.WriteFile(to, []byte("DB_POOL_SIZE=25\n"), 0o600))
			require.NoError(t, os.WriteFile(from, []byte(c.wish), 0o600))
			err := Pass(from, dir, "DB_POOL_SIZE", 40)
			if c.says == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, c.says)
			}
			got, err := os.ReadFile(to)
			if c.passed == "" {
				require.ErrorIs(t, err, os.ErrNotExist, "the one of before does not stay")
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.passed, string(got))
		})
	}
	require.NoError(t, os.Remove(from))
	require.NoError(t, Pass(from, dir, "DB_POOL_SIZE", 40), "no file")
	require.NoError(t, syscall.Mkfifo(from, 0o600))
	require.ErrorContains(t, Pass(from, dir, "DB_POOL_SIZE", 40), "no regular file", "a pipe is not waited for")
	require.NoError(t, os.Remove(from))
	secret := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(secret, []byte("DB_POOL_SIZE=7\n"), 0o600))
	require.NoError(t, os.Symlink(secret, from))
	require.Error(t, Pass(from, dir, "DB_POOL_SIZE", 40), "a link is not followed")
	require.NoFileExists(t, to)
	require.ErrorContains(t, Pass(from, dir, "LD_PRELOAD", 40), "changes what code a service runs")
	require.Error(t, Pass("/etc/shadow", dir, "DB_POOL_SIZE", 40))
}
