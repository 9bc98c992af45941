package incident

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// player takes a run from one thing that must be waited for to the next. It decides and does
// nothing: what it wants done are effects of the record that it makes.
type player struct {
	p   *Policy
	tn  *turn
	r   *Run // a copy that may be changed
	why Reason
	say []string

	asked  bool // this step began to wait for a person
	failed bool // and with this one it failed
}

func (pl *player) tell(why Reason, format string, args ...any) {
	pl.why = why
	pl.say = append(pl.say, fmt.Sprintf(format, args...))
}

// on goes on until something must be waited for.
func (pl *player) on() {
	for range 4*len(pl.r.Steps) + 4 { // each turn ends a stage of a step
		if !pl.once() {
			return
		}
	}
}

// once takes the run one stage further; false when it must wait, or is over.
func (pl *player) once() bool {
	r, now := pl.r, pl.tn.now
	step, left := r.Step()
	switch {
	case !r.Live():
		return false
	case r.Stage == StageActing:
		return pl.acting(step)
	case !left:
		pl.finish(PlaybookDone, "every step was done")
		return false
	case !now.Before(r.Until):
		pl.fail(fmt.Sprintf("its time was up in %s", stepWords(r)))
		return false
	}
	if _, known := pl.p.targets[step.Target]; step.Target != "" && !known {
		pl.fail(fmt.Sprintf("%s is not in the configuration any more, in %s", step.Target, stepWords(r)))
		return false
	}
	switch r.Stage {
	case StageReady, StageApproval:
		return pl.begin(step)
	}
	v, why := mustDo, ""
	if step.Target != "" && step.Do != strategy.StepSmoke && step.Do != strategy.StepCommand {
		v, why = judgeStep(r, step, pl.tn.s.Targets[step.Target])
	}
	switch v {
	case isSo:
		result := StepDone
		if r.Stage == StageLooking && step.Action != nil {
			result = StepNone
		}
		return pl.stepOver(step, result, why)
	case isNotSo:
		return pl.stepOver(step, StepFailed, why)
	case notTaken:
		if pl.log().Tries >= 2 {
			return pl.stepOver(step, StepFailed, "its action was asked for twice and has not taken place: "+why)
		}
		pl.tell(PlaybookStep, "%s: the action whose outcome was lost has not taken place (%s)", stepWords(r), why)
		return pl.launch(step)
	case mustDo:
		return pl.launch(step)
	}
	if !now.Before(r.StepUntil) {
		return pl.stepOver(step, StepFailed, fmt.Sprintf("not within %s: %s", words(step.Timeout), why))
	}
	pl.lookAgain(step)
	return false
}

// begin begins a step, when a person has approved it where that is wanted.
func (pl *player) begin(step strategy.Step) bool {
	r, now := pl.r, pl.tn.now
	if step.Approval && r.Approved <= r.At {
		if r.Stage != StageApproval {
			r.Stage, pl.asked = StageApproval, true
			pl.tell(PlaybookWaits, "%s waits for a person: recoveryd playbook approve %s", stepWords(r), r.ID)
		}
		pl.wake(r.Until)
		return false
	}
	r.Log = append(r.Log, StepLog{Name: step.Name, Began: now})
	r.Stage, r.Since, r.StepUntil, r.Lost = StageLooking, now, now.Add(step.Timeout), false
	if step.Approval {
		pl.log().Approved = pl.approver()
	}
	pl.tell(PlaybookStep, "%s: begun", stepWords(r))
	if step.Target != "" {
		pl.tn.look(step.Target, 0)
	}
	return true
}

// approver is who approved the step that begins with this very event, or did so earlier.
func (pl *player) approver() string {
	if c := pl.tn.ev.Command; c != nil && c.Verb == CmdPlayApprove {
		return c.By
	}
	return pl.r.By
}

// launch asks for the step's action, unless something holds the run back.
func (pl *player) launch(step strategy.Step) bool {
	r, now := pl.r, pl.tn.now
	if h, yes := pl.barred(step); yes {
		if r.Held != h.reason {
			pl.tell(PlaybookWaits, "%s waits (%s): %s", stepWords(r), h.reason, h.why)
		}
		r.Held, r.HeldWhy, r.StepUntil = h.reason, h.why, now.Add(step.Timeout)
		pl.wake(r.Until)
		pl.wake(now.Add(heldLook))
		if h.until.After(now) {
			pl.wake(h.until)
		}
		if step.Target != "" {
			pl.tn.look(step.Target, time.Second)
		}
		return false
	}
	r.Held, r.HeldWhy = "", ""
	l := pl.log()
	l.Tries++
	r.ActionID = fmt.Sprintf("%s/s%d.%d", r.ID, r.At+1, l.Tries)
	r.Deadline, r.Stage = now.Add(step.Action.Timeout+actionMargin), StageActing
	if t := pl.tn.s.Targets[step.Target]; t != nil {
		r.RunBefore = t.Last.Facts.Text(detect.WorkloadRun)
	}
	a := *step.Action
	a.Seen = pl.decidedOn(step)
	pl.tell(PlaybookStep, "%s: doing %s", stepWords(r), a)
	pl.tn.effect(Effect{Kind: Perform, ActionID: r.ActionID, Action: &a})
	pl.wake(r.Deadline.Add(time.Millisecond))
	return false
}

// decidedOn is what the step was decided on, for an action on the target: what a person does to
// it since counts. What else has changed it since, an earlier step has.
func (pl *player) decidedOn(step strategy.Step) *strategy.Seen {
	t := pl.tn.s.Targets[step.Target]
	if t == nil || !actsOnWorkload(step.Action.Verb) {
		return nil
	}
	seen := strategy.SeenIn(t.Last.Facts)
	seen.Own = true
	return seen
}

// acting takes the end of the action in flight.
func (pl *player) acting(step strategy.Step) bool {
	r, ev, now := pl.r, pl.tn.ev, pl.tn.now
	result, detail := ResultUnknown, "no end was reported in time"
	switch {
	case ev.Kind == Ended && ev.ActionID == r.ActionID:
		result, detail = ev.Result, ev.Detail
	case !now.After(r.Deadline):
		pl.wake(r.Deadline.Add(time.Millisecond))
		return false
	}
	r.ActionID, r.Deadline = "", time.Time{}
	if detail == "" {
		detail = string(result)
	}
	seen := observable(step)
	switch {
	case result == ResultDone && !seen:
		return pl.stepOver(step, StepDone, detail)
	case result == ResultFailed, result == ResultDenied, result == ResultTimedOut && !seen:
		return pl.stepOver(step, StepFailed, detail)
	case result != ResultDone && !seen && step.Again && pl.log().Tries < 2:
		r.Stage, r.Lost = StageLooking, true
		pl.tell(PlaybookStep, "%s: how it ended is not known (%s); doing it twice leads to the same", stepWords(r), detail)
		return true
	case result != ResultDone && !seen:
		return pl.stepOver(step, StepFailed, "how it ended is not known, and it is not repeated: "+detail)
	}
	r.Stage, r.Lost, r.Since, r.StepUntil = StageProving, result != ResultDone, now, now.Add(step.Timeout)
	pl.log().Detail = detail
	pl.tell(PlaybookStep, "%s: the action is over (%s: %s), looking at its effect", stepWords(r), result, detail)
	pl.tn.look(step.Target, 0)
	pl.wake(r.StepUntil)
	return false
}

// stepOver ends the present step.
func (pl *player) stepOver(step strategy.Step, result StepResult, detail string) bool {
	r := pl.r
	l := pl.log()
	l.Ended, l.Result = pl.tn.now, result
	if l.Detail != "" && l.Detail != detail {
		detail = l.Detail + "; " + detail
	}
	l.Detail = detail
	pl.tell(PlaybookStep, "%s: %s, %s", stepWords(r), result, detail)
	switch {
	case result == StepFailed && !step.GoOn:
		pl.fail(fmt.Sprintf("%s failed: %s", stepWords(r), detail))
		return false
	case result != StepFailed && step.EndIfDone:
		pl.finish(PlaybookDone, fmt.Sprintf("%s succeeded, and the rest is not needed", stepWords(r)))
		return false
	}
	r.At++
	r.Stage, r.Lost, r.RunBefore = StageReady, false, ""
	return true
}

// fail ends the run, or halts it where its targets must not be left to themselves.
func (pl *player) fail(why string) {
	r := pl.r
	pl.failed = true
	if r.Keep && slices.ContainsFunc(r.Log, func(l StepLog) bool { return l.Tries > 0 }) {
		r.Stage, r.Because = StageHalted, why
		pl.tell(PlaybookFailed, "it failed and keeps %s as they are until a person ends it: %s", strings.Join(r.Targets, ", "), why)
		pl.over(ResultFailed, why)
		return
	}
	pl.finish(PlaybookFailed, why)
}

// finish ends the run.
func (pl *player) finish(outcome Reason, why string) {
	r := pl.r
	if r.Stage != StageHalted { // of a halted run this was told before
		result := ResultFailed
		if outcome == PlaybookDone {
			result = ResultDone
		}
		pl.over(result, why)
	}
	r.Ended, r.Outcome, r.Because, r.Held, r.HeldWhy = pl.tn.now, outcome, why, "", ""
	pl.tell(outcome, "%s", why)
}

// over hands the targets back, and tells the ladder whose rung it was.
func (pl *player) over(result Result, why string) {
	r := pl.r
	if r.CallID != "" {
		pl.tn.effect(Effect{Kind: Conclude, Target: r.For, ActionID: r.CallID, Result: result, Detail: "playbook " + r.ID + ": " + why})
	}
	for _, name := range r.Targets {
		pl.tn.look(name, 0)
	}
}

// heldLook is how often a run that is held back asks whether it still is.
const heldLook = 5 * time.Second

// lookAgain asks for the next look at the step's target.
func (pl *player) lookAgain(step strategy.Step) {
	pl.tn.look(step.Target, 300*time.Millisecond)
	pl.wake(pl.r.StepUntil)
}

// log is the entry of the present step.
func (pl *player) log() *StepLog { return &pl.r.Log[len(pl.r.Log)-1] }

// wake asks for a turn at a time; the earliest counts.
func (pl *player) wake(at time.Time) { pl.tn.hostWake(at) }
