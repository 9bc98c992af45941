package host

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/platform"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// TestACacheThatCannotBeEmptiedKeepsNothingDown: between a stop and a start, cleaning must not be
// what ends the plan.
func TestACacheThatCannotBeEmptiedKeepsNothingDown(t *testing.T) {
	dir := t.TempDir()
	elsewhere := filepath.Join(dir, "elsewhere")
	require.NoError(t, os.Mkdir(elsewhere, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(elsewhere, "precious"), []byte("x"), 0o600))
	link, missing := filepath.Join(dir, "link"), filepath.Join(dir, "missing")
	require.NoError(t, os.Symlink(elsewhere, link))
	a := adapter(t, Options{CacheDirs: []string{link, missing}})
	for dir, says := range map[string]string{link: "a symbolic link leads elsewhere", missing: "no such file"} {
		act := strategy.Action{Verb: strategy.CacheClean, Object: dir, Timeout: 10 * time.Second}
		rep, err := a.Do(t.Context(), act)
		require.Error(t, err, "by itself it is a failure")
		require.Equal(t, platform.Failed, rep.Result)
		act.Args = map[string]string{strategy.ArgTolerate: "yes"}
		rep, err = a.Do(t.Context(), act)
		require.NoError(t, err)
		require.Equal(t, platform.Done, rep.Result)
		require.Contains(t, rep.Detail, says)
	}
	require.FileExists(t, filepath.Join(elsewhere, "precious"))
}

func TestACacheThatIsReplacedWhileItIsOpenedIsLeftAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	precious := filepath.Join(t.TempDir(), "precious")
	require.NoError(t, os.Mkdir(precious, 0o755))
	require.NoError(t, os.Symlink(precious, dir)) // a link for as long as the opening takes
	root, err := os.OpenRoot(dir)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, root.Close()) })
	_, what, err := itself(root, dir)
	require.ErrorContains(t, err, "configure that one")
	require.Equal(t, "a symbolic link leads elsewhere", what)

	require.NoError(t, os.Remove(dir))
	require.NoError(t, os.Mkdir(dir, 0o755))
	_, what, err = itself(root, dir)
	require.ErrorContains(t, err, "is not the directory that was opened")
	require.Equal(t, "the directory was replaced meanwhile", what)

	own, err := os.OpenRoot(dir)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, own.Close()) })
	_, _, err = itself(own, dir)
	require.NoError(t, err)
}

func TestWhatWasRemovedIsToldWithItsSizeAndAge(t *testing.T) {
	dir := t.TempDir()
	now := time.Now()
	for name, age := range map[string]time.Duration{"old": 73 * time.Hour, "young": 5*time.Minute + 20*time.Second} {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, make([]byte, 100<<10), 0o600))
		require.NoError(t, os.Chtimes(path, now, now.Add(-age)))
	}
	rep, err := adapter(t, Options{CacheDirs: []string{dir}}).Do(t.Context(), strategy.Action{Verb: strategy.CacheClean, Object: dir, Timeout: 10 * time.Second})
	require.NoError(t, err)
	require.Equal(t, "removed 2 files, 200 KiB, from "+dir+" (last written 5 minutes to 3 days ago)", rep.Detail)
}
