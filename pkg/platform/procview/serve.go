package procview

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/recoveryd/recoveryd/pkg/platform/kernfile"
)

// answered is the first byte of an answer that has one; nothing follows another first byte.
const answered = '+'

// atOnce bounds how many questions are answered at the same time. The daemon asks one at a time for
// each target.
const atOnce = 32

// Serve answers questions about the processes below root, normally "/proc", until ctx ends. Each
// connection is one question. It keeps nothing and changes nothing.
func Serve(ctx context.Context, l net.Listener, root string) error {
	stop := context.AfterFunc(ctx, func() { _ = l.Close() }) // it may be closed already
	defer stop()
	var asked sync.WaitGroup
	defer asked.Wait()
	free := make(chan struct{}, atOnce)
	for {
		free <- struct{}{}
		conn, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("wait for questions about processes: %w", err)
		}
		asked.Go(func() {
			defer func() { <-free }()
			defer conn.Close() //nolint:errcheck // answered or not
			if err := conn.SetDeadline(time.Now().Add(time.Second)); err != nil {
				return
			}
			buf := make([]byte, 64)
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			reply, err := answer(root, string(buf[:n]))
			if err != nil {
				reply = nil
			} else {
				reply = append([]byte{answered}, reply...)
			}
			if len(reply) == 0 {
				reply = []byte{'-'}
			}
			_, _ = conn.Write(reply) // who asked has gone: nobody is left to be told
		})
	}
}

var errRefused = errors.New("this is not told")

// answer reads what was asked for, if it is one of the few things that are told.
func answer(root, question string) ([]byte, error) {
	if question == listName {
		pids, err := list(root)
		if err != nil {
			return nil, err
		}
		var b strings.Builder
		for _, pid := range pids {
			if b.Len() > maxAnswer-16 {
				break
			}
			b.WriteString(strconv.Itoa(pid) + " ")
		}
		return []byte(b.String()), nil
	}
	who, name, _ := strings.Cut(question, " ")
	pid, ok := number(who)
	if !ok {
		return nil, errRefused
	}
	dir := root + "/" + strconv.Itoa(pid) + "/"
	switch {
	case name == countName:
		var st syscall.Stat_t
		if err := syscall.Stat(dir+"fd", &st); err != nil {
			return nil, &os.PathError{Op: "stat", Path: dir + "fd", Err: err}
		}
		if st.Size == 0 {
			return nil, os.ErrNotExist // an older kernel
		}
		return strconv.AppendInt(nil, st.Size, 10), nil
	case name == ownerName:
		var st syscall.Stat_t
		if err := syscall.Stat(dir, &st); err != nil {
			return nil, &os.PathError{Op: "stat", Path: dir, Err: err}
		}
		return strconv.AppendUint(nil, uint64(st.Uid), 10), nil
	case slices.Contains(Names(), name):
		b, err := kernfile.Read(dir + name)
		return b[:min(len(b), 4095)], err
	}
	return nil, errRefused
}
