package sim

import (
	"time"

	"github.com/recoveryd/recoveryd/pkg/incident"
)

// mutant is a deliberately broken rule. The tests put one into a world to see that an invariant
// catches it: invariants that nothing can break prove nothing. What it breaks is the daemon only:
// the invariants are judged by what the world was told.
type mutant struct {
	name   string // short
	says   string // what the broken daemon does
	worlds int    // it must be caught within that many; 0 = the usual number

	options func(*incident.Options)             // breaks the rules of the configuration
	core    func(*world, *incident.Policy) core // stands between the shell and the core
	boot    func(incident.State) incident.State // breaks what a new life knows

	actsFirst      bool // acts, then writes
	ignoresJournal bool // acts although nothing could be written
	ignoresStop    bool // never looks at the stop file
	neverAsksAgain bool // acts on what was seen when it was decided
	repeats        bool // repeats what was in flight when the last life ended
}

// between is a core with something before and after every step.
type between struct {
	core
	before func(incident.State, time.Time, *incident.Event) incident.State
	after  func(incident.State, incident.Record) (incident.State, incident.Record)
}

// Step passes the event through the mutant.
func (b between) Step(s incident.State, now time.Time, ev incident.Event) (incident.State, incident.Record) {
	seen := ev
	if b.before != nil {
		s = b.before(s, now, &seen)
	}
	next, rec := b.core.Step(s, now, seen)
	if b.after != nil {
		next, rec = b.after(next, rec)
	}
	return next, rec
}
