// Package capture runs a program and copies what it prints: all of it, and nothing is waited for
// that the program has left running.
//
// exec.Cmd has to choose between the two. A child that lives on holds the output open, so its Wait
// waits for that child, or it has a WaitDelay, and then what a busy machine did not come to copy
// in that time is lost. Here the pipe is emptied when the program has ended: what it printed is in
// there, and is taken without waiting for more.
//
// It never decides which program is run, as whom, or when it is killed: that is in the exec.Cmd.
//
// Start reading at [Run].
package capture

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

// Run is cmd.Run, but for what the package is about: when it returns, all that the program itself
// printed is in cmd.Stdout and cmd.Stderr. What a child that outlives it prints later is not, and
// that child meets a closed pipe. The writers get one write at a time, also when they are the same;
// a write that does not return keeps Run from returning. A writer that is nil or an *os.File is
// the program's own, as with exec.
//
// A cmd.WaitDelay is of use for a standard input that is no *os.File only.
func Run(cmd *exec.Cmd) error {
	p, err := Start(cmd)
	if err != nil {
		return err
	}
	return p.Wait()
}

// Program is one that was started. Its methods are for one goroutine.
type Program struct {
	cmd   *exec.Cmd
	tubes []*tube
}

// Start is cmd.Start; the program has to be waited for with [Program.Wait]. The error is that of
// cmd.Start, or says that no pipe could be made.
func Start(cmd *exec.Cmd) (*Program, error) {
	p := &Program{cmd: cmd}
	stdout, stderr := cmd.Stdout, cmd.Stderr
	out, err := p.tube(stdout)
	if err != nil {
		return nil, err
	}
	if out != nil {
		cmd.Stdout = out.in
	}
	if errs := out; !same(stderr, stdout) {
		if errs, err = p.tube(stderr); err != nil {
			p.each((*tube).discard)
			return nil, err
		}
		if errs != nil {
			cmd.Stderr = errs.in
		}
	} else if out != nil {
		cmd.Stderr = out.in
	}
	if err := cmd.Start(); err != nil {
		p.each((*tube).discard)
		return nil, err
	}
	p.each((*tube).begin)
	return p, nil
}

// Wait is cmd.Wait, and returns when all that the program printed has been copied.
func (p *Program) Wait() error {
	err := p.cmd.Wait()
	p.each((*tube).end)
	return err
}

// each does something with every tube.
func (p *Program) each(do func(*tube)) {
	for _, t := range p.tubes {
		do(t)
	}
}

// tube returns a pipe into a writer, nil where the program can have the writer itself.
func (p *Program) tube(to io.Writer) (*tube, error) {
	if _, file := to.(*os.File); file || to == nil {
		return nil, nil
	}
	t, err := newTube(to)
	if err == nil {
		p.tubes = append(p.tubes, t)
	}
	return t, err
}

// same reports whether two writers are the same; two that cannot be compared are not.
func same(a, b io.Writer) bool {
	defer func() { _ = recover() }()
	return a == b
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

// discard closes a tube that was not begun.
func (t *tube) discard() {
	_ = t.in.Close()
	_ = t.out.Close()
}

// begin copies until end, or until nobody holds the other side any more.
func (t *tube) begin() {
	_ = t.in.Close() // the program has its own
	go func() {
		defer close(t.copied)
		if _, err := io.Copy(t.to, t.out); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			_ = t.out.Close() // what cannot be written must not hold the program up
		}
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
