package engine

import (
	"context"

	"go.uber.org/zap"

	"github.com/recoveryd/recoveryd/pkg/incident"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// conclude posts the end of a rung that was a playbook: its run is over.
func (e *Engine) conclude(eff incident.Effect) {
	e.act(e.parts.Load(), actionRoom, func() incident.Event {
		return incident.Event{Kind: incident.Ended, Target: eff.Target, ActionID: eff.ActionID, Result: eff.Result, Detail: eff.Detail}
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
// unknown: what still goes on of it is seen through, it is judged by observation and never repeated
// blindly. The run of a playbook goes on; a rung that it is a part of is in flight as long as it is.
func (e *Engine) resume(ctx context.Context) {
	const lost = "recoveryd was restarted while the action was in flight"
	run := e.State().Host.Run
	for _, t := range e.State().Targets {
		if t.Easing != nil {
			e.handle(ctx, message{ev: incident.Event{Kind: incident.Ended, Target: t.Name, ActionID: t.Easing.ActionID, Result: incident.ResultUnknown, Detail: lost}})
		}
		if t.Phase == incident.Acting && !(run.Live() && run.CallID == t.ActionID) {
			ev := incident.Event{Kind: incident.Ended, Target: t.Name, ActionID: t.ActionID, Result: incident.ResultUnknown, Detail: lost}
			if t.Plan != nil && t.Step < len(t.Plan.Actions) {
				e.seeThrough(ctx, ev, t.Plan.Actions[t.Step])
			} else {
				e.handle(ctx, message{ev: ev})
			}
		}
	}
	e.leave(ctx) // the configuration may be another one than before
	switch {
	case !run.Live(): // or halted: a person ends it
	case run.Stage == incident.StageActing:
		ev := incident.Event{Kind: incident.Ended, ActionID: run.ActionID, Result: incident.ResultUnknown, Detail: lost}
		if run.At < len(run.Steps) && run.Steps[run.At].Action != nil {
			e.seeThrough(ctx, ev, *run.Steps[run.At].Action)
		} else {
			e.handle(ctx, message{ev: ev})
		}
	default:
		e.handle(ctx, message{ev: incident.Event{Kind: incident.Woke}})
		return
	}
	if len(e.State().Host.Troubles) > 0 { // who is told of them next is a matter of time
		e.handle(ctx, message{ev: incident.Event{Kind: incident.Woke}})
	}
}

// seeThrough lets an action that an earlier process began come to its end, and then takes that end. A
// platform at which nothing is under way says so at once.
func (e *Engine) seeThrough(ctx context.Context, ev incident.Event, a strategy.Action) {
	p := e.parts.Load()
	f, ok := p.actuator.(Finisher)
	if !ok {
		e.handle(ctx, message{ev: ev})
		return
	}
	e.act(p, a.Timeout+actionRoom, func() incident.Event {
		bound, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.Timeout)
		defer cancel()
		if detail := f.Finish(bound, a); detail != "" {
			ev.Detail += "; " + detail
			e.o.Logger.Info("an action of the process before was seen through", zap.String("action_id", ev.ActionID), zap.String("target", a.Target),
				zap.Stringer("action", a), zap.String("detail", detail))
		}
		return ev
	})
}
