package kernfile

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestReadReturnsWhatIsInTheFile(t *testing.T) {
	dir := t.TempDir()
	for _, size := range []int{0, 1, first - 1, first, first + 1, 10 * first} {
		path, text := filepath.Join(dir, "f"), strings.Repeat("x", size)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		b, err := Read(path)
		require.NoError(t, err)
		require.Equal(t, text, string(b))
	}
	b, err := Read("/proc/self/stat")
	require.NoError(t, err)
	require.Contains(t, string(b), "kernfile.test")
}

func TestReadTellsWhyNot(t *testing.T) {
	_, err := Read("/proc/self/no-such-file")
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.ErrorContains(t, err, "/proc/self/no-such-file")
	_, err = Read("/proc")
	require.ErrorContains(t, err, "is a directory")
	path := filepath.Join(t.TempDir(), "large")
	require.NoError(t, os.WriteFile(path, make([]byte, maxSize+1), 0o600))
	_, err = Read(path)
	require.ErrorContains(t, err, "larger")
}

// Read against os.ReadFile: what a look saves.
func BenchmarkRead(b *testing.B) {
	for name, read := range map[string]func(string) ([]byte, error){"kernfile": Read, "os": os.ReadFile} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := read("/proc/self/stat"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
