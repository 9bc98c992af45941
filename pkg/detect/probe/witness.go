package probe

import (
	"context"
	"time"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

// Witness measures one kind of thing about one target.
//
// Look returns before ctx ends or shortly after, and never fails: what it cannot see is a reading
// made by [detect.NotMeasured]. The facts it returns belong to the caller. unit holds the
// platform's facts of the same look (process id, invocation, state); it may be empty and must not
// be modified. The witnesses of this package may be used by several goroutines, which then wait
// for each other.
type Witness interface {
	// Name is a short constant word for logs and metrics: "http", "socket", "postgres".
	Name() string
	Look(ctx context.Context, unit detect.Facts) detect.Facts
}

// Heir is a Witness that takes over from an earlier one, which a reload of the configuration
// replaces, what the server has asked of both: to be left alone for a while. It takes nothing over
// from a witness that asks something else. A witness that wraps another should pass Inherit on.
type Heir interface {
	Witness
	Inherit(from Witness)
}

// Prompt is a Witness that begins with what always ends soon after its own timeout, and soon after ctx,
// because the kernel keeps that time for it: what waits for a socket does, what reads files of a sick
// process does not. A Looker lets its only witness begin in its own goroutine: at every look that saves
// a goroutine, its stack and the waking of threads.
type Prompt interface {
	Witness
	// Begin does that part, and ends by a moment even if ctx does not end then. rest does what is left and
	// returns all facts; nil = nothing is left and f are all facts.
	Begin(ctx context.Context, by time.Time, unit detect.Facts) (f detect.Facts, rest func(context.Context) detect.Facts)
}

// Leader is a Witness that names its leading fact, such as http.outcome: when it could not look at
// all, a Looker reports that fact as not measured, so that its readers do not take silence for
// something that was never asked. A witness that wraps another should pass Leads (and Close) on.
type Leader interface {
	Witness
	Leads() string
}
