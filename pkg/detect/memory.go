package detect

import (
	"fmt"
	"time"
)

// memoryCondition: the running service is at its memory limit. The limit is the unit's MemoryMax,
// or the configured one when the unit has none; without a limit there is no verdict.
var memoryCondition = Condition{
	Class: ClassMemory, Kinds: []Kind{KindService}, Severity: P2,
	Looks: 3, Clear: 5 * time.Second,
	Ladder:  []string{"restart", "raise-memory", "kill-start"},
	Summary: "at its memory limit, by the unit's accounting and by its processes",
	Match: func(o Observation, b Background) Finding {
		f := o.Facts
		limit, ok := f.Num(MemoryMax)
		if !ok {
			limit, ok = float64(b.Target.Memory.Limit), b.Target.Memory.Limit > 0
		} else if l := float64(b.Target.Memory.Limit); l > 0 && l < limit {
			limit = l
		}
		if !ok || notRunning(f) {
			return Finding{}
		}
		full, high := orDefault(b.Target.Limits.MemoryFull, 0.95), orDefault(b.Target.Limits.MemoryHigh, 0.8)
		current, haveC := f.Num(MemoryCurrent)
		rss, haveR := f.Num(ProcessRSS)
		source := f.Text(MemorySource)
		if source == "procfs" && haveC { // the adapter had no cgroup figure: this is resident memory, one witness
			rss, haveR, haveC = current, true, false
		}
		share := max(current, rss) / limit
		if !haveC && !haveR {
			return Finding{}
		}
		if share < high {
			return Finding{}
		}
		words := fmt.Sprintf("%s of %s (%s)", bytesOf(max(current, rss)), bytesOf(limit), percent(share))
		if share < full {
			return Finding{Verdict: Degraded, Witnesses: memoryWitnesses(haveC, haveR), Because: "memory is filling: " + words}
		}
		fd := Finding{Verdict: Unhealthy, Because: "memory is at its limit: " + words}
		if haveC && current/limit >= full {
			fd.Witnesses = append(fd.Witnesses, ByCgroup)
		}
		// Resident memory leaves out the page cache and swap, so it agrees a little below the limit.
		if haveR && rss/limit >= high {
			fd.Witnesses = append(fd.Witnesses, ByProcess)
			fd.Because += ", " + bytesOf(rss) + " of it resident"
		}
		if s := f.Text(HTTPOutcome); s != "" && (s != OutcomeReply || f.Text(HealthStatus) != "healthy") {
			fd.Witnesses = append(fd.Witnesses, ByHTTP)
			fd.Because += ", and it answers badly"
		}
		if p, ok := f.Num(MemoryPressure); ok && p >= 10 {
			fd.Because += fmt.Sprintf(", memory pressure %.0f %%", p)
		}
		return fd
	},
}

func memoryWitnesses(cgroup, process bool) (ws []Witness) {
	if cgroup {
		ws = append(ws, ByCgroup)
	}
	if process {
		ws = append(ws, ByProcess)
	}
	return ws
}
