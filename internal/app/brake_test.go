package app

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheStopFileGivesItsFirstLineAsTheReason(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
		return path
	}
	pipe := filepath.Join(dir, "pipe")
	require.NoError(t, syscall.Mkfifo(pipe, 0o644))
	empty, text := write("empty", ""), write("text", "\n  change \x1b[31m4711, ask ann\nmore\n")
	for name, c := range map[string]struct{ path, want string }{
		"none is configured":             {"", ""},
		"there is no such file":          {filepath.Join(dir, "stop"), ""},
		"there is no such directory":     {filepath.Join(dir, "none", "stop"), ""},
		"its directory is a file":        {filepath.Join(text, "stop"), ""},
		"it is empty":                    {empty, empty + " exists and gives no reason"},
		"it says why":                    {text, text + ": change [31m4711, ask ann"},
		"it is a directory":              {dir, dir + " exists and cannot be read: is a directory"},
		"it is a pipe that nobody feeds": {pipe, pipe + " exists and gives no reason"},
		"it cannot be told":              {filepath.Join(dir, "loop", "stop"), "it cannot be told whether " + filepath.Join(dir, "loop", "stop") + " exists: too many levels of symbolic links"},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "it cannot be told" { // permissions do not stop root
				require.NoError(t, os.Symlink("loop", filepath.Join(dir, "loop")))
			}
			require.Equal(t, c.want, StopReason(c.path))
		})
	}
}
