package journal

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// lockDir takes the lock of the state directory and writes our pid into it. The lock is a
// separate file: closing any descriptor of the database itself would drop SQLite's own locks.
// The kernel releases it when the process ends, however it ends; the file stays.
func lockDir(dir string) (*os.File, error) {
	path := filepath.Join(dir, lockName)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, fileMode)
	if err != nil {
		return nil, notWritable(dir, err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer f.Close()
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		return nil, &LockedError{Dir: dir, PID: readPID(f)}
	}
	// The pid is a courtesy to the next one who comes; a full disk must not keep us from starting.
	if err := f.Truncate(0); err == nil {
		_, _ = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	return f, nil
}

// notWritable says what to do about a state directory in which no file can be made.
func notWritable(dir string, err error) error {
	switch {
	case errors.Is(err, syscall.EROFS):
		return fmt.Errorf("%w: %w: the file system of %s is read-only, on this host or in the sandbox of the unit: see findmnt -T %[3]s and dmesg, "+
			"and mount it writable after a check; a directory that only the unit forbids belongs into its ReadWritePaths=", errNotWritable, err, dir)
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("%w: %w: give uid %d write access to %s, or set another state directory", errNotWritable, err, os.Geteuid(), dir)
	}
	return classify(err)
}

func readPID(f *os.File) int {
	raw, err := io.ReadAll(io.LimitReader(f, 32))
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(raw)))
	if err != nil || pid < 0 {
		return 0
	}
	return pid
}
