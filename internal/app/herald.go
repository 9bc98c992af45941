package app

import (
	"fmt"
	"os"
	"syscall"
)

// herald tells the service manager the same things over and over, on one socket that never waits: what
// the manager does not take now, it is told again soon. A connection of package net costs a wake-up more
// each time, for its deadline. It belongs to one goroutine.
type herald struct {
	to *syscall.SockaddrUnix // nil when there is no manager
	fd int                   // -1 before the first message
}

// newHerald takes the address that the service manager gave us.
func newHerald() *herald {
	h := &herald{fd: -1}
	if path := os.Getenv("NOTIFY_SOCKET"); path != "" {
		h.to = &syscall.SockaddrUnix{Name: path} // "@name" is an abstract address, as systemd means it
	}
	return h
}

// tell sends one message. Without a manager there is nobody to tell, which is no error.
func (h *herald) tell(message string) error {
	if h.to == nil {
		return nil
	}
	if h.fd < 0 {
		fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, 0)
		if err != nil {
			return fmt.Errorf("make a socket to the service manager: %w", err)
		}
		h.fd = fd
	}
	if err := syscall.Sendto(h.fd, []byte(message), 0, h.to); err != nil {
		return fmt.Errorf("tell the service manager: %w", err)
	}
	return nil
}

func (h *herald) close() {
	if h.fd >= 0 {
		_ = syscall.Close(h.fd)
		h.fd = -1
	}
}
