package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// front is the server's listening socket. Unlike http.Server's it can be closed and opened again
// while the process lives on.
type front struct {
	server  *http.Server
	address string // fixed after the first listen, so that a free port (:0) stays the same

	mu       sync.Mutex
	listener net.Listener // nil while closed
	over     bool         // shutdown has begun
}

func newFront(addr string, h http.Handler) (*front, error) {
	f := &front{server: &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}, address: addr}
	if err := f.listen(); err != nil {
		return nil, err
	}
	return f, nil
}

func (f *front) listen() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.listener != nil || f.over {
		return nil
	}
	l, err := net.Listen("tcp", f.address)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", f.address, err)
	}
	f.listener, f.address = l, l.Addr().String()
	go func() { _ = f.server.Serve(l) }() // ends when l is closed, by us
	return nil
}

// closeListener closes the socket and every idle connection; undo listens again.
func (f *front) closeListener() (undo func(), err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.listener == nil {
		return nil, errors.New("the listener is closed already")
	}
	err = f.listener.Close()
	f.listener = nil
	f.server.SetKeepAlivesEnabled(false) // closes idle connections, too
	f.server.SetKeepAlivesEnabled(true)
	if err != nil {
		return nil, fmt.Errorf("close the listener: %w", err)
	}
	return func() { _ = f.listen() }, nil
}

// shutdown stops accepting and waits for running requests until ctx ends.
func (f *front) shutdown(ctx context.Context) error {
	f.mu.Lock()
	f.over = true
	f.mu.Unlock()
	return f.server.Shutdown(ctx)
}

func (f *front) addr() string { return f.address }
