package main

import (
	"fmt"
	"os"
	"syscall"
	"time"
)

// leakMemory takes rate MiB a second, up to limit MiB, and touches every page so that it is
// resident. It maps the memory past Go's heap, so that the numbers are exact. Stop gives it back.
func leakMemory(rate, limit int, complain func(error)) (stop func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		var hoard [][]byte
		defer func() {
			for _, b := range hoard {
				_ = syscall.Munmap(b)
			}
		}()
		tick := time.NewTicker(time.Second / time.Duration(rate))
		defer tick.Stop()
		for len(hoard) < limit {
			select {
			case <-quit:
				return
			case <-tick.C:
			}
			b, err := syscall.Mmap(-1, 0, 1<<20, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
			if err != nil {
				complain(fmt.Errorf("leak MiB %d of %d: %w", len(hoard)+1, limit, err))
				break
			}
			for i := 0; i < len(b); i += 4096 { // one byte a page is enough
				b[i] = 1
			}
			hoard = append(hoard, b)
		}
		<-quit
	}()
	return func() { close(quit); <-done }
}

// leakFiles opens count files, or none.
func leakFiles(count int) (stop func(), err error) {
	var open []*os.File
	stop = func() {
		for _, f := range open {
			_ = f.Close()
		}
	}
	for i := range count {
		f, err := os.Open(os.DevNull)
		if err != nil {
			stop()
			return nil, fmt.Errorf("open file %d of %d: %w", i+1, count, err)
		}
		open = append(open, f)
	}
	return stop, nil
}
