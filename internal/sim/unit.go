package sim

import (
	"time"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

// who asked for something.
type who uint8

const (
	bySystemd who = iota
	byUs
	byPerson
)

// process is what runs in a unit.
type process interface {
	began()                  // a new process begins
	gone()                   // it is no more
	stopTime() time.Duration // from SIGTERM to its end; forever when it does not listen
	upTime() time.Duration   // from its begin until it serves
}

// forever is longer than any world lasts.
const forever = 1 << 62 * time.Nanosecond

// unit is a model of a systemd service unit: its states, its Restart= policy, its start limit and
// its jobs, as far as the D-Bus properties show them.
type unit struct {
	w      *world
	name   string
	target string
	p      process

	policy       string // Restart=: no, on-failure, always
	restartAfter time.Duration
	burst        int // StartLimitBurst within interval
	interval     time.Duration
	stopTimeout  time.Duration // TimeoutStopSec
	notify       bool          // Type=notify: activating until it serves

	masked              bool
	active, sub, result string
	kind                string // of the last exit: exited, killed
	code                int
	run                 int // the invocation, as a number
	since               time.Duration
	sinceWall           float64
	restarts            int
	departure           string
	job                 string
	jobBy               who
	jobDone             func(incident.Result, string)
	starts              []startStamp
	retryAt             time.Duration // when systemd starts it again by itself
	downThen            func()        // what follows when the process has stopped

	unloaded *time.Duration // systemd has forgotten its runs; when a person stopped it

	life int // counts changes of state; what was planned for an earlier life is void
}

type startStamp struct {
	at time.Duration
	by who
}

func (u *unit) running() bool { return u.active == "active" }

// alive reports whether a process exists.
func (u *unit) alive() bool {
	return u.active == "active" || u.active == "deactivating" || u.active == "activating" && u.sub != "auto-restart"
}

// become is a change of state that the bus tells of.
func (u *unit) become(active, sub string) {
	u.life++
	u.active, u.sub = active, sub
	if u.w.out != nil {
		u.w.say("systemd", "%s is %s/%s (result %s, departure %q)", u.name, active, sub, u.result, u.departure)
	}
	u.w.unitChanged(u)
}

// later plans something for as long as the unit stays as it is.
func (u *unit) later(d time.Duration, do func()) {
	life := u.life
	u.w.after(d, func() {
		if u.life == life {
			do()
		}
	})
}

// inRun plans something for as long as this process lives.
func (u *unit) inRun(d time.Duration, do func()) {
	run := u.run
	u.w.after(d, func() {
		if u.run == run && u.alive() {
			do()
		}
	})
}

// endJob ends the job on the unit and tells who asked for it.
func (u *unit) endJob(r incident.Result, detail string) {
	done := u.jobDone
	u.job, u.jobDone = "", nil
	if done != nil {
		done(r, detail)
	}
}

// beginJob puts a job on the unit; one that was there is replaced by it.
func (u *unit) beginJob(kind string, by who, done func(incident.Result, string)) {
	if u.job != "" {
		u.endJob(incident.ResultFailed, "job canceled")
	}
	u.job, u.jobBy, u.jobDone = kind, by, done
}

// start is StartUnit, after ResetFailedUnit when reset is set.
func (u *unit) start(by who, reset bool, done func(incident.Result, string)) {
	switch {
	case u.masked:
		call(done, incident.ResultFailed, "unit is masked")
		return
	case u.active == "deactivating":
		u.beginJob("start", by, done) // waits for the stop, then starts
		return
	case u.alive():
		call(done, incident.ResultDone, "already active")
		return
	}
	if reset && (u.active == "failed" || u.active == "inactive") {
		u.starts, u.restarts, u.result = u.starts[:0], 0, "success"
	}
	u.beginJob("start", by, done)
	u.begin(by)
}

// begin starts the process, unless the start limit forbids it.
func (u *unit) begin(by who) {
	if u.masked {
		u.become("inactive", "dead")
		u.endJob(incident.ResultFailed, "unit is masked")
		return
	}
	kept := u.starts[:0]
	for _, s := range u.starts {
		if u.w.t-s.at < u.interval {
			kept = append(kept, s)
		}
	}
	u.starts = kept
	if u.burst > 0 && len(u.starts) >= u.burst {
		u.departure = detect.DepartureLimit
		u.w.startLimitHit(u, by)
		u.become("failed", "failed")
		u.endJob(incident.ResultFailed, "start request repeated too quickly")
		return
	}
	u.starts, u.unloaded = append(u.starts, startStamp{u.w.t, by}), nil
	u.w.runs++
	u.run, u.result, u.kind, u.code, u.departure = u.w.runs, "success", "", 0, detect.DepartureNone
	u.since, u.sinceWall = u.w.t, u.w.wallSeconds()
	up := u.p.upTime()
	if u.notify {
		u.become("activating", "start")
		u.later(up, func() {
			u.become("active", "running")
			u.endJob(incident.ResultDone, "job done, active/running")
		})
		u.p.began()
		return
	}
	u.become("active", "running")
	u.p.began()
	u.endJobIfStill(u.life)
}

// endJobIfStill ends a start job a moment after the process began, as Type=exec does.
func (u *unit) endJobIfStill(life int) {
	u.w.after(20*time.Millisecond, func() {
		if u.life == life {
			u.endJob(incident.ResultDone, "job done, active/running")
		} else if u.job == "start" || u.job == "restart" {
			u.endJob(incident.ResultFailed, "the process ended at once")
		}
	})
}

// stop is StopUnit.
func (u *unit) stop(by who, done func(incident.Result, string)) {
	switch u.active {
	case "failed", "inactive":
		call(done, incident.ResultDone, "not running")
		return
	case "activating":
		if u.sub == "auto-restart" {
			u.departure = stoppedBy(by)
			u.become("inactive", "dead")
			call(done, incident.ResultDone, "job done")
			return
		}
	case "deactivating":
		if u.job != "stop" { // of a restart, or a death: the job for it takes the other's place
			u.departure = stoppedBy(by)
		}
	}
	u.beginJob("stop", by, done)
	u.bringDown(by, detect.DepartureStopped, func() {
		u.become("inactive", "dead")
		u.endJob(incident.ResultDone, "job done, inactive/dead")
	})
}

// restart is RestartUnit. With a grace, whoever asked kills what has not stopped by then.
func (u *unit) restart(by who, grace time.Duration, reset bool, done func(incident.Result, string)) {
	if u.masked {
		call(done, incident.ResultFailed, "unit is masked")
		return
	}
	if reset {
		u.starts, u.restarts = u.starts[:0], 0
	}
	u.beginJob("restart", by, done)
	if !u.alive() {
		u.begin(by)
		return
	}
	u.bringDown(by, detect.DepartureRestart, func() {
		u.active, u.sub = "inactive", "dead" // for less than a look can see
		u.begin(by)
	})
	if by == byUs {
		u.impatient(grace)
	}
}

// impatient kills the unit when it is still stopping after the grace, as an adapter does as long as it
// lives; 0 = it waits for systemd.
func (u *unit) impatient(grace time.Duration) {
	if grace <= 0 || u.active != "deactivating" {
		return
	}
	life, term := u.life, u.w.d.term
	u.w.after(grace, func() {
		if u.life == life && u.w.d.up && u.w.d.term == term {
			u.die("killed", 9, "timeout", detect.DepartureBySelf)
		}
	})
}

func stoppedBy(by who) string {
	if by == byUs {
		return detect.DepartureBySelf
	}
	return detect.DepartureStopped
}

// bringDown stops the process, politely until TimeoutStopSec, and goes on.
func (u *unit) bringDown(by who, departure string, then func()) {
	if by == byUs {
		departure = detect.DepartureBySelf
	}
	if u.active == "deactivating" {
		u.downThen = then
		return
	}
	u.departure = departure
	u.downThen = then
	u.become("deactivating", "stop-sigterm")
	u.later(min(u.p.stopTime(), u.stopTimeout), u.isDown)
}

// isDown is the end of a process that was being stopped.
func (u *unit) isDown() {
	u.p.gone()
	then := u.downThen
	u.downThen = nil
	u.life++
	pending := u.job == "start"
	if then != nil {
		then()
	}
	if pending && u.job == "start" && u.active == "inactive" {
		u.begin(u.jobBy)
	}
}

// kill is KillUnit with SIGKILL, without a job.
func (u *unit) kill() bool {
	if !u.alive() {
		return false
	}
	u.die("killed", 9, "signal", detect.DepartureBySelf)
	return true
}

// die is the end of the process, by itself or by a signal.
func (u *unit) die(kind string, code int, result, departure string) {
	if !u.alive() {
		return
	}
	u.kind, u.code = kind, code
	if u.active == "deactivating" {
		u.isDown()
		return
	}
	u.result, u.departure = result, departure
	u.p.gone()
	state := "failed"
	if result == "success" {
		state = "inactive"
	}
	u.become(state, map[string]string{"failed": "failed", "inactive": "dead"}[state])
	if u.job != "" {
		u.endJob(incident.ResultFailed, "the process ended")
	}
	if u.masked || !(u.policy == "always" || u.policy == "on-failure" && result != "success") {
		return
	}
	// On an idle host the automatic restart is seen after 0.1 ms, on a busy one later.
	u.later(time.Duration(u.w.rng.IntN(300))*time.Millisecond, func() {
		u.retryAt = u.w.t + u.restartAfter
		u.become("activating", "auto-restart")
		u.later(u.restartAfter, func() {
			u.restarts++
			u.begin(bySystemd)
		})
	})
}

func call(done func(incident.Result, string), r incident.Result, detail string) {
	if done != nil {
		done(r, detail)
	}
}
