package incident

import "github.com/recoveryd/recoveryd/pkg/detect"

// Next says what recoveryd will do next about a target, or why it will not act: in the words of
// notices and status page alike, so that what woke somebody and what is shown never differ. It is ""
// while nothing is wrong. The incident is the target's own or the one that it waits in; it may be
// nil.
func Next(t *TargetState, i *Incident) string {
	if t == nil {
		return ""
	}
	switch t.Phase {
	case Suspect:
		return "asking again before it is believed"
	case Held:
		return nextHeld(t, i)
	case Acting:
		if t.Plan != nil && t.Step < len(t.Plan.Actions) {
			return "now doing: " + t.Plan.Actions[t.Step].String()
		}
		return "an action is in flight"
	case Verifying:
		return "proving by observation that it helped"
	case Probation:
		if t.Intent != "" {
			return "recovered, and " + t.Intent + " since: that is no relapse"
		}
		return "recovered; watched for a relapse until " + t.ProbationEnd.UTC().Format("15:04:05 MST")
	case Escalated:
		return nextEscalated(t, i)
	case Watching:
	}
	return ""
}

// nextHeld: a dependent that waits in its culprit's incident has no reason of its own in it.
func nextHeld(t *TargetState, i *Incident) string {
	switch {
	case i != nil && i.Target == t.Name && i.Held != "":
		return i.HoldWords()
	case i != nil && i.Target != t.Name:
		return "waits for " + i.Target + ", which is treated in " + i.ID
	case t.Reason == HoldDependency && t.Diagnosis.Culprit != "":
		return "waits for " + t.Diagnosis.Culprit
	}
	return "recoveryd holds back (" + string(t.Reason) + ")"
}

func nextEscalated(t *TargetState, i *Incident) string {
	s := "recoveryd will do nothing more by itself: "
	if i != nil && i.Proposal != nil && i.Proposal.By == "" {
		s = "recoveryd proposes " + i.Proposal.Plan + "; allow it with: recoveryd approve " + i.ID + ". Otherwise it will do nothing more by itself: "
	}
	switch t.Reason {
	case LadderEnded:
		s += "everything it may try was tried"
	case PageFirst:
		s += "nothing it may do can help"
	case NoPermission:
		s += "the host refuses the action"
	case UnknownTooLong:
		if t.Diagnosis.Class == detect.ClassMisconfigured {
			s += "restarting cannot help"
			break
		}
		if t.Diagnosis.Class == detect.ClassStarting {
			s += "it says that it is starting, and a restart would begin that anew"
			break
		}
		s += "it cannot tell what is wrong, and does not act on a guess"
	default:
		s += string(t.Reason)
	}
	if t.Diagnosis.Advice != "" {
		s += ". " + t.Diagnosis.Advice
	}
	return s + ". It keeps watching and resolves this page when the target has recovered."
}
