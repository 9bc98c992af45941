package engine

import (
	"context"

	"github.com/recoveryd/recoveryd/pkg/incident"
)

// brake tells the core when the stop file has come, has gone, or says something else.
func (e *Engine) brake(ctx context.Context) {
	why, known := e.braked(), ""
	if s := e.State().Host.Stop; s != nil {
		known = s.Why
	}
	if why != known {
		e.handle(ctx, message{ev: incident.Event{Kind: incident.Stopped, Detail: why}})
	}
}

// braked is why nothing may be done now; "" = it may.
func (e *Engine) braked() string {
	if e.o.Brake == nil {
		return ""
	}
	return e.o.Brake()
}
