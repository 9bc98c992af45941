package sim

import (
	"fmt"
	"time"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/incident"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// followRun judges the beginning of a run, which counts against the budgets, and has somebody come
// for one that halted.
func (w *world) followRun(rec incident.Record) {
	l := &w.ledger
	if rec.Host == nil || rec.Host.Run == nil {
		return
	}
	r := rec.Host.Run
	if r.Stage == incident.StageHalted && l.runsSeen[r.ID] != incident.StageHalted {
		w.after(w.between(time.Minute, 2*time.Hour), w.personEndsRun)
	}
	_, known := l.runsSeen[r.ID]
	l.runsSeen[r.ID] = r.Stage
	if known {
		return
	}
	w.report.Runs++
	class := detect.Class("")
	if rec.Incident != nil {
		class = rec.Incident.Class
	}
	charged := map[string]bool{}
	if r.For != "" {
		w.chargeRun(r.For, class)
		charged[r.For] = true
	}
	for _, s := range r.Steps {
		if s.Disrupts() && s.Target != "" && !charged[s.Target] {
			w.chargeRun(s.Target, "")
			charged[s.Target] = true
		}
	}
}

// chargeRun counts one action on a target, and judges whether there was room for it.
func (w *world) chargeRun(target string, class detect.Class) {
	lim := w.options.Limits
	for _, b := range []struct {
		of     string
		budget incident.Budget
	}{{target, lim.Target}, {"", lim.Host}} {
		n := 0
		for _, s := range w.ledger.starts {
			if w.t-s.at < b.budget.Window && (b.of == "" || s.target == b.of) {
				n++
			}
		}
		if n >= b.budget.Actions && b.budget.Actions > 0 && w.clockIsSteady(b.budget.Window) {
			w.fail(withinBudget, "a playbook on %s is number %d within %s (%q)", target, n+1, b.budget.Window, b.of)
		}
	}
	w.ledger.starts = append(w.ledger.starts, planStart{w.t, target, class, false})
}

// performingStep judges the action of a playbook's step at the moment in which the shell hands it out.
func (w *world) performingStep(e incident.Effect, rec incident.Record) {
	w.watchTruth()
	l, a, r := &w.ledger, *e.Action, rec.Run
	switch {
	case !l.kept[e.ActionID]:
		w.fail(writeFirst, "%s (%s) has no durable record", e.ActionID, a)
	case l.performed[e.ActionID]:
		w.fail(atMostOnce, "%s (%s) is performed twice", e.ActionID, a)
	case r == nil || !r.Live() || r.ActionID != e.ActionID:
		w.fail(asConfigured, "%s (%s) belongs to no run under way", e.ActionID, a)
	}
	if w.report.Violation != nil {
		return
	}
	l.performed[e.ActionID] = true
	if u := w.things[a.Target].u; u != nil {
		l.handed[e.ActionID] = handing{at: w.t, run: u.run}
	}
	w.judgeOrders(a, rec)
	if a.Target != "" {
		w.judgePerson(a, rec, r.CallID == "")
		if w.options.Modes[a.Target] == incident.Observe {
			w.fail(asConfigured, "%s in observe mode", a)
		}
	}
	// The configuration of the world, and not of a daemon that is broken on purpose.
	for _, b := range w.options.Playbooks {
		if b.Name == r.Playbook && b.Steps[r.At].Approval && l.stepYes[r.ID] != r.At+1 {
			w.fail(asConfigured, "%s: nobody has approved %s in time", r.ID, b.Steps[r.At].Name)
		}
	}
	if !rec.At.Before(r.Until) {
		w.fail(asConfigured, "%s: %s after its time was up", r.ID, a)
	}
}

// judgeDump: what destroys data is never done before the dump of the same run has succeeded.
func (w *world) judgeDump(a strategy.Action, id string) {
	if a.Verb == strategy.CommandRun && a.Object == restoreCommand && !w.ledger.dumped[runOf(id)] {
		w.fail(dumpFirst, "%s reached the host, and no dump of that run is there", id)
	}
}

// toldOfRun judges what people are told of a run that a person began: of one that failed once per
// tier, and of its end whoever was told.
func (w *world) toldOfRun(e incident.Effect) {
	l, n := &w.ledger, e.Notice
	if n.Case == nil {
		w.fail(pageResolved, "a %s of no run", n.Kind)
		return
	}
	key := fmt.Sprintf("%s/t%d", n.Case.ID, n.Tier)
	if w.out != nil {
		w.say("notice", "%s %s: %s; %s", n.Kind, key, n.Why, n.Next)
	}
	switch n.Kind {
	case incident.NoticeTrigger:
		w.report.Pages++
		if l.pages[key] != neverTold && !l.loose[key] {
			w.fail(pageOnce, "%s is told again", key)
		}
		l.pages[key] = told
	case incident.NoticeResolve:
		if l.pages[key] != told && !l.loose[key] {
			w.fail(pageResolved, "%s is resolved, and nobody was told of it", key)
		}
		l.pages[key] = resolved
	}
}

// startedByHand notes that a person's playbook starts what a person had stopped.
func (w *world) startedByHand(a strategy.Action, id string) {
	r := w.d.live.Host.Run
	if r != nil && r.ActionID == id && r.CallID == "" && (a.Verb == strategy.Start || a.Verb == strategy.Restart) {
		w.ledger.intent(a.Target).stopped = false
	}
}
