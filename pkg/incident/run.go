package incident

import (
	"fmt"
	"slices"
	"time"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// Run is one performance of a playbook. It is part of the host's state, so that it is journaled
// before anything is done, and goes on after a restart of the daemon. At most one is under way.
type Run struct {
	ID       string          `json:"id"` // "full-recovery-20261122-051000"
	Playbook string          `json:"playbook"`
	By       string          `json:"by"` // who asked for it; of a rung: the incident
	Why      string          `json:"why,omitzero"`
	Began    time.Time       `json:"began"`
	Until    time.Time       `json:"until"` // then it fails
	Ended    time.Time       `json:"ended,omitzero"`
	Outcome  Reason          `json:"outcome,omitzero"`  // "" while it is under way
	Because  string          `json:"because,omitzero"`  // how it ended, or why it is halted
	Severity detect.Severity `json:"severity,omitzero"` // of its failure
	Keep     bool            `json:"keep,omitzero"`     // a failure halts it: its targets are left alone until a person ends it
	Targets  []string        `json:"targets,omitzero"`  // what it has in hand
	Steps    []strategy.Step `json:"steps"`             // as they were when it began
	Log      []StepLog       `json:"log,omitzero"`      // the steps that were begun, in order

	At        int       `json:"at"` // present step
	Stage     Stage     `json:"stage"`
	StepUntil time.Time `json:"step_until,omitzero"` // until then the effect must be seen
	Since     time.Time `json:"since,omitzero"`      // only looks that began after this count
	ActionID  string    `json:"action_id,omitzero"`
	Deadline  time.Time `json:"deadline,omitzero"`   // of the action in flight
	RunBefore string    `json:"run_before,omitzero"` // workload.run before the action
	Lost      bool      `json:"lost,omitzero"`       // how the action ended is not known
	Approved  int       `json:"approved,omitzero"`   // a person approved the steps before this one
	Held      Reason    `json:"held,omitzero"`       // present reason not to go on
	HeldWhy   string    `json:"held_why,omitzero"`

	// Of a run that is a rung of a ladder.
	Incident string `json:"incident,omitzero"`
	For      string `json:"for,omitzero"`     // the target whose ladder it is
	CallID   string `json:"call_id,omitzero"` // the action of that ladder
}

// Stage is where the present step of a run stands.
type Stage string

// The stages.
const (
	StageReady    Stage = "ready"    // the step has not begun
	StageApproval Stage = "approval" // it waits for a person
	StageLooking  Stage = "looking"  // it has begun; a fresh look decides whether there is anything to do
	StageActing   Stage = "acting"   // its action is in flight
	StageProving  Stage = "proving"  // the action is over; its effect must be seen
	StageHalted   Stage = "halted"   // the run has failed and keeps its targets
)

// StepLog is what came of one step.
type StepLog struct {
	Name     string     `json:"name"`
	Began    time.Time  `json:"began"`
	Ended    time.Time  `json:"ended,omitzero"`
	Result   StepResult `json:"result,omitzero"` // "" while it is under way
	Detail   string     `json:"detail,omitzero"`
	Tries    int        `json:"tries,omitzero"`    // how often its action was asked for
	Approved string     `json:"approved,omitzero"` // by whom
}

// StepResult is how a step ended.
type StepResult string

// The results of a step.
const (
	StepDone   StepResult = "done"
	StepFailed StepResult = "failed"
	StepNone   StepResult = "nothing-to-do" // it was so already
)

// RunSummary is what is kept of a run that is over.
type RunSummary struct {
	ID       string    `json:"id"`
	Playbook string    `json:"playbook"`
	By       string    `json:"by"`
	Began    time.Time `json:"began"`
	Ended    time.Time `json:"ended"`
	Outcome  Reason    `json:"outcome"`
	Because  string    `json:"because,omitzero"`
	Incident string    `json:"incident,omitzero"`
}

// keepRuns is how many runs are listed after they are over; the journal has them all.
const keepRuns = 10

// Live reports whether the run is under way, and not halted.
func (r *Run) Live() bool { return r != nil && r.Ended.IsZero() && r.Stage != StageHalted }

// Step is the present step; false when all are over.
func (r *Run) Step() (strategy.Step, bool) {
	if r.At >= len(r.Steps) {
		return strategy.Step{}, false
	}
	return r.Steps[r.At], true
}

// has reports whether the run has a target in hand.
func (r *Run) has(target string) bool { return r != nil && slices.Contains(r.Targets, target) }

// copyRun returns a copy that shares no slice which a step may change.
func copyRun(r *Run) *Run {
	c := *r
	c.Log = slices.Clone(r.Log)
	return &c
}

// newRun begins a run of a playbook. Nothing is done yet.
func (p *Policy) newRun(tn *turn, b strategy.Playbook, by, why string) *Run {
	return &Run{ID: fmt.Sprintf("%s-%s", b.Name, tn.now.UTC().Format("20060102-150405")), Playbook: b.Name, By: by, Why: why,
		Began: tn.now, Until: tn.now.Add(b.Timeout), Severity: b.Severity, Keep: b.Keep, Targets: b.Targets(), Steps: b.Steps, Stage: StageReady}
}

// Playbook returns a playbook of the configuration.
func (p *Policy) Playbook(name string) (strategy.Playbook, bool) {
	i := slices.IndexFunc(p.o.Playbooks, func(b strategy.Playbook) bool { return b.Name == name })
	if i < 0 {
		return strategy.Playbook{}, false
	}
	return p.o.Playbooks[i], true
}

// Playbooks lists the playbooks in configuration order.
func (p *Policy) Playbooks() []strategy.Playbook { return p.o.Playbooks }
