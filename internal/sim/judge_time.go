package sim

import (
	"time"

	"github.com/recoveryd/recoveryd/pkg/incident"
)

// tick judges every minute what must not last: promise 7.
func (w *world) tick() {
	w.after(time.Minute, func() {
		w.watchTruth()
		if w.d.up && w.report.Violation == nil {
			for _, t := range w.targets {
				w.judgeSilence(t.Name)
				w.judgeTiers(t.Name)
			}
			w.judgeDeadlines()
		}
		w.tick()
	})
}

// How long a problem may last before it must have been noticed, told, and, where nothing
// interferes, cured.
const (
	noticeWithin = 2 * time.Minute
	tellWithin   = 25 * time.Minute // 15 min of work, and looks and backoffs around it
	cureWithin   = 4 * time.Minute
)

// judgeSilence: a lasting problem is noticed, and somebody is told in time.
func (w *world) judgeSilence(target string) {
	is := w.truth(target)
	switch is.kind {
	case "down", "hung", "replies", "gateway", "unwell", "full", "memory", "frozen", "saturated", "stuck":
	default:
		if !w.things[target].loading() {
			return
		}
	}
	ts := w.d.live.Targets[target]
	u := w.things[target].u
	if u.masked || u.job != "" && u.jobBy == byPerson && w.things[target].loading() || // who starts or restarts it sees how far it is
		ts != nil && w.inGoodHands(target) { // what a person masked is that person's business
		w.ledger.known[target] = w.t
		return
	}
	if w.distortedSince(30*time.Minute) || !w.clockIsSteady(90*time.Minute) {
		return
	}
	lasts := w.t - max(is.since, w.d.began, w.ledger.known[target])
	if ts == nil || ts.Phase == incident.Watching {
		within := noticeWithin
		switch is.kind { // speaks of the probe, the way or the start: for a while that is nobody's business
		case "replies", "gateway", "loading", "starting":
			within = tellWithin
		}
		if lasts > within {
			w.fail(neverSilent, "%s is %s since %s, and nobody has noticed", target, is.kind, clock(is.since))
		}
		return
	}
	if w.nature.calm && lasts > cureWithin {
		w.fail(isCured, "%s is %s since %s, and in phase %s (%s)", target, is.kind, clock(is.since), ts.Phase, ts.Reason)
	}
	for _, name := range w.target(target).DependsOn { // until then it waited for that
		lasts = min(lasts, w.t-w.truth(name).quiet)
	}
	if lasts > tellWithin {
		w.fail(neverSilent, "%s is %s since %s, in phase %s (%s), and nobody was told", target, is.kind, clock(is.since), ts.Phase, ts.Reason)
	}
}

// inGoodHands reports that somebody knows of a target's problem: people were told of it or of its
// culprit, or a person's own doing holds it.
func (w *world) inGoodHands(target string) bool {
	live := w.d.live
	now := w.now()
	ts := live.Targets[target]
	if live.Host.Stop != nil || live.Host.Pause != nil && (live.Host.Pause.Until.IsZero() || now.Before(live.Host.Pause.Until)) ||
		ts.Hold != nil && (ts.Hold.Until.IsZero() || now.Before(ts.Hold.Until)) {
		return true
	}
	if r := live.Host.Run; r != nil && containsName(r.Targets, target) && (r.Live() || w.ledger.pages[r.ID+"/t0"] == told) {
		return true // a playbook has it in hand, for some minutes, or has failed and keeps it, and people know
	}
	for _, win := range w.options.Windows {
		if _, open := win.Open(now); open && containsName(win.Targets, target) {
			return true
		}
	}
	for _, inc := range live.Incidents {
		if inc.Target != target && inc.ID != ts.Incident && inc.Target != ts.Diagnosis.Culprit {
			continue
		}
		if w.ledger.pages[inc.ID+"/t0"] == told {
			return true
		}
		switch inc.Held {
		case incident.HoldStop, incident.HoldOperator, incident.HoldMaintenance, incident.HoldCommand, incident.HoldPaused:
			return true
		}
	}
	return false
}

// judgeTiers: a page that grows old reaches the next people.
func (w *world) judgeTiers(target string) {
	ts := w.d.live.Targets[target]
	if ts == nil || ts.Phase == incident.Probation || w.t-w.d.began < 5*time.Minute || w.d.live.Host.Impaired != "" || !w.clockIsSteady(3*time.Hour) {
		return
	}
	inc := w.d.live.Incidents[ts.Incident]
	if inc == nil || inc.Target != target || inc.Paged.IsZero() || inc.Ack != nil || w.t-w.truth(target).quiet > -time.Minute && w.truth(target).kind == "" {
		return
	}
	for _, tier := range tiers() {
		if w.ledger.tiers[inc.ID+"/"+tier.Name] {
			continue
		}
		if late := w.now().Sub(inc.Counted()) - tier.After; late > 7*time.Minute {
			w.fail(tiersTold, "%s is unresolved for %s, and tier %s knows nothing", inc.ID, w.now().Sub(inc.Counted()), tier.Name)
		}
	}
}

// atTheEnd judges a world that was well for hours.
func (w *world) atTheEnd() {
	live := w.d.live
	for _, t := range w.targets {
		x := w.things[t.Name]
		if k := x.sick(); k != "" {
			w.fail(comesToRest, "the model is at fault: %s is %s after everything was mended", t.Name, k)
			return
		}
		ts := live.Targets[t.Name]
		if !w.d.up || ts == nil || ts.Phase != incident.Watching || ts.Incident != "" || ts.ActionID != "" {
			phase := "not even seen"
			if ts != nil {
				phase = ts.Phase.String() + " (" + string(ts.Reason) + ": " + ts.Diagnosis.Because + ")"
			}
			w.fail(comesToRest, "everything is well for hours, and %s is %s", t.Name, phase)
			return
		}
	}
	if len(live.Incidents) > 0 {
		w.fail(comesToRest, "%d incidents are open in a world that is well", len(live.Incidents))
	}
	if live.Host.Run != nil {
		w.fail(comesToRest, "run %s is still there (%s)", live.Host.Run.ID, live.Host.Run.Stage)
	}
	w.judgeNormal()
	for key, st := range w.ledger.pages {
		if st == told {
			w.fail(pageResolved, "%s was never resolved", key)
			return
		}
	}
}
