package journal

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Salvage tells what became of a damaged journal.
type Salvage struct {
	Cause      error          // what was found
	MovedTo    string         // where the damaged file is now, with its -wal and -shm
	Kept       map[string]int // rows carried over, by table
	Dropped    map[string]int // rows that could be read and did not match their checksum, by table
	Unreadable []string       // tables of which some part could not be read at all
	Gaps       []Gap          // entries that are missing now and were there before
}

// Gap is a range of lost entries, both ends exclusive.
type Gap struct{ After, Before uint64 }

// String is one sentence for a log line or a page.
func (s *Salvage) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v; the file is now %s; carried over:", s.Cause, s.MovedTo)
	if len(s.Kept) == 0 {
		b.WriteString(" nothing")
	}
	for _, name := range slices.Sorted(maps.Keys(s.Kept)) {
		fmt.Fprintf(&b, " %d %s", s.Kept[name], name)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Dropped)) {
		fmt.Fprintf(&b, "; %d damaged %s dropped", s.Dropped[name], name)
	}
	for _, name := range s.Unreadable {
		fmt.Fprintf(&b, "; part of %s could not be read", name)
	}
	for _, g := range s.Gaps {
		fmt.Fprintf(&b, "; entries after %d and before %d are lost", g.After, g.Before)
	}
	return b.String()
}

// Suffixes of the new file while it is made, and when it is complete but not yet in its place.
const (
	makingSuffix   = ".salvaging"
	completeSuffix = ".salvaged"
)

// salvage makes a new journal out of what checks out in a damaged one, moves the damaged one
// aside and puts the new one in its place. The damaged file is only read, and a crash at any
// point leaves either it or the complete new one to be found by the next start.
func salvage(ctx context.Context, path string, cause error, now time.Time) (*Salvage, error) {
	s := &Salvage{Cause: cause, Kept: map[string]int{}, Dropped: map[string]int{}}
	making := path + makingSuffix
	if err := removeDB(making); err != nil {
		return nil, err
	}
	if err := createFile(making); err != nil {
		return nil, err
	}
	if err := s.rebuild(ctx, path, making, now); err != nil {
		return nil, fmt.Errorf("salvage %s: %w", path, errors.Join(err, removeDB(making)))
	}
	if err := os.Rename(making, path+completeSuffix); err != nil {
		return nil, err
	}
	moved, err := moveIn(path, now)
	if err != nil {
		return nil, err
	}
	s.MovedTo = moved
	return s, nil
}

// finishSalvage completes one that a crash interrupted after the new file was complete.
func finishSalvage(path string) error {
	_, err := os.Stat(path + completeSuffix)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = moveIn(path, time.Now())
	return err
}

// moveIn moves the damaged file aside and the complete new one into its place. The log goes
// before the file it belongs to: a log left behind would be applied to the new file.
func moveIn(path string, now time.Time) (movedTo string, err error) {
	if err := syncDir(filepath.Dir(path)); err != nil {
		return "", err
	}
	movedTo = fmt.Sprintf("%s.corrupt-%s", path, now.UTC().Format("20060102T150405.000Z"))
	for _, suffix := range []string{"-shm", "-wal", ""} {
		err := os.Rename(path+suffix, movedTo+suffix)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return "", fmt.Errorf("move the damaged journal aside: %w", err)
		}
	}
	if err := syncDir(filepath.Dir(path)); err != nil {
		return "", err
	}
	if err := os.Rename(path+completeSuffix, path); err != nil {
		return "", fmt.Errorf("put the salvaged journal in place: %w", err)
	}
	return movedTo, syncDir(filepath.Dir(path))
}

func removeDB(path string) error {
	for _, suffix := range []string{"-shm", "-wal", "-journal", ""} {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

// rebuild fills the new file.
func (s *Salvage) rebuild(ctx context.Context, from, to string, now time.Time) (err error) {
	w, err := openWriter(ctx, to)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	if err := migrate(ctx, w.conn, 0, migrations()); err != nil {
		return err
	}
	src, err := openDB(damagedDSN(from), 1)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, src.Close()) }()
	return w.tx(ctx, func(w *writer) error {
		for _, t := range tables() {
			if err := s.copyTable(ctx, src, w, t); err != nil {
				return err
			}
		}
		return s.relink(ctx, src, w, now)
	})
}
