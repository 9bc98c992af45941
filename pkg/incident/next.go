package incident

import (
	"fmt"
	"slices"
	"strings"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

// Next says what recoveryd will do next about a target, or why it will not act: in the words of
// notices and status page alike, so that what woke somebody and what is shown never differ. It is ""
// while nothing is wrong. The incident is the target's own or the one that it waits in; it may be
// nil.
func Next(t *TargetState, i *Incident) string {
	if t == nil {
		return ""
	}
	if w := t.flapWords(); w != "" && t.Phase != Watching && t.Phase != Acting {
		return nextOf(t, i) + "; " + w
	}
	return nextOf(t, i)
}

func nextOf(t *TargetState, i *Incident) string {
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
	switch {
	case i != nil && i.Proposal != nil && i.Proposal.By == "":
		s = "recoveryd proposes " + i.Proposal.Plan + "; allow it with: recoveryd approve " + i.ID + ". Otherwise it will do nothing more by itself: "
	case i != nil && i.tried() == 0:
		s = "recoveryd does nothing by itself: "
	}
	s += whyNoMore(t, i)
	if t.Diagnosis.Advice != "" {
		s += ". " + t.Diagnosis.Advice
	}
	what := "resolves this page"
	if i != nil && i.Paged.IsZero() {
		what = "closes the incident"
	}
	return s + ". It keeps watching and " + what + " when the target has recovered."
}

// whyNoMore says why nothing more is done about an incident that people must look at, from what
// happened in it: that everything was tried is said only where something was, and nothing is left.
func whyNoMore(t *TargetState, i *Incident) string {
	switch {
	case t.Reason == UnknownTooLong && t.Diagnosis.Class == detect.ClassMisconfigured:
		return "restarting cannot help"
	case t.Reason == UnknownTooLong && t.Diagnosis.Class == detect.ClassStarting:
		return "it says that it is starting, and a restart would begin that anew"
	case t.Reason == UnknownTooLong:
		return "it cannot tell what is wrong, and does not act on a guess"
	case t.Reason == DegradedTooLong:
		return "it serves, and a restart would interrupt it on its word alone"
	case t.Reason == NoPermission && i != nil && len(i.Attempts) > 0:
		return "the host refuses " + i.Attempts[len(i.Attempts)-1].Action
	case i == nil:
		return string(t.Reason)
	case i.Left != "":
		return "what it could try next waits (" + string(i.Left) + ")"
	case i.NoMeans != "" && i.tried() == 0:
		return i.NoMeans
	case i.NoMeans != "":
		return "what was tried did not help, and now " + i.NoMeans
	case i.tried() > 0:
		return "everything it may try was tried"
	case len(i.Skipped) > 0:
		return "nothing could be tried: " + strings.Join(passedOver(i.Skipped, "%[2]s (%[1]s)"), "; ")
	}
	return "there is nothing that it could try"
}

// tried counts the plans that were begun. Taking a change back is none, nor is what was not begun in
// the end.
func (i *Incident) tried() (n int) {
	for _, a := range i.Attempts {
		if a.Verdict != NextStep && a.Verdict != NotBegun && !a.Undo {
			n++
		}
	}
	return n
}

// NotTried says which rungs were passed over, and why; each reason once.
func (i *Incident) NotTried() []string { return passedOver(i.Skipped, "%[1]s: %[2]s") }

// passedOver puts the rungs that were passed over for the same reason together: no reason is said twice.
// The form takes the names and the reason.
func passedOver(skipped []string, form string) (out []string) {
	var reasons []string
	names := map[string][]string{}
	for _, s := range skipped {
		name, why, _ := strings.Cut(s, ": ")
		if names[why] == nil {
			reasons = append(reasons, why)
		}
		if !slices.Contains(names[why], name) {
			names[why] = append(names[why], name)
		}
	}
	for _, why := range reasons {
		out = append(out, fmt.Sprintf(form, strings.Join(names[why], ", "), why))
	}
	return out
}
