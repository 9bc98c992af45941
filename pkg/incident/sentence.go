package incident

import "github.com/recoveryd/recoveryd/pkg/detect"

// askSentence says what a person's wish to recover the target led to.
func (tn *turn) askSentence(rec Record) string {
	out := "a person said: " + tn.said
	if tn.t.Phase == Acting && rec.From != Acting {
		out += "; acting (" + tn.t.Plan.Strategy + ": " + firstAction(tn.t.Plan) + ")"
	}
	return out
}

// sentence says what was decided and why, in one line that a tired reader understands.
func (tn *turn) sentence(rec Record) string {
	because := tn.t.Diagnosis.Because
	if because == "" {
		because = "nothing was observed yet"
	}
	with := func(s, extra string) string {
		if extra != "" {
			return s + ": " + extra
		}
		return s
	}
	switch {
	case tn.answered:
		return tn.askSentence(rec)
	case rec.Event.Kind == Operator:
		return with("a person said", tn.said)
	case tn.eased != "" && rec.From == rec.To:
		return tn.eased
	case rec.Reason == NoChange && rec.From == rec.To:
		return "no change: " + because
	case rec.To == Held && rec.Reason != NoChange && rec.Reason != TierDue:
		return "not acting (" + string(rec.Reason) + "): " + tn.note + "; " + because
	}
	switch rec.Reason {
	case FirstSign:
		return "first sign of trouble, asking again: " + because
	case Confirming:
		return "bad again, not confirmed yet: " + because
	case Blip:
		return "gone before it was confirmed: " + because
	case CannotTell:
		return "cannot tell: " + because
	case UnknownTooLong:
		if tn.t.Diagnosis.Class == detect.ClassMisconfigured {
			return "a person must look, restarting cannot help: " + because
		}
		if tn.t.Diagnosis.Class == detect.ClassStarting {
			return "a person must know, it has been starting for too long: " + because
		}
		return "a person must look, it cannot be told what is wrong: " + because
	case DegradedTooLong:
		return "a person must know, it has been degraded for too long: " + because
	case Act:
		return with("acting ("+tn.t.Plan.Strategy+": "+tn.t.Plan.Actions[0].String()+")", because)
	case NextStep:
		return "next action of the plan: " + tn.t.Plan.Actions[tn.t.Step].String()
	case ActionOver, ActionFailed, OverdueAction:
		return with("the action is over, looking whether it helped", tn.note)
	case NoPermission:
		return "the host refuses the action, a person must mend the permission: " + tn.ev.Detail
	case Undo:
		return "it did not help, taking the change back: " + tn.t.Plan.Actions[0].String()
	case BackToNormal:
		return "a change that is not needed any more is taken a step back: " + tn.note
	case Verified:
		return "verified: " + because
	case ClearedByItself:
		return "clear, though not by an action of ours: " + because
	case DependencyCured:
		return "clear since what it needs works again: " + because
	case Closed:
		return "closed: it stayed clear through probation"
	case PageFirst:
		return "a person must look, " + whyNoMore(tn.t, tn.inc) + ": " + because
	case LadderEnded:
		return whyNoMore(tn.t, tn.inc) + ": " + because
	case LeftToPerson:
		return "closed: it was clear, and a person has it in hand since: " + because
	case Mended:
		return "clear after people were told: " + because
	case TierDue:
		return "unresolved for too long, telling the next people: " + because
	}
	return because
}
