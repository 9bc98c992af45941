package strategy

// Seen is what a unit was like when an action on it was decided. Between the decision and its effect
// a person or systemd may have acted: so whoever performs the action asks the unit once more, at
// that moment, and does nothing when [Seen.Outdated] gives a reason.
type Seen struct {
	Run string `json:"run,omitzero"` // unit.invocation; "" = it was not known
	Up  bool   `json:"up,omitzero"`  // it had a process
}

// HasProcess reports whether a unit in that state (unit.active, unit.sub) has a process.
func HasProcess(active, sub string) bool {
	switch active {
	case "active", "reloading", "deactivating":
		return true
	case "activating":
		return sub != "auto-restart"
	}
	return false
}

// Outdated says why an action with this verb must not be done any more; "" = it may be. run and up are
// as in Seen, and of this moment; job is the type of a job on the unit that is not recoveryd's own, ""
// for none. On a nil Seen nothing is outdated.
func (s *Seen) Outdated(v Verb, run string, up bool, job string) string {
	switch {
	case s == nil:
		return ""
	case job != "":
		return "somebody queued a " + job + " job for the unit"
	case s.Run != "" && run != s.Run && (run != "" || v != UnitStart): // systemd unloads what has ended
		return "the unit was started anew since it was decided"
	case s.Up && !up && v != UnitStart:
		return "the unit does not run any more"
	}
	return ""
}
