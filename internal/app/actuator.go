package app

import (
	"context"
	"errors"
	"fmt"

	"github.com/recoveryd/recoveryd/pkg/incident"
	"github.com/recoveryd/recoveryd/pkg/platform"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// actuator sends an action to the adapter that its platform argument names.
type actuator map[string]platform.Adapter

// Do performs one action through its adapter and translates the report for the core.
func (a actuator) Do(ctx context.Context, act strategy.Action) (incident.Result, string) {
	name := act.Args[strategy.ArgPlatform]
	ad, ok := a[name]
	if !ok {
		return incident.ResultDenied, fmt.Sprintf("there is no platform %q in this configuration", name)
	}
	rep, err := ad.Do(ctx, act)
	detail := rep.Detail
	if err != nil {
		detail = err.Error()
	}
	switch {
	case errors.Is(err, platform.ErrPermission) || errors.Is(err, platform.ErrUnsupported):
		return incident.ResultDenied, detail
	case errors.Is(err, platform.ErrOutdated):
		return incident.ResultVoid, detail
	case rep.Result == platform.Done:
		return incident.ResultDone, detail
	case rep.Result == platform.Failed:
		return incident.ResultFailed, detail
	case rep.Result == platform.TimedOut:
		return incident.ResultTimedOut, detail
	}
	return incident.ResultUnknown, detail
}

// Finish implements [engine.Finisher] for platforms that can.
func (a actuator) Finish(ctx context.Context, act strategy.Action) string {
	if f, ok := a[act.Args[strategy.ArgPlatform]].(platform.Finisher); ok {
		return f.Finish(ctx, act)
	}
	return ""
}
