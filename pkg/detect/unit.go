package detect

import "fmt"

// notRunning reports that the platform was asked and no process of the unit is meant to be
// running now (it failed, ended or was stopped). Units on their way up or down are neither.
func notRunning(f Facts) bool {
	switch f.Text(UnitActive) {
	case "failed", "inactive":
		return true
	case "activating":
		return f.Text(UnitSub) == "auto-restart"
	}
	return false
}

// running reports that the platform sees the unit's process running.
func running(f Facts) bool {
	switch f.Text(UnitActive) {
	case "active", "reloading", "refreshing":
		return true
	}
	return false
}

// notSeen reports that the platform could not say what the unit does: it was not asked, could not
// be asked, or gave a word that is not known here.
func notSeen(f Facts) bool {
	switch f.Text(UnitActive) {
	case "activating", "deactivating":
		return false
	}
	return !running(f) && !notRunning(f)
}

// refused reports that the kernel refuses connections to the health port. Where the health request
// was accepted, a refused connection of the socket witness went elsewhere (the other address
// family) or fell between two looks.
func refused(f Facts) bool {
	switch f.Text(HTTPOutcome) {
	case OutcomeRefused:
		return true
	case "", OutcomeConnect, OutcomeDNS:
		return f.Text(SocketConnect) == "refused"
	}
	return false
}

// serves reports that the target itself answered, whatever it said.
func serves(f Facts) bool {
	return understood(f) || f.Text(SQLOutcome) == SQLOK || f.Text(PlainOutcome) == "ok"
}

// understood reports that the health reply could be read.
func understood(f Facts) bool { return f.Text(HTTPOutcome) == OutcomeReply }

// unitCondition: the unit itself cannot be what the configuration says.
var unitCondition = Condition{
	Class: ClassMisconfigured, Kinds: []Kind{KindService, KindPostgres, KindPlain}, Severity: P3,
	Looks: 3, Clear: 0,
	Summary: "the unit named in the configuration does not exist, or its own settings keep its program from running",
	Match: func(o Observation, b Background) Finding {
		f := o.Facts
		if f.Text(UnitLoad) == "not-found" && !serves(f) {
			return Finding{
				Verdict: Unknown, Final: true, Witnesses: []Witness{ByUnit},
				Because: fmt.Sprintf("the unit %s does not exist on this host", b.Target.Unit),
				Advice:  "correct `unit:` in the configuration, or install the unit; on Debian a cluster is postgresql@<version>-<name>.service",
			}
		}
		if why := f.Text(UnitUnable); why != "" && notRunning(f) && !serves(f) && f.Text(UnitDeparture) != DepartureStopped {
			return Finding{
				Verdict: Unhealthy, Final: true, Witnesses: []Witness{ByUnit},
				Because: fmt.Sprintf("the unit %s cannot run: %s", b.Target.Unit, why),
				Advice:  "mend that, then start the unit: starting it as it is ends the same way",
			}
		}
		return Finding{}
	},
}

// startingCondition: a target on its way up (or down) is not judged. Starting is a state with
// its own limit, not a failure: the grace runs from leaving inactive, since the time of becoming
// active never comes when something keeps killing a starting unit.
var startingCondition = Condition{
	Class: ClassUnknown, Kinds: []Kind{KindService, KindPostgres, KindPlain}, Severity: P3,
	Looks:   1,
	Summary: "the target is still starting or stopping: it is not judged yet",
	Match: func(o Observation, b Background) Finding {
		f := o.Facts
		active := f.Text(UnitActive)
		switch active {
		case "activating":
			if f.Text(UnitSub) == "auto-restart" || serves(f) {
				return Finding{}
			}
		case "deactivating":
			return Finding{Verdict: Unknown, Final: true, Because: "the unit is stopping (" + unitNote(f) + ")"}
		case "active", "reloading", "refreshing":
			if serves(f) || b.Answered {
				return Finding{}
			}
		default:
			return Finding{}
		}
		since, ok := f.Num(UnitSince)
		age := float64(o.At.UnixMicro())/1e6 - since
		grace := b.Target.StartGrace.Seconds()
		// What systemd itself is still starting is left to it and its start timeout, also beyond our
		// grace: to restart what is starting would begin it anew, and again. An age below zero (a
		// clock that was set back) gives no grace.
		if active != "activating" && (!ok || !(age >= -1 && age < grace)) {
			return Finding{}
		}
		because := fmt.Sprintf("still starting: %s after leaving inactive, of a start grace of %s", short(secs(age)), short(b.Target.StartGrace))
		if !ok {
			because = "still starting (" + unitNote(f) + ")"
		}
		return Finding{Verdict: Unknown, Final: true, Because: because}
	},
}
