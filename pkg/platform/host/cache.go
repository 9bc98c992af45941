package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/recoveryd/recoveryd/pkg/platform"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// sweep is one emptying of a directory.
type sweep struct {
	root   *os.Root
	device uint64
	files  int
	bytes  int64
	kept   int   // on another file system
	failed int   // could not be removed
	first  error // why the first of them could not
}

// cleanCache empties an allowed directory and keeps the directory itself. Links are removed, not
// followed, and what is mounted below is left alone.
func (a *Adapter) cleanCache(ctx context.Context, act strategy.Action) (platform.Report, error) {
	dir := act.Args[strategy.ArgDir]
	if dir == "" {
		dir = act.Object
	}
	if !slices.Contains(a.dirs, dir) {
		return failed(act, "nothing was done: this directory is not allowed", errors.New("the directory is not one of the configured caches"))
	}
	if real, err := filepath.EvalSymlinks(dir); err != nil {
		return failed(act, "nothing was done: the directory cannot be opened", err)
	} else if real != dir {
		return failed(act, "nothing was done: a symbolic link leads elsewhere", fmt.Errorf("%s is really %s: configure that one", dir, real))
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return failed(act, "nothing was done: the directory cannot be opened", err)
	}
	defer root.Close()
	info, err := root.Stat(".")
	if err != nil {
		return failed(act, "nothing was done: the directory cannot be read", err)
	}
	s := &sweep{root: root, device: deviceOf(info)}
	s.empty(ctx, ".")
	detail := fmt.Sprintf("removed %d files, %d bytes, from %s", s.files, s.bytes, dir)
	if s.kept > 0 {
		detail += fmt.Sprintf("; %d directories on other file systems were left alone", s.kept)
	}
	switch {
	case ctx.Err() != nil:
		return interrupted(ctx, act, detail+", and then time was up")
	case s.failed > 0:
		err := s.first
		if errors.Is(err, fs.ErrPermission) {
			err = fmt.Errorf("%w: %w", platform.ErrPermission, err)
		}
		return failed(act, fmt.Sprintf("%s; %d could not be removed", detail, s.failed), err)
	}
	return platform.Report{Result: platform.Done, Detail: detail}, nil
}

func deviceOf(info fs.FileInfo) uint64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(st.Dev)
	}
	return 0
}

// empty removes what is in a directory. Names are resolved by os.Root, so that a directory that
// is swapped for a link meanwhile leads nowhere.
func (s *sweep) empty(ctx context.Context, dir string) {
	entries, err := fs.ReadDir(s.root.FS(), dir)
	if err != nil {
		s.fail(err)
		return
	}
	for _, e := range entries {
		if ctx.Err() != nil {
			return
		}
		name := path.Join(dir, e.Name())
		info, err := s.root.Lstat(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue // the service removed it itself
		}
		if err != nil {
			s.fail(err)
			continue
		}
		if info.IsDir() {
			if deviceOf(info) != s.device {
				s.kept++
				continue
			}
			before := s.kept + s.failed
			s.empty(ctx, name)
			if s.kept+s.failed > before || ctx.Err() != nil {
				continue // it is not empty
			}
		}
		if err := s.root.Remove(name); err != nil {
			if !errors.Is(err, fs.ErrNotExist) {
				s.fail(err)
			}
			continue
		}
		if !info.IsDir() {
			s.files++
			s.bytes += info.Size()
		}
	}
}

func (s *sweep) fail(err error) {
	s.failed++
	if s.first == nil {
		s.first = err
	}
}
