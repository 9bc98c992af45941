package incident

import (
	"fmt"
	"time"
)

// Words says in one line where a run stands: what it does or waits for, or how it ended. Commands,
// status page and notices use the same words.
func (r *Run) Words() string {
	switch {
	case !r.Ended.IsZero():
		return fmt.Sprintf("%s: %s after %s: %s", r.ID, r.Outcome, r.Ended.Sub(r.Began).Round(time.Second), r.Because)
	case r.Stage == StageHalted:
		return fmt.Sprintf("%s: failed, and keeps its targets as they are: %s; end it with: recoveryd playbook stop %s", r.ID, r.Because, r.ID)
	case r.Stage == StageApproval:
		s, _ := r.Step()
		return fmt.Sprintf("%s: waits for approval of step %d of %d, %s; approve it with: recoveryd playbook approve %s", r.ID, r.At+1, len(r.Steps), s.Name, r.ID)
	case r.Held != "":
		return fmt.Sprintf("%s: %s, waits (%s): %s", r.ID, stepWords(r), r.Held, r.HeldWhy)
	}
	return fmt.Sprintf("%s: %s (%s)", r.ID, stepWords(r), stageWords[r.Stage])
}

// stageWords say what a run does in a stage.
var stageWords = map[Stage]string{
	StageReady: "about to begin", StageApproval: "waits for a person", StageLooking: "looking whether there is anything to do",
	StageActing: "its action is under way", StageProving: "done, looking at its effect", StageHalted: "halted",
}

// Words says in one line how a run ended.
func (r RunSummary) Words() string {
	return fmt.Sprintf("%s: %s after %s, by %s: %s", r.ID, r.Outcome, r.Ended.Sub(r.Began).Round(time.Second), r.By, r.Because)
}

// Stages lists all stages, in the order in which a step goes through them.
func Stages() []Stage {
	return []Stage{StageReady, StageApproval, StageLooking, StageActing, StageProving, StageHalted}
}
