package strategy

import (
	"slices"
	"time"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

// StepKind says what one step of a playbook does.
type StepKind string

// The kinds of step.
const (
	StepStop    StepKind = "stop"    // the target does not run afterwards
	StepStart   StepKind = "start"   // it runs afterwards
	StepRestart StepKind = "restart" // it runs anew
	StepEnsure  StepKind = "ensure"  // it serves: started when it does not run, then waited for
	StepWait    StepKind = "wait"    // until it is seen to be healthy
	StepCheck   StepKind = "check"   // what is asked must be so now
	StepClean   StepKind = "clean"   // empty allow-listed directories
	StepCommand StepKind = "command" // an operator's command
	StepSmoke   StepKind = "smoke"   // the target's calls of real work, once, now
)

// Step is one step of a playbook on one target, or on the host. It is data: a run keeps the steps
// as they were when it began, whatever is configured meanwhile.
type Step struct {
	Name   string   `json:"name"` // what the step does, in the operator's words
	Do     StepKind `json:"do"`
	Target string   `json:"target,omitzero"` // "" = the host
	// Action is what is performed; nil for what is only looked at.
	Action *Action `json:"action,omitzero"`
	// Timeout bounds the action, and after it the time until its effect must be seen.
	Timeout time.Duration `json:"timeout"`
	// Approval: a person must approve this very step of this very run before it begins.
	Approval bool `json:"approval,omitzero"`
	// GoOn: a failure is written down and the playbook goes on.
	GoOn bool `json:"go_on,omitzero"`
	// EndIfDone: when the step succeeds the playbook is over, and well.
	EndIfDone bool `json:"end_if_done,omitzero"`
	// Again: its action may be performed once more when its outcome was lost, since doing it twice
	// leads to the same. Starts and stops need no word here: they are judged by looking.
	Again bool `json:"again,omitzero"`
}

// Disrupts reports whether the step ends work in progress.
func (s Step) Disrupts() bool { return s.Action != nil && s.Action.Disrupts }

// Playbook is an ordered procedure over several targets.
type Playbook struct {
	Name        string
	Description string
	Timeout     time.Duration // of a whole run; then it fails
	// Severity of a run that fails: who is told, and how soon.
	Severity detect.Severity
	// Keep: after a failure its targets are left alone until a person ends the run. For procedures
	// that must not be followed by an automatic start, such as a half-done restore.
	Keep  bool
	Steps []Step
}

// Targets lists the targets that the playbook has in hand while it runs, in the order of its steps.
// A target that is only looked at is not among them.
func (b Playbook) Targets() (out []string) {
	for _, s := range b.Steps {
		if s.Target != "" && (s.Do == StepStop || s.Do == StepStart || s.Do == StepRestart || s.Do == StepEnsure) && !slices.Contains(out, s.Target) {
			out = append(out, s.Target)
		}
	}
	return out
}

// NeedsApproval reports whether a person must approve a step of it.
func (b Playbook) NeedsApproval() bool {
	return slices.ContainsFunc(b.Steps, func(s Step) bool { return s.Approval })
}

// PlaybookPrefix begins the names of the strategies that run a playbook: "playbook:full-recovery".
const PlaybookPrefix = "playbook:"

// playbookMargin is how much longer than its own time a playbook may take: its last action in flight
// has a bound of its own.
const playbookMargin = 2 * time.Minute

// RunPlaybook makes the strategy that runs a playbook as a rung of a ladder.
func RunPlaybook(b Playbook) Strategy {
	return New(PlaybookPrefix+b.Name, func(in Input) (Plan, error) {
		switch {
		case b.NeedsApproval():
			return Plan{}, notApplicable("it needs a person's approval: run it by hand")
		case !slices.Contains(b.Targets(), in.Target.Name):
			return Plan{}, notApplicable("the playbook does nothing to it")
		}
		a := Action{Verb: PlaybookRun, Object: b.Name, Timeout: b.Timeout + playbookMargin, Disrupts: slices.ContainsFunc(b.Steps, Step.Disrupts)}
		return Plan{Why: "nothing milder helped: " + b.Description, Actions: []Action{a}, Verify: verifyTime(in.Target)}, nil
	})
}

// TargetStep makes a step that acts on a target, or looks at it. A timeout of 0 is
// chosen by the kind and the target's own graces.
func TargetStep(do StepKind, t detect.Target, timeout time.Duration) Step {
	s := Step{Do: do, Target: t.Name, Name: string(do) + " " + t.Name, Timeout: timeout}
	auto := 10 * time.Second // two looks
	var verb Verb
	args := map[string]string{}
	switch do {
	case StepStop:
		verb, auto = Stop, stopGrace(t)+10*time.Second
		args[ArgStopGrace] = stopGrace(t).String()
	case StepStart:
		verb, auto = Start, jobTimeout(t)
		args[ArgReset] = "yes"
	case StepEnsure:
		verb, auto = Start, jobTimeout(t)+30*time.Second
		args[ArgReset] = "yes"
	case StepRestart:
		verb, auto = Restart, jobTimeout(t)
		args[ArgStopGrace], args[ArgReset] = stopGrace(t).String(), "yes"
	case StepWait:
		auto = max(t.StartGrace, 10*time.Second) + 30*time.Second
	}
	if s.Timeout <= 0 {
		s.Timeout = auto
	}
	if verb != "" {
		s.Action = &Action{Verb: verb, Object: t.Object, Timeout: s.Timeout, Args: args, Disrupts: do == StepStop || do == StepRestart}
		fill(s.Action, t)
	}
	return s
}
