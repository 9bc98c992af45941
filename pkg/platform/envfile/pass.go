package envfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// PassedDir holds what is passed on to services. It is root's alone: a daemon that was taken over writes
// what it likes into its own files, and none of it gets here but a number.
const PassedDir = "/run/recoveryd-env"

// Passed is the file from which a service reads what was passed on from a file of the daemon.
func Passed(from string) string { return filepath.Join(PassedDir, filepath.Base(from)) }

// Pass reads the file from, which anybody may have written, and writes the variable key into a file of the
// same name in dir if it is a number from 1 to most there; nothing else is taken. Without such a number the
// file in dir is removed, and the error says why. It is what a service runs as root before it starts.
func Pass(from, dir, key string, most int) error {
	if !fits(nameForm, maxName, filepath.Base(from)) || !fits(keyForm, maxKey, key) {
		return fmt.Errorf("pass %s of %s on: want a file NAME.env and the name of a variable", key, from)
	}
	if _, err := New(dir, []string{key}); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close() //nolint:errcheck // nothing is written through it
	n, err := number(from, key)
	if err == nil && (n < 1 || n > most) {
		err = fmt.Errorf("%d is not from 1 to %d", n, most)
	}
	if err == nil {
		return write(root, filepath.Base(from), fmt.Sprintf("%s=%d\n", key, n))
	}
	if gone := root.Remove(filepath.Base(from)); gone != nil && !errors.Is(gone, fs.ErrNotExist) {
		err = errors.Join(err, gone)
	}
	if errors.Is(err, errNoNumber) {
		return nil // the service runs with its own size
	}
	return fmt.Errorf("%s of %s is not passed on: %w", key, from, err)
}

var errNoNumber = errors.New("there is no such number")

// number finds the last assignment of a number to key. The file may be a trap: a pipe that never answers, or
// a link to another file.
func number(from, key string) (int, error) {
	fd, err := unix.Open(from, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) {
		return 0, errNoNumber
	}
	if err != nil {
		return 0, err
	}
	f := os.NewFile(uintptr(fd), from)
	defer f.Close() //nolint:errcheck // only read
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return 0, errors.Join(errors.New("it is no regular file"), err)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxSize))
	if err != nil {
		return 0, err
	}
	n, err := 0, errNoNumber
	for line := range strings.Lines(string(text)) {
		name, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		if !ok || name != key {
			continue
		}
		if n, err = strconv.Atoi(value); err != nil {
			return 0, errors.New("it is no number")
		}
	}
	return n, err
}
