package outbox

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime/debug"
	"time"

	"go.uber.org/zap"

	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
	"github.com/recoveryd/recoveryd/pkg/escalate/queue"
)

// call is one attempt under way.
type call struct {
	channel string
	row     queue.Queued
	started time.Time
	stalled bool // it was reported as not coming back
}

// ended is what comes back of it.
type ended struct {
	call   *call
	result queue.DeliveryResult
	took   time.Duration
}

// stallGrace is how long a notifier may take to notice that its time is over.
const stallGrace = 5 * time.Second

// errTimeout is the cause of a context whose time is over.
var errTimeout = errors.New("no answer in the time of one attempt")

// notify makes one attempt and contains whatever the notifier does.
func notify(ctx context.Context, timeout time.Duration, n notice.Notifier, d notice.Delivery, log *zap.Logger) (result queue.DeliveryResult) {
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, errTimeout)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			log.Error("notifier panicked", zap.String("notice", d.Notice.ID), zap.String("panic", fmt.Sprintf("%.200v", p)),
				zap.ByteString("stack", debug.Stack()))
			result = queue.DeliveryResult{Reason: queue.ReasonPanic, Error: "the notifier panicked, see the log of recoveryd"}
		}
	}()
	receipt, err := n.Notify(ctx, d)
	if err == nil {
		return queue.DeliveryResult{OK: true, Receipt: receipt}
	}
	if some, ok := errors.AsType[*notice.PartialError](err); ok {
		return queue.DeliveryResult{Partial: true, Receipt: receipt, Took: some.Took, Left: some.Left, Refused: some.Refused,
			Reason: some.Reason, After: some.After, Error: some.Error()}
	}
	return resultOf(ctx, err)
}

// resultOf reads an error of a notifier. Anything that is not a RetryError is final, as the
// contract says, but for the end of our own patience.
func resultOf(ctx context.Context, err error) queue.DeliveryResult {
	d := queue.DeliveryResult{Error: err.Error(), Unsent: unsent(err)}
	if retry, ok := errors.AsType[*notice.RetryError](err); ok {
		d.Reason, d.After = retry.Reason, retry.After
		if d.Reason == "" {
			d.Reason = notice.ReasonServer
		}
		return d
	}
	if ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		d.Reason = notice.ReasonTimeout
		return d
	}
	d.Reason, d.Final = notice.ReasonRejected, true
	if final, ok := errors.AsType[*notice.FinalError](err); ok && final.Reason != "" {
		d.Reason = final.Reason
	}
	return d
}

// unsent reports whether the error proves that nothing reached the vendor: no connection was
// made. Only then may a resolve be left out together with its trigger.
func unsent(err error) bool {
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return true
	}
	_, dns := errors.AsType[*net.DNSError](err)
	return dns
}
