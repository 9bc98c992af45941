package onhost

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/recoveryd/recoveryd/internal/drill"
)

// Record is what is needed to take a fault back, written before it is brought about.
type Record struct {
	drill.Order
	Unit   string    `json:"unit"`
	Run    string    `json:"run"`           // InvocationID of the run that the fault hits
	Boot   string    `json:"boot,omitzero"` // boot id of the host: nothing that a drill does survives the next start of it
	At     time.Time `json:"at"`
	Until  time.Time `json:"until"`            // the guard takes the fault back then, whatever the drill does
	Socket string    `json:"socket,omitzero"`  // of the daemon, to tell it that the drill is over
	Hog    int       `json:"hog,omitzero"`     // process that holds memory
	HogAge uint64    `json:"hog_age,omitzero"` // its start, in clock ticks since boot: tells it from a later one
}

// ReportsDir is where the reports of drills are kept, unless systemd or a flag names another directory.
const ReportsDir = "/var/lib/recoveryd-drills"

// Store keeps records and reports in one directory, which belongs to root.
type Store struct{ Dir string }

const (
	recordEnd = ".restore.json"
	reportEnd = ".report.json"
)

// ErrBusy says that another drill is under way.
var ErrBusy = errors.New("another drill is under way on this host")

// Lock makes sure that one drill runs at a time. The lock ends with the process.
func (s Store) Lock() (unlock func(), err error) {
	if err := os.MkdirAll(s.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("directory of drills: %w (run it as root, or name another with --dir)", err)
	}
	f, err := os.OpenFile(filepath.Join(s.Dir, "lock"), os.O_CREATE|os.O_RDWR|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock of drills: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, ErrBusy
		}
		return nil, fmt.Errorf("lock of drills: %w", err)
	}
	return func() { _ = f.Close() }, nil
}

// bootID names this run of the kernel; "" when it does not say.
func bootID() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// gone reports whether the host was started again since the record was written. Signals, sessions,
// memory and transient units end with the host, and what systemd starts at boot a drill does not
// change: nothing is left to be taken back, and the numbers of processes are others'.
func (r Record) gone() bool { return r.Boot != "" && r.Boot != bootID() }

// SaveRecord makes a record durable.
func (s Store) SaveRecord(r Record) error { return s.write(r.ID+recordEnd, r, 0o600) }

// Record reads one record; an error that is fs.ErrNotExist says that nothing is to be undone.
func (s Store) Record(id string) (r Record, err error) { return r, s.read(id+recordEnd, &r) }

// Forget drops a record whose fault was taken back.
func (s Store) Forget(id string) error {
	err := os.Remove(filepath.Join(s.Dir, id+recordEnd))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Free returns the id, or the first of id-2, id-3, ... that no drill had.
func (s Store) Free(id string) string {
	for n, try := 2, id; ; n++ {
		_, e1 := os.Lstat(filepath.Join(s.Dir, try+recordEnd))
		_, e2 := os.Lstat(filepath.Join(s.Dir, try+reportEnd))
		if e1 != nil && e2 != nil {
			return try
		}
		try = fmt.Sprintf("%s-%d", id, n)
	}
}

// Left lists the drills that were not taken back.
func (s Store) Left() ([]string, error) { return s.list(recordEnd) }

// SaveReport keeps a report.
func (s Store) SaveReport(r drill.Report) error { return s.write(r.ID+reportEnd, r, 0o644) }

// Report reads a report.
func (s Store) Report(id string) (r drill.Report, err error) {
	if strings.ContainsAny(id, "/\x00") {
		return r, fmt.Errorf("report %q: not a name of a drill", id)
	}
	return r, s.read(id+reportEnd, &r)
}

// Reports lists the drills that have a report, the latest last.
func (s Store) Reports() ([]string, error) { return s.list(reportEnd) }

func (s Store) list(end string) (ids []string, err error) {
	all, err := os.ReadDir(s.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("directory of drills: %w", err)
	}
	written := map[string]time.Time{}
	for _, e := range all {
		id, ok := strings.CutSuffix(e.Name(), end)
		if !ok {
			continue
		}
		ids = append(ids, id)
		if i, err := e.Info(); err == nil { // else it has just been taken away
			written[id] = i.ModTime()
		}
	}
	second := func(id string) string { return id[:min(len(id), len("20060102-150405"))] }
	slices.SortFunc(ids, func(a, b string) int { // they begin with their second; two may share it
		return cmp.Or(strings.Compare(second(a), second(b)), written[a].Compare(written[b]), strings.Compare(a, b))
	})
	return ids, nil
}

func (s Store) read(name string, into any) error {
	b, err := os.ReadFile(filepath.Join(s.Dir, name))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, into); err != nil {
		return fmt.Errorf("%s: %w", filepath.Join(s.Dir, name), err)
	}
	return nil
}

// write replaces a file as a whole, and durably.
func (s Store) write(name string, v any, mode fs.FileMode) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(s.Dir, ".new-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	_, err = f.Write(append(b, '\n'))
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), filepath.Join(s.Dir, name))
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return fmt.Errorf("write %s: %w", name, err)
	}
	d, err := os.Open(s.Dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
