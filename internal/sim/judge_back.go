package sim

import (
	"strconv"
	"time"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/incident"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// The sizes that every server of the model begins with.
const (
	firstPool   = 30
	firstMemory = 400 // MiB
)

// judgeEasing: a change is taken back only where it is not needed, and never beyond what was before.
func (w *world) judgeEasing(a strategy.Action, rec incident.Record) {
	s := w.things[a.Target].server
	value, lasting := strategy.Setting(a)
	n, err := strconv.ParseFloat(value, 64)
	if s == nil || !lasting || err != nil && value != "" {
		w.fail(easedWhenQuiet, "%s takes nothing back", a)
		return
	}
	is := w.truth(a.Target)
	// What is only slow, or called so by its own reply, may count as healthy.
	bad := is.kind != "" && is.kind != "slow" && is.kind != "replies"
	if bad && w.t-is.since > 15*time.Second && !w.distortedSince(time.Minute, w.around(a.Target)...) {
		w.fail(easedWhenQuiet, "%s, and %s is %s since %s", a, a.Target, is.kind, clock(is.since))
	}
	if mode := w.modeOf(a.Target, changedBy(a)); mode != incident.Auto && changedBy(a) != "" {
		w.fail(asConfigured, "%s in mode %s", a, mode)
	}
	if last, ok := w.ledger.changed[a.Target]; ok && w.clockIsSteady(24*time.Hour) {
		quiet := s.t.Pool.Quiet
		if a.Verb == strategy.SetMemory {
			quiet = s.t.Memory.Quiet
		}
		if w.t-last < quiet-time.Second {
			w.fail(easedWhenQuiet, "%s comes %s after a change, and the quiet time is %s", a, w.t-last, quiet)
		}
	}
	switch {
	case a.Verb == strategy.SetMemory && n < firstMemory*mib,
		a.Verb != strategy.SetMemory && value != "" && n < firstPool:
		w.fail(easedWhenQuiet, "%s is below what it was at first", a)
	case a.Verb == strategy.SetMemory && s.memory()*mib > 0.9*n && w.stable(a.Target):
		w.fail(easedWhenQuiet, "%s, and %.0f MiB are used", a, s.memory())
	case a.Verb != strategy.SetMemory && seenUsed(rec) > 0.5*float64(s.pool):
		w.fail(easedWhenQuiet, "%s, and %.0f of %d connections were seen in use", a, seenUsed(rec), s.pool)
	}
	w.ledger.changed[a.Target] = w.t
}

// seenUsed is how many connections were in use at the last look.
func seenUsed(rec incident.Record) float64 {
	size, _ := rec.After.Last.Facts.Num(detect.PoolSize)
	free, _ := rec.After.Last.Facts.Num(detect.PoolFree)
	return size - free
}

// stable reports that nothing grows on a target: what was seen is what is there.
func (w *world) stable(target string) bool {
	return len(w.things[target].server.ailments) == 0 && !w.distortedSince(time.Hour, target)
}

func changedBy(a strategy.Action) string {
	switch a.Verb {
	case strategy.SetMemory:
		return "raise-memory"
	case strategy.HTTPPoolResize:
		return "resize-pool"
	case strategy.SetEnv:
		return "grow-pool"
	}
	return ""
}

// judgeNormal: in a world that was well for hours, every change was taken back.
func (w *world) judgeNormal() {
	if m := w.nature.moods; m != (moods{}) || w.nature.journal > 0 || w.ledger.clockSteps > 0 {
		return // what was reported of an action may not be what it did, or was not written
	}
	for _, s := range w.servers {
		kept := len(w.d.live.Targets[s.t.Name].Kept)
		// What leaked before the leak was mended is in use as long as the process lives.
		inUse := float64(s.used()) > s.t.Pool.ShrinkBelow*float64(s.poolMax)
		if w.modeOf(s.t.Name, "grow-pool") == incident.Auto && s.poolMax != firstPool && !inUse {
			w.fail(backToNormal, "%s starts with a pool of %d after hours in which nothing was wrong (%d changes are known)", s.t.Name, s.poolMax, kept)
		}
		if w.modeOf(s.t.Name, "raise-memory") == incident.Auto && s.memMax != firstMemory {
			w.fail(backToNormal, "%s has a memory limit of %.0f MiB after hours in which nothing was wrong (%d changes are known)", s.t.Name, s.memMax, kept)
		}
	}
}
