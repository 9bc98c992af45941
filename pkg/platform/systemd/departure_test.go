package systemd

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

// The rows are the measured ends of a unit (systemd 252). Each row is judged twice: with what
// the live signals tell, and as after a gap, from the properties alone.
func TestDepartureOf(t *testing.T) {
	const never = "-" // the row is not judged in this way
	// A run that became active at 100 and whose process ended at 200.
	run := UnitEnd{Load: "loaded", Policy: "no", InactiveExit: 90, ActiveEnter: 100, MainExit: 200}
	// with returns a copy, so that a row shows only what is special about it.
	with := func(f func(*UnitEnd)) UnitEnd {
		e := run
		f(&e)
		return e
	}
	tests := []struct {
		name      string
		end       UnitEnd // Live, From and Job... as the signals tell them
		live, gap string
		says      string // part of the live sentence (of the gap's when live is not judged)
	}{
		{"kill -9 of the main process, Restart=no",
			with(func(e *UnitEnd) {
				e.Active, e.Sub, e.Result, e.ExitKind, e.ExitStatus = "failed", "failed", "signal", "killed", 9
				e.ActiveExit, e.From = 200, "active"
			}), detect.DepartureCrash, detect.DepartureCrash, "signal 9"},
		{"kill -9 with Restart=on-failure: the delay before the automatic restart",
			with(func(e *UnitEnd) {
				e.Active, e.Sub, e.Result, e.ExitKind, e.ExitStatus = "activating", "auto-restart", "signal", "killed", 9
				e.Policy, e.ActiveExit, e.InactiveExit, e.From = "on-failure", 201, 202, "active"
			}), detect.DepartureCrash, detect.DepartureCrash, "it crashed"},
		{"kill -TERM from outside, or systemctl kill",
			with(func(e *UnitEnd) {
				e.Active, e.Sub, e.Result, e.ExitKind, e.ExitStatus = "inactive", "dead", "success", "killed", 15
				e.ActiveExit, e.From = 201, "active"
			}), detect.DepartureSIGTERM, detect.DepartureSIGTERM, "without a stop job"},
		{"SIGTERM that the program turns into exit status 143",
			with(func(e *UnitEnd) {
				e.Active, e.Sub, e.Result, e.ExitKind, e.ExitStatus = "inactive", "dead", "success", "exited", 143
				e.ActiveExit, e.From = 201, "active"
			}), detect.DepartureSIGTERM, detect.DepartureSIGTERM, "exit status 143"},
		{"clean exit 0 by itself",
			with(func(e *UnitEnd) {
				e.Active, e.Sub, e.Result, e.ExitKind = "inactive", "dead", "success", "exited"
				e.ActiveExit, e.From = 201, "active"
			}), detect.DepartureClean, detect.DepartureClean, "ended by itself"},
		{"clean exit 0 with Restart=always: the delay before the automatic restart",
			with(func(e *UnitEnd) {
				e.Active, e.Sub, e.Result, e.ExitKind = "activating", "auto-restart", "success", "exited"
				e.Policy, e.ActiveExit, e.InactiveExit, e.From = "always", 201, 202, "active"
			}), detect.DepartureClean, detect.DepartureClean, "ended by itself"},
		{"exit 3",
			with(func(e *UnitEnd) {
				e.Active, e.Sub, e.Result, e.ExitKind, e.ExitStatus = "failed", "failed", "exit-code", "exited", 3
				e.ActiveExit, e.From = 201, "active"
			}), detect.DepartureCrash, detect.DepartureCrash, "exit status 3"},
		{"exit 3, and a person cleared the failed state since",
			with(func(e *UnitEnd) {
				e.Active, e.Sub, e.Result, e.ExitKind, e.ExitStatus = "inactive", "dead", "success", "exited", 3
				e.ActiveExit = 201
			}), never, detect.DepartureCrash, "it crashed"},
		{"exit 3 that the unit declares a success (SuccessExitStatus=)",
			with(func(e *UnitEnd) {
				e.Active, e.Sub, e.Result, e.ExitKind, e.ExitStatus = "inactive", "dead", "success", "exited", 3
				e.ActiveExit, e.From = 201, "active"
			}), detect.DepartureClean, never, "with success"},
		{"systemctl stop, on its way down",
			with(func(e *UnitEnd) {
				e.Active, e.Sub, e.Result, e.MainExit = "deactivating", "stop-sigterm", "success", 0
				e.ActiveExit, e.From, e.Job = 190, "active", "stop"
			}), detect.DepartureStopped, detect.DepartureStopped, "a job that is not ours"},
		{"systemctl stop",
			with(func(e *UnitEnd) {
				e.Active, e.Sub, e.Result, e.ExitKind, e.ExitStatus = "inactive", "dead", "success", "killed", 15
				e.ActiveExit, e.From, e.Job, e.JobEnd = 190, "active", "stop", "done"
			}), detect.DepartureStopped, detect.DepartureStopped, "a job that is not ours"},
		{"systemctl stop of a process that exits 1 on SIGTERM",
			with(func(e *UnitEnd) {
				e.Active, e.Sub, e.Result, e.ExitKind, e.ExitStatus = "failed", "failed", "exit-code", "exited", 1
				e.ActiveExit, e.From, e.Job, e.JobEnd = 190, "active", "stop", "done"
			}), detect.DepartureStopped, detect.DepartureStopped, "exit status 1"},
		{"systemctl stop that ran into TimeoutStopSec",
			with(func(e *UnitEnd) {
				e.Active, e.Sub, e.Result, e.ExitKind, e.ExitStatus = "failed", "failed", "timeout", "killed", 9
				e.ActiveExit, e.From, e.Job, e.JobEnd = 190, "active", "stop", "done"
			}), detect.DepartureStopped, detect.DepartureStopped, "timeout"},
		{"systemctl restart, the first half",
			with(func(e *UnitEnd) {
				e.Active, e.Sub, e.Result, e.ExitKind, e.ExitStatus = "inactive", "dead", "success", "killed", 15
				e.ActiveExit, e.From, e.Job = 190, "active", "restart"
			}), detect.DepartureRestart, detect.DepartureStopped, "being restarted"},
		{"systemctl restart, the second half",
			with(func(e *UnitEnd) {
				e.Active, e.Sub, e.Result, e.MainExit = "activating", "start", "success", 0
				e.ActiveExit, e.InactiveExit, e.From, e.Job = 190, 210, "active", "restart"
			}), detect.DepartureRestart, never, "being restarted"},
		{"systemctl restart, over",
			with(func(e *UnitEnd) {
				e.Active, e.Sub, e.Result, e.MainExit = "active", "running", "success", 0
				e.From, e.Job, e.JobEnd = "active", "restart", "done"
			}), detect.DepartureRestart, detect.DepartureNone, "was restarted"},
		{"systemctl restart whose new process fails to start",
			with(func(e *UnitEnd) {
				e.Active, e.Sub, e.Result, e.ExitKind, e.ExitStatus = "failed", "failed", "exit-code", "exited", 5
				e.ActiveExit, e.InactiveExit, e.MainExit, e.From, e.Job, e.JobEnd = 190, 205, 210, "activating", "restart", "failed"
			}), detect.DepartureCrash, detect.DepartureCrash, "it crashed"},
		{"our own restart",
			with(func(e *UnitEnd) {
				e.Active, e.Sub, e.Result, e.ExitKind, e.ExitStatus = "inactive", "dead", "success", "killed", 15
				e.ActiveExit, e.From, e.Job, e.JobOurs = 190, "active", "restart", true
			}), detect.DepartureBySelf, detect.DepartureStopped, "our own action"},
		{"our own restart, over",
			with(func(e *UnitEnd) {
				e.Active, e.Sub, e.From, e.Job, e.JobOurs = "active", "running", "active", "restart", true
			}), detect.DepartureNone, detect.DepartureNone, "running"},
		{"our own kill",
			with(func(e *UnitEnd) {
				e.Active, e.Sub, e.Result, e.ExitKind, e.ExitStatus = "failed", "failed", "signal", "killed", 9
				e.ActiveExit, e.From, e.Killed = 201, "active", true
			}), detect.DepartureBySelf, detect.DepartureCrash, "killed by our own action"},
		{"systemctl stop during the delay before the automatic restart",
			with(func(e *UnitEnd) {
				e.Active, e.Sub, e.Result, e.ExitKind, e.ExitStatus = "inactive", "dead", "signal", "killed", 9
				e.ActiveExit, e.InactiveExit, e.From, e.Job, e.JobEnd = 201, 202, FromAutoRestart, "stop", "done"
			}), detect.DepartureStopped, detect.DepartureStopped, "before its automatic restart"},
		{"systemctl stop during that delay, too quick for its type to be asked",
			with(func(e *UnitEnd) {
				e.Active, e.Sub, e.Result, e.ExitKind, e.ExitStatus = "inactive", "dead", "signal", "killed", 9
				e.ActiveExit, e.InactiveExit, e.From, e.Job, e.JobEnd = 201, 202, FromAutoRestart, JobUnknown, "done"
			}), detect.DepartureStopped, detect.DepartureStopped, "before its automatic restart"},
		{"systemctl stop during that delay after an OOM kill",
			with(func(e *UnitEnd) {
				e.Active, e.Sub, e.Result, e.ExitKind, e.ExitStatus = "inactive", "dead", "oom-kill", "killed", 9
				e.ActiveExit, e.InactiveExit, e.From, e.Job, e.JobEnd = 190, 202, FromAutoRestart, "stop", "done"
			}), detect.DepartureStopped, detect.DepartureStopped, "before its automatic restart"},
		{"stopped during that delay along with a unit that it is bound to and that crashed (BindsTo=)",
			with(func(e *UnitEnd) {
				e.Active, e.Sub, e.Result, e.ExitKind, e.ExitStatus = "inactive", "dead", "signal", "killed", 9
				e.ActiveExit, e.InactiveExit, e.From, e.Job, e.JobEnd = 201, 202, FromAutoRestart, "stop", "done"
				e.With, e.WithWhy = "db.service", detect.DepartureCrash
			}), detect.DepartureCrash, never, "together with db.service (crash) before its automatic restart"},
		{"stopped during that delay along with a unit that a person stopped (PartOf=)",
			with(func(e *UnitEnd) {
				e.Active, e.Sub, e.Result, e.ExitKind, e.ExitStatus = "inactive", "dead", "oom-kill", "killed", 9
				e.ActiveExit, e.InactiveExit, e.From, e.Job, e.JobEnd = 201, 202, FromAutoRestart, "stop", "done"
				e.With, e.WithWhy = "db.service", detect.DepartureStopped
			}), detect.DepartureStopped, never, "together with db.service (stopped) before its automatic restart"},
		{"main process killed, children left: systemd ends the rest",
			with(func(e *UnitEnd) {
				e.Active, e.Sub, e.Result, e.ExitKind, e.ExitStatus = "deactivating", "stop-sigterm", "signal", "killed", 9
				e.ActiveExit, e.From = 201, "active"
			}), detect.DepartureCrash, detect.DepartureCrash, "signal 9"},
		{"kill -9 of the PostgreSQL postmaster: ExecStop still runs",
			with(func(e *UnitEnd) {
				e.Active, e.Sub, e.Result, e.ExitKind, e.ExitStatus = "deactivating", "stop", "success", "killed", 9
				e.ActiveExit, e.From = 201, "active"
			}), detect.DepartureCrash, detect.DepartureCrash, "it crashed"},
		{"kill -9 of the PostgreSQL postmaster: ExecStop has failed",
			with(func(e *UnitEnd) {
				e.Active, e.Sub, e.Result, e.ExitKind, e.ExitStatus = "failed", "failed", "exit-code", "killed", 9
				e.ActiveExit, e.From = 201, "active"
			}), detect.DepartureCrash, detect.DepartureCrash, "signal 9"},
		{"systemctl stop postgresql: ExecStop, exit 0",
			with(func(e *UnitEnd) {
				e.Active, e.Sub, e.Result, e.ExitKind = "inactive", "dead", "success", "exited"
				e.ActiveExit, e.From, e.Job, e.JobEnd = 190, "active", "stop", "done"
			}), detect.DepartureStopped, detect.DepartureStopped, "a job that is not ours"},
		{"start limit hit: Result is that of the last crash",
			with(func(e *UnitEnd) {
				e.Active, e.Sub, e.Result, e.ExitKind, e.ExitStatus = "failed", "failed", "exit-code", "exited", 1
				e.Policy, e.Restarts, e.LimitBurst = "on-failure", 3, 3
				e.ActiveExit, e.InactiveExit, e.From, e.Job, e.JobEnd = 201, 202, FromAutoRestart, "restart", "failed"
			}), detect.DepartureLimit, detect.DepartureLimit, "gave up after 3"},
		{"start limit hit, the instant before it shows as failed",
			with(func(e *UnitEnd) {
				e.Active, e.Sub, e.Result, e.ExitKind, e.ExitStatus = "inactive", "dead", "exit-code", "exited", 1
				e.Policy, e.Restarts, e.LimitBurst = "on-failure", 3, 3
				e.ActiveExit, e.InactiveExit, e.From, e.Job = 201, 202, FromAutoRestart, "restart"
			}), detect.DepartureCrash, never, "it crashed"},
		{"crash number 7 of a unit that systemd restarts now and then: no limit",
			with(func(e *UnitEnd) {
				e.Active, e.Sub, e.Result, e.ExitKind, e.ExitStatus = "failed", "failed", "signal", "killed", 9
				e.Policy, e.Restarts, e.LimitBurst = "on-failure", 7, 5
				e.ActiveExit, e.From = 201, "active"
			}), detect.DepartureCrash, detect.DepartureCrash, "it crashed"},
		{"start limit hit after clean exits",
			with(func(e *UnitEnd) {
				e.Active, e.Sub, e.Result, e.ExitKind = "failed", "failed", "start-limit-hit", "exited"
				e.Policy, e.Restarts, e.LimitBurst = "always", 3, 3
				e.ActiveExit, e.InactiveExit, e.From, e.Job = 201, 202, FromAutoRestart, "restart"
			}), detect.DepartureLimit, detect.DepartureLimit, "StartLimitBurst=3"},
		{"oom-kill with OOMPolicy=stop: systemd stops the rest",
			with(func(e *UnitEnd) {
				e.Active, e.Sub, e.Result, e.ExitKind, e.ExitStatus = "deactivating", "stop-sigterm", "oom-kill", "killed", 9
				e.ActiveExit, e.From = 190, "active"
			}), detect.DepartureOOM, detect.DepartureOOM, "memory"},
		{"oom-kill, over",
			with(func(e *UnitEnd) {
				e.Active, e.Sub, e.Result, e.ExitKind, e.ExitStatus = "failed", "failed", "oom-kill", "killed", 9
				e.ActiveExit, e.From = 190, "active"
			}), detect.DepartureOOM, detect.DepartureOOM, "memory"},
		{"oom-kill with OOMPolicy=continue, or on cgroup v1: only a signal is seen",
			with(func(e *UnitEnd) {
				e.Active, e.Sub, e.Result, e.ExitKind, e.ExitStatus = "failed", "failed", "signal", "killed", 9
				e.ActiveExit, e.From = 200, "active"
			}), detect.DepartureCrash, detect.DepartureCrash, "signal 9"},
		{"oom-kill until the start limit: the memory is the news",
			with(func(e *UnitEnd) {
				e.Active, e.Sub, e.Result, e.ExitKind, e.ExitStatus = "failed", "failed", "oom-kill", "killed", 9
				e.Policy, e.Restarts, e.LimitBurst = "on-failure", 5, 5
				e.ActiveExit, e.InactiveExit, e.From, e.Job = 190, 202, FromAutoRestart, "restart"
			}), detect.DepartureOOM, detect.DepartureOOM, "memory"},
		{"watchdog",
			with(func(e *UnitEnd) {
				e.Active, e.Sub, e.Result, e.ExitKind, e.ExitStatus = "failed", "failed", "watchdog", "killed", 6
				e.ActiveExit, e.From = 190, "active"
			}), detect.DepartureWatchdog, detect.DepartureWatchdog, "watchdog"},
		{"core dump",
			with(func(e *UnitEnd) {
				e.Active, e.Sub, e.Result, e.ExitKind, e.ExitStatus = "failed", "failed", "core-dump", "dumped", 11
				e.ActiveExit, e.From = 200, "active"
			}), detect.DepartureCrash, detect.DepartureCrash, "signal 11"},
		{"condition of the first start not met",
			UnitEnd{Load: "loaded", Active: "inactive", Sub: "dead", Result: "success", ConditionFailed: true},
			never, detect.DepartureUnknown, "Condition"},
		{"masked while running, then killed",
			with(func(e *UnitEnd) {
				e.Load, e.Active, e.Sub, e.Result, e.ExitKind, e.ExitStatus = "masked", "failed", "failed", "signal", "killed", 9
				e.ActiveExit, e.From = 200, "active"
			}), detect.DepartureStopped, detect.DepartureStopped, "masked"},
		{"masked, and still running",
			with(func(e *UnitEnd) { e.Load, e.Active, e.Sub, e.MainExit = "masked", "active", "running", 0 }),
			detect.DepartureNone, detect.DepartureNone, "running"},
		{"unit not found", UnitEnd{Load: "not-found", Active: "inactive", Sub: "dead", Result: "success"},
			never, detect.DepartureNone, "no such unit"},
		{"nothing is known of the unit but that it is there", UnitEnd{Load: "loaded", Active: "inactive", Sub: "dead", Result: "success"},
			never, detect.DepartureNone, "no run"},
		{"first start",
			UnitEnd{Load: "loaded", Active: "activating", Sub: "start", Result: "success", InactiveExit: 90},
			never, detect.DepartureNone, "starting"},
		{"stopped along with a unit that it is bound to and that crashed (BindsTo=)",
			with(func(e *UnitEnd) {
				e.Active, e.Sub, e.Result, e.ExitKind, e.ExitStatus = "inactive", "dead", "success", "killed", 15
				e.ActiveExit, e.From, e.Job, e.With, e.WithWhy = 190, "active", "stop", "db.service", detect.DepartureCrash
			}), detect.DepartureCrash, detect.DepartureStopped, "together with db.service"},
		{"stopped by Conflicts=, as by an operator",
			with(func(e *UnitEnd) {
				e.Active, e.Sub, e.Result, e.ExitKind, e.ExitStatus = "inactive", "dead", "success", "killed", 15
				e.ActiveExit, e.From, e.Job = 190, "active", "stop"
			}), detect.DepartureStopped, detect.DepartureStopped, "a job that is not ours"},
		{"unloaded at once after a stop: the last signal is all there is",
			UnitEnd{Load: "loaded", Active: "inactive", Sub: "dead", Result: "success", Live: true, From: "active", Job: "stop"},
			detect.DepartureStopped, detect.DepartureNone, "a job that is not ours"},
		{"died during systemctl reload: that job asked for no end",
			with(func(e *UnitEnd) {
				e.Active, e.Sub, e.Result, e.ExitKind, e.ExitStatus = "failed", "failed", "signal", "killed", 9
				e.ActiveExit, e.From, e.Job = 201, "reloading", "reload"
			}), detect.DepartureCrash, detect.DepartureCrash, "signal 9"},
		{"died during a job whose type is not known: the process moved first",
			with(func(e *UnitEnd) {
				e.Active, e.Sub, e.Result, e.ExitKind, e.ExitStatus = "failed", "failed", "signal", "killed", 9
				e.ActiveExit, e.From, e.Job = 201, "reloading", JobUnknown
			}), detect.DepartureCrash, detect.DepartureCrash, "signal 9"},
		{"stopped by a job whose type is not known: systemd moved first",
			with(func(e *UnitEnd) {
				e.Active, e.Sub, e.Result, e.ExitKind, e.ExitStatus = "inactive", "dead", "success", "killed", 15
				e.ActiveExit, e.From, e.Job = 190, "active", JobUnknown
			}), detect.DepartureStopped, detect.DepartureStopped, "a job that is not ours"},
		{"stopped while it started",
			with(func(e *UnitEnd) {
				e.Active, e.Sub, e.Result, e.ExitKind, e.ExitStatus = "inactive", "dead", "success", "killed", 15
				e.ActiveEnter, e.ActiveExit, e.InactiveExit, e.From, e.Job = 10, 20, 150, "activating", "stop"
			}), detect.DepartureStopped, detect.DepartureStopped, "a job that is not ours"},
		{"stopped while it started, by a job whose type is not known",
			with(func(e *UnitEnd) {
				e.Active, e.Sub, e.Result, e.ExitKind, e.ExitStatus = "inactive", "dead", "success", "killed", 15
				e.ActiveEnter, e.ActiveExit, e.InactiveExit, e.From, e.Job = 10, 20, 150, "activating", JobUnknown
			}), detect.DepartureStopped, detect.DepartureStopped, "a job that is not ours"},
		{"systemd's own job at the end of the delay before an automatic restart, before its type is known",
			with(func(e *UnitEnd) {
				e.Active, e.Sub, e.Result, e.MainExit = "inactive", "dead", "success", 0
				e.ActiveExit, e.InactiveExit, e.From, e.Job = 201, 202, FromAutoRestart, JobUnknown
			}), detect.DepartureUnknown, never, "how is not known"},
		{"its start took too long (TimeoutStartSec)",
			with(func(e *UnitEnd) {
				e.Active, e.Sub, e.Result, e.ExitKind, e.ExitStatus = "failed", "failed", "timeout", "killed", 15
				e.ActiveEnter, e.ActiveExit, e.InactiveExit, e.From, e.Job = 10, 20, 150, "activating", "start"
			}), detect.DepartureCrash, detect.DepartureCrash, "start took too long"},
		{"exits before it is ready (Type=notify)",
			with(func(e *UnitEnd) {
				e.Active, e.Sub, e.Result, e.ExitKind, e.ExitStatus = "failed", "failed", "protocol", "exited", 0
				e.ActiveEnter, e.ActiveExit, e.InactiveExit, e.From, e.Job = 0, 0, 150, "activating", "start"
			}), detect.DepartureCrash, detect.DepartureCrash, "without saying that it is ready"},
		{"announces its own end (STOPPING=1): no job, though systemd moved first",
			with(func(e *UnitEnd) {
				e.Active, e.Sub, e.Result, e.ExitKind = "inactive", "dead", "success", "exited"
				e.ActiveExit, e.From = 190, "active"
			}), detect.DepartureClean, detect.DepartureStopped, "ended by itself"},
		{"RuntimeMaxSec: no job, though systemd moved first",
			with(func(e *UnitEnd) {
				e.Active, e.Sub, e.Result, e.ExitKind, e.ExitStatus = "failed", "failed", "timeout", "killed", 15
				e.ActiveExit, e.From = 190, "active"
			}), detect.DepartureCrash, detect.DepartureStopped, "its time was up"},
		{"disabled, and no run is known: never started since the boot, or stopped and unloaded while nobody looked",
			UnitEnd{Load: "loaded", Active: "inactive", Sub: "dead", Result: "success", FileState: "disabled"},
			never, detect.DepartureUnasked, "it is disabled, and systemd knows of no run of it since the boot"},
		{"disabled, and another unit would ask for it: whoever disabled it said more",
			UnitEnd{Load: "loaded", Active: "inactive", Sub: "dead", Result: "success", FileState: "disabled", Wanted: true},
			never, detect.DepartureUnasked, "it is disabled"},
		{"static, and nothing refers to it: only a person starts it",
			UnitEnd{Load: "loaded", Active: "inactive", Sub: "dead", Result: "success", FileState: "static"},
			never, detect.DepartureUnasked, "nothing starts it at boot (it is static)"},
		{"linked from elsewhere and not enabled",
			UnitEnd{Load: "loaded", Active: "inactive", Sub: "dead", Result: "success", FileState: "linked"},
			never, detect.DepartureUnasked, "nothing starts it at boot (it is linked)"},
		{"static, and asked for by another unit, which did not bring it up",
			UnitEnd{Load: "loaded", Active: "inactive", Sub: "dead", Result: "success", FileState: "static", Wanted: true},
			never, detect.DepartureNone, "although another unit asks for it"},
		{"never started since the boot, although it is enabled: what it depends on failed",
			UnitEnd{Load: "loaded", Active: "inactive", Sub: "dead", Result: "success", FileState: "enabled", Wanted: true},
			never, detect.DepartureNone, "has not been started since the boot, although it is enabled"},
		{"enabled by a generator, as Debian's clusters of PostgreSQL are",
			UnitEnd{Load: "loaded", Active: "inactive", Sub: "dead", Result: "success", FileState: "enabled-runtime", Wanted: true},
			never, detect.DepartureNone, "although it is enabled-runtime"},
		{"enabled, and a condition of its start was not met",
			UnitEnd{Load: "loaded", Active: "inactive", Sub: "dead", Result: "success", FileState: "enabled", Wanted: true, ConditionFailed: true},
			never, detect.DepartureUnknown, "Condition"},
		{"enabled, and an assertion of its start was not met",
			UnitEnd{Load: "loaded", Active: "inactive", Sub: "dead", Result: "success", FileState: "enabled", Wanted: true, AssertFailed: true},
			never, detect.DepartureUnknown, "Assert"},
		{"no word on whether it starts at boot",
			UnitEnd{Load: "loaded", Active: "inactive", Sub: "dead", Result: "success"},
			never, detect.DepartureNone, "knows of no run"},
		{"stopped, disabled, and still loaded: its last run is known, and speaks",
			with(func(e *UnitEnd) {
				e.Active, e.Sub, e.Result, e.ExitKind, e.ExitStatus, e.FileState = "inactive", "dead", "success", "killed", 15, "disabled"
				e.ActiveExit, e.From, e.Job = 190, "active", "stop"
			}), detect.DepartureStopped, detect.DepartureStopped, "a job that is not ours"},
		{"crashed, of a unit that is disabled",
			with(func(e *UnitEnd) { e.FileState = "disabled" }), detect.DepartureCrash, detect.DepartureCrash, ""},
		{"a meta unit without a process (RemainAfterExit) that was stopped",
			UnitEnd{Load: "loaded", Active: "inactive", Sub: "dead", Result: "success", ExitKind: "exited",
				InactiveExit: 90, MainExit: 95, ActiveEnter: 100, ActiveExit: 300},
			never, detect.DepartureStopped, "no process that could end"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			says := ""
			if tt.live != never {
				e := tt.end
				e.Live = true
				got, because := DepartureOf(e)
				require.Equal(t, tt.live, got, "live: %s", because)
				says = because
			}
			if tt.gap != never {
				e := tt.end
				e.Live, e.From, e.Job, e.JobOurs, e.JobEnd, e.Killed, e.With, e.WithWhy = false, "", "", false, "", false, "", ""
				got, because := DepartureOf(e)
				require.Equal(t, tt.gap, got, "after a gap: %s", because)
				if says == "" {
					says = because
				}
			}
			require.Contains(t, says, tt.says)
		})
	}
}

// Nothing that can be said of a unit may make the function say nothing.
func TestDepartureOfIsTotal(t *testing.T) {
	for _, active := range []string{"active", "reloading", "activating", "deactivating", "inactive", "failed", "maintenance", ""} {
		for _, result := range []string{"success", "signal", "exit-code", "timeout", "oom-kill", "watchdog", "core-dump", "start-limit-hit", "protocol", "resources", "exec-condition", ""} {
			for _, job := range []string{"", "stop", "restart", "start", "reload", JobUnknown} {
				for _, from := range []string{"", "active", "activating", FromAutoRestart} {
					for _, live := range []bool{true, false} {
						e := UnitEnd{Load: "loaded", Active: active, Result: result, Job: job, From: from, Live: live,
							ExitKind: "killed", ExitStatus: 9, InactiveExit: 1, ActiveEnter: 2, ActiveExit: 3, MainExit: 3}
						d, because := DepartureOf(e)
						require.NotEmpty(t, because, "%+v", e)
						require.Contains(t, []string{detect.DepartureNone, detect.DepartureStopped, detect.DepartureRestart, detect.DepartureCrash, detect.DepartureClean,
							detect.DepartureSIGTERM, detect.DepartureOOM, detect.DepartureWatchdog, detect.DepartureLimit, detect.DepartureBySelf, detect.DepartureUnasked, detect.DepartureUnknown}, d)
					}
				}
			}
		}
	}
}
