package systemd

import (
	"fmt"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

// Facts that only systemd has. Rules of operators may name them; no built-in judgement rests on them.
const (
	UnitLoad        = "unit.load"         // word: loaded, not-found, masked, ...
	UnitActive      = "unit.active"       // word: active, activating, deactivating, inactive, failed, reloading
	UnitSub         = "unit.sub"          // word: running, dead, auto-restart, stop-sigterm, ...
	UnitResult      = "unit.result"       // word: success, signal, exit-code, oom-kill, watchdog, timeout, ...
	UnitStopTimeout = "unit.stop_timeout" // seconds, TimeoutStopUSec
)

func init() {
	detect.RegisterFacts(
		detect.Fact{Name: UnitLoad, Type: detect.Text, What: "load state of the systemd unit: loaded, not-found, masked, ..."},
		detect.Fact{Name: UnitActive, Type: detect.Text, What: "state of the systemd unit: active, activating, deactivating, inactive, failed, reloading, ..."},
		detect.Fact{Name: UnitSub, Type: detect.Text, What: "finer state of the systemd unit: running, dead, auto-restart, ..."},
		detect.Fact{Name: UnitResult, Type: detect.Text, What: "result of the systemd unit's last run: success, signal, exit-code, oom-kill, watchdog, timeout, ..."},
		detect.Fact{Name: UnitStopTimeout, What: "seconds, TimeoutStopSec= of the systemd unit"},
	)
	for old, now := range olderNames {
		detect.RegisterFacts(detect.Fact{Name: old, Now: now})
	}
}

// olderNames are those under which rules of operators may still name facts that every platform has now.
var olderNames = map[string]string{
	"unit.invocation": detect.WorkloadRun, "unit.main_pid": detect.WorkloadPID, "unit.since": detect.WorkloadSince,
	"unit.exit_code": detect.WorkloadExitCode, "unit.exit_kind": detect.WorkloadExitKind, "unit.unable": detect.WorkloadUnable,
	"unit.restarts": detect.WorkloadRestarts, "unit.policy": detect.WorkloadPolicy, "unit.restart_sec": detect.WorkloadRetryAfter,
	"unit.limit_burst": detect.WorkloadStartLimit, "unit.limit_window": detect.WorkloadStartWindow, "unit.job": detect.WorkloadPending,
	"unit.job_ours": detect.WorkloadPendingOurs, "unit.departure": detect.WorkloadDeparture, "unit.error": detect.WorkloadError,
	"unit.watched": detect.WorkloadWatched, "unit.permission": detect.WorkloadPermission, "unit.maintenance": detect.WorkloadMaintenance,
	"unit.operator_note": detect.WorkloadNote, "socket.owner_unit": detect.SocketOwnerService,
	"cgroup.memory_current": detect.MemoryCurrent, "cgroup.memory_max": detect.MemoryMax, "cgroup.source": detect.MemorySource,
	"cgroup.oom_kills": detect.MemoryOOMKills, "cgroup.memory_pressure": detect.MemoryPressure,
}

// Neutral adds to the unit.* facts of a unit what they mean on any platform, and returns the same map. A unit
// whose state is not measured, or is a word that is not known here, has no workload.state.
func Neutral(unit string, f detect.Facts) detect.Facts {
	f[detect.WorkloadNoun], f[detect.WorkloadManager] = detect.Word("unit"), detect.Word("systemd")
	switch state, why := neutralState(f), f[UnitActive].Err; {
	case state != "":
		f[detect.WorkloadState], f[detect.WorkloadWords] = detect.Word(state), detect.Word(words(f))
	case why != "":
		f[detect.WorkloadState] = detect.NotMeasured(why)
	case f.Text(UnitActive) != "":
		f[detect.WorkloadState] = detect.NotMeasured("systemd calls the unit " + f.Text(UnitActive) + ", which is not known here")
	}
	switch f.Text(UnitLoad) {
	case "masked":
		f[detect.WorkloadDisabled] = detect.Word("masked")
	case "not-found":
		f[detect.WorkloadMissing] = detect.Word(fmt.Sprintf("the unit %s does not exist on this host", unit))
		f[detect.WorkloadAdvice] = detect.Word("correct `unit:` in the configuration, or install the unit; on Debian a cluster is postgresql@<version>-<name>.service")
	}
	if f.Text(UnitResult) == "oom-kill" {
		f[detect.WorkloadOOM] = detect.Flag(true)
	}
	return f
}

func neutralState(f detect.Facts) string {
	switch f.Text(UnitActive) {
	case "active", "reloading", "refreshing":
		return detect.StateRunning
	case "activating":
		if f.Text(UnitSub) == FromAutoRestart {
			return detect.StateRetrying
		}
		return detect.StateStarting
	case "deactivating":
		return detect.StateStopping
	case "inactive":
		return detect.StateStopped
	case "failed":
		return detect.StateFailed
	}
	return ""
}

// words describes the unit in a few words: "unit failed (result signal, killed 9)".
func words(f detect.Facts) string {
	active := f.Text(UnitActive)
	s := "unit " + active
	if sub := f.Text(UnitSub); sub != "" && sub != active && sub != "dead" {
		s += "/" + sub
	}
	if r := f.Text(UnitResult); r != "" && r != "success" {
		s += " (result " + r
		if code, ok := f.Num(detect.WorkloadExitCode); ok && f.Text(detect.WorkloadExitKind) != "" {
			s += fmt.Sprintf(", %s %.0f", f.Text(detect.WorkloadExitKind), code)
		}
		s += ")"
	}
	return s
}
