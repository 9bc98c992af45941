package systemd

import (
	"slices"
	"sync"
	"time"
)

// ledger knows which jobs and kills are our own, so that they are not taken for an operator's.
//
// The signal that a job is there may come before the reply that tells the job's number. So while
// a call is under way, a job first seen in that time counts as ours; when the reply has come,
// only the number in it does.
type ledger struct {
	settled func(unit string) // called without the lock when a call is over

	mu      sync.Mutex // guards everything that follows
	calling map[string]int
	acting  map[string]time.Time // until when an action of ours explains the stop of units that depend on this one
	jobs    []ownJob             // the latest, oldest first
	kills   map[string]time.Time // until when an end of the unit is our kill's
}

type ownJob struct {
	unit string
	id   uint32
}

const (
	// keepJobs is how many of our own jobs are remembered. The signals of a job lag behind the end
	// of its action by milliseconds.
	keepJobs = 64
	// actWindow is how long after its action a unit's dependents may still be seen to be taken along.
	actWindow = time.Second
	// killWindow is how long after our kill a unit that ends without a job ended because of it.
	killWindow = 2 * time.Second
)

func newLedger(settled func(string)) *ledger {
	return &ledger{settled: settled, calling: map[string]int{}, acting: map[string]time.Time{}, kills: map[string]time.Time{}}
}

// begin says that a job for the unit is about to be asked for. The returned function must be
// called with the job's number, or 0 when none was learnt.
func (l *ledger) begin(unit string) (end func(id uint32)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calling[unit]++
	return func(id uint32) {
		l.mu.Lock()
		if l.calling[unit]--; l.calling[unit] == 0 {
			delete(l.calling, unit)
		}
		if id != 0 {
			l.jobs = append(l.jobs, ownJob{unit, id})
			if len(l.jobs) > keepJobs {
				l.jobs = slices.Delete(l.jobs, 0, len(l.jobs)-keepJobs)
			}
		}
		l.mu.Unlock()
		l.settled(unit)
	}
}

// ours reports whether a job of the unit is our own. duringCall says that the job was first seen
// while a call of ours was under way (or is seen only now).
func (l *ledger) ours(unit string, id uint32, duringCall bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if slices.Contains(l.jobs, ownJob{unit, id}) {
		return true
	}
	return duringCall && l.calling[unit] > 0
}

// busy reports whether a call of ours for the unit is under way.
func (l *ledger) busy(unit string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.calling[unit] > 0
}

// act says that a job of ours runs on the unit; limit bounds how long it may take. The returned
// function must be called when the action is over.
func (l *ledger) act(unit string, limit time.Duration) (end func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.acting[unit] = time.Now().Add(limit)
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.acting[unit] = time.Now().Add(actWindow)
	}
}

// acts reports whether an action of ours on the unit is under way, or was until just now.
func (l *ledger) acts(unit string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Now().Before(l.acting[unit])
}

// kill says that the unit's processes are being killed by us.
func (l *ledger) kill(unit string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.kills[unit] = time.Now().Add(killWindow)
}

// killed reports whether an end of the unit seen now is our kill's.
func (l *ledger) killed(unit string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Now().Before(l.kills[unit])
}
