// Package kernfile reads files that the kernel makes up: /proc, /sys and the cgroup trees.
//
// os.ReadFile suits them badly. It registers each file with the runtime's poller, because such
// files can be polled; that is seven system calls besides the three that matter, and every time it
// wakes the thread that polls. A daemon that reads a dozen of them at each look pays for it all day.
//
// There is one function: [Read].
package kernfile

import (
	"errors"
	"io/fs"
	"syscall"
)

// maxSize bounds what is read: the largest of these files (mountinfo of a host with very many
// containers) has a few hundred kilobytes.
const maxSize = 4 << 20

// first is how much is read at once; nearly every one of these files is shorter.
const first = 2048

// Read returns the content of a file. Errors are *fs.PathError, as those of os.ReadFile.
func Read(path string) ([]byte, error) {
	fd, err := retry(func() (int, error) { return syscall.Open(path, syscall.O_RDONLY|syscall.O_CLOEXEC, 0) })
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	defer syscall.Close(fd) //nolint:errcheck // nothing was written
	buf := make([]byte, 0, first)
	for {
		n, err := retry(func() (int, error) { return syscall.Read(fd, buf[len(buf):cap(buf)]) })
		if err != nil {
			return nil, &fs.PathError{Op: "read", Path: path, Err: err}
		}
		if n == 0 {
			return buf, nil
		}
		buf = buf[:len(buf)+n]
		if len(buf) >= maxSize {
			return nil, &fs.PathError{Op: "read", Path: path, Err: errors.New("the file is larger than any of the kernel's")}
		}
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
	}
}

// retry calls again what a signal interrupted; the Go runtime itself sends some.
func retry(f func() (int, error)) (int, error) {
	for {
		n, err := f()
		if !errors.Is(err, syscall.EINTR) {
			return n, err
		}
	}
}
