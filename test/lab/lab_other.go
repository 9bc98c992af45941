//go:build !linux

package lab

import (
	"context"
	"net"
)

func (l *Lab) boot(context.Context, string, Options) error { return Supported() }

func (l *Lab) enableV1Memory(context.Context) error { return Supported() }

// DialContext connects to an address in the lab's network. There are labs on Linux only.
func (l *Lab) DialContext(context.Context, string, string) (net.Conn, error) {
	return nil, Supported()
}

// Listen opens a listening socket in the lab's network. There are labs on Linux only.
func (l *Lab) Listen(context.Context, string, string) (net.Listener, error) {
	return nil, Supported()
}

func childNamed(int, string) int { return 0 }
