package httpserve

import (
	"github.com/recoveryd/recoveryd/pkg/incident"
)

// Next says what recoveryd will do next about a target, or why it will not act: in the words of
// the notices, so that the page which woke somebody and the status page never differ. It is ""
// while nothing is wrong. The incident is the target's own or the one that it waits in; it may be
// nil.
func Next(t *incident.TargetState, i *incident.Incident) string {
	if t == nil {
		return ""
	}
	switch t.Phase {
	case incident.Suspect:
		return "asking again before it is believed"
	case incident.Held:
		return held(t, i)
	case incident.Acting:
		if t.Plan != nil && t.Step < len(t.Plan.Actions) {
			return "now doing: " + t.Plan.Actions[t.Step].String()
		}
		return "an action is in flight"
	case incident.Verifying:
		return "proving by observation that it helped"
	case incident.Probation:
		return "recovered; watched for a relapse until " + t.ProbationEnd.UTC().Format("15:04:05 MST")
	case incident.Escalated:
		return escalated(t)
	case incident.Watching:
	}
	return ""
}

// held: a dependent that waits in its culprit's incident has no reason of its own in it.
func held(t *incident.TargetState, i *incident.Incident) string {
	switch {
	case i != nil && i.Target == t.Name && i.Held != "":
		return "recoveryd holds back (" + string(i.Held) + "): " + i.HeldWhy
	case i != nil && i.Target != t.Name:
		return "waits for " + i.Target + ", which is treated in " + i.ID
	case t.Reason == incident.HoldDependency && t.Diagnosis.Culprit != "":
		return "waits for " + t.Diagnosis.Culprit
	}
	return "recoveryd holds back (" + string(t.Reason) + ")"
}

func escalated(t *incident.TargetState) string {
	s := "recoveryd will do nothing more by itself: "
	switch t.Reason {
	case incident.LadderEnded:
		s += "everything it may try was tried"
	case incident.PageFirst:
		s += "nothing it may do can help"
	case incident.NoPermission:
		s += "the host refuses the action"
	case incident.UnknownTooLong:
		s += "it cannot tell what is wrong, and does not act on a guess"
	default:
		s += string(t.Reason)
	}
	if t.Diagnosis.Advice != "" {
		s += ". " + t.Diagnosis.Advice
	}
	return s + ". It keeps watching and resolves this page when the target has recovered."
}
