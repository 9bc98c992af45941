package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// Errors that callers tell apart with errors.Is. Each is wrapped with what was being done.
var (
	ErrFull     = errors.New("the disk is full")
	ErrCorrupt  = errors.New("the journal is damaged")
	ErrReadOnly = errors.New("the journal was opened for reading only")
	ErrNewer    = errors.New("the journal was written by a newer recoveryd")
	ErrForeign  = errors.New("the file is not a recoveryd journal")
	ErrSequence = errors.New("entry out of sequence")
	ErrClosed   = errors.New("the journal is closed")
	ErrNotFound = errors.New("not found")
)

// LockedError says that another recoveryd uses the state directory.
type LockedError struct {
	Dir string
	PID int // 0 when the other process did not say
}

// Error implements error.
func (e *LockedError) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("state directory %s is in use by another recoveryd: stop it first", e.Dir)
	}
	return fmt.Sprintf("state directory %s is in use by recoveryd with pid %d: stop it first", e.Dir, e.PID)
}

// ChainError says that entries are missing or were changed after they were written.
type ChainError struct {
	Seq  uint64 // where it was noticed
	What string
}

// Error implements error.
func (e *ChainError) Error() string {
	return fmt.Sprintf("journal entry %d: %s", e.Seq, e.What)
}

// Is makes errors.Is(err, ErrCorrupt) true.
func (e *ChainError) Is(target error) bool { return target == ErrCorrupt }

// classify adds one of the errors above to what SQLite or the system said. It keeps the original
// in the chain.
func classify(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	lite, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return err
	}
	switch lite.Code() & 0xff {
	case sqlite3.SQLITE_FULL:
		return fmt.Errorf("%w: %w", ErrFull, err)
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	case sqlite3.SQLITE_READONLY:
		return fmt.Errorf("%w: %w", errNotWritable, err)
	case sqlite3.SQLITE_IOERR:
		// The shared-memory file cannot grow, or the log cannot be written: on a full disk
		// SQLite reports both in this way.
		switch lite.Code() {
		case sqlite3.SQLITE_IOERR_SHMSIZE, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMOPEN:
			return fmt.Errorf("%w: %w", errMaybeFull, err)
		}
	}
	return err
}

// errNotWritable is wrapped when the state directory or a file in it refuses writes.
var errNotWritable = errors.New("the state directory is not writable")

// errMaybeFull marks I/O errors that a full disk may have caused.
var errMaybeFull = errors.New("the disk may be full")

// mayBeFull reports whether giving up the ballast could help.
func mayBeFull(err error) bool {
	return errors.Is(err, ErrFull) || errors.Is(err, errMaybeFull)
}

// readOnly tells a disk that has become read-only from a full one: SQLite, which has its files open
// since before, calls both a failed write. It is nil where the disk can be written.
func readOnly(dir string, err error) error {
	f, cannot := os.OpenFile(filepath.Join(dir, lockName), os.O_WRONLY, 0) // opening alone is refused then, and changes nothing
	if cannot == nil {
		_ = f.Close()
		return nil
	}
	if !errors.Is(cannot, syscall.EROFS) {
		return nil
	}
	if lite, ok := errors.AsType[*sqlite.Error](err); ok {
		err = lite // without our guess
	}
	return fmt.Errorf("%w: its file system has become read-only, as it does when the kernel finds an error on the disk (look at dmesg): %w", errNotWritable, err)
}
