package systemd

import (
	"time"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

// glanceFor is how long what Inspect said may be said again without measuring: figures of a target whose
// own health reply is good are that old at the most, also its memory while less than half of the limit is
// in use.
const glanceFor = 10 * time.Second

// told is what Inspect said of a unit that was up and had no job.
type told struct {
	at    time.Time
	heard uint64 // what had been learnt from signals by then
	facts detect.Facts
}

// Glance implements [platform.Glancer]: it repeats what Inspect said a moment ago, unless a signal
// has come since. It asks nobody and reads nothing.
func (a *Adapter) Glance(unit string) (detect.Facts, bool) {
	if a.link.ctx.Err() != nil {
		return nil, false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	t, ok := a.told[unit]
	if !ok || time.Since(t.at) >= glanceFor {
		return nil, false
	}
	for i := len(a.sessions) - 1; i >= 0; i-- {
		if heard, ok := a.sessions[i].heard(unit); ok {
			return t.facts, heard == t.heard
		}
	}
	return nil, false
}

// wasTold remembers what Inspect said where signals tell of every change of it, and memory is not getting
// short.
func (a *Adapter) wasTold(unit string, f detect.Facts, p unitProps, v view, watched bool) {
	short := short(f)
	a.mu.Lock()
	defer a.mu.Unlock()
	if w, ok := a.read[unit]; ok {
		w.short = short
		a.read[unit] = w
	}
	if watched && v.describes(p) && isUp(p.active) && p.job == 0 && !short {
		a.told[unit] = told{at: time.Now(), heard: v.heard, facts: f}
	} else {
		delete(a.told, unit)
	}
}
