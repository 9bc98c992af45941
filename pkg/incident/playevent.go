package incident

import (
	"fmt"
	"slices"
	"strings"

	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// played takes an event of the host that concerns a playbook: a person's word, the end of a step's
// action, or that time has passed. It returns false when the event is about something else.
func (p *Policy) played(tn *turn, rec *Record) bool {
	ev, run := tn.ev, tn.s.Host.Run
	switch c := ev.Command; {
	case c != nil && c.Verb == CmdPlay:
		p.playAsked(tn, rec)
	case c != nil && (c.Verb == CmdPlayApprove || c.Verb == CmdPlayStop):
		p.playWord(tn, rec)
	case run != nil && (ev.Kind == Woke || ev.Kind == Ended):
		p.playOn(tn, rec, run)
	default:
		return false
	}
	return true
}

// playAsked takes a person's wish to run a playbook.
func (p *Policy) playAsked(tn *turn, rec *Record) {
	c := tn.ev.Command
	rec.Reason = OperatorSaid
	b, ok := p.Playbook(c.Playbook)
	if !ok {
		rec.Refused, rec.Sentence = true, fmt.Sprintf("there is no playbook %q%s", c.Playbook, p.playbookWords(c.Playbook))
		return
	}
	r := p.newRun(tn, b, c.By, c.Why)
	if why := p.runRefusal(tn, r); why != "" {
		rec.Refused, rec.Sentence = true, fmt.Sprintf("playbook %s, asked for by %s: refused, %s", b.Name, c.By, why)
		return
	}
	tn.charge(r)
	tn.setRun(r)
	pl := &player{p: p, tn: tn, r: copyRun(r)}
	pl.tell(PlaybookBegan, "run %s begun by %s", r.ID, r.By)
	pl.on()
	pl.done(rec)
}

// playWord takes a person's approval of the step that waits, or the end of the run.
func (p *Policy) playWord(tn *turn, rec *Record) {
	c, run := tn.ev.Command, tn.s.Host.Run
	rec.Reason = OperatorSaid
	if (run == nil || run.ID != c.Run) && c.Verb == CmdPlayStop {
		h := tn.s.Host
		if n := tn.overcome(&h, func(t Trouble) bool { return t.Run == c.Run }, "seen to by "+c.By); n > 0 {
			tn.host, tn.s.Host = &h, h
			rec.Reason = Mended
			rec.Sentence = fmt.Sprintf("the failure of run %s is seen to by %s", c.Run, c.By)
			return
		}
	}
	if run == nil || run.ID != c.Run {
		rec.Refused, rec.Sentence = true, fmt.Sprintf("%s by %s: refused, %s", c.Verb, c.By, noRun(tn.s.Host, c.Run))
		return
	}
	pl := &player{p: p, tn: tn, r: copyRun(run)}
	switch {
	case c.Verb == CmdPlayStop:
		pl.stop(c.By)
	case run.Stage != StageApproval:
		rec.Refused, rec.Sentence = true, fmt.Sprintf("run %s waits for no approval", run.ID)
		return
	default:
		pl.r.Approved = run.At + 1
		pl.tell(OperatorSaid, "%s approved by %s", stepWords(run), c.By)
		pl.on()
	}
	pl.done(rec)
}

// noRun says what is known of a run that is not under way.
func noRun(h Host, id string) string {
	for _, r := range h.Runs {
		if r.ID == id {
			return "the run has ended already: " + r.Words()
		}
	}
	if h.Run != nil {
		return fmt.Sprintf("there is no run %q; the one under way is %s", id, h.Run.ID)
	}
	return fmt.Sprintf("there is no run %q, and none is under way", id)
}

// stop ends the run by a person's word. An action in flight cannot be taken back.
func (pl *player) stop(by string) {
	r := pl.r
	why := fmt.Sprintf("ended by %s in %s", by, stepWords(r))
	if r.Stage == StageActing {
		why += "; its action may still be under way"
		l := pl.log()
		l.Ended, l.Result, l.Detail = pl.tn.now, StepFailed, "nobody waited for its end"
	}
	pl.finish(PlaybookEnded, why)
}

// playOn goes on with the run under way.
func (p *Policy) playOn(tn *turn, rec *Record, run *Run) {
	pl := &player{p: p, tn: tn, r: copyRun(run)}
	pl.on()
	pl.done(rec)
}

// done writes what came of it into the record. Nothing is written when nothing was decided: a run
// that waits looks every few hundred milliseconds.
func (pl *player) done(rec *Record) {
	if len(pl.say) == 0 {
		rec.Reason, rec.Sentence = NoChange, "no change: playbook "+pl.r.ID+" waits in "+stepWords(pl.r)
		return
	}
	r := pl.r
	rec.Reason, rec.Run = pl.why, r
	rec.Sentence = "playbook " + r.ID + ": " + strings.Join(pl.say, "; ")
	h := pl.tn.s.Host
	if h.Run = r; !r.Ended.IsZero() {
		h.Run = nil
		h.Runs = append(slices.Clone(h.Runs), RunSummary{ID: r.ID, Playbook: r.Playbook, By: r.By, Began: r.Began, Ended: r.Ended,
			Outcome: r.Outcome, Because: r.Because, Incident: r.Incident})
		h.Runs = h.Runs[max(len(h.Runs)-keepRuns, 0):]
	}
	pl.tellRun(&h)
	pl.tn.host, pl.tn.s.Host = &h, h
	for _, name := range r.Targets {
		switch {
		case !r.Live(): // what may be done to it again is decided on a new look, also when this is a new life
			pl.tn.look(name, 0)
		case pl.why == PlaybookBegan: // what may not be done to it any more has changed
			pl.tn.effect(Effect{Kind: Wake, Target: name, At: pl.tn.now})
		}
	}
}

// setRun makes the run the host's, within this step.
func (tn *turn) setRun(r *Run) {
	h := tn.s.Host
	h.Run = r
	tn.host, tn.s.Host = &h, h
}

// charge writes the run into the budgets.
func (tn *turn) charge(r *Run) {
	h := tn.s.Host
	h.Actions = slices.Clone(h.Actions)
	for _, name := range r.disrupted() {
		h.Actions = append(h.Actions, ActionStamp{At: tn.now, Target: name, Disrupts: true})
	}
	tn.host, tn.s.Host = &h, h
}

// playRung begins the run that is a rung of the target's ladder. It is carried out step by step as
// the host's, and its end is reported as the end of the rung's action.
func (tn *turn) playRung(a strategy.Action) {
	b, ok := tn.p.Playbook(a.Object)
	if !ok { // nextPlan has refused that; after a reload the rung fails at its deadline
		return
	}
	r := tn.p.newRun(tn, b, "incident "+tn.inc.ID, tn.t.Diagnosis.Because)
	r.For, r.CallID, r.Incident = tn.t.Name, tn.t.ActionID, tn.inc.ID
	tn.charge(r)
	tn.setRun(r)
	tn.effect(Effect{Kind: Wake, At: tn.now})
}

// nudgeRun lets the run under way see the look that it waits for.
func (tn *turn) nudgeRun() {
	r := tn.s.Host.Run
	if tn.ev.Kind != Observed || !r.Live() || r.Stage != StageLooking && r.Stage != StageProving {
		return
	}
	if step, ok := r.Step(); ok && step.Target == tn.t.Name {
		tn.effect(Effect{Kind: Wake, At: tn.now})
	}
}
