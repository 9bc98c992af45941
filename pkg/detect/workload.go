package detect

import (
	"cmp"
	"fmt"
)

// notRunning reports that the platform was asked and no process of the target runs now (it failed,
// ended or was stopped). What is on its way up or down is neither running nor not.
func notRunning(f Facts) bool {
	switch f.Text(WorkloadState) {
	case StateFailed, StateStopped, StateRetrying:
		return true
	}
	return false
}

// running reports that the platform sees the target's process running.
func running(f Facts) bool { return f.Text(WorkloadState) == StateRunning }

// notSeen reports that the platform could not say what the target does: it was not asked, or could not be.
func notSeen(f Facts) bool { return f.Text(WorkloadState) == "" }

// Noun is what the platform calls the target; "service" where no platform was asked.
func Noun(f Facts) string { return cmp.Or(f.Text(WorkloadNoun), "service") }

// Manager is who runs the target, as a sentence says it; "its platform" where none was asked.
func Manager(f Facts) string { return cmp.Or(f.Text(WorkloadManager), "its platform") }

// StateWords says what the target does in the platform's own words: "container exited (137)".
func StateWords(f Facts) string {
	switch state := f.Text(WorkloadState); {
	case state == "":
		return Noun(f) + " state not known"
	case f.Text(WorkloadWords) != "":
		return f.Text(WorkloadWords)
	default:
		return Noun(f) + " " + state
	}
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

// workloadCondition: the platform cannot run what the configuration names.
var workloadCondition = Condition{
	Class: ClassMisconfigured, Kinds: []Kind{KindService, KindPostgres, KindPlain}, Severity: P3,
	Looks: 3, Clear: 0,
	Summary: "what the configuration names does not exist on its platform, or its own settings keep its program from running",
	Match: func(o Observation, b Background) Finding {
		f := o.Facts
		if why := f.Text(WorkloadMissing); why != "" && !serves(f) {
			return Finding{Verdict: Unknown, Final: true, Witnesses: []Witness{ByPlatform}, Because: why, Advice: f.Text(WorkloadAdvice)}
		}
		if why := f.Text(WorkloadUnable); why != "" && notRunning(f) && !serves(f) && f.Text(WorkloadDeparture) != DepartureStopped {
			return Finding{
				Verdict: Unhealthy, Final: true, Witnesses: []Witness{ByPlatform},
				Because: fmt.Sprintf("the %s %s cannot run: %s", Noun(f), b.Target.Object, why),
				Advice:  fmt.Sprintf("mend that, then start the %s: starting it as it is ends the same way", Noun(f)),
			}
		}
		return Finding{}
	},
}

// startingCondition: a target on its way up (or down) is not judged. Starting is a state with
// its own limit, not a failure: the grace runs from leaving inactive, since the time of becoming
// active never comes when something keeps killing what is starting.
var startingCondition = Condition{
	Class: ClassUnknown, Kinds: []Kind{KindService, KindPostgres, KindPlain}, Severity: P3,
	Looks:   1,
	Summary: "the target is still starting or stopping: it is not judged yet",
	Match: func(o Observation, b Background) Finding {
		f := o.Facts
		state := f.Text(WorkloadState)
		switch state {
		case StateStarting:
			if serves(f) {
				return Finding{}
			}
		case StateStopping:
			return Finding{Verdict: Unknown, Final: true, Because: fmt.Sprintf("the %s is stopping (%s)", Noun(f), StateWords(f))}
		case StateRunning:
			if serves(f) || b.Answered {
				return Finding{}
			}
		default:
			return Finding{}
		}
		since, ok := f.Num(WorkloadSince)
		age := float64(o.At.UnixMicro())/1e6 - since
		grace := b.Target.StartGrace.Seconds()
		// What the platform itself is still starting is left to it and its own limit, also beyond our
		// grace: to restart what is starting would begin it anew, and again. An age below zero (a
		// clock that was set back) gives no grace.
		if state != StateStarting && (!ok || !(age >= -1 && age < grace)) {
			return Finding{}
		}
		because := fmt.Sprintf("still starting: its start began %s ago, of a start grace of %s", short(secs(age)), short(b.Target.StartGrace))
		if !ok {
			because = "still starting (" + StateWords(f) + ")"
		}
		return Finding{Verdict: Unknown, Final: true, Because: because}
	},
}
