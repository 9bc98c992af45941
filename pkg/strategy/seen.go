package strategy

import (
	"fmt"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

// Seen is what a target was like when an action on it was decided. Between the decision and its effect
// a person or its platform may have acted: so whoever performs the action asks the platform once more, at
// that moment, and does nothing when [Seen.Outdated] gives a reason.
type Seen struct {
	Run       string `json:"run,omitzero"`       // workload.run; "" = it was not known
	Up        bool   `json:"up,omitzero"`        // it had a process
	Departure string `json:"departure,omitzero"` // workload.departure
	// Own: an earlier action of the same plan has changed all that. Only what a person does counts.
	Own bool `json:"own,omitzero"`
}

// SeenIn takes it from the facts of a look.
func SeenIn(f detect.Facts) *Seen {
	return &Seen{Run: f.Text(detect.WorkloadRun), Up: hasProcess(f), Departure: f.Text(detect.WorkloadDeparture)}
}

func hasProcess(f detect.Facts) bool {
	switch f.Text(detect.WorkloadState) {
	case detect.StateRunning, detect.StateStarting, detect.StateStopping:
		return true
	}
	return false
}

// Outdated says why an action with this verb must not be done any more, from the workload.* facts of this
// moment; "" = it may be. On a nil Seen nothing is outdated.
func (s *Seen) Outdated(v Verb, now detect.Facts) string {
	run, left := now.Text(detect.WorkloadRun), now.Text(detect.WorkloadDeparture)
	switch job := now.Text(detect.WorkloadPending); {
	case s == nil:
		return ""
	case job != "" && !now.True(detect.WorkloadPendingOurs):
		return fmt.Sprintf("a %s job that is not ours is on the %s", job, detect.Noun(now))
	case s.Own && !now.True(detect.WorkloadWatched):
		return "" // without signals its own end cannot be told from a person's
	case left != s.Departure && (left == detect.DepartureStopped || left == detect.DepartureRestart) && !hasProcess(now):
		return fmt.Sprintf("a person stopped the %s since it was decided", detect.Noun(now))
	case s.Own:
		return ""
	case s.Run != "" && run != s.Run && (run != "" || v != Start): // a platform may forget what has ended
		return fmt.Sprintf("the %s was started anew since it was decided", detect.Noun(now))
	case s.Up && !hasProcess(now) && v != Start:
		return fmt.Sprintf("the %s does not run any more", detect.Noun(now))
	}
	return ""
}
