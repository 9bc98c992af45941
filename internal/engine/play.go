package engine

import (
	"context"

	"github.com/recoveryd/recoveryd/pkg/incident"
)

// conclude posts the end of a rung that was a playbook: its run is over. When the loop is gone
// meanwhile, the rung is found in flight by the next process and judged by observation.
func (e *Engine) conclude(ctx context.Context, eff incident.Effect) {
	e.work.Go(func() {
		_ = e.Post(ctx, incident.Event{Kind: incident.Ended, Target: eff.Target, ActionID: eff.ActionID, Result: eff.Result, Detail: eff.Detail})
	})
}

// leave ends what is left of targets that the configuration does not have any more, and lets the host
// look at what it has been told of.
func (e *Engine) leave(ctx context.Context) {
	left := e.Policy().Left(e.State())
	for _, name := range left {
		e.handle(ctx, message{ev: incident.Event{Kind: incident.Reconfigured, Target: name}})
	}
	if len(e.State().Host.Troubles) > 0 {
		e.handle(ctx, message{ev: incident.Event{Kind: incident.Woke}})
	}
}

// resume settles what an earlier process left in flight. The result of an action without an end is
// unknown: it is judged by observation and never repeated blindly. The run of a playbook goes on; a
// rung that it is a part of is in flight as long as it is.
func (e *Engine) resume(ctx context.Context) {
	const lost = "recoveryd was restarted while the action was in flight"
	run := e.State().Host.Run
	for _, t := range e.State().Targets {
		if t.Easing != nil {
			e.handle(ctx, message{ev: incident.Event{Kind: incident.Ended, Target: t.Name, ActionID: t.Easing.ActionID, Result: incident.ResultUnknown, Detail: lost}})
		}
		if t.Phase == incident.Acting && !(run.Live() && run.CallID == t.ActionID) {
			e.handle(ctx, message{ev: incident.Event{Kind: incident.Ended, Target: t.Name, ActionID: t.ActionID, Result: incident.ResultUnknown, Detail: lost}})
		}
	}
	e.leave(ctx) // the configuration may be another one than before
	switch {
	case !run.Live(): // or halted: a person ends it
	case run.Stage == incident.StageActing:
		e.handle(ctx, message{ev: incident.Event{Kind: incident.Ended, ActionID: run.ActionID, Result: incident.ResultUnknown, Detail: lost}})
	default:
		e.handle(ctx, message{ev: incident.Event{Kind: incident.Woke}})
		return
	}
	if len(e.State().Host.Troubles) > 0 { // who is told of them next is a matter of time
		e.handle(ctx, message{ev: incident.Event{Kind: incident.Woke}})
	}
}
