package incident

import (
	"fmt"
	"slices"
)

// obey takes a person's word about one target.
func (tn *turn) obey() {
	c, t := tn.ev.Command, tn.t
	if c.Drill != nil {
		tn.drill(c)
		return
	}
	if c.Verb == CmdRecover {
		tn.ask(c)
		return
	}
	tn.note = fmt.Sprintf("%s by %s", c.Verb, c.By)
	if why := tn.wordRefusal(c); why != "" {
		tn.refused = true
		tn.note += ": refused, " + why
		return
	}
	word := &Standing{By: c.By, Why: c.Why, Since: tn.now, Until: c.Until}
	switch c.Verb {
	case CmdRelease, CmdApprove, CmdRetry, CmdForget:
		tn.look(t.Name, 0) // what it shows decides whether there is anything left to do
	}
	switch c.Verb {
	case CmdHold:
		t.Hold = word
	case CmdRelease:
		t.Hold = nil
	case CmdAck:
		tn.change().Ack = word
	case CmdApprove:
		yes := *tn.inc.Proposal
		yes.By = c.By
		tn.change().Proposal = &yes
	case CmdRetry:
		clear(tn.change().Rungs)
		t.Efforts = slices.DeleteFunc(slices.Clone(t.Efforts), func(e Effort) bool { return e.Class == tn.inc.Class })
		t.BackoffUntil = tn.now
		if h, yes := tn.p.holdOf(tn); yes { // who asks must know why nothing follows yet
			tn.note += fmt.Sprintf("; not acting yet (%s): %s", h.reason, h.why)
		}
		tn.planned = false // the look that follows plans for itself
	case CmdForget:
		forgot := tn.forgetLessons(c.Strategy)
		if tn.refused = forgot == 0; tn.refused {
			about := t.Name
			if c.Strategy != "" {
				about = c.Strategy + " on " + about
			}
			tn.note += ": refused, nothing was learned about " + about
			return
		}
		tn.note += fmt.Sprintf(", %d lessons", forgot)
	}
	if c.Why != "" {
		tn.note += ": " + c.Why
	}
}

// wordRefusal says why a person's word leads to nothing; "" when it leads to something. A word about an
// incident counts for the open one only: nobody approves what is not proposed.
func (tn *turn) wordRefusal(c *Command) string {
	t, i := tn.t, tn.inc
	switch c.Verb {
	case CmdRelease:
		if !t.Hold.active(tn.now) {
			return t.Name + " is not held"
		}
	case CmdAck, CmdApprove, CmdRetry:
		switch {
		case i == nil:
			return t.Name + " has no open incident"
		case c.Incident != "" && c.Incident != i.ID:
			return fmt.Sprintf("%s is not open; the open incident of %s is %s", c.Incident, t.Name, i.ID)
		case c.Verb == CmdRetry && !tn.spent():
			return "nothing was tried in " + i.ID + " that could be tried anew"
		}
	}
	if c.Verb != CmdApprove {
		return ""
	}
	switch p := i.Proposal; {
	case p == nil:
		return "nothing is proposed for " + i.ID
	case p.By != "":
		return fmt.Sprintf("%s was approved by %s already", p.Plan, p.By)
	}
	return ""
}

// spent reports whether something of the ladder is used up, or waits after a failed attempt.
func (tn *turn) spent() bool {
	t, i := tn.t, tn.inc
	return len(i.Rungs) > 0 || t.BackoffUntil.After(tn.now) || slices.ContainsFunc(t.Efforts, func(e Effort) bool { return e.Class == i.Class })
}

// hostEvent takes what concerns the whole host: a pause, or what recoveryd itself lacks.
func (p *Policy) hostEvent(tn *turn, rec *Record) {
	if !p.played(tn, rec) {
		p.standingWord(tn, rec)
	}
	p.review(tn, rec)
}

// standingWord takes what concerns the host and no playbook's run.
func (p *Policy) standingWord(tn *turn, rec *Record) {
	h := tn.s.Host
	rec.Reason = OperatorSaid
	switch c := tn.ev.Command; {
	case tn.ev.Kind == Impaired && tn.ev.Detail == h.Impaired:
		rec.Reason = NoChange
		return
	case tn.ev.Kind == Impaired:
		h.Impaired = tn.ev.Detail
		rec.Reason = HoldJournal
		rec.Sentence = "recoveryd may act again"
		if h.Impaired != "" {
			rec.Sentence = "recoveryd may only page: " + h.Impaired
		}
	case tn.ev.Kind == Stopped:
		if !p.halt(tn, &h, rec) {
			return
		}
	case c != nil && c.Verb == CmdPause:
		h.Pause = &Standing{By: c.By, Why: c.Why, Since: tn.now, Until: c.Until}
		rec.Sentence = said("everything is paused", h.Pause)
	case c != nil && c.Verb == CmdAck:
		if !tn.ackTrouble(&h, c) {
			rec.Refused = true
			rec.Sentence = fmt.Sprintf("%s by %s: refused, %s is neither an open incident nor a failed run", c.Verb, c.By, c.Incident)
			return
		}
		tn.host = &h
		rec.Sentence = said("run "+c.Incident+" is looked after", &Standing{By: c.By, Why: c.Why, Until: c.Until})
		return
	case c != nil && c.Verb == CmdResume && !h.Pause.active(tn.now):
		rec.Refused, rec.Sentence = true, "resume by "+c.By+": refused, nothing is paused"
	case c != nil && c.Verb == CmdResume:
		h.Pause = nil
		rec.Sentence = "the pause is over, by " + c.By
	default:
		rec.Reason, rec.Sentence = NoChange, "nothing to decide about the host"
		return
	}
	tn.host = &h
	for _, t := range p.o.Targets {
		tn.effect(Effect{Kind: Wake, Target: t.Name, At: tn.now})
		if ts := tn.s.Targets[t.Name]; ts != nil && ts.Phase != Watching {
			tn.look(t.Name, 0) // what was held back may be wanted no more
		}
	}
}

// halt takes what the stop file says; false when that is known already.
func (p *Policy) halt(tn *turn, h *Host, rec *Record) bool {
	why := tn.ev.Detail
	switch {
	case why == "" && h.Stop == nil, h.Stop != nil && h.Stop.Why == why:
		rec.Reason, rec.Sentence = NoChange, "the stop file is as it was"
		return false
	case why == "":
		h.Stop = nil
		rec.Sentence = "the stop file is gone: recoveryd may act again"
	default:
		since := tn.now
		if h.Stop != nil {
			since = h.Stop.Since // it was only written anew
		}
		h.Stop = &Standing{By: "the stop file", Why: why, Since: since}
		rec.Sentence = said("nothing is done on this host, stopped", h.Stop)
	}
	rec.Reason = HoldStop
	return true
}
