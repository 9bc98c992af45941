// Package platform is the contract between recoveryd and what runs its targets: systemd, child
// processes, later containers.
//
// An adapter reports what it sees and performs one action at a time when told. It decides
// nothing, never retries, and never reports success that it did not see: a lost answer is the
// result [Unknown]. Every adapter runs the conformance suite in platformtest.
//
// Start reading at [Adapter].
package platform

import (
	"context"
	"errors"
	"slices"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// Result is how an action ended. The zero value is Unknown: nothing was learnt.
type Result string

// The four results. Only Done says that the effect took place, and even Done proves nothing
// about the health of the target.
const (
	Unknown  Result = "unknown"   // no answer, or the answer was lost
	Done     Result = "done"      // the platform reports the effect as complete
	Failed   Result = "failed"    // the platform reports failure, or refused
	TimedOut Result = "timed-out" // the action's own timeout passed; it may still take effect
)

// Report is what an adapter tells about a performed action.
type Report struct {
	Result Result
	Detail string // one sentence without secrets: "job done, active/running", "killed after 5s of stop grace"
}

// ErrPermission is wrapped by errors which say that the host refuses the action (polkit, SQL
// grants, file modes). Trying again cannot help; a person must mend the permission.
var ErrPermission = errors.New("permission denied")

// ErrOutdated is wrapped by errors which say that nothing was done, because the unit is not any more as
// it was when the action was decided: see [strategy.Seen].
var ErrOutdated = errors.New("outdated")

// ErrUnsupported is wrapped when an adapter does not know the verb.
var ErrUnsupported = errors.New("verb not supported by this platform")

// Change tells that something happened to a unit. It carries the facts known at that moment
// (names in package detect), because a later look may no longer see them.
type Change struct {
	Unit  string
	Facts detect.Facts
}

// Adapter is one platform. All methods are safe for concurrent use.
type Adapter interface {
	// Inspect returns the unit.* and cgroup.* facts of a unit. A unit that cannot be asked
	// yields facts with Err set and a nil error; the error is for a broken adapter only.
	Inspect(ctx context.Context, unit string) (detect.Facts, error)
	// Do performs one action and blocks until it is over or ctx ends. The error, when not nil,
	// explains a Report that is not Done, and may wrap ErrPermission or ErrUnsupported.
	Do(ctx context.Context, a strategy.Action) (Report, error)
	// Verbs lists what Do can perform, so that a ladder naming another verb is refused at start.
	Verbs() []strategy.Verb
}

// Watcher is an Adapter that can tell of changes without being asked.
type Watcher interface {
	// Watch reports changes of the named units until ctx ends, then returns. It calls changed
	// from one goroutine and never drops a change of a watched unit: after a gap it reports every
	// unit once. It reconnects by itself; while it cannot watch, Inspect's workload.watched is false.
	Watch(ctx context.Context, units []string, changed func(Change)) error
}

// Finisher is an Adapter that can see an action through which another process began and did not see
// the end of.
type Finisher interface {
	// Finish blocks until nothing of the action is under way any more, or ctx ends. It begins nothing,
	// and does only what the action itself was bound to: a stop is cut short by its stop grace. The
	// detail is one sentence without secrets; "" means that nothing of it was under way.
	Finish(ctx context.Context, a strategy.Action) (detail string)
}

// Heir is an Adapter that takes over, from the one that it replaces after a reload, what that knows of our own
// actions, which may still be in flight there. What was asked for by recoveryd stays so.
type Heir interface {
	Inherit(from Adapter)
}

// Glancer is an Adapter that can say again what it said a moment ago.
type Glancer interface {
	// Glance returns facts that Inspect returned at most ten seconds ago, when nothing has told of a
	// change of the unit since, the unit was up and no action has been performed on it. It returns at
	// once and measures nothing; false means that Inspect must be asked. It serves looks at a target
	// that proves to be well in the same look, and no other. The facts must not be modified.
	Glance(unit string) (detect.Facts, bool)
}

// Supports reports whether an adapter performs a verb.
func Supports(a Adapter, v strategy.Verb) bool { return slices.Contains(a.Verbs(), v) }
