package strategy

import (
	"time"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

// jobTimeout bounds a start or restart job: the start grace of the target, the stop grace and a
// margin. It is not systemd's own job timeout, which may be an hour (Debian's PostgreSQL unit).
func jobTimeout(t detect.Target) time.Duration {
	return max(t.StartGrace, 10*time.Second) + t.StopGrace + 10*time.Second
}

func stopGrace(t detect.Target) time.Duration {
	if t.StopGrace > 0 {
		return t.StopGrace
	}
	return 5 * time.Second
}

// dead reports that the platform sees no process of the unit.
func dead(f detect.Facts) bool {
	switch f.Text(detect.UnitActive) {
	case "failed", "inactive":
		return true
	}
	return false
}

// start starts a unit that is not running. A failed unit's state is cleared first, so that a
// start limit that others used up does not refuse the one start we make.
func start(in Input) (Plan, error) {
	if err := controllable(in); err != nil {
		return Plan{}, err
	}
	if !dead(in.Facts) {
		return Plan{}, notApplicable("its unit is not stopped or failed")
	}
	a := Action{Verb: UnitStart, Object: in.Target.Unit, Timeout: jobTimeout(in.Target), Args: map[string]string{}}
	why := "the unit is not running: start it"
	if in.Facts.Text(detect.UnitActive) == "failed" {
		a.Args[ArgReset] = "yes"
		why = "the unit has failed: clear the failed state and start it"
	}
	return Plan{Why: why, Actions: []Action{a}, NewRun: true, Verify: verifyTime(in.Target)}, nil
}

// restart stops within the stop grace (then kills) and starts: a new process.
func restart(in Input) (Plan, error) {
	if err := controllable(in); err != nil {
		return Plan{}, err
	}
	if dead(in.Facts) {
		p, err := start(in)
		p.Why = "the unit is not running: a restart is a start"
		return p, err
	}
	return Plan{
		Why: "a new process is the mildest cure left",
		Actions: []Action{{Verb: UnitRestart, Object: in.Target.Unit, Timeout: jobTimeout(in.Target), Disrupts: true,
			Args: map[string]string{ArgStopGrace: stopGrace(in.Target).String()}}},
		NewRun: true, Verify: verifyTime(in.Target),
	}, nil
}

// killStart ends every process of the unit at once and starts it: for what a restart could not
// cure, such as a stop that hangs or processes left behind.
func killStart(in Input) (Plan, error) {
	if err := controllable(in); err != nil {
		return Plan{}, err
	}
	up := Action{Verb: UnitStart, Object: in.Target.Unit, Timeout: jobTimeout(in.Target), Args: map[string]string{ArgReset: "yes"}}
	p := Plan{Why: "kill what is left of the unit, then start it", NewRun: true, Verify: verifyTime(in.Target), Actions: []Action{up}}
	if !dead(in.Facts) {
		p.Actions = []Action{{Verb: UnitKill, Object: in.Target.Unit, Timeout: 10 * time.Second, Disrupts: true}, up}
	}
	return p, nil
}
