package sim

import (
	"fmt"
	"strings"
	"time"

	"github.com/recoveryd/recoveryd/pkg/incident"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// durable is told of every record that the journal has taken, before any of its effects.
func (w *world) durable(rec incident.Record, next incident.State) {
	delete(w.ledger.unwritten, rec.Target) // it is written with what is known of the target
	l := &w.ledger
	for _, e := range rec.Effects {
		switch e.Kind {
		case incident.Perform:
			l.kept[e.ActionID] = true
		case incident.Notify:
			w.notified(e, rec, next)
		}
	}
	w.followRun(rec)
	if rec.Incident != nil {
		delete(w.d.dirty, rec.Target)
		w.countFailures(rec.Incident, rec.At)
		w.judgeAsking(rec)
		w.learn(rec)
		w.followIncident(rec)
	}
	if c := rec.Event.Command; c != nil {
		switch c.Verb {
		case incident.CmdApprove:
			if rec.Incident != nil && rec.Incident.Proposal != nil || planned(rec) {
				l.approvals[rec.Target] = 1
			}
		case incident.CmdForget:
			w.forget(rec.Target)
		case incident.CmdRetry:
			if i := next.Incidents[c.Incident]; i != nil {
				for key := range l.efforts {
					if hasPrefix(key, i.Target+"/"+string(i.Class)+"/") {
						delete(l.efforts, key)
					}
				}
			}
			f := l.failures[c.Incident]
			f.again = true
			l.failures[c.Incident] = f
		}
	}
}

// planned reports that a record begins an action.
func planned(rec incident.Record) bool {
	for _, e := range rec.Effects {
		if e.Kind == incident.Perform {
			return true
		}
	}
	return false
}

// followIncident judges the beginning and the end of an incident.
func (w *world) followIncident(rec incident.Record) {
	l, i := &w.ledger, rec.Incident
	if i.Opened.Equal(rec.At) && rec.From != incident.Held && i.Target == rec.Target {
		w.report.Incidents++
		w.judgeCulprit(rec.Target, "gets an incident")
	}
	if i.Open() {
		return
	}
	delete(l.failures, i.ID)
	if len(i.Attempts) > 0 && i.Paged.IsZero() {
		w.report.Cures++
	}
	if in := l.intent(i.Target); i.Outcome == incident.LeftToPerson && (w.upgrading == i.Target || in.stopped || w.things[i.Target].u.masked) {
		return // nobody says that it has recovered: who upgrades, stopped or masked it sees to that
	}
	is := w.truth(i.Target)
	switch is.kind {
	case "down", "hung", "loading", "starting", "gateway", "full", "memory", "unwell", "frozen", "saturated", "stuck":
		if w.t-is.since > 30*time.Second && !w.distortedSince(2*time.Minute, w.around(i.Target)...) {
			w.fail(trueRecovery, "%s is closed, and %s is %s since %s", i.ID, i.Target, is.kind, clock(is.since))
		}
	}
}

// countFailures notes when plans of an incident failed.
func (w *world) countFailures(i *incident.Incident, at time.Time) {
	f, n := w.ledger.failures[i.ID], 0
	for _, a := range i.Attempts {
		if a.Result == incident.ResultDenied {
			continue // the host refused it, so nothing was tried; what comes next has another reason
		}
		if a.Verdict != "" && a.Verdict != incident.Verified && a.Verdict != incident.NextStep && a.Verdict != incident.NotBegun && a.Verdict != incident.HoldOperator && !a.Undo {
			n++
		}
	}
	if n > f.n {
		w.ledger.failures[i.ID] = failure{at: at, n: n}
	}
}

// notified judges what people are told, and remembers it.
func (w *world) notified(e incident.Effect, rec incident.Record, next incident.State) {
	l := &w.ledger
	if e.Target == "" { // of a run that a person began
		w.toldOfRun(e)
		return
	}
	inc := rec.Incident
	if inc == nil {
		inc = next.Incidents[next.Targets[e.Target].Incident]
	}
	if inc == nil {
		w.fail(pageResolved, "a %s of no incident", e.Notice.Kind)
		return
	}
	key := fmt.Sprintf("%s/t%d", inc.ID, e.Notice.Tier)
	if w.out != nil {
		w.say("notice", "%s %s: %s; %s", e.Notice.Kind, key, e.Notice.Why, e.Notice.Next)
	}
	for _, t := range inc.Told {
		for _, name := range t.Tiers {
			l.tiers[inc.ID+"/"+name] = true
		}
	}
	switch e.Notice.Kind {
	case incident.NoticeTrigger:
		w.report.Pages++
		if l.pages[key] != neverTold && !l.loose[key] {
			w.fail(pageOnce, "%s is told again", key)
		}
		l.pages[key] = told
		w.judgePage(e, inc, next)
		if w.chance(0.7) {
			w.after(w.between(3*time.Minute, time.Hour), func() { w.personComes(inc.Target, key) })
		}
	case incident.NoticeChange:
		if e.Notice.Why == incident.HoldApproval && w.chance(0.6) {
			w.after(w.between(10*time.Second, 15*time.Minute), func() { w.personApproves(inc.ID) })
		}
	case incident.NoticeResolve:
		if l.pages[key] != told && !l.loose[key] {
			w.fail(pageResolved, "%s is resolved, and nobody was told of it", key)
		}
		l.pages[key] = resolved
	}
}

// judgePage judges whether a page was needed.
func (w *world) judgePage(e incident.Effect, inc *incident.Incident, next incident.State) {
	if w.nature.calm {
		w.fail(noNeedlessPage, "%s: %s (%s)", inc.ID, e.Notice.Why, inc.Diagnosis.Because)
		return
	}
	i, u := w.ledger.intent(inc.Target), w.things[inc.Target].u
	stopped := i.stopped && w.t-i.since > time.Minute && u.active == "inactive" && inc.Opened.After(epoch.Add(i.since+w.skew))
	if stopped && w.options.PageAfter.Operator == 0 && e.Notice.Tier == 0 && w.clockIsSteady(4*time.Hour) &&
		!w.distortedSince(4*time.Hour, w.around(inc.Target)...) && w.d.live.Host.Impaired == "" {
		w.fail(operatorNotPaged, "%s: %s, and a person stopped it at %s", inc.ID, e.Notice.Why, clock(i.since))
	}
}

// emergency is what leaves without a journal: told, but not remembered by the next life.
func (w *world) emergency(rec incident.Record, next incident.State) {
	for _, e := range rec.Effects {
		if e.Kind != incident.Notify {
			continue
		}
		if e.Target == "" {
			for tier := range 4 {
				w.ledger.loose[fmt.Sprintf("%s/t%d", e.Notice.Case.ID, tier)] = true
			}
			w.toldOfRun(e)
			continue
		}
		inc := rec.Incident
		if inc == nil {
			inc = next.Incidents[next.Targets[e.Target].Incident]
		}
		for tier := range 4 {
			w.ledger.loose[fmt.Sprintf("%s/t%d", inc.ID, tier)] = true
		}
		w.notified(e, rec, next)
	}
}

// lostEmergencies forgets the pages that only a dead daemon knew of: an incident or a failed run that was
// told while the journal was broken, and not written since, is not known to the next life. A
// person closes its page.
func (w *world) lostEmergencies() {
	w.recall()
	written := map[string]bool{}
	for id, i := range w.d.shadow.Incidents {
		written[id] = !i.Paged.IsZero()
	}
	for _, t := range w.d.shadow.Host.Troubles { // runs that people were told of
		written[t.Case.ID] = !t.Case.Paged.IsZero()
	}
	for key := range w.ledger.loose {
		if id, _, _ := strings.Cut(key, "/"); w.ledger.pages[key] == told && !written[id] {
			delete(w.ledger.pages, key)
		}
	}
}

// decided is told of every step, durable or not, after the state became the present one.
func (w *world) decided(before incident.State, rec incident.Record) {
	h := w.report.Hash*1099511628211 ^ uint64(rec.At.UnixNano()) ^ uint64(rec.To)<<56 // FNV-1a, word by word
	for _, word := range []string{rec.Target, string(rec.Reason)} {
		for i := range len(word) {
			h = (h ^ uint64(word[i])) * 1099511628211
		}
	}
	w.report.Hash = h
	if rec.From != rec.To {
		w.stir()
		if w.out != nil || rec.To == incident.Held {
			w.report.Held[rec.Reason]++
		}
	}
	if w.out != nil && (rec.From != rec.To || rec.Durable()) {
		w.say("decision", "%s: %s -> %s (%s): %s", rec.Target, rec.From, rec.To, rec.Reason, rec.Sentence)
		for _, e := range rec.Effects {
			if e.Kind == incident.Perform {
				w.say("action", "%s %s", e.ActionID, e.Action)
			}
		}
	}
	if rec.Incident != nil && rec.Incident.Open() {
		w.countFailures(rec.Incident, rec.At)
	}
	if c := rec.Event.Command; c != nil && c.Verb == incident.CmdApprove && w.d.live.Host.Impaired != "" && rec.Incident != nil && rec.Incident.Proposal != nil {
		w.ledger.approvals[rec.Target] = 1 // said to a daemon that cannot write it, and lives
	}
	if c := rec.Event.Command; c != nil && c.Verb == incident.CmdForget && w.d.live.Host.Impaired != "" {
		w.forgetUnwritten(rec.Target)
	}
	w.judgeReplay(rec)
	w.judgePersons(before, rec)
}

// judgeReplay compares what the running daemon knows with what its journal would give back.
func (w *world) judgeReplay(rec incident.Record) {
	live, shadow := &w.d.live, &w.d.shadow
	if live.Host.Impaired != "" || len(w.d.dirty) > 0 {
		return
	}
	if len(live.Incidents) != len(shadow.Incidents) {
		w.fail(replayEqualsLive, "%d incidents are open, and the journal knows of %d", len(live.Incidents), len(shadow.Incidents))
	}
	if len(live.Host.Actions) != len(shadow.Host.Actions) || (live.Host.Pause == nil) != (shadow.Host.Pause == nil) {
		w.fail(replayEqualsLive, "the host part differs")
	}
	if x, y := live.Host.Run, shadow.Host.Run; (x == nil) != (y == nil) || x != nil && (x.ID != y.ID || x.At != y.At || x.Stage != y.Stage || x.ActionID != y.ActionID || x.Approved != y.Approved) {
		w.fail(replayEqualsLive, "the run of a playbook differs from the journal's")
	}
	a, b := live.Targets[rec.Target], shadow.Targets[rec.Target]
	if a == nil || a == b {
		return
	}
	if a.Flaps != nil && a.Flaps.Unwritten {
		return // what goes to and fro is written now and then
	}
	if b == nil {
		b = &incident.TargetState{}
	}
	if a.Phase != b.Phase || a.ActionID != b.ActionID || a.Step != b.Step || a.Undoing != b.Undoing || a.RunBefore != b.RunBefore ||
		!a.Deadline.Equal(b.Deadline) || !a.VerifyUntil.Equal(b.VerifyUntil) || !a.BackoffUntil.Equal(b.BackoffUntil) || !a.ProbationEnd.Equal(b.ProbationEnd) ||
		(a.Hold == nil) != (b.Hold == nil) || planName(a.Plan) != planName(b.Plan) {
		w.fail(replayEqualsLive, "%s is %s (%s), and the journal says %s (%s)", rec.Target, a.Phase, a.ActionID, b.Phase, b.ActionID)
	}
	if (a.Easing == nil) != (b.Easing == nil) {
		w.fail(replayEqualsLive, "what is being taken back on %s differs from the journal's", rec.Target)
	}
	if len(a.Efforts) != len(b.Efforts) || len(a.Trust) != len(b.Trust) {
		w.fail(replayEqualsLive, "what was learned of %s differs from the journal's", rec.Target)
	}
	x, y := live.Incidents[a.Incident], shadow.Incidents[a.Incident]
	if x == y || x == nil || y == nil {
		return
	}
	if own := live.Targets[x.Target]; own != nil && own.Flaps != nil && own.Flaps.Unwritten {
		return // it waits in the incident of another that goes to and fro
	}
	same := x.Class == y.Class && x.Held == y.Held && x.Paged.Equal(y.Paged) && x.Tier == y.Tier && len(x.Attempts) == len(y.Attempts) &&
		x.Relapses == y.Relapses && len(x.Lessons) == len(y.Lessons) && (x.Proposal == nil) == (y.Proposal == nil) && (x.Proposal == nil || *x.Proposal == *y.Proposal) && (x.Ack == nil) == (y.Ack == nil) && len(x.Affected) == len(y.Affected) && len(x.Rungs) == len(y.Rungs)
	for c, n := range x.Rungs {
		same = same && y.Rungs[c] == n
	}
	if n := len(x.Attempts); same && n > 0 {
		same = x.Attempts[n-1].Verdict == y.Attempts[n-1].Verdict && x.Attempts[n-1].Result == y.Attempts[n-1].Result
	}
	if !same {
		w.fail(replayEqualsLive, "incident %s differs from the journal's", x.ID)
	}
}

func planName(p *strategy.Plan) string {
	if p == nil {
		return ""
	}
	return p.Strategy
}

// startLimitHit is told when a unit's start limit refuses a start.
func (w *world) startLimitHit(u *unit, by who) {
	if w.out != nil {
		w.say("systemd", "%s: start limit hit by a start of %s", u.name, [...]string{"systemd", "ours", "a person"}[by])
	}
	if by != byUs || !w.signals || w.t-w.d.began < u.interval || w.distortedSince(u.interval, u.target) {
		return // it could not know how many starts there were
	}
	w.fail(leavesStartLimit, "a start of ours was refused by the start limit of %s (%d in %s)", u.name, u.burst, u.interval)
}
