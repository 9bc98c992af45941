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
	"time"

	"github.com/recoveryd/recoveryd/pkg/platform"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// sweep is one emptying of a directory.
type sweep struct {
	root   *os.Root
	device uint64
	files  int
	bytes  int64
	kept   int       // on another file system
	failed int       // could not be removed
	first  error     // why the first of them could not
	oldest time.Time // of the files removed, by their last change
	newest time.Time
}

// said reports what was removed: how much, and how old it was.
func (s *sweep) said(dir string, now time.Time) string {
	out := fmt.Sprintf("removed %d files, %s, from %s", s.files, sizeWords(s.bytes), dir)
	if s.files > 0 {
		out += fmt.Sprintf(" (last written %s to %s ago)", ageWords(now.Sub(s.newest)), ageWords(now.Sub(s.oldest)))
	}
	if s.kept > 0 {
		out += fmt.Sprintf("; %d directories on other file systems were left alone", s.kept)
	}
	return out
}

// sizeWords writes a number of bytes for people.
func sizeWords(n int64) string {
	switch {
	case n < 10<<10:
		return fmt.Sprintf("%d bytes", n)
	case n < 10<<20:
		return fmt.Sprintf("%d KiB", n>>10)
	case n < 10<<30:
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d GiB", n>>30)
}

// ageWords writes an age in its largest unit.
func ageWords(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%d days", int(d.Hours()/24))
	case d >= 2*time.Hour:
		return fmt.Sprintf("%d hours", int(d.Hours()))
	case d >= 2*time.Minute:
		return fmt.Sprintf("%d minutes", int(d.Minutes()))
	}
	return fmt.Sprintf("%d seconds", int(max(d, 0).Seconds()))
}

// cleanCache empties an allowed directory and keeps the directory itself. Links are removed, not
// followed, and what is mounted below is left alone. Of an action that tolerates it, what cannot be
// removed is reported and is no failure: a cache in the way is no reason to keep a service down.
func (a *Adapter) cleanCache(ctx context.Context, act strategy.Action) (platform.Report, error) {
	rep, err := a.sweepCache(ctx, act)
	if err != nil && act.Args[strategy.ArgTolerate] == "yes" {
		return platform.Report{Result: platform.Done, Detail: rep.Detail + " (" + err.Error() + ")"}, nil
	}
	return rep, err
}

func (a *Adapter) sweepCache(ctx context.Context, act strategy.Action) (platform.Report, error) {
	dir := act.Args[strategy.ArgDir]
	if dir == "" {
		dir = act.Object
	}
	if !slices.Contains(a.dirs, dir) {
		return failed(act, "nothing was done: this directory is not allowed", errors.New("the directory is not one of the configured caches"))
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return failed(act, "nothing was done: the directory cannot be opened", err)
	}
	defer root.Close()
	info, what, err := itself(root, dir)
	if err != nil {
		return failed(act, "nothing was done: "+what, err)
	}
	s := &sweep{root: root, device: deviceOf(info)}
	s.empty(ctx, ".")
	detail := s.said(dir, time.Now())
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

// itself tells that what was opened is the directory that is allowed, and nothing that a link leads to. It
// looks after the opening: whoever may write to the parent may put a link there at any time before.
func itself(root *os.Root, dir string) (info fs.FileInfo, what string, err error) {
	if real, err := filepath.EvalSymlinks(dir); err != nil {
		return nil, "the directory cannot be opened", err
	} else if real != dir {
		return nil, "a symbolic link leads elsewhere", fmt.Errorf("%s is really %s: configure that one", dir, real)
	}
	if info, err = root.Stat("."); err != nil {
		return nil, "the directory cannot be read", err
	}
	if now, err := os.Lstat(dir); err != nil || !os.SameFile(info, now) {
		return nil, "the directory was replaced meanwhile", fmt.Errorf("%s is not the directory that was opened", dir)
	}
	return info, "", nil
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
			if at := info.ModTime(); s.files == 1 || at.Before(s.oldest) {
				s.oldest = at
			}
			if at := info.ModTime(); at.After(s.newest) {
				s.newest = at
			}
		}
	}
}

func (s *sweep) fail(err error) {
	s.failed++
	if s.first == nil {
		s.first = err
	}
}
