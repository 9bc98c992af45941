package detect

import (
	"fmt"
	"time"
)

// downCondition: no process serves. Two witnesses make it conclusive: the platform says that the
// unit is not running and the kernel refuses connections. A unit that is not running while
// something answers healthily on its port is served by hand, and left alone.
var downCondition = Condition{
	Class: ClassDown, Kinds: []Kind{KindService}, Severity: P1,
	Looks: 2, Clear: 2 * time.Second,
	Ladder:  []string{"start", "start", "start-dependencies", "clean-start", "kill-start"},
	Summary: "no process serves: the unit is not running and its port is closed",
	Match: func(o Observation, b Background) Finding {
		f := o.Facts
		if notSeen(f) && refused(f) {
			// No platform, or it could not be asked: the kernel alone says that nobody serves.
			return Finding{Verdict: Unhealthy, Witnesses: []Witness{BySocket}, Because: "connection refused, " + unitNote(f)}
		}
		if !notRunning(f) {
			return Finding{}
		}
		if understood(f) || f.Text(HTTPOutcome) == OutcomeStarting {
			return Finding{Verdict: Degraded, Witnesses: []Witness{ByUnit, ByHTTP},
				Because: fmt.Sprintf("%s, yet the port answers: served by a process outside the unit", unitNote(f)),
				Advice:  "a server was started by hand; stop it and start the unit"}
		}
		fd := Finding{Verdict: Unhealthy, Witnesses: []Witness{ByUnit}, Because: unitNote(f)}
		if refused(f) {
			fd.Witnesses = append(fd.Witnesses, BySocket)
			fd.Because += ", connection refused"
			fd.Conclusive = true
		}
		switch f.Text(UnitDeparture) {
		case DepartureStopped:
			fd.Because += ": stopped by a person"
		case DepartureUnasked:
			fd.Because += ": nothing asks for it to run"
		case DepartureLimit:
			fd.Because += ": systemd gave up restarting it (start limit)"
		}
		return fd
	},
}

// oomCondition: the process is gone because the kernel killed it for memory. Starting it again
// without more memory usually repeats the death, so it has its own ladder.
var oomCondition = Condition{
	Class: ClassMemory, Kinds: []Kind{KindService}, Severity: P1,
	Looks: 2, Clear: 2 * time.Second,
	Ladder:  []string{"restart", "raise-memory", "kill-start"}, // of a dead unit, a restart is a start
	Summary: "killed by the kernel for memory: the unit's result, or its counter of OOM kills, says so",
	Match: func(o Observation, b Background) Finding {
		f := o.Facts
		if !notRunning(f) || understood(f) || f.Text(UnitDeparture) == DepartureStopped {
			return Finding{}
		}
		kills, _ := f.Num(MemoryOOMKills)
		exit, _ := f.Num(UnitExitCode)
		said := f.Text(UnitDeparture) == DepartureOOM || f.Text(UnitResult) == "oom-kill"
		// With OOMPolicy=continue, and always on cgroup v1, systemd calls it a signal.
		bySignal := f.Text(UnitExitKind) == "killed" && exit == 9 && kills > 0 && f.Text(UnitDeparture) != DepartureBySelf
		if !said && !bySignal {
			return Finding{}
		}
		fd := Finding{Verdict: Unhealthy, Witnesses: []Witness{ByUnit}, Conclusive: refused(f),
			Because: "killed by the kernel for memory: " + unitNote(f)}
		if refused(f) {
			fd.Witnesses = append(fd.Witnesses, BySocket)
		}
		if kills > 0 {
			fd.Witnesses = append(fd.Witnesses, ByCgroup)
			fd.Because += fmt.Sprintf(", its cgroup counts %.0f", kills)
		}
		if max, ok := f.Num(MemoryMax); ok {
			fd.Because += ", limit " + bytesOf(max)
		}
		return fd
	},
}
