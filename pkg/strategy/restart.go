package strategy

import (
	"fmt"
	"time"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

// jobTimeout bounds a start or restart job: the start grace of the target, the stop grace and a
// margin. It is not the platform's own timeout, which may be an hour (Debian's PostgreSQL).
func jobTimeout(t detect.Target) time.Duration {
	return max(t.StartGrace, 10*time.Second) + t.StopGrace + 10*time.Second
}

func stopGrace(t detect.Target) time.Duration {
	if t.StopGrace > 0 {
		return t.StopGrace
	}
	return 5 * time.Second
}

// dead reports that the platform sees no process of the target, and will not start one by itself.
func dead(f detect.Facts) bool {
	switch f.Text(detect.WorkloadState) {
	case detect.StateFailed, detect.StateStopped:
		return true
	}
	return false
}

// start starts what is not running. A failed state is cleared first, so that a
// start limit that others used up does not refuse the one start we make.
func start(in Input) (Plan, error) {
	if err := controllable(in); err != nil {
		return Plan{}, err
	}
	noun := detect.Noun(in.Facts)
	if !dead(in.Facts) {
		return Plan{}, notApplicable("its %s is not stopped or failed", noun)
	}
	a := Action{Verb: Start, Object: in.Target.Object, Timeout: jobTimeout(in.Target), Args: map[string]string{}}
	why := fmt.Sprintf("the %s is not running: start it", noun)
	if in.Facts.Text(detect.WorkloadState) == detect.StateFailed {
		a.Args[ArgReset] = "yes"
		why = fmt.Sprintf("the %s has failed: clear the failed state and start it", noun)
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
		p.Why = fmt.Sprintf("the %s is not running: a restart is a start", detect.Noun(in.Facts))
		return p, err
	}
	return Plan{
		Why: "a new process is the mildest cure left",
		Actions: []Action{{Verb: Restart, Object: in.Target.Object, Timeout: jobTimeout(in.Target), Disrupts: true,
			Args: map[string]string{ArgStopGrace: stopGrace(in.Target).String()}}},
		NewRun: true, Verify: verifyTime(in.Target),
	}, nil
}

// killStart ends every process of the target at once and starts it: for what a restart could not
// cure, such as a stop that hangs or processes left behind.
func killStart(in Input) (Plan, error) {
	if err := controllable(in); err != nil {
		return Plan{}, err
	}
	up := Action{Verb: Start, Object: in.Target.Object, Timeout: jobTimeout(in.Target), Args: map[string]string{ArgReset: "yes"}}
	p := Plan{Why: fmt.Sprintf("kill what is left of the %s, then start it", detect.Noun(in.Facts)), NewRun: true, Verify: verifyTime(in.Target), Actions: []Action{up}}
	if !dead(in.Facts) {
		p.Actions = []Action{{Verb: Kill, Object: in.Target.Object, Timeout: 10 * time.Second, Disrupts: true}, up}
	}
	return p, nil
}
