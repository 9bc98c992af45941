package main

import (
	"sync"
	"time"
)

// behaviour is what the faults have changed about the way the server answers. Safe for concurrent
// use; the zero value is a server without faults.
type behaviour struct {
	mu         sync.Mutex
	wedged     chan struct{} // not nil while wedged; closed when unwedged
	ignoreTerm bool
	latency    time.Duration
	dbLatency  time.Duration
	beginDelay time.Duration
	reply      *replyFault
	limiter    *limiter
	variant    string
	status     string
	simulated  string // state of a simulated database: "", stopped, frozen
}

// replyFault answers requests below path with something else.
type replyFault struct{ kind, path string }

// change sets something under the lock and returns how to put it back.
func (b *behaviour) change(set, unset func()) func() {
	b.mu.Lock()
	defer b.mu.Unlock()
	set()
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		unset()
	}
}

func read[T any](b *behaviour, get func() T) T {
	b.mu.Lock()
	defer b.mu.Unlock()
	return get()
}

// ignoresSignals reports whether SIGTERM is to be ignored.
func (b *behaviour) ignoresSignals() bool {
	return read(b, func() bool { return b.ignoreTerm || b.wedged != nil })
}

// wedge returns a channel that blocks while the server is wedged, or nil when it is not.
func (b *behaviour) wedge() <-chan struct{} {
	return read(b, func() <-chan struct{} { return b.wedged })
}
func (b *behaviour) startDelay() time.Duration {
	return read(b, func() time.Duration { return b.beginDelay })
}
func (b *behaviour) replyDelay() time.Duration {
	return read(b, func() time.Duration { return b.latency })
}
func (b *behaviour) databaseDelay() time.Duration {
	return read(b, func() time.Duration { return b.dbLatency })
}
func (b *behaviour) replyFault() *replyFault {
	return read(b, func() *replyFault { return b.reply })
}
func (b *behaviour) rateLimiter() *limiter {
	return read(b, func() *limiter { return b.limiter })
}
func (b *behaviour) healthVariant() string {
	return read(b, func() string { return b.variant })
}
func (b *behaviour) statusOverride() string {
	return read(b, func() string { return b.status })
}
func (b *behaviour) simulatedDatabase() string {
	return read(b, func() string { return b.simulated })
}
func (b *behaviour) setSimulatedDatabase(state string) {
	b.change(func() { b.simulated = state }, func() {})
}
