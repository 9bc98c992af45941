package systemd

import (
	"maps"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

// addHostFacts adds what /proc and /sys/fs/cgroup tell of a unit, and whether a person is at
// work on the host. What changes slowly is remembered for addQuickFacts.
func (a *Adapter) addHostFacts(f detect.Facts, unit string, p unitProps) {
	slow := detect.Facts{}
	a.host.addMemory(f, p)
	a.host.addLimit(f, p)
	a.host.addEvents(slow, p)
	a.host.addProcess(f, p)
	a.host.addUse(slow, p)
	maps.Copy(f, slow)
	a.addMaintenance(f)
	a.wereMeasured(unit, p, slow)
}

// addQuickFacts adds the same, but measures only what decisions turn on from one look to the next:
// memory and its limit, which a person may set at any time, the state of the main process, and people at
// work. The rest is from the last complete answer, unless memory is getting short or cannot be told
// otherwise.
func (a *Adapter) addQuickFacts(f detect.Facts, unit string, p unitProps) {
	slow, ok := a.measured(unit, p)
	a.host.addMemory(f, p)
	a.host.addLimit(f, p)
	if !ok || short(f) {
		slow = detect.Facts{}
		a.host.addEvents(slow, p)
		a.host.addUse(slow, p)
	}
	a.host.addProcess(f, p)
	maps.Copy(f, slow)
	if _, counted := f.Num(detect.MemoryCurrent); !counted {
		a.host.addResident(f, p) // all that there is to tell of memory
	}
	a.addMaintenance(f)
}

// half of the limit in use is far from what configurations call high (0.8), and near enough to be
// measured in full.
const half = 0.5

// short reports whether half of the memory limit is in use.
func short(f detect.Facts) bool {
	current, counted := f.Num(detect.MemoryCurrent)
	limit, limited := f.Num(detect.MemoryMax)
	return counted && limited && current >= half*limit
}

func (a *Adapter) addMaintenance(f detect.Facts) {
	if m := a.host.atWork(); m != "" {
		f[detect.WorkloadMaintenance] = detect.Word(m)
	}
}
