package procview

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/recoveryd/recoveryd/pkg/platform/kernfile"
)

// Socket is where recoveryd-procview.socket listens.
const Socket = "/run/recoveryd-procview.sock"

// patience bounds each step of a question; the answer takes microseconds. A view that is stuck makes
// a fact unknown, and must not make a look late.
const patience = 300 * time.Millisecond

// maxAnswer bounds an answer: the largest is the list of all processes of a host that is full of them.
const maxAnswer = 256 << 10

// Names lists the files of a process that may be asked for. All of them are readable for everybody
// on a host whose processes are not hidden, and none holds what was typed by a person.
func Names() []string { return []string{"stat", "statm", "comm", "cgroup", "limits"} }

// Read returns a file of a process, such as "stat", from /proc, or from the view when the process is
// hidden from us. Errors are those of /proc: fs.ErrNotExist says that there is no such process, or that
// it is hidden and there is no view.
func Read(pid int, name string) ([]byte, error) {
	path := "/proc/" + strconv.Itoa(pid) + "/" + name
	b, err := kernfile.Read(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return b, err
	}
	b, told := ask(Socket, strconv.Itoa(pid)+" "+name)
	if told != nil {
		return nil, err // what /proc said: without a view nothing is known but that
	}
	return b, nil
}

// Descriptors returns how many files a process has open, as the kernel tells everybody since Linux
// 6.2; before, and for a process that is not there, it is fs.ErrNotExist.
func Descriptors(pid int) (int, error) {
	b, err := ask(Socket, strconv.Itoa(pid)+" "+countName)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(string(b))
}

// Owner returns the number of the user that a hidden process belongs to.
func Owner(pid int) (int, error) {
	b, err := ask(Socket, strconv.Itoa(pid)+" "+ownerName)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(string(b))
}

// Processes lists the processes of the host, also the hidden ones where there is a view.
func Processes() ([]int, error) {
	if b, err := ask(Socket, listName); err == nil {
		return numbers(strings.Fields(string(b))), nil
	}
	return list("/proc")
}

// Questions that are not the name of a file.
const (
	listName  = "list"
	countName = "fds"
	ownerName = "owner"
)

func list(root string) ([]int, error) {
	d, err := os.Open(root)
	if err != nil {
		return nil, err
	}
	defer d.Close() //nolint:errcheck // read only
	names, err := d.Readdirnames(-1)
	return numbers(names), err
}

func numbers(names []string) (pids []int) {
	for _, n := range names {
		if pid, ok := number(n); ok {
			pids = append(pids, pid)
		}
	}
	return pids
}

// number reads a process id as /proc writes it.
func number(s string) (int, bool) {
	n, err := strconv.ParseUint(s, 10, 22) // PID_MAX_LIMIT
	return int(n), err == nil && n > 0 && s[0] != '0'
}

// ask puts one question on a connection of its own. It uses system calls directly, as kernfile does and
// for the same reason: it happens at every look.
func ask(socket, question string) ([]byte, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("view of the processes: %w", err)
	}
	defer unix.Close(fd) //nolint:errcheck // nothing is lost
	wait := unix.NsecToTimeval(int64(patience))
	for _, side := range [...]int{unix.SO_SNDTIMEO, unix.SO_RCVTIMEO} {
		if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, side, &wait); err != nil {
			return nil, fmt.Errorf("view of the processes: %w", err)
		}
	}
	if err := again(func() error { return unix.Connect(fd, &unix.SockaddrUnix{Name: socket}) }); err != nil {
		return nil, fmt.Errorf("view of the processes at %s: %w", socket, err)
	}
	if err := again(func() error { _, err := unix.Write(fd, []byte(question)); return err }); err != nil {
		return nil, fmt.Errorf("ask the view of the processes: %w", err)
	}
	buf, n := make([]byte, 4096), 0
	if question == listName {
		buf = make([]byte, maxAnswer)
	}
	if err := again(func() (err error) { n, err = unix.Read(fd, buf); return err }); err != nil {
		return nil, fmt.Errorf("answer of the view of the processes: %w", err)
	}
	if n == 0 || buf[0] != answered {
		return nil, fs.ErrNotExist
	}
	return buf[1:n], nil
}

// again calls once more what a signal interrupted; the Go runtime itself sends some.
func again(f func() error) error {
	for {
		if err := f(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
