package journal

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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
	Dropped    map[string]int // rows that do not match their checksum, or whose text cannot be read, by table
	Unreadable []string       // tables of which some part could not be read at all
	Gaps       []Gap          // entries that are missing now and were there before
	Writes     uint64         // commits that are missing altogether, of entries or of anything else

	read reader
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
	if s.Writes > 0 {
		fmt.Fprintf(&b, "; the last %d writes are lost", s.Writes)
	}
	return b.String()
}

// Forgotten is one sentence on what a daemon that goes on with the rest does not know any more, and what a
// person has to look after for it.
func (s *Salvage) Forgotten() string {
	lost := func(t table) bool { return s.Dropped[t.name] > 0 || slices.Contains(s.Unreadable, t.name) }
	var what []string
	behind := len(s.Gaps) > 0 || s.Writes > 0
	if behind || lost(tableEntries) || lost(tableSnapshots) {
		what = append(what, "holds, pauses, acknowledgements and budgets of the lost part: give the holds and pauses anew")
	}
	if behind || lost(tableIncidents) {
		what = append(what, "incidents of that time")
	}
	if behind || lost(tableOutbox) || lost(tableKeys) || lost(tableChannels) {
		what = append(what, "notices on their way, and which pages are open: what stays open at a vendor has to be resolved there")
	}
	if len(what) == 0 {
		return "recoveryd goes on; decisions, holds, budgets, incidents and open pages were all carried over"
	}
	return "recoveryd goes on with what could be read, and has forgotten " + strings.Join(what, "; ")
}

// Suffixes of the new file while it is made, and when it is complete but not yet in its place.
const (
	makingSuffix   = ".salvaging"
	completeSuffix = ".salvaged"
)

// salvage makes a new journal out of what checks out in a damaged one, moves the damaged one
// aside and puts the new one in its place. The damaged file is only read, and a crash at any
// point leaves either it or the complete new one to be found by the next start.
func salvage(ctx context.Context, path string, m mark, read reader, cause error, now time.Time) (*Salvage, error) {
	if err := lay(path); err != nil {
		return nil, err
	}
	making := path + makingSuffix
	s, err := best(ctx, path, making, m, read, cause, now)
	if err != nil {
		return nil, fmt.Errorf("salvage %s: %w", path, errors.Join(err, removeDB(making)))
	}
	if err := os.Rename(making, path+completeSuffix); err != nil {
		return nil, err
	}
	if s.MovedTo, err = moveIn(path, now); err != nil {
		return nil, err
	}
	return s, nil
}

// lay puts an empty page where the file is gone: SQLite reads no write-ahead log without a file.
func lay(path string) error {
	if err := createFile(path); err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil || info.Size() > 0 {
		return err
	}
	return os.Truncate(path, pageSize)
}

// pageSize is that of SQLite by default, which the journal uses.
const pageSize = 4096

// best makes the new journal out of the source that has most: the file with its log; the file alone, since
// a log of something else covers its pages; and each of the two with the schema as it is when new.
func best(ctx context.Context, path, making string, m mark, read reader, cause error, now time.Time) (most *Salvage, err error) {
	copied := path + copySuffix
	defer func() { err = errors.Join(err, removeDB(copied)) }()
	tried := making + "-other"
	defer func() { err = errors.Join(err, removeDB(tried)) }()
	for _, src := range []struct{ log, schema bool }{{true, false}, {false, false}, {true, true}, {false, true}} {
		from := path
		if !src.log || src.schema {
			from = copied
			if err := copyJournal(ctx, path, copied, src.log, src.schema); err != nil {
				return nil, err
			}
		}
		if err := errors.Join(removeDB(tried), createFile(tried)); err != nil {
			return nil, err
		}
		s := &Salvage{Cause: cause, MovedTo: movedTo(path, now), Kept: map[string]int{}, Dropped: map[string]int{}, read: read}
		if err := s.rebuild(ctx, from, tried, m, now); err != nil {
			return nil, err
		}
		if most == nil || s.total() > most.total() {
			if err := errors.Join(removeDB(making), os.Rename(tried, making)); err != nil {
				return nil, err
			}
			most = s
		}
		if len(most.Unreadable) == 0 {
			return most, nil
		}
	}
	return most, nil
}

func (s *Salvage) total() (n int) {
	for _, kept := range s.Kept {
		n += kept
	}
	return n
}

// copySuffix is of a copy of the damaged file that is read in its place.
const copySuffix = ".copied"

// copyJournal copies a journal, with its log or without, and with the pages of its schema from a new one:
// the same migrations put the same tables on the same pages.
func copyJournal(ctx context.Context, from, to string, log, schema bool) error {
	if err := removeDB(to); err != nil {
		return err
	}
	suffixes := []string{""}
	if _, err := os.Stat(from + "-wal"); log && err == nil {
		suffixes = append(suffixes, "-wal")
	}
	for _, suffix := range suffixes {
		if err := copyFile(from+suffix, to+suffix); err != nil {
			return err
		}
	}
	if !schema {
		return nil
	}
	fresh := to + "-new"
	defer os.Remove(fresh) //nolint:errcheck // removeDB of the next salvage is not for it, and it is small
	if err := freshFile(ctx, fresh); err != nil {
		return err
	}
	pages, err := os.ReadFile(fresh)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(to, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil {
		// The size of the file, in pages, is in the header; the number of free ones is not known.
		first := pages[:pageSize]
		binary.BigEndian.PutUint32(first[28:], uint32((info.Size()+pageSize-1)/pageSize))
		for _, n := range append([]uint32{1}, schemaPages(first)...) {
			if err == nil && int(n)*pageSize <= len(pages) {
				_, err = f.WriteAt(pages[(n-1)*pageSize:n*pageSize], int64(n-1)*pageSize)
			}
		}
	}
	return errors.Join(err, f.Close())
}

// schemaPages are the pages below the first one, which is the root of the schema: its cells begin with the
// number of a page each (https://sqlite.org/fileformat2.html#b_tree_pages).
func schemaPages(first []byte) (pages []uint32) {
	const header, interior = 100, 5
	if first[header] != interior {
		return nil
	}
	for i := range int(binary.BigEndian.Uint16(first[header+3:])) {
		at := binary.BigEndian.Uint16(first[header+12+2*i:])
		pages = append(pages, binary.BigEndian.Uint32(first[at:]))
	}
	return append(pages, binary.BigEndian.Uint32(first[header+8:]))
}

// freshFile makes an empty journal without a log.
func freshFile(ctx context.Context, path string) error {
	if err := errors.Join(removeDB(path), createFile(path)); err != nil {
		return err
	}
	w, err := openWriter(ctx, path)
	if err != nil {
		return err
	}
	return errors.Join(migrate(ctx, w.conn, 0, migrations()), w.close())
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close() //nolint:errcheck // only read
	out, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, fileMode)
	if err != nil {
		return classify(err)
	}
	_, err = io.Copy(out, in)
	if err := errors.Join(err, out.Close()); err != nil {
		return fmt.Errorf("copy the damaged journal: %w", classify(err))
	}
	return nil
}

// tale is a Salvage as it is stored until somebody was told of it.
type tale struct {
	Cause      string
	MovedTo    string
	Kept       map[string]int
	Dropped    map[string]int
	Unreadable []string
	Gaps       []Gap
	Writes     uint64
}

func (s *Salvage) store(ctx context.Context, w *writer) error {
	text, err := json.Marshal(tale{s.Cause.Error(), s.MovedTo, s.Kept, s.Dropped, s.Unreadable, s.Gaps, s.Writes})
	if err != nil {
		return err
	}
	return putLink(ctx, w, talesID, link{sum: text})
}

// untold returns the salvage of which nobody was told yet, or nil.
func untold(ctx context.Context, q queryer) (*Salvage, error) {
	l, err := readLink(ctx, q, talesID)
	if err != nil || len(l.sum) == 0 {
		return nil, err
	}
	var t tale
	if err := json.Unmarshal(l.sum, &t); err != nil {
		return nil, fmt.Errorf("%w: what is to be told of a salvage: %w", ErrCorrupt, err)
	}
	return &Salvage{Cause: errors.New(t.Cause), MovedTo: t.MovedTo, Kept: t.Kept, Dropped: t.Dropped, Unreadable: t.Unreadable, Gaps: t.Gaps, Writes: t.Writes}, nil
}

// finishSalvage completes one that a crash interrupted after the new file was complete. It returns where the
// damaged file is then, "" when there was none to complete.
func finishSalvage(path string) (string, error) {
	_, err := os.Stat(path + completeSuffix)
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return moveIn(path, time.Now())
}

func movedTo(path string, now time.Time) string {
	return fmt.Sprintf("%s.corrupt-%s", path, now.UTC().Format("20060102T150405.000Z"))
}

// moveIn moves the damaged file aside and the complete new one into its place. The log goes
// before the file it belongs to: a log left behind would be applied to the new file.
func moveIn(path string, now time.Time) (string, error) {
	if err := syncDir(filepath.Dir(path)); err != nil {
		return "", err
	}
	aside := movedTo(path, now)
	for _, suffix := range []string{"-shm", "-wal", ""} {
		err := os.Rename(path+suffix, aside+suffix)
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
	return aside, syncDir(filepath.Dir(path))
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
func (s *Salvage) rebuild(ctx context.Context, from, to string, m mark, now time.Time) (err error) {
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
		if err := s.relink(ctx, src, w, m, now); err != nil {
			return err
		}
		return s.store(ctx, w)
	})
}
