package systemd

import (
	"maps"
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
	acting  map[string]span      // of our latest action on a unit: it explains jobs on units that depend on this one
	jobs    []ownJob             // the latest, oldest first
	kills   map[string]time.Time // until when an end of the unit is our kill's
}

type span struct{ from, until time.Time }

type ownJob struct {
	unit string
	id   uint32
}

const (
	// keepJobs is how many of our own jobs are remembered. The signals of a job lag behind the end
	// of its action by milliseconds.
	keepJobs = 64
	// actWindow is how far the signals of an action may lag behind its end. They are sent before it,
	// on another connection.
	actWindow = 100 * time.Millisecond
	// killWindow is how long after our kill a unit that ends without a job ended because of it.
	killWindow = 2 * time.Second
)

func newLedger(settled func(string)) *ledger {
	return &ledger{settled: settled, calling: map[string]int{}, acting: map[string]span{}, kills: map[string]time.Time{}}
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
	began := time.Now()
	l.acting[unit] = span{began, began.Add(limit)}
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.acting[unit] = span{began, time.Now().Add(actWindow)}
	}
}

// acted reports whether an action of ours on the unit was under way at a time.
func (l *ledger) acted(unit string, at time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.acting[unit]
	return at.After(a.from) && at.Before(a.until)
}

// kill says that the unit's processes are being killed by us. It may be called again while that
// lasts; spare says that it did not happen.
func (l *ledger) kill(unit string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.kills[unit] = time.Now().Add(killWindow)
}

func (l *ledger) spare(unit string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.kills, unit)
}

// killed reports whether an end of the unit seen now is our kill's.
func (l *ledger) killed(unit string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Now().Before(l.kills[unit])
}

// inherit takes over what another ledger knows. An action that is under way there counts until its limit.
func (l *ledger) inherit(from *ledger) {
	from.mu.Lock()
	acting, jobs, kills := maps.Clone(from.acting), slices.Clone(from.jobs), maps.Clone(from.kills)
	from.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	maps.Copy(l.acting, acting)
	l.jobs = append(jobs, l.jobs...)
	maps.Copy(l.kills, kills)
}
