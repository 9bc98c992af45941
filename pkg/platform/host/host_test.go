package host

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/recoveryd/recoveryd/pkg/platform"
	"github.com/recoveryd/recoveryd/pkg/platform/platformtest"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func adapter(t *testing.T, opt Options) *Adapter {
	t.Helper()
	a, err := New(opt)
	require.NoError(t, err)
	return a
}

func TestConformance(t *testing.T) {
	platformtest.Run(t, platformtest.Harness{Object: "http://127.0.0.1:1/admin/pool/resize",
		New: func(t *testing.T) platform.Adapter {
			return adapter(t, Options{Pools: []Pool{{URL: "http://127.0.0.1:1/admin/pool/resize"}},
				CacheDirs: []string{t.TempDir()}, Commands: []Command{{Argv: []string{"/bin/true"}}}})
		}})
}

func resize(url, size string) strategy.Action {
	return strategy.Action{Verb: strategy.HTTPPoolResize, Object: url, Timeout: 10 * time.Second, Args: map[string]string{strategy.ArgMaxSize: size}}
}

func TestPoolResizeJudgesTheAnswer(t *testing.T) {
	tests := []struct {
		name       string
		status     int
		reply      string
		want       platform.Result
		permission bool
	}{
		{"taken", 200, `{"max_size": 30}`, platform.Done, false},
		{"taken without a word", 204, ``, platform.Done, false},
		{"taken, in another tongue", 200, `<html>`, platform.Done, false},
		{"another size than asked for", 200, `{"max_size": 20}`, platform.Failed, false},
		{"a token is wanted", 401, ``, platform.Failed, false},
		{"forbidden", 403, ``, platform.Failed, false},
		{"no such API", 404, ``, platform.Failed, false},
		{"a redirect is not followed", 302, ``, platform.Failed, false},
		{"the service fails", 500, ``, platform.Failed, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got map[string]int
			var auth string
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				auth = r.Method + " " + r.Header.Get("Authorization")
				if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
					t.Error(err)
				}
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(tt.status)
				_, _ = io.WriteString(w, tt.reply)
			}))
			defer srv.Close()
			rep, err := adapter(t, Options{Pools: []Pool{{URL: srv.URL, Token: "s3cr3t"}}}).Do(t.Context(), resize(srv.URL, "30"))
			require.Equal(t, tt.want, rep.Result, rep.Detail)
			require.Equal(t, tt.want == platform.Done, err == nil)
			require.Equal(t, map[string]int{"max_size": 30}, got)
			require.Equal(t, "POST Bearer s3cr3t", auth)
			if tt.permission {
				require.ErrorIs(t, err, platform.ErrPermission)
			} else if err != nil {
				require.NotErrorIs(t, err, platform.ErrPermission)
			}
			require.NotContains(t, fmt.Sprint(rep, err), "s3cr3t")
		})
	}
}

func TestPoolResizeWithoutAnAnswer(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	url := "http://" + ln.Addr().String() + "/"
	a := adapter(t, Options{Pools: []Pool{{URL: url}}})
	done := make(chan struct{})
	go func() { // takes the request, then hangs up, or says nothing
		defer close(done)
		for i := 0; ; i++ {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			_, _ = c.Read(make([]byte, 4096))
			if i == 0 {
				_ = c.Close()
				continue
			}
			t.Cleanup(func() { _ = c.Close() })
		}
	}()
	rep, err := a.Do(t.Context(), resize(url, "30"))
	require.Error(t, err)
	require.Equal(t, platform.Unknown, rep.Result, "it may have been done: %s", rep.Detail)
	act := resize(url, "30")
	act.Timeout = 200 * time.Millisecond
	rep, err = a.Do(t.Context(), act)
	require.Error(t, err)
	require.Equal(t, platform.TimedOut, rep.Result)
	require.NoError(t, ln.Close())
	<-done
	rep, err = a.Do(t.Context(), resize(url, "30"))
	require.Error(t, err)
	require.Equal(t, platform.Failed, rep.Result, "it was never sent: %s", rep.Detail)
}

func TestPoolResizeRefuses(t *testing.T) {
	a := adapter(t, Options{Pools: []Pool{{URL: "http://127.0.0.1:1/resize"}}})
	for _, act := range []strategy.Action{
		resize("http://127.0.0.1:1/other", "30"), resize("http://127.0.0.1:1/resize?x", "30"),
		resize("http://127.0.0.1:1/resize", ""), resize("http://127.0.0.1:1/resize", "0"), resize("http://127.0.0.1:1/resize", "-5"), resize("http://127.0.0.1:1/resize", "1e9"),
	} {
		rep, err := a.Do(t.Context(), act)
		require.Error(t, err, "%s", act)
		require.Equal(t, platform.Failed, rep.Result)
		require.Contains(t, rep.Detail, "nothing was done")
	}
}

func clean(dir string) strategy.Action {
	return strategy.Action{Verb: strategy.CacheClean, Object: "cache", Timeout: 10 * time.Second, Args: map[string]string{strategy.ArgDir: dir}}
}

func TestCacheCleanEmptiesOnlyItsDirectory(t *testing.T) {
	base, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	dir, outside := filepath.Join(base, "cache"), filepath.Join(base, "outside")
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "a/b"), 0o755))
	require.NoError(t, os.Mkdir(outside, 0o755))
	precious := filepath.Join(outside, "precious")
	for _, f := range []string{filepath.Join(dir, "1"), filepath.Join(dir, "a/2"), filepath.Join(dir, "a/b/3"), precious} {
		require.NoError(t, os.WriteFile(f, []byte("12345"), 0o644))
	}
	require.NoError(t, os.Symlink(precious, filepath.Join(dir, "link")))
	require.NoError(t, os.Symlink(outside, filepath.Join(dir, "dirlink")))
	a := adapter(t, Options{CacheDirs: []string{dir}})
	rep, err := a.Do(t.Context(), clean(dir))
	require.NoError(t, err)
	require.Equal(t, platform.Done, rep.Result)
	require.Contains(t, rep.Detail, "removed 5 files")
	left, err := os.ReadDir(dir)
	require.NoError(t, err, "the directory itself stays")
	require.Empty(t, left)
	require.FileExists(t, precious, "links are removed, not followed")

	for _, other := range []string{outside, base, dir + "/a", dir + "/../outside", ""} {
		rep, err := a.Do(t.Context(), clean(other))
		require.Error(t, err, other)
		require.Equal(t, platform.Failed, rep.Result)
	}
	require.FileExists(t, precious)

	require.NoError(t, os.Remove(dir))
	require.NoError(t, os.Symlink(outside, dir))
	rep, err = a.Do(t.Context(), clean(dir))
	require.ErrorContains(t, err, "is really")
	require.Equal(t, platform.Failed, rep.Result)
	require.FileExists(t, precious, "a directory that was swapped for a link leads nowhere")
}

func TestCacheCleanLeavesOtherFileSystemsAlone(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to mount a file system")
	}
	dir, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	mount := filepath.Join(dir, "mounted")
	require.NoError(t, os.Mkdir(mount, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "x"), nil, 0o644))
	if err := syscall.Mount("none", mount, "tmpfs", 0, ""); err != nil {
		t.Skipf("needs the right to mount: %v", err)
	}
	defer func() { require.NoError(t, syscall.Unmount(mount, 0)) }()
	require.NoError(t, os.WriteFile(filepath.Join(mount, "y"), nil, 0o644))
	rep, err := adapter(t, Options{CacheDirs: []string{dir}}).Do(t.Context(), clean(dir))
	require.NoError(t, err)
	require.Contains(t, rep.Detail, "1 directories on other file systems")
	require.NoFileExists(t, filepath.Join(dir, "x"))
	require.FileExists(t, filepath.Join(mount, "y"))
}

func run(timeout time.Duration, argv ...string) strategy.Action {
	return strategy.Action{Verb: strategy.CommandRun, Object: "drain", Timeout: timeout, Args: map[string]string{strategy.ArgArgv: strings.Join(argv, "\x00")}}
}

func TestCommandRun(t *testing.T) {
	pidFile := filepath.Join(t.TempDir(), "pid")
	sh := func(script string) []string { return []string{"/bin/sh", "-c", script} }
	hang := sh("sleep 600 & echo $! > " + pidFile + "; echo begun; wait")
	commands := [][]string{sh("echo one; echo two"), sh("echo went wrong >&2; exit 3"), sh("kill -9 $$"), sh("head -c 100000 /dev/zero | tr '\\0' x; printf '\\033[31mend'"),
		sh("echo $PATH; pwd"), hang, {"/nonexistent"}, {"/etc/passwd"}}
	var opt Options
	for _, c := range commands {
		opt.Commands = append(opt.Commands, Command{Argv: c})
	}
	a := adapter(t, opt)
	tests := []struct {
		name string
		argv []string
		want platform.Result
		says string
	}{
		{"a command that ends well", commands[0], platform.Done, ": two"},
		{"a command that fails", commands[1], platform.Failed, "exit status 3"},
		{"a command that dies", commands[2], platform.Failed, "signal: killed"},
		{"very much output, cut, without control characters", commands[3], platform.Done, "x…"},
		{"it has a PATH and a directory", commands[4], platform.Done, ": /"},
		{"a program that does not exist", commands[6], platform.Failed, "could not be started"},
		{"a file that may not be run", commands[7], platform.Failed, "could not be started"},
		{"a command that is not on the list", []string{"/bin/sh", "-c", "echo three"}, platform.Failed, "not allowed"},
		{"a command with one argument more", append(commands[0], "x"), platform.Failed, "not allowed"},
		{"no command", nil, platform.Failed, "not allowed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rep, err := a.Do(t.Context(), run(20*time.Second, tt.argv...))
			require.Equal(t, tt.want, rep.Result, rep.Detail)
			require.Equal(t, tt.want == platform.Done, err == nil)
			require.Contains(t, rep.Detail, tt.says)
			require.Less(t, len(rep.Detail), 1000)
		})
	}
	t.Run("a command that hangs is killed with its children", func(t *testing.T) {
		began := time.Now()
		rep, err := a.Do(t.Context(), run(500*time.Millisecond, hang...))
		require.Error(t, err)
		require.Equal(t, platform.TimedOut, rep.Result, rep.Detail)
		require.Less(t, time.Since(began), 10*time.Second)
		b, err := os.ReadFile(pidFile)
		require.NoError(t, err)
		pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
		require.NoError(t, err)
		require.Eventually(t, func() bool {
			stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
			return err != nil || strings.Contains(string(stat), ") Z ")
		}, 10*time.Second, time.Millisecond)
	})
}

func TestNewRefusesWhatIsTooWide(t *testing.T) {
	tests := []struct {
		name string
		opt  Options
	}{
		{"the root directory", Options{CacheDirs: []string{"/"}}},
		{"a top directory", Options{CacheDirs: []string{"/var"}}},
		{"a relative directory", Options{CacheDirs: []string{"var/cache"}}},
		{"a directory with dots", Options{CacheDirs: []string{"/var/cache/../lib"}}},
		{"a program to be searched for", Options{Commands: []Command{{Argv: []string{"true"}}}}},
		{"no program", Options{Commands: []Command{{}}}},
		{"a URL of another kind", Options{Pools: []Pool{{URL: "file:///etc/passwd"}}}},
		{"a URL with a password", Options{Pools: []Pool{{URL: "http://u:p@h/"}}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := New(tt.opt)
			require.Error(t, err)
		})
	}
	require.Empty(t, adapter(t, Options{}).Verbs(), "what nothing is allowed for is not offered")
}
