package incident

import "time"

// notices decides whether people are told something with this step. Holding back and working on
// a problem are both fine for a while; after that somebody must know.
func (tn *turn) notices(rec *Record) {
	i := tn.inc
	if i == nil {
		tn.lonelyDependent()
		i = tn.inc
	}
	if i == nil {
		return
	}
	if !i.Open() {
		switch {
		case len(i.Told) > 0:
			tn.allClear()
		case len(i.Attempts) > 0:
			if to := tn.p.o.Escalation.Cured(i, tn.now); len(to) > 0 {
				tn.notify(NoticeChange, 0, i.Outcome, "", to)
			}
		}
		return
	}
	before := len(i.Told)
	tn.askForApproval()
	if tn.t.Phase != Probation { // it has recovered: nobody else need know
		tn.escalate(rec)
	}
	switch {
	case tn.acked():
		tn.bringUpToDate(OperatorSaid, before)
	case rec.From != rec.To && !tn.muted(*rec) || i.Severity != tn.severe:
		tn.bringUpToDate(rec.Reason, before)
	case tn.asks:
		tn.bringUpToDate(HoldApproval, before)
	}
}

// askForApproval tells of a new proposal, without waking anybody: who sees it may allow it before
// its deadline, when people are paged. Where no channel takes such a question they are paged at once.
func (tn *turn) askForApproval() {
	i := tn.inc
	if !tn.asks || !i.Paged.IsZero() || !tn.now.Before(i.Proposal.Until) {
		return
	}
	if to := tn.p.o.Escalation.Cured(i, tn.now); len(to) > 0 {
		tn.notify(NoticeChange, 0, HoldApproval, "", to)
		return
	}
	now := *i.Proposal
	now.Until = tn.now
	tn.change().Proposal = &now
}

// muted reports whether a change of phase is one of many that lead nowhere: who was told knows that it flaps.
func (tn *turn) muted(rec Record) bool {
	quiet := func(ph Phase) bool { return ph != Acting && ph != Verifying }
	return tn.t.Flaps.flapping(tn.now) && quiet(rec.From) && quiet(rec.To)
}

// acked reports whether this step is somebody's word that the incident is being looked after: the
// others are to see that.
func (tn *turn) acked() bool {
	return tn.ev.Kind == Operator && tn.ev.Command.Verb == CmdAck && tn.touched == tn.inc
}

// lonelyDependent opens an incident for a dependent whose culprit never came to one: otherwise
// nobody would ever be told.
func (tn *turn) lonelyDependent() {
	t := tn.t
	if t.Phase != Held || t.Reason != HoldDependency || tn.s.Incidents[t.Incident] != nil {
		return
	}
	if h, yes := tn.p.standing(tn); yes && byPerson(h.reason) {
		return
	}
	if after := tn.p.o.PageAfter.Held; after > 0 && tn.now.Sub(t.Since) >= after {
		openIncident(tn)
		tn.inc.Held, tn.inc.HeldSince = HoldDependency, t.Since
		tn.inc.HeldWhy = t.Diagnosis.Culprit + " is named as the culprit, but has no confirmed problem of its own"
	}
}

// pageReason says why people must be told now; "" = not yet.
func (tn *turn) pageReason() Reason {
	why := tn.needsPerson()
	if tn.tooSoon(why) {
		return ""
	}
	return why
}

// lookPatience is how long a look that is to show whether a problem has lasted may take, before people
// are told without it.
const lookPatience = 30 * time.Second

// tooSoon reports whether it must still be seen that a problem lasts. Where something is tried, trying
// takes that time; where nothing is, one refused connection would wake somebody.
func (tn *turn) tooSoon(why Reason) bool {
	i, t, most := tn.inc, tn.t, tn.p.o.PageAfter.Unresolved
	switch why {
	case PageFirst, LadderEnded, HoldObserve, HoldApproval:
	default:
		return false
	}
	lasts := tn.timing(i.Class).Lasts
	if lasts <= 0 || i.tried() > 0 || !i.Paged.IsZero() {
		return false
	}
	if t.Diagnosis.Good() {
		return true // it may be over
	}
	switch at := tn.lastsFrom().Add(lasts); {
	case most > 0 && tn.now.Sub(i.ours()) >= most:
		return false // it comes and goes, and never long enough: that lasts too
	case tn.now.Before(at):
		return true
	case !tn.now.Before(at.Add(lookPatience)):
		return false
	case t.Last.At.Before(at):
		tn.look(t.Name, 0)
		return true
	}
	return false
}

// lastsFrom is since when the problem lasts: its first bad look, later by as long as a person had it
// in hand. What has been well in between begins anew.
func (tn *turn) lastsFrom() time.Time {
	return later(tn.inc.Since.Add(tn.inc.Aside), tn.t.BadSince)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// needsPerson says why a person is needed; "" = none is.
func (tn *turn) needsPerson() Reason {
	i, t, after := tn.inc, tn.t, tn.p.o.PageAfter
	age := tn.now.Sub(i.ours())
	switch {
	case t.Phase == Escalated:
		return tn.t.Reason
	case t.Phase == Held && (i.Held == HoldObserve || i.Held == HoldTarget || i.Held == HoldClass || i.Held == HoldHost || i.Held == HoldStorm || i.Held == HoldHalted && !tn.toldOfHalt() || i.Held == HoldJournal):
		return i.Held // nobody works on it, and nothing will change soon
	case t.Phase == Held && i.Held == HoldApproval:
		if i.Proposal == nil || !tn.now.Before(i.Proposal.Until) {
			return i.Held
		}
	case t.Phase == Held && byPerson(i.Held):
		if after.Operator > 0 && i.Aside+tn.now.Sub(i.Stood) >= after.Operator {
			return HeldTooLong
		}
	case t.Phase == Held && after.Held > 0 && tn.now.Sub(i.HeldSince) >= after.Held:
		return HeldTooLong
	case after.Unresolved > 0 && age >= after.Unresolved && t.Phase != Probation && !byPerson(i.Held):
		return UnresolvedTooLong
	}
	return ""
}

// ours is since when the incident would have been open, had it never been a person's business.
func (i *Incident) ours() time.Time { return i.Opened.Add(i.Aside) }

// aside keeps the time for which the incident is a person's business: its clocks stand still meanwhile.
// They never begin anew: a reason that comes and goes must not put a page off for ever.
func (i *Incident) aside(person bool, now time.Time) {
	switch {
	case person && i.Stood.IsZero():
		i.Stood = now
	case !person && !i.Stood.IsZero():
		d := max(now.Sub(i.Stood), 0)
		i.Aside, i.Stood = i.Aside+d, time.Time{}
		if !i.HeldSince.IsZero() {
			i.HeldSince = i.HeldSince.Add(d)
		}
	}
}

// byPerson reports whether the reason not to act is a person's own doing: who did it knows.
func byPerson(r Reason) bool {
	switch r {
	case HoldStop, HoldPlaybook, HoldHalted, HoldPaused, HoldOperator, HoldCommand, HoldMaintenance:
		return true
	}
	return false
}

// noticeTimes are the times at which pageReason or a tier may become due.
func (tn *turn) noticeTimes() []time.Time {
	var out []time.Time
	after := tn.p.o.PageAfter
	add := func(base time.Time, d time.Duration) {
		if d > 0 && !base.IsZero() {
			out = append(out, base.Add(d))
		}
	}
	if tn.t.Phase == Held && tn.t.Reason == HoldDependency {
		add(tn.t.Since, after.Held)
	}
	if tn.t.Diagnosis.Verdict != 0 || tn.t.UnknownLooks == 0 {
		// a known verdict: nothing about unknowns becomes due
	} else {
		add(tn.t.UnknownSince, after.unclear(tn.t.UnknownClass))
	}
	if ownWord(tn.t.Diagnosis) {
		add(tn.t.DegradedSince, after.Degraded)
	}
	i := tn.inc
	if i == nil || !i.Open() {
		return out
	}
	if i.Paged.IsZero() {
		if lasts := tn.timing(i.Class).Lasts; lasts > 0 {
			add(tn.lastsFrom(), lasts)
			add(tn.lastsFrom(), lasts+lookPatience)
		}
		if i.Held == HoldApproval && i.Proposal != nil {
			out = append(out, i.Proposal.Until)
		}
		add(i.ours(), after.Unresolved)
		if i.Held != "" {
			add(i.HeldSince, after.Held)
			add(i.Stood, after.Operator-i.Aside)
		}
	}
	if !i.Milder.IsZero() {
		out = append(out, i.Milder.Add(SeverityRest))
	}
	if at, ok := tn.p.o.Escalation.Next(i, tn.now); ok {
		out = append(out, at)
	}
	return out
}

func (tn *turn) notify(kind NoticeKind, tier int, why Reason, because string, to []Address) {
	tn.touched = tn.inc
	next := Next(tn.t, tn.inc)
	if next == "" {
		next = "nothing: it is over"
	}
	tn.effect(Effect{Kind: Notify, Target: tn.t.Name, Notice: &Notice{Kind: kind, Tier: tier, Why: why, Because: because, Next: next, To: to}})
}
