package engine

import (
	"context"
	"time"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/escalate/queue"
	"github.com/recoveryd/recoveryd/pkg/incident"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// Looker takes one complete look at one target. It is bounded by itself and by ctx, and never
// fails: what it could not see is NotMeasured in the facts. It is never called twice at once.
type Looker interface {
	Look(ctx context.Context, cause string) detect.Observation
}

// Actuator performs one action and blocks until it is over. It never retries. The detail is one
// sentence without secrets.
type Actuator interface {
	Do(ctx context.Context, a strategy.Action) (result incident.Result, detail string)
}

// Finisher is an Actuator that can see an action through which an earlier process began.
type Finisher interface {
	// Finish blocks until nothing of the action is under way, or ctx ends, and does what the action's own
	// bounds ask for meanwhile; it begins nothing. The detail is one sentence, "" when nothing was under way.
	Finish(ctx context.Context, a strategy.Action) (detail string)
}

// Journal makes a record and its notices durable in one transaction. When Append returns nil,
// both survive a crash at any later instant.
type Journal interface {
	Append(ctx context.Context, rec incident.Record, notices []queue.Queued) error
}

// Courier is told that notices were queued, and takes those that could not be made durable.
type Courier interface {
	// Wake says that the outbox has something new.
	Wake()
	// Emergency delivers notices without a journal, at once and as well as it can.
	Emergency(notices []queue.Queued)
}

// Evidence collects what a cure is about to destroy.
type Evidence interface {
	// Collect returns when ctx ends, whatever hangs, and stores beside what it has found. before is
	// what was known of the target when a cure was decided that is over by now; nil = ask now.
	Collect(ctx context.Context, target, incidentID string, before detect.Facts)
	// Limit is how long it may take for a target. What it asks for beyond a few seconds is not given.
	Limit(target string) time.Duration
}

// Meter counts. Implementations are fast and safe for concurrent use.
type Meter interface {
	Looked(target string, verdict detect.Verdict, took time.Duration)
	Decided(rec incident.Record)
	Acted(a strategy.Action, result incident.Result, took time.Duration)
	JournalFailed()
	Cycle(at time.Time)
}

// Tape is told of every step of the core, in their order, by the loop itself: it must not block.
type Tape interface {
	Stepped(before incident.State, now time.Time, ev incident.Event, rec incident.Record, after incident.State)
}
