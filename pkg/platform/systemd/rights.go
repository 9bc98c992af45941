package systemd

import (
	"slices"

	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// ManageUnits is the polkit action that systemd asks about for every verb of [Rights], with the
// details "unit" and "verb".
const ManageUnits = "org.freedesktop.systemd1.manage-units"

// Rights lists the words that polkit must let through for an action, on the unit that it names: that
// of the job itself first. It is nil for actions that need no right over a unit. A start or restart
// that clears a failed state (reset=yes) needs reset-failed besides, and one with a stop grace needs
// kill, for a unit that is still stopping when the grace is over.
func Rights(a strategy.Action) []string {
	switch a.Verb {
	case strategy.Start, strategy.Stop, strategy.Restart, strategy.Kill, strategy.ResetFailed, strategy.SetMemory:
	default:
		return nil
	}
	out := []string{polkitVerb(a.Verb)}
	more := func(word string) {
		if !slices.Contains(out, word) {
			out = append(out, word)
		}
	}
	if grace, err := stopGrace(a); err == nil && grace > 0 {
		more("kill")
	}
	if a.Args[strategy.ArgReset] == "yes" {
		more("reset-failed")
	}
	return out
}

// AllRights lists every word that [Rights] may return.
func AllRights() []string {
	return []string{"start", "stop", "restart", "kill", "reset-failed", "set-property"}
}
