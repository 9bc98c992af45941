package probe

import (
	"fmt"
	"sync"
	"time"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

const (
	// defaultHold is the wait after a rate-limit answer that names none: the window of the real
	// server's limiter.
	defaultHold = time.Minute
	// maxHold bounds the wait that we accept. A server must not be able to keep its watcher away.
	maxHold = 5 * time.Minute
)

// hold remembers that a server asked us to ask less.
type hold struct {
	asks string // what is asked of whom, and as whom; the same in two holds = the same limit. It may hold a secret

	mu         sync.Mutex // guards what follows
	until      time.Time
	invocation string // of the process that asked; a new one knows nothing of it
}

// note keeps what a reply asked for. Only a rate limit makes us wait: a health reply of 503 with
// Retry-After describes the service, and looking away would be the wrong answer to it.
func (h *hold) note(f, unit detect.Facts, now time.Time) {
	if f.Text(detect.HTTPOutcome) != detect.OutcomeLimited {
		return
	}
	wait, ok := f.Duration(detect.HTTPRetryAfter)
	if !ok || wait <= 0 {
		wait = defaultHold
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.until, h.invocation = now.Add(min(wait, maxHold)), unit.Text(detect.WorkloadRun)
}

// inherit takes over the wait that a server asked of an earlier hold. With another request or
// credential we are somebody else to its limiter.
func (h *hold) inherit(from *hold) {
	if h.asks != from.asks {
		return
	}
	from.mu.Lock()
	until, invocation := from.until, from.invocation
	from.mu.Unlock()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.until, h.invocation = until, invocation
}

// left is how long we must still wait, 0 when we may ask.
func (h *hold) left(unit detect.Facts, now time.Time) time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	if id := unit.Text(detect.WorkloadRun); id != "" && h.invocation != "" && id != h.invocation {
		h.until = time.Time{}
	}
	return max(0, h.until.Sub(now))
}

// facts says that nothing was asked, and why.
func (h *hold) facts(left time.Duration) detect.Facts {
	return detect.Facts{
		detect.HTTPOutcome:    detect.NotMeasured(holdSentence(left)),
		detect.HTTPRetryAfter: detect.Num(left.Seconds()),
	}
}

func holdSentence(left time.Duration) string {
	return fmt.Sprintf("not asked: the server limits requests and wants %v more of silence", left.Round(time.Second))
}
