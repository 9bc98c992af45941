package sim

import (
	"math"
	"strconv"
	"time"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/incident"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// performing judges an action at the moment in which the shell hands it out.
func (w *world) performing(e incident.Effect, rec incident.Record) {
	if e.Target == "" {
		w.performingStep(e, rec)
		return
	}
	w.watchTruth()
	l, a := &w.ledger, *e.Action
	switch {
	case !l.kept[e.ActionID]:
		w.fail(writeFirst, "%s (%s) has no durable record", e.ActionID, a)
	case l.performed[e.ActionID]:
		w.fail(atMostOnce, "%s (%s) is performed twice", e.ActionID, a)
	case rec.After != nil && rec.After.Easing != nil && rec.After.Easing.ActionID == e.ActionID:
		l.performed[e.ActionID] = true
		w.judgePerson(a, rec, false)
		w.judgeCaps(a, rec)
		w.judgeEasing(a, rec)
		return
	case rec.Incident == nil || rec.After == nil || rec.Incident.Target != a.Target || rec.After.Phase != incident.Acting:
		w.fail(culpritOnly, "%s on %s belongs to no incident of that target", a, a.Target)
	}
	l.performed[e.ActionID] = true
	if w.report.Violation != nil {
		return
	}
	l.handed[e.ActionID] = handing{at: w.t, run: w.things[a.Target].u.run, first: rec.After.Step == 0 && !rec.After.Undoing, against: rec.Incident.Class}
	w.judgePerson(a, rec, false)
	w.judgeCaps(a, rec)
	if _, lasting := strategy.Setting(a); lasting {
		l.changed[a.Target] = w.t
	}
	if rec.After.Step > 0 {
		return // what follows is about the decision for a plan
	}
	w.judgeEvidence(a, rec)
	w.judgeBounds(a, rec)
	w.judgeTruth(a, rec)
	l.starts = append(l.starts, planStart{w.t, a.Target, rec.Incident.Class, rec.After.Undoing})
}

// executed judges an action at the moment in which it reaches the host.
func (w *world) executed(a strategy.Action, id string) {
	l := &w.ledger
	switch {
	case !l.kept[id]:
		w.fail(writeFirst, "%s (%s) reached the host without a durable record", id, a)
	case l.executed[id]:
		w.fail(atMostOnce, "%s (%s) reached the host twice", id, a)
	}
	if w.stopFile != "" {
		w.fail(stopFileObeyed, "%s (%s) reached the host, and the stop file says %s", id, a, w.stopFile)
	}
	l.executed[id] = true
	w.judgeHands(a, id)
	w.judgeDump(a, id)
	w.startedByHand(a, id)
}

// judgeHands: what a person did to the unit between the decision and this moment counts, seen or not,
// since the unit can be asked at the moment of acting.
func (w *world) judgeHands(a strategy.Action, id string) {
	u := w.things[a.Target].u
	if !onUnit(a.Verb) || u == nil || a.Object != u.name {
		return
	}
	if u.job != "" && u.jobBy == byPerson {
		w.fail(operatorLeftAlone, "%s reached the host, and a person's %s job runs on it", a, u.job)
	}
	h := w.ledger.handed[id]
	// A look may have seen the moment before; evidence is collected for up to 0.7 s after the decision.
	if h.first && u.sub == "auto-restart" && !w.distortedSince(0, a.Target) && u.policy != "no" && w.t-u.retryAt > -u.restartAfter+4*time.Second && w.t < u.retryAt-time.Second {
		w.fail(leavesSystemd, "%s, and systemd will restart it by itself in %s", a, u.retryAt-w.t)
	}
	if n := len(u.starts); n > 0 && u.starts[n-1].by == byPerson && u.run != h.run && disruptive(a.Verb) {
		w.fail(operatorLeftAlone, "%s reached the host, and a person started it since it was decided", a)
	}
	// Without signals, a stop in the middle of a plan cannot be told from what the plan itself did.
	if i := w.ledger.intent(a.Target); i.stopped && i.since >= h.at && !u.alive() && (w.signals || a.Seen != nil && !a.Seen.Own) {
		w.fail(operatorLeftAlone, "%s reached the host, and a person stopped it at %s", a, clock(i.since))
	}
}

// planDisrupts is the opinion of the world about a plan, by its verbs.
func planDisrupts(p *strategy.Plan) bool {
	for _, a := range p.Actions {
		if disruptive(a.Verb) {
			return true
		}
	}
	return false
}

// judgeEvidence: promises 1 and 2.
func (w *world) judgeEvidence(a strategy.Action, rec incident.Record) {
	t := rec.After
	d := t.Diagnosis
	if d.Verdict != detect.Unhealthy {
		w.fail(unknownIsNotDown, "%s is decided on the verdict %s", a, d.Verdict)
	}
	switch seen := w.d.watchers[w.index[a.Target]].seen; {
	case w.t-seen > 20*time.Second && w.clockIsSteady(time.Hour):
		w.fail(freshEvidence, "%s is decided on a look that is %s old", a, w.t-seen)
	case rec.Event.Kind != incident.Observed:
		w.fail(freshEvidence, "%s is decided without a look (%s)", a, rec.Event.Kind)
	case seen < w.d.began:
		w.fail(freshEvidence, "%s is decided on a look of an earlier life of the daemon", a)
	}
	for _, by := range d.Witnesses {
		if !w.measured(by, a.Target, t.Last.Facts) {
			w.fail(unknownIsNotDown, "%s names the witness %s, which was not measured (%s)", a, by, d.Because)
		}
	}
	if !planDisrupts(t.Plan) {
		return
	}
	_, agree := detect.Agree(d.Class, d.Witnesses)
	if !agree {
		w.fail(twoWitnesses, "%s disrupts, and only %v say so (%s)", a, d.Witnesses, d.Because)
	}
}

// judgeTruth compares the decision with what is really true: promises 2 and 3.
func (w *world) judgeTruth(a strategy.Action, rec incident.Record) {
	is := w.truth(a.Target)
	if x := w.things[a.Target]; x.db != nil && (a.Verb == strategy.Restart || a.Verb == strategy.Kill || a.Verb == strategy.Stop) {
		if is.kind == "saturated" && w.t-is.since > 15*time.Second && !w.distortedSince(time.Minute, w.around(a.Target)...) {
			w.fail(saturationIsAlive, "%s, and PostgreSQL is only saturated", a)
		}
	}
	if rec.After.Diagnosis.Class == detect.ClassPool && w.db.u.name == a.Object {
		w.fail(saturationIsAlive, "%s for the class pool", a)
	}
	if disruptive(a.Verb) && onUnit(a.Verb) {
		w.judgeNeed(a, rec, is)
	}
	w.judgeCulprit(a.Target, "gets "+a.String())
}

// judgeNeed: what is well, also behind a gateway that is not, and what is still starting is not disrupted.
func (w *world) judgeNeed(a strategy.Action, rec incident.Record, is truth) {
	switch because := rec.After.Diagnosis.Because; {
	case is.kind == "" && w.t-is.quiet > 30*time.Second && w.onlyLiar(a.Target):
		w.fail(innocentLeftAlone, "%s, and nothing is wrong with it since %s (%s)", a, clock(is.quiet), because)
	case w.distortedSince(time.Minute, w.around(a.Target)...):
	case is.kind == "gateway" && w.t-is.since > 30*time.Second && !w.things[a.Target].server.ill():
		w.fail(innocentLeftAlone, "%s, and only the gateway in front of it is at fault since %s (%s)", a, clock(is.since), because)
	case w.things[a.Target].loading() && w.t-is.since > 15*time.Second:
		w.fail(leftToStart, "%s, which says since %s that it is starting (%s)", a, clock(is.since), because)
	}
}

// onlyLiar reports that at most one witness lies, and that nothing in the world is really wrong
// that could agree with it by accident.
func (w *world) onlyLiar(target string) bool {
	if !w.distortedSince(time.Minute, w.around(target)...) {
		return true
	}
	for _, t := range w.targets {
		if x := w.truth(t.Name); x.kind != "" || w.t-x.quiet < 2*time.Minute {
			return false
		}
	}
	n := 0
	for _, d := range w.distortions {
		if d.until > w.t-time.Minute && d.lie != "" {
			n++
		}
	}
	return n <= 1
}

// judgeCulprit: while only the database is broken, its servers are left alone.
func (w *world) judgeCulprit(target, what string) {
	s, db := w.things[target].server, w.truth("postgres")
	if s == nil || s.diesWithDB || w.distortedSince(3*time.Minute) {
		return
	}
	switch db.kind {
	case "down", "frozen", "starting":
	default:
		return
	}
	if w.ownTrouble(target) > 3*time.Minute && w.t-db.since < w.ownTrouble(target) {
		w.fail(culpritOnly, "%s %s, and only its database is broken (%s since %s)", target, what, db.kind, clock(db.since))
	}
}

// judgePerson: promise 4. What a person said to the daemon counts at once; what a person did to
// the host must have been seen first. Who runs a playbook by hand says so after whoever stopped the
// unit by hand.
func (w *world) judgePerson(a strategy.Action, rec incident.Record, byHand bool) {
	i := w.ledger.intent(a.Target)
	u := w.things[a.Target].u
	seen := 12 * time.Second // a poll, and a look that waits for a dead server and a dead database
	if w.signals {
		seen = 3 * time.Second
	}
	ago := func(at time.Duration) bool { return w.t-at > seen }
	switch {
	case !byHand && i.stopped && ago(i.since) && u.departure != detect.DepartureLimit:
		w.fail(operatorLeftAlone, "%s, which a person stopped at %s", a, clock(i.since))
	case u.masked && ago(i.masked):
		w.fail(operatorLeftAlone, "%s, which a person masked at %s", a, clock(i.masked))
	case w.upgrading == a.Target && ago(i.upgrade):
		w.fail(operatorLeftAlone, "%s, whose package is being upgraded since %s", a, clock(i.upgrade))
	case stands(i.hold, rec.At):
		w.fail(operatorLeftAlone, "%s, which is held", a)
	}
	w.judgeOrders(a, rec)
	for _, win := range w.options.Windows {
		if until, open := win.Open(rec.At); open && containsName(win.Targets, a.Target) {
			w.fail(operatorLeftAlone, "%s, in the maintenance window until %s", a, until.Format(time.TimeOnly))
		}
	}
}

// judgeOrders: what a person said about the whole host.
func (w *world) judgeOrders(a strategy.Action, rec incident.Record) {
	switch {
	case w.stopFile != "":
		w.fail(stopFileObeyed, "%s, and the stop file says %s", a, w.stopFile)
	case stands(w.ledger.pause, rec.At):
		w.fail(operatorLeftAlone, "%s, while everything is paused", a)
	}
}

func stands(c *incident.Command, now time.Time) bool {
	return c != nil && (c.Until.IsZero() || now.Before(c.Until))
}

// judgeBounds: promise 5.
func (w *world) judgeBounds(a strategy.Action, rec incident.Record) {
	l, lim, t := &w.ledger, w.options.Limits, rec.After
	if planDisrupts(t.Plan) {
		busy := 0
		for name, o := range w.d.live.Targets {
			if name != a.Target && o.Phase == incident.Acting && o.Plan != nil && planDisrupts(o.Plan) {
				busy++
			}
		}
		if busy >= lim.Concurrent {
			w.fail(oneAtATime, "%s while %d disruptive actions are in flight", a, busy)
		}
	}
	if t.Undoing {
		return // a change is taken back whatever the budgets say
	}
	w.judgeLearned(a, rec)
	storm := 0
	for _, i := range w.d.live.Incidents {
		if i.Target != a.Target && rec.At.Sub(i.Opened) < lim.StormWindow && !i.Willed {
			storm++
		}
	}
	if storm >= lim.StormTargets && w.clockIsSteady(time.Hour) {
		w.fail(stopsInAStorm, "%s, and %d other incidents began within %s", a, storm, lim.StormWindow)
	}
	for _, b := range []struct {
		of     string
		class  detect.Class
		budget incident.Budget
	}{{a.Target, "", lim.Target}, {"", rec.Incident.Class, lim.Class}, {"", "", lim.Host}} {
		n := 0
		for _, s := range l.starts {
			if w.t-s.at < b.budget.Window && (b.of == "" || s.target == b.of) && (b.class == "" || s.class == b.class) {
				n++
			}
		}
		if n >= b.budget.Actions && b.budget.Actions > 0 && w.clockIsSteady(b.budget.Window) {
			w.fail(withinBudget, "%s is number %d within %s (%q, %s)", a, n+1, b.budget.Window, b.of, b.class)
		}
	}
	if f, ok := l.failures[rec.Incident.ID]; ok && !f.again && w.clockIsSteady(time.Hour) {
		pause := time.Duration(float64(lim.Backoff.Initial) * math.Pow(lim.Backoff.Factor, float64(max(f.n-1, 0))))
		if pause = min(pause, lim.Backoff.Max); rec.At.Sub(f.at) < pause {
			w.fail(backsOff, "%s comes %s after failure %d, and the pause is %s", a, rec.At.Sub(f.at), f.n, pause)
		}
	}
	w.judgeTakenBack(rec)
}

// judgeTakenBack: before a further rung, the last change that did not help was undone.
func (w *world) judgeTakenBack(rec incident.Record) {
	as := rec.Incident.Attempts
	for k := len(as) - 2; k >= 0; k-- {
		switch last := as[k]; {
		case last.Undo:
			return
		case last.Verdict == incident.NextStep || last.Verdict == "":
			continue
		case last.Strategy != "grow-pool" && last.Strategy != "raise-memory" && last.Strategy != "resize-pool":
			return
		case last.Verdict == incident.Verified || last.Verdict == incident.Relapse || last.Verdict == incident.ClearedByItself || last.Verdict == incident.HoldOperator:
			return
		case last.Verb == strategy.SetEnv || last.Verb == strategy.SetMemory || last.Verb == strategy.HTTPPoolResize:
			if last.Result == incident.ResultFailed || last.Result == incident.ResultDenied {
				return // it changed nothing
			}
			fallthrough
		default:
			w.fail(takenBack, "%s begins, and %s (%s, %s) was not taken back", rec.After.Plan.Strategy, last.Strategy, last.Result, last.Verdict)
			return
		}
	}
}

// judgeCaps: no value above what the configuration allows.
func (w *world) judgeCaps(a strategy.Action, rec incident.Record) {
	t := w.target(a.Target)
	value := func(arg string) float64 {
		n, err := strconv.ParseFloat(a.Args[arg], 64)
		if err != nil {
			return 0
		}
		return n
	}
	switch {
	case a.Verb == strategy.SetEnv && value(strategy.ArgValue) > float64(t.Pool.Cap),
		a.Verb == strategy.HTTPPoolResize && value(strategy.ArgMaxSize) > float64(t.Pool.Cap),
		a.Verb == strategy.SetMemory && value(strategy.ArgBytes) > float64(t.Memory.Cap):
		w.fail(withinCaps, "%s", a)
	case t.External:
		w.fail(asConfigured, "%s on another host", a)
	}
}
