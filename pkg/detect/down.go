package detect

import (
	"fmt"
	"time"
)

// downCondition: no process serves. Two witnesses make it conclusive: the platform says that the
// target is not running and the kernel refuses connections. One that is not running while
// something answers healthily on its port is served by hand, and left alone.
var downCondition = Condition{
	Class: ClassDown, Kinds: []Kind{KindService}, Severity: P1,
	Looks: 2, Clear: 2 * time.Second,
	Ladder:  []string{"start", "start", "start-dependencies", "clean-start", "kill-start"},
	Summary: "no process serves: its platform says that it is not running, and its port is closed",
	Match: func(o Observation, b Background) Finding {
		f := o.Facts
		if notSeen(f) && refused(f) {
			// No platform, or it could not be asked: the kernel alone says that nobody serves.
			return Finding{Verdict: Unhealthy, Witnesses: []Witness{BySocket}, Because: "connection refused, " + StateWords(f)}
		}
		if !notRunning(f) {
			return Finding{}
		}
		if understood(f) || f.Text(HTTPOutcome) == OutcomeStarting {
			return Finding{Verdict: Degraded, Witnesses: []Witness{ByPlatform, ByHTTP},
				Because: fmt.Sprintf("%s, yet the port answers: served by a process outside the %s", StateWords(f), Noun(f)),
				Advice:  "a server was started by hand; stop it and start the " + Noun(f)}
		}
		fd := Finding{Verdict: Unhealthy, Witnesses: []Witness{ByPlatform}, Because: StateWords(f)}
		if refused(f) {
			fd.Witnesses = append(fd.Witnesses, BySocket)
			fd.Because += ", connection refused"
			fd.Conclusive = true
		}
		switch f.Text(WorkloadDeparture) {
		case DepartureStopped:
			fd.Because += ": stopped by a person"
		case DepartureUnasked:
			fd.Because += ": nothing asks for it to run"
		case DepartureLimit:
			fd.Because += ": " + Manager(f) + " gave up restarting it (start limit)"
		}
		return fd
	},
}

// oomCondition: the process is gone because the kernel killed it for memory. Starting it again
// without more memory usually repeats the death, so it has its own ladder.
var oomCondition = Condition{
	Class: ClassMemory, Kinds: []Kind{KindService}, Severity: P1,
	Looks: 2, Clear: 2 * time.Second,
	Ladder:  []string{"restart", "raise-memory", "kill-start"}, // of what is dead, a restart is a start
	Summary: "killed by the kernel for memory: its last end, or its counter of such kills, says so",
	Match: func(o Observation, b Background) Finding {
		f := o.Facts
		if !notRunning(f) || understood(f) || f.Text(WorkloadDeparture) == DepartureStopped {
			return Finding{}
		}
		kills, _ := f.Num(MemoryOOMKills)
		exit, _ := f.Num(WorkloadExitCode)
		said := f.Text(WorkloadDeparture) == DepartureOOM || f.True(WorkloadOOM)
		// A platform may take it for a plain signal, and count the kill all the same.
		bySignal := f.Text(WorkloadExitKind) == "killed" && exit == 9 && kills > 0 && f.Text(WorkloadDeparture) != DepartureBySelf
		if !said && !bySignal {
			return Finding{}
		}
		fd := Finding{Verdict: Unhealthy, Witnesses: []Witness{ByPlatform}, Conclusive: refused(f),
			Because: "killed by the kernel for memory: " + StateWords(f)}
		if refused(f) {
			fd.Witnesses = append(fd.Witnesses, BySocket)
		}
		if kills > 0 {
			fd.Witnesses = append(fd.Witnesses, ByMemory)
			fd.Because += fmt.Sprintf(", its memory accounting counts %.0f", kills)
		}
		if max, ok := f.Num(MemoryMax); ok {
			fd.Because += ", limit " + bytesOf(max)
		}
		return fd
	},
}
