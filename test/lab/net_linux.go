package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// DialContext connects from the host to an address in the lab's network, such as 127.0.0.1:8000, or
// to a unix socket by its path in the lab. It has the form that http.Transport and pgx take.
func (l *Lab) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	if strings.HasPrefix(network, "unix") && filepath.IsAbs(addr) {
		return (&net.Dialer{}).DialContext(ctx, network, l.Path(addr))
	}
	return inNetwork(l, func() (net.Conn, error) {
		// No second address family beside the first: that would dial on another thread.
		return (&net.Dialer{FallbackDelay: -1}).DialContext(ctx, network, addr)
	})
}

// Listen opens a listening socket in the lab's network whose connections are served by this
// process: this is how a test gives the lab a fake of some outside service.
func (l *Lab) Listen(ctx context.Context, network, addr string) (net.Listener, error) {
	return inNetwork(l, func() (net.Listener, error) {
		return (&net.ListenConfig{}).Listen(ctx, network, addr)
	})
}

// inNetwork calls open on a thread that is in the lab's network. A socket belongs for ever to the
// network in which it was made.
func inNetwork[T any](l *Lab, open func() (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	done := make(chan answer, 1)
	go func() {
		// Never unlocked: a thread that has changed its network must not run anything else, and
		// the runtime ends it together with this goroutine.
		runtime.LockOSThread()
		var a answer
		if l.netns == nil {
			a.err = errors.New("the lab is stopped")
		} else if err := unix.Setns(int(l.netns.Fd()), unix.CLONE_NEWNET); err != nil {
			a.err = fmt.Errorf("enter the network of lab %s: %w", l.Name, err)
		} else {
			a.value, a.err = open()
		}
		done <- a
	}()
	a := <-done
	return a.value, a.err
}
