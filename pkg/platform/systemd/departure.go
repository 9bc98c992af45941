package systemd

import (
	"fmt"
	"slices"
	"strings"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

// JobUnknown is the UnitEnd.Job of a job that was seen but ended before it could be asked for
// its type.
const JobUnknown = "unknown"

// FromAutoRestart is the UnitEnd.From of a unit that left the delay before an automatic restart.
// systemd counts that delay as activating, but it is an end that lasts: no process runs.
const FromAutoRestart = "auto-restart"

// UnitEnd is what is known of a unit when the question is why it is not running. The words and
// timestamps are systemd's own.
type UnitEnd struct {
	Load, Active, Sub string // LoadState, ActiveState, SubState
	Result            string // Result of the last run; systemd keeps the first failure of a run
	ExitKind          string // how the main process ended: exited, killed, dumped; "" unknown
	ExitStatus        int    // its exit status or signal number
	Policy            string // Restart=
	Restarts          int    // NRestarts
	LimitBurst        int    // StartLimitBurst=; 0 = no limit
	FileState         string // whether it starts at boot: enabled, disabled, static, ...; "" not known
	Wanted            bool   // a unit that systemd has loaded asks for it (WantedBy=, RequiredBy=, TriggeredBy=, ...)
	ConditionFailed   bool   // the last start was skipped because a Condition…= was not met
	AssertFailed      bool   // the last start failed because an Assert…= was not met

	// Monotonic microseconds; 0 = never. MainExit is that of the last main process, and 0 while
	// it runs.
	ActiveEnter, ActiveExit, InactiveExit, MainExit uint64

	// The rest is known only when signals were received without a gap since before it left the
	// state From; otherwise Live is false and the rest is empty.
	Live    bool
	From    string // ActiveState that it left: active, reloading, activating, deactivating; or FromAutoRestart
	Job     string // type of the job on it when it left: stop, restart, start, ...; JobUnknown; "" = none
	JobOurs bool   // the job was queued by us
	JobEnd  string // how the job ended: done, canceled, failed, ...; "" while it runs
	Killed  bool   // it left while our own kill was under way

	// With names the unit that took this one along (BindsTo=, PartOf=, Requires=), and WithWhy is
	// that unit's own departure. Such a job looks like an operator's in every other respect.
	With, WithWhy string
}

// DepartureOf tells why a unit is not running, as one of the Departure... words and one sentence.
//
// The order of the rules matters: the Result of systemd alone cannot tell a crash from an
// operator's stop (a stop may end as timeout or exit-code, and a killed PostgreSQL postmaster
// begins as success), and the state deactivating is seen in crashes too. In doubt it says
// stopped, since a unit that a person stopped must be left alone.
func DepartureOf(e UnitEnd) (departure, because string) {
	switch {
	case e.isRunning():
		return whyRunning(e)
	case e.Load == "masked":
		return detect.DepartureStopped, "it is masked: a person does not want it to run" + e.lastEnd()
	case e.Live && e.Killed:
		return detect.DepartureBySelf, "it was killed by our own action"
	case e.Active == "activating" && e.Sub != "auto-restart" && e.Job == "":
		return detect.DepartureNone, "it is starting"
	case e.InactiveExit == 0 && !e.Live:
		return whyNeverStarted(e)
	}
	if e.Live && e.Job == "stop" && e.JobEnd == "done" && !e.JobOurs && e.With == "" && e.From == FromAutoRestart {
		return detect.DepartureStopped, "a person stopped it before its automatic restart, or after it had ended" + e.lastEnd()
	}
	if d, why := whyRetryEnded(e); d != "" {
		return d, why
	}
	if d, why := whyFailedForSure(e); d != "" {
		return d, why
	}
	if d, why := whyAskedFor(e); d != "" {
		return d, why
	}
	return whyByItself(e)
}

func (e UnitEnd) isRunning() bool {
	return e.Active == "active" || e.Active == "reloading" || e.Active == "refreshing"
}

// retrying reports the delay before an automatic restart.
func (e UnitEnd) retrying() bool { return e.Active == "activating" && e.Sub == "auto-restart" }

// whyRunning says how the present process came to be, when a person had a hand in it.
func whyRunning(e UnitEnd) (string, string) {
	if e.Live && !e.JobOurs && e.WithWhy != detect.DepartureBySelf && isRestart(e.Job) {
		return detect.DepartureRestart, "it was restarted by a job that is not ours"
	}
	return detect.DepartureNone, "it is running"
}

// whyNeverStarted judges a unit of which systemd knows no run. It says no more than that: systemd
// unloads a stopped unit that nothing refers to, and forgets its runs; a failed unit it never unloads.
func whyNeverStarted(e UnitEnd) (string, string) {
	const noRun = ", and systemd knows of no run of it since the boot"
	switch {
	case e.Load == "not-found":
		return detect.DepartureNone, "there is no such unit"
	case e.ConditionFailed:
		return detect.DepartureUnknown, "systemd did not start it: a Condition…= of the unit is not met"
	case e.AssertFailed:
		return detect.DepartureUnknown, "systemd did not start it: an Assert…= of the unit is not met"
	case e.FileState == "disabled":
		return detect.DepartureUnasked, "it is disabled" + noRun
	case !e.Wanted && slices.Contains([]string{"static", "indirect", "linked", "linked-runtime"}, e.FileState):
		return detect.DepartureUnasked, "nothing starts it at boot (it is " + e.FileState + ")" + noRun
	case e.FileState == "static" || e.FileState == "indirect":
		return detect.DepartureNone, "it has not been started since the boot, although another unit asks for it"
	case strings.HasPrefix(e.FileState, "enabled"):
		return detect.DepartureNone, "it has not been started since the boot, although it is " + e.FileState
	}
	return detect.DepartureNone, "systemd knows of no run of it since the boot"
}

// whyRetryEnded handles a unit that left the delay before an automatic restart without running
// again: either somebody stopped it there, which leaves Result and timestamps of the crash in
// place, or systemd gave up at its start limit, which leaves the Result of the crash in place.
func whyRetryEnded(e UnitEnd) (string, string) {
	stop, limit := false, false
	if e.Live {
		if e.From == FromAutoRestart {
			stop = e.Job == "stop" || (e.Job == JobUnknown && e.JobEnd == "done" && e.Active == "inactive")
			limit = e.Active == "failed"
		}
	} else {
		// A failed run ends as failed; it can be inactive with a Result only by way of that stop.
		stop = e.Active == "inactive" && e.Result != "success" && e.Result != "exec-condition" && e.Result != ""
		// It left inactive for the delay after its last process had ended, and no process came.
		limit = e.Active == "failed" && e.LimitBurst > 0 && e.Restarts >= e.LimitBurst && e.InactiveExit > e.MainExit && e.MainExit > 0
	}
	switch {
	case stop && e.JobOurs:
		return detect.DepartureBySelf, "our own action stopped it before its automatic restart" + e.lastEnd()
	case stop && e.takenAlong():
		return e.WithWhy, e.togetherWith() + " before its automatic restart" + e.lastEnd()
	case stop:
		return detect.DepartureStopped, "a person stopped it before its automatic restart" + e.lastEnd()
	case limit && e.Result != "oom-kill" && e.Result != "watchdog":
		return detect.DepartureLimit, fmt.Sprintf("systemd gave up after %d automatic restarts (StartLimitBurst=%d)", e.Restarts, e.LimitBurst) + e.lastEnd()
	}
	return "", ""
}

// whyFailedForSure handles the results that no stop produces.
func whyFailedForSure(e UnitEnd) (string, string) {
	switch e.Result {
	case "oom-kill":
		return detect.DepartureOOM, "the kernel killed it for memory"
	case "watchdog":
		return detect.DepartureWatchdog, "systemd's watchdog killed it: it stopped sending keep-alives"
	case "core-dump":
		return detect.DepartureCrash, "it crashed" + e.lastEnd()
	case "start-limit-hit":
		return detect.DepartureLimit, fmt.Sprintf("systemd refuses to start it again (StartLimitBurst=%d)", e.LimitBurst) + e.lastEnd()
	}
	return "", ""
}

// whyAskedFor finds out whether somebody asked for the stop: by the job that was on the unit
// when it left, or, when the signals were not seen, by who moved first.
func whyAskedFor(e UnitEnd) (string, string) {
	if e.Live {
		if !e.jobStops() {
			return "", ""
		}
		switch {
		case e.JobOurs:
			return detect.DepartureBySelf, "our own action stopped it"
		case e.takenAlong():
			return e.WithWhy, e.togetherWith()
		case isRestart(e.Job):
			return detect.DepartureRestart, "it is being restarted by a job that is not ours"
		}
		return detect.DepartureStopped, "it was stopped by a job that is not ours" + e.lastEnd()
	}
	switch {
	case e.retrying():
		return "", ""
	case e.MainExit < e.ActiveEnter && e.Active == "deactivating":
		return detect.DepartureStopped, "systemd is stopping it while its process runs, so somebody asked for it"
	case e.InactiveExit > e.ActiveExit && e.MainExit > 0:
		// The last start never got as far as active, so ActiveExit speaks of an earlier run.
		if e.Result == "success" {
			return detect.DepartureStopped, "it was stopped while it started"
		}
	case e.ActiveExit > 0 && e.MainExit > e.ActiveExit:
		return detect.DepartureStopped, "systemd began the stop before the process ended, so somebody asked for it"
	case e.MainExit < e.ActiveEnter && e.Result == "success":
		// Active without a main process (RemainAfterExit=): it cannot leave by itself.
		return detect.DepartureStopped, "it has no process that could end by itself, so somebody stopped it"
	}
	return "", ""
}

// takenAlong reports that another unit's end, for whatever reason, has stopped it.
func (e UnitEnd) takenAlong() bool { return e.With != "" && e.WithWhy != detect.DepartureNone }

func (e UnitEnd) togetherWith() string {
	return fmt.Sprintf("it was stopped together with %s (%s)", e.With, e.WithWhy)
}

// jobStops reports that the job on the unit explains that it left.
func (e UnitEnd) jobStops() bool {
	fromRun := e.From == "active" || e.From == "reloading"
	switch e.Job {
	case "":
		return false
	case "stop":
		return true
	case JobUnknown:
		// A reload or start job during which the process died looks the same until its type is
		// known: who moved first decides.
		return fromRun && (e.MainExit == 0 || e.MainExit < e.ActiveEnter || e.MainExit > e.ActiveExit) ||
			e.From == "activating" && e.Result == "success"
	}
	// The second half of a restart is a start: when that fails, nobody asked for it.
	return fromRun && isRestart(e.Job)
}

func isRestart(job string) bool {
	return slices.Contains([]string{"restart", "try-restart", "reload-or-restart", "reload-or-try-restart"}, job)
}

// whyByItself says how a unit ended that nobody stopped.
func whyByItself(e UnitEnd) (string, string) {
	if e.Result == "success" {
		switch {
		case e.ExitKind == "exited" && e.ExitStatus == 128+15, e.ExitKind == "killed" && isAskingSignal(e.ExitStatus):
			return detect.DepartureSIGTERM, fmt.Sprintf("its process was told to end from outside systemd (%s), without a stop job", e.exit())
		case e.ExitKind == "exited" && (e.ExitStatus == 0 || e.Live):
			return detect.DepartureClean, "it ended by itself with success (" + e.exit() + ")"
		case e.ExitKind == "":
			return detect.DepartureUnknown, "it ended, and how is not known"
		}
	}
	why := "it crashed"
	switch {
	case e.Result == "success" && e.ExitKind == "exited": // the failed state was cleared since (reset-failed)
		why = "it crashed earlier"
	case e.Result == "timeout" && (e.From == "activating" || e.InactiveExit > e.ActiveExit):
		why = "its start took too long"
	case e.Result == "timeout":
		why = "systemd ended it after its time was up, without a stop job"
	case e.Result == "resources":
		why = "systemd could not start its process"
	case e.Result == "protocol":
		why = "it ended without saying that it is ready"
	}
	return detect.DepartureCrash, why + e.lastEnd()
}

// isAskingSignal reports the signals that systemd counts as a clean end: SIGHUP, SIGINT,
// SIGPIPE and SIGTERM.
func isAskingSignal(n int) bool { return n == 1 || n == 2 || n == 13 || n == 15 }

func (e UnitEnd) exit() string {
	switch e.ExitKind {
	case "exited":
		return fmt.Sprintf("exit status %d", e.ExitStatus)
	case "killed", "dumped":
		return fmt.Sprintf("signal %d", e.ExitStatus)
	}
	return ""
}

// lastEnd is a clause on the end of the last process, or "".
func (e UnitEnd) lastEnd() string {
	x := e.exit()
	if x == "" && (e.Result == "" || e.Result == "success") {
		return ""
	}
	if x == "" {
		return " (result " + e.Result + ")"
	}
	return fmt.Sprintf(" (result %s, %s)", e.Result, x)
}
