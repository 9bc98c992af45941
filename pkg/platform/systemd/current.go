package systemd

import (
	"time"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

// readAgain is how long a unit whose signals are received is not asked for as a whole. The reply has
// 400 properties: it costs this daemon a millisecond of processor time to read, and systemd and the
// bus half of that to write. Asking at all, although signals tell every change at once, finds out
// whether they really do.
const readAgain = time.Minute

// shortAgain is the same of a unit that uses half of its memory limit: no signal tells of a limit that a
// person has raised a moment ago, perhaps because of this very unit.
const shortAgain = 10 * time.Second

// whole is what the last complete answer about a unit said and no signal tells. It holds for one run.
type whole struct {
	at                 time.Time
	invocation, cgroup string
	memCurrent, memMax uint64
	mainPID            uint32
	short              bool         // half of the memory limit was in use when it was looked at last
	slow               detect.Facts // what the kernel's files told that changes slowly; nil: not measured yet
}

// current returns the unit's properties as the signals left them. It is false when systemd must be
// asked: signals are not received, or disagreed with what was read last, or that was too long ago or
// of another run, or memory is accounted where only systemd can see it.
func (a *Adapter) current(unit string, v view, watched bool) (unitProps, bool) {
	if !watched {
		return unitProps{}, false
	}
	a.mu.Lock()
	w, ok := a.read[unit]
	a.mu.Unlock()
	if !ok || time.Since(w.at) >= w.goodFor() || w.invocation != v.props.invocation {
		return unitProps{}, false
	}
	p := v.props
	p.cgroup, p.memCurrent, p.memMax = w.cgroup, notSet, w.memMax
	if p.mainPID == 0 && !isUp(p.active) {
		p.cgroup = "" // removed with its last process
	}
	if w.memCurrent != notSet && isUp(p.active) && !a.host.accounts(p.cgroup) {
		return unitProps{}, false
	}
	return p, true
}

// goodFor is how long the answer need not be asked for again.
func (w whole) goodFor() time.Duration {
	if w.short {
		return shortAgain
	}
	return readAgain
}

// wasRead remembers a complete answer, unless the signals tell otherwise.
func (a *Adapter) wasRead(unit string, p unitProps, agrees bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if agrees {
		a.read[unit] = whole{at: time.Now(), invocation: p.invocation, cgroup: p.cgroup, memCurrent: p.memCurrent, memMax: p.memMax, mainPID: p.mainPID}
	} else {
		delete(a.read, unit)
	}
}

// wereMeasured remembers the slow facts that belong to the last complete answer.
func (a *Adapter) wereMeasured(unit string, p unitProps, slow detect.Facts) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if w, ok := a.read[unit]; ok && w.mainPID == p.mainPID {
		w.slow = slow
		a.read[unit] = w
	}
}

// measured returns them while the same process runs.
func (a *Adapter) measured(unit string, p unitProps) (detect.Facts, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	w, ok := a.read[unit]
	if !ok || w.slow == nil || w.mainPID != p.mainPID {
		return nil, false
	}
	return w.slow, true
}

// forget makes the next look ask systemd: an action changes what signals do not tell.
func (a *Adapter) forget(unit string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.read, unit)
	delete(a.told, unit)
}
