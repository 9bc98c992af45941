package detect

import (
	"fmt"
	"time"
)

// memoryCondition: the running service is at its memory limit. The limit is its platform's,
// or the configured one when that has none; without a limit there is no verdict.
var memoryCondition = Condition{
	Class: ClassMemory, Kinds: []Kind{KindService}, Severity: P2,
	Looks: 3, Clear: 5 * time.Second,
	Ladder:  []string{"restart", "raise-memory", "kill-start"},
	Summary: "at its memory limit, by its platform's accounting and by its processes",
	Match: func(o Observation, b Background) Finding {
		f := o.Facts
		limit, ok := f.Num(MemoryMax)
		if !ok {
			limit, ok = float64(b.Target.Memory.Limit), b.Target.Memory.Limit > 0
		} else if l := float64(b.Target.Memory.Limit); l > 0 && l < limit {
			limit = l
		}
		if !ok || !(limit > 0) || notRunning(f) {
			return Finding{}
		}
		full, high := orDefault(b.Target.Limits.MemoryFull, 0.95), orDefault(b.Target.Limits.MemoryHigh, 0.8)
		current, haveC := f.Num(MemoryCurrent)
		rss, haveR := f.Num(ProcessRSS)
		source := f.Text(MemorySource)
		if source == "procfs" && haveC { // the platform counts nothing: this is resident memory, one witness
			rss, haveR, haveC = current, true, false
		}
		share := max(current, rss) / limit
		if !haveC && !haveR {
			return Finding{}
		}
		if !(share >= high) { // also when a reading is no number
			return Finding{}
		}
		words := fmt.Sprintf("%s of %s (%s)", bytesOf(max(current, rss)), bytesOf(limit), percent(share))
		if share < full {
			return Finding{Verdict: Degraded, Witnesses: memoryWitnesses(haveC, haveR), Because: "memory is filling: " + words}
		}
		pressure, _ := f.Num(MemoryPressure)
		bad := answersBadly(o, b)
		if rss/limit < high && pressure < thrashing && !bad {
			// The accounting includes the page cache, which a service that reads many files fills up to
			// its limit, and which the kernel takes back when the memory is needed.
			left := "how much of it is page cache is not known"
			if haveR {
				left = bytesOf(rss) + " of it resident: the rest is page cache"
			}
			return Finding{Verdict: Degraded, Witnesses: memoryWitnesses(haveC, haveR), Because: "memory is accounted to its limit: " + words + ", " + left}
		}
		fd := Finding{Verdict: Unhealthy, Because: "memory is at its limit: " + words}
		if haveC && current/limit >= full {
			fd.Witnesses = append(fd.Witnesses, ByMemory)
		}
		// Resident memory leaves out the page cache and swap, so it agrees a little below the limit.
		if haveR && rss/limit >= high {
			fd.Witnesses = append(fd.Witnesses, ByProcess)
			fd.Because += ", " + bytesOf(rss) + " of it resident"
		}
		// The service's own figure is a witness here only, where its memory is known to be short: the
		// figure is of whatever the service calls its limit.
		said, haveS := f.Num(HealthMemoryShare)
		agrees := haveS && said >= high && understood(f)
		if agrees {
			fd.Because += fmt.Sprintf(", the service itself reports %s", percent(said))
		}
		if bad {
			fd.Because += ", and it answers badly"
		}
		if agrees || bad {
			fd.Witnesses = append(fd.Witnesses, ByHTTP)
		}
		if pressure >= thrashing {
			fd.Because += fmt.Sprintf(", memory pressure %.0f %%", pressure)
		}
		return fd
	},
}

// thrashing is the memory pressure (PSI some avg10, percent) from which on a full account is short
// of memory and does not just hold page cache: a tenth of the time spent waiting for memory.
const thrashing = 10

// answersBadly reports that the service itself answers badly, or not at all. What speaks of the
// probe (a wrong page, a rate limit) is no witness, nor is a reply that explains itself otherwise.
func answersBadly(o Observation, b Background) bool {
	f := o.Facts
	switch f.Text(HTTPOutcome) {
	case OutcomeNoReply, OutcomeReset:
		return true
	case OutcomeHTTPError:
		return !rejected(f)
	case OutcomeReply:
		return f.Text(HealthStatus) == "unhealthy" && !explained(o, b)
	}
	return false
}

func memoryWitnesses(counted, process bool) (ws []Witness) {
	if counted {
		ws = append(ws, ByMemory)
	}
	if process {
		ws = append(ws, ByProcess)
	}
	return ws
}
