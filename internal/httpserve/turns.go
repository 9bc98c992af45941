package httpserve

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"golang.org/x/sync/semaphore"
)

// What answering over TCP may take at once. Looks and actions run on the same processor, and each is
// late by what is worked on beside it: four answers are some milliseconds.
const (
	atOnce     = 4
	freeBytes  = 128 << 10 // of each answer: what bounds them is that connections are counted
	heldBytes  = 16 << 20  // of all above that, which slow clients have not read yet
	waitedFor  = 3 * time.Second
	webhooks   = 4               // bodies that are read at once
	bodyLimit  = 2 * time.Second // for a body to arrive: it comes from this host
	largestOne = 8 << 20         // of one answer; a person reads no such page
)

// turns lets few requests at a time be worked on. An answer is made as a whole first, so that a client
// who does not read it holds its bytes, and nobody's turn.
type turns struct {
	working *semaphore.Weighted
	held    *semaphore.Weighted
}

func newTurns() turns {
	return turns{semaphore.NewWeighted(atOnce), semaphore.NewWeighted(heldBytes)}
}

// take wraps what is answered at once; not streams, which bound themselves (live.Feed, live.Stream).
func (t turns) take(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), waitedFor)
		defer cancel()
		if t.working.Acquire(ctx, 1) != nil {
			busy(w)
			return
		}
		whole := answer{header: w.Header(), code: http.StatusOK}
		func() {
			defer t.working.Release(1) // also when the handler panics
			next.ServeHTTP(&whole, r)
		}()
		if whole.large {
			clear(w.Header())
			refuse(w, http.StatusInsufficientStorage, "the answer has more than %d MB: ask for less of it (limit=N)", largestOne>>20)
			return
		}
		size := max(0, int64(whole.body.Len())-freeBytes)
		if t.held.Acquire(ctx, size) != nil {
			clear(w.Header())
			busy(w)
			return
		}
		defer t.held.Release(size)
		w.WriteHeader(whole.code)
		_, _ = w.Write(whole.body.Bytes()) // the client is gone: nobody is left to tell
	})
}

func busy(w http.ResponseWriter) {
	w.Header().Set("Retry-After", "5")
	refuse(w, http.StatusServiceUnavailable, "too many requests at once: try again in some seconds (recoveryd status on this host is answered apart from them)")
}

// answer keeps what a handler writes.
type answer struct {
	header http.Header
	code   int
	body   bytes.Buffer
	large  bool
}

var errLarge = errors.New("the answer is too large")

// Header implements http.ResponseWriter.
func (a *answer) Header() http.Header { return a.header }

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(code int) { a.code = code }

// Write implements http.ResponseWriter.
func (a *answer) Write(b []byte) (int, error) {
	if a.large = a.large || a.body.Len()+len(b) > largestOne; a.large {
		return 0, fmt.Errorf("%w: %d bytes", errLarge, a.body.Len()+len(b))
	}
	return a.body.Write(b)
}
