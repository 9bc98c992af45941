package evidence

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// drainMost bounds what is taken out of a pipe at the end: the most that a pipe holds. Whoever still
// writes into it then could otherwise keep us there.
const drainMost = 1 << 20

// runInto runs a program and copies what it prints. When it has ended, all that it printed has been
// copied, also on a machine that is too busy to copy it in time, and a child of it that lives on and
// holds its output is not waited for. (exec.Cmd's WaitDelay has to choose between the two.)
func runInto(cmd *exec.Cmd, stdout, stderr io.Writer) error {
	out, err := newTube(stdout)
	if err != nil {
		return err
	}
	errs := out
	if stderr != stdout {
		if errs, err = newTube(stderr); err != nil {
			out.discard()
			return err
		}
	}
	cmd.Stdout, cmd.Stderr = out.in, errs.in
	if err := cmd.Start(); err != nil {
		out.discard()
		errs.discard()
		return err
	}
	out.begin()
	if errs != out {
		errs.begin()
	}
	err = cmd.Wait()
	out.end()
	if errs != out {
		errs.end()
	}
	return err
}

// tube is a pipe whose content is copied to a writer.
type tube struct {
	in, out *os.File
	to      io.Writer
	copied  chan struct{}
}

func newTube(to io.Writer) (*tube, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make a pipe: %w", err)
	}
	return &tube{in: w, out: r, to: to, copied: make(chan struct{})}, nil
}

// discard closes a tube that was not begun. Closing twice does no harm.
func (t *tube) discard() {
	_ = t.in.Close()
	_ = t.out.Close()
}

// begin copies until end, or until nobody holds the other side any more.
func (t *tube) begin() {
	_ = t.in.Close() // the program has its own
	go func() {
		defer close(t.copied)
		_, _ = io.Copy(t.to, t.out) // a failed read is the end of what can be had
	}()
}

// end stops the copying and takes what is left in the pipe.
func (t *tube) end() {
	_ = t.out.SetReadDeadline(time.Now()) // ends a read that waits for a child that lives on
	<-t.copied
	_ = t.out.SetReadDeadline(time.Time{})
	t.drain()
	_ = t.out.Close()
}

// drain copies what is in the pipe and waits for nothing.
func (t *tube) drain() {
	raw, err := t.out.SyscallConn()
	if err != nil {
		return
	}
	buf := make([]byte, 64<<10)
	_ = raw.Read(func(fd uintptr) (done bool) {
		for taken := 0; taken < drainMost; {
			n, err := syscall.Read(int(fd), buf)
			if errors.Is(err, syscall.EINTR) {
				continue
			}
			if err != nil || n <= 0 { // nothing left (EAGAIN), or nobody holds the other side
				break
			}
			_, _ = t.to.Write(buf[:n])
			taken += n
		}
		return true
	})
}
