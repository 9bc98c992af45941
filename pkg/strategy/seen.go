package strategy

import "github.com/recoveryd/recoveryd/pkg/detect"

// Seen is what a unit was like when an action on it was decided. Between the decision and its effect
// a person or systemd may have acted: so whoever performs the action asks the unit once more, at
// that moment, and does nothing when [Seen.Outdated] gives a reason.
type Seen struct {
	Run       string `json:"run,omitzero"`       // unit.invocation; "" = it was not known
	Up        bool   `json:"up,omitzero"`        // it had a process
	Departure string `json:"departure,omitzero"` // unit.departure
	// Own: an earlier action of the same plan has changed all that. Only what a person does counts.
	Own bool `json:"own,omitzero"`
}

// SeenIn takes it from the facts of a look.
func SeenIn(f detect.Facts) *Seen {
	return &Seen{Run: f.Text(detect.UnitInvocation), Up: hasProcess(f), Departure: f.Text(detect.UnitDeparture)}
}

func hasProcess(f detect.Facts) bool {
	switch f.Text(detect.UnitActive) {
	case "active", "reloading", "deactivating":
		return true
	case "activating":
		return f.Text(detect.UnitSub) != "auto-restart"
	}
	return false
}

// Outdated says why an action with this verb must not be done any more, from the unit.* facts of this
// moment; "" = it may be. On a nil Seen nothing is outdated.
func (s *Seen) Outdated(v Verb, now detect.Facts) string {
	run, left := now.Text(detect.UnitInvocation), now.Text(detect.UnitDeparture)
	switch job := now.Text(detect.UnitJob); {
	case s == nil:
		return ""
	case job != "" && !now.True(detect.UnitJobOurs):
		return "a " + job + " job that is not ours is on the unit"
	case s.Own && !now.True(detect.UnitWatched):
		return "" // without signals its own end cannot be told from a person's
	case left != s.Departure && (left == detect.DepartureStopped || left == detect.DepartureRestart) && !hasProcess(now):
		return "a person stopped the unit since it was decided"
	case s.Own:
		return ""
	case s.Run != "" && run != s.Run && (run != "" || v != UnitStart): // systemd unloads what has ended
		return "the unit was started anew since it was decided"
	case s.Up && !hasProcess(now) && v != UnitStart:
		return "the unit does not run any more"
	}
	return ""
}
