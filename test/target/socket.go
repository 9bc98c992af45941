package main

import (
	"net"
	"syscall"
)

// socketClosed reports whether the other end has closed a connection, or has said something that
// nobody asked for, which PostgreSQL does only as a farewell. It reads nothing and does not block.
func socketClosed(c net.Conn) bool {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return true // closed on our side
	}
	closed := false
	err = raw.Read(func(fd uintptr) bool {
		var b [1]byte
		// Go's sockets do not block, so MSG_PEEK alone returns at once.
		_, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK)
		closed = err != syscall.EAGAIN && err != syscall.EINTR
		return true
	})
	return closed || err != nil
}
