package incident

import (
	"fmt"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// verdict is what a look at a step's target says about the step.
type verdict uint8

const (
	lookOn   verdict = iota // it cannot be told yet: look again
	mustDo                  // its action is needed
	isSo                    // it is as the step wants it
	isNotSo                 // it is not, and waiting will not change that
	notTaken                // the action whose outcome was lost has not taken place
)

// judgeStep says what the present look at the step's target means: before the action whether there
// is anything to do, after it whether it took effect. It is pure, and the whole of what a run does
// after a restart of the daemon rests on it: what was done is seen, not remembered.
func judgeStep(r *Run, step strategy.Step, t *TargetState) (verdict, string) {
	if t == nil || !t.Last.At.After(r.Since) {
		return lookOn, "it was not looked at since"
	}
	before := r.Stage == StageLooking
	f, d := t.Last.Facts, t.Diagnosis
	state, noun := f.Text(detect.WorkloadState), detect.Noun(f)
	up, dead := state == detect.StateRunning, down(f)
	serves := d.Good() && t.GoodLooks >= 2
	switch step.Do {
	case strategy.StepStop:
		switch {
		case dead:
			return isSo, fmt.Sprintf("its %s is %s", noun, state)
		case before && state != "", r.Lost && up:
			return taken(before), fmt.Sprintf("its %s is %s", noun, state)
		}
	case strategy.StepStart:
		switch {
		case up:
			return isSo, fmt.Sprintf("its %s is %s", noun, state)
		case dead && (before || r.Lost):
			return taken(before), fmt.Sprintf("its %s is %s", noun, state)
		case dead:
			return isNotSo, "it was started and is " + state + " again: " + d.Because
		}
	case strategy.StepEnsure:
		switch {
		case serves:
			return isSo, d.Because
		case dead && (before || r.Lost):
			return taken(before), fmt.Sprintf("its %s is %s", noun, state)
		case dead:
			return isNotSo, "it was started and is " + state + " again: " + d.Because
		}
	case strategy.StepRestart:
		anew := f.Text(detect.WorkloadRun) != r.RunBefore
		switch {
		case before:
			return mustDo, ""
		case up && anew:
			return isSo, "it runs anew"
		case r.Lost && (up || dead) && !anew:
			return notTaken, "it is still the run before"
		case dead:
			return isNotSo, "it was restarted and is " + state + ": " + d.Because
		}
	case strategy.StepWait:
		if serves {
			return isSo, d.Because
		}
	case strategy.StepCheck:
		switch {
		case d.Good():
			return isSo, d.Because
		case d.Bad():
			return isNotSo, d.Because
		}
	default:
		return mustDo, ""
	}
	return lookOn, d.Because
}

// taken is the verdict on a target that is not as the step wants it: before the action that there is
// something to do, after an action whose outcome was lost that it has not taken place.
func taken(before bool) verdict {
	if before {
		return mustDo
	}
	return notTaken
}

// observable reports whether the effect of a step's action can be seen by looking at its target.
func observable(s strategy.Step) bool {
	switch s.Do {
	case strategy.StepStop, strategy.StepStart, strategy.StepRestart, strategy.StepEnsure:
		return true
	}
	return false
}

// stepWords names a step of a run: "step 3 of 9, stop codebase-mcp".
func stepWords(r *Run) string {
	if s, ok := r.Step(); ok {
		return fmt.Sprintf("step %d of %d, %s", r.At+1, len(r.Steps), s.Name)
	}
	return "its end"
}
