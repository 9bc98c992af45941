package outbox

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Run delivers until ctx ends, and then goes on for at most Flush with what may leave at once. It
// returns nil when no call is left under way, else an error that names the channels which did not
// come back. It is called once.
func (o *Outbox) Run(ctx context.Context) error {
	// Calls and the store outlive ctx: the last page of a stopping daemon is the one about it.
	calls, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	s := &scheduler{
		Outbox: o, calls: calls,
		channels: map[string]*channel{},
		unstored: map[rowID]bool{},
		mine:     map[rowID]bool{},
		// One place per channel would do; a call that outlives Run must be able to end.
		ended: make(chan ended, 256),
	}
	stopping := ctx.Done()
	var deadline time.Time // zero until ctx ends
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		next := s.turn(calls, time.Now())
		if !deadline.IsZero() {
			if s.idle() && (next.IsZero() || next.After(deadline)) {
				return s.end(cancel)
			}
			next = earliest(next, deadline)
		}
		arm(timer, next)
		select {
		case e := <-s.ended:
			s.finish(e, time.Now())
			for more := true; more; { // what has ended by now costs one turn and one write together
				select {
				case e := <-s.ended:
					s.finish(e, time.Now())
				default:
					more = false
				}
			}
		case <-o.wake:
		case <-timer.C:
			s.stall(time.Now())
			if !deadline.IsZero() && !time.Now().Before(deadline) {
				return s.end(cancel)
			}
		case <-stopping:
			stopping = nil
			o.Wake() // for what was stored in the last moment
			deadline = time.Now().Add(o.flush)
		}
	}
}

// arm sets the timer; zero is never.
func arm(t *time.Timer, at time.Time) {
	t.Stop()
	if !at.IsZero() {
		t.Reset(max(time.Until(at), 0))
	}
}

// idle reports whether nothing is under way. A row that could leave would be.
func (s *scheduler) idle() bool {
	for _, ch := range s.channels {
		if ch.call != nil {
			return false
		}
	}
	return true
}

// cancelWait is how long a call may take to notice that it was cancelled.
const cancelWait = time.Second

// end cancels the calls that are still under way, stores what becomes of them, and reports those
// that do not end.
func (s *scheduler) end(cancel context.CancelCauseFunc) error {
	cancel(errors.New("recoveryd is stopping"))
	timer := time.NewTimer(cancelWait)
	defer timer.Stop()
	for waiting := true; waiting && !s.idle(); {
		select {
		case e := <-s.ended:
			s.finish(e, time.Now())
		case <-timer.C:
			waiting = false
		}
	}
	s.storeAt = time.Time{}
	s.save(context.WithoutCancel(s.calls), time.Now())
	s.publish()
	var errs []error
	for _, name := range s.names() {
		if s.channels[name].call != nil {
			errs = append(errs, fmt.Errorf("outbox: a call to %s did not end and was left behind; its notice is tried again at the next start", name))
		}
	}
	if s.storeErr != nil {
		errs = append(errs, fmt.Errorf("outbox: the last state of the notices was not stored, %d notices are lost with this process: %w",
			len(s.unstored), s.storeErr))
	}
	return errors.Join(errs...)
}
