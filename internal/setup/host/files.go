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
	"strings"

	"github.com/aymanbagabas/go-udiff"

	"github.com/recoveryd/recoveryd/internal/setup"
)

// lookAtFiles compares the files that are wanted, and finds those of ours that no longer are.
func (h Host) lookAtFiles(p *Plan, wanted []setup.File) error {
	for _, f := range wanted {
		have, err := os.ReadFile(h.path(f.Path))
		switch {
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return fmt.Errorf("read %s: %w", f.Path, err)
		case err == nil && !ours(have):
			p.problem("%s was not written by setup and is left alone: look at it, move it away (mv %s %s.old), then run setup again", f.Path, f.Path, f.Path)
			continue
		case err == nil && string(have) == f.Content && h.mode(f.Path) == f.Mode:
			continue
		case f.Path == setup.PolkitRule && !h.exists(path.Dir(f.Path)):
			p.problem("%s does not exist: without polkit no service may be restarted by an unprivileged user (apt install polkitd)", path.Dir(f.Path))
			continue
		}
		from := f.Path
		if err != nil {
			from = "/dev/null"
		}
		diff := udiff.Unified(from, f.Path, string(have), f.Content)
		if diff == "" {
			diff = permissions(f.Path, fmt.Sprintf("%04o", h.mode(f.Path)), fmt.Sprintf("%04o", f.Mode))
		}
		p.Steps = append(p.Steps, Step{Kind: "write", Path: f.Path, Why: f.Why, Diff: diff,
			do: func(context.Context) error { return h.write(f) }})
		p.reload = p.reload || strings.HasPrefix(f.Path, setup.UnitDir)
	}
	return h.lookForLeftovers(p, wanted)
}

// lookForLeftovers finds files of an earlier run that this configuration does not need.
func (h Host) lookForLeftovers(p *Plan, wanted []setup.File) error {
	places := []string{setup.PolkitRule, setup.TmpFiles, path.Join(setup.UnitDir, setup.Service+".d", setup.OwnDropIn)}
	dropIns, err := filepath.Glob(h.path(path.Join(setup.UnitDir, "*.d", setup.EnvDropIn)))
	if err != nil {
		return fmt.Errorf("look for drop-ins: %w", err)
	}
	steps, err := filepath.Glob(h.path(path.Join(setup.UnitDir, setup.StepUnits)))
	if err != nil {
		return fmt.Errorf("look for units of steps: %w", err)
	}
	for _, d := range append(dropIns, steps...) {
		places = append(places, "/"+strings.TrimPrefix(strings.TrimPrefix(d, h.path("/")), "/"))
	}
	for _, name := range places {
		if slices.ContainsFunc(wanted, func(f setup.File) bool { return f.Path == name }) {
			continue
		}
		have, err := os.ReadFile(h.path(name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
		if !ours(have) {
			if name == setup.PolkitRule {
				p.problem("%s was not written by setup and is left alone, and it may allow more than this configuration needs", name)
			}
			continue
		}
		p.Steps = append(p.Steps, Step{Kind: "remove", Path: name, Why: "no longer needed", Diff: udiff.Unified(name, "/dev/null", string(have), ""),
			do: func(context.Context) error { return h.remove(name) }})
		p.reload = p.reload || strings.HasPrefix(name, setup.UnitDir)
	}
	return nil
}

// ours reports that the first line carries the mark.
func ours(text []byte) bool {
	first, _, _ := strings.Cut(string(text), "\n")
	return strings.Contains(first, setup.Mark)
}

// write replaces a file so that a reader sees the old one or the new one.
func (h Host) write(f setup.File) (err error) {
	name := h.path(f.Path)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(name), ".recoveryd-setup-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(tmp.Name()) // the first error is the one to report
		}
	}()
	_, err = tmp.WriteString(f.Content)
	if err == nil {
		err = tmp.Chmod(f.Mode)
	}
	if err == nil {
		err = tmp.Sync()
	}
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	return os.Rename(tmp.Name(), name)
}

// remove takes a file away, and the drop-in directory when nothing else is in it.
func (h Host) remove(name string) error {
	if err := os.Remove(h.path(name)); err != nil {
		return err
	}
	if dir := path.Dir(name); strings.HasSuffix(dir, ".d") && path.Dir(dir) == setup.UnitDir {
		_ = os.Remove(h.path(dir)) // it holds something else: then it stays
	}
	return nil
}

func (h Host) exists(name string) bool {
	_, err := os.Stat(h.path(name))
	return err == nil
}

func (h Host) mode(name string) fs.FileMode {
	info, err := os.Stat(h.path(name))
	if err != nil {
		return 0
	}
	return info.Mode().Perm()
}

// permissions shows a change of owner and mode like that of a line.
func permissions(name, have, want string) string {
	return fmt.Sprintf("--- %s\n+++ %s\n-%s\n+%s\n", name, name, have, want)
}
