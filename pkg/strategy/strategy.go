package strategy

import (
	"errors"
	"fmt"
	"time"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

// ErrNotApplicable says that a strategy has nothing to offer here; the ladder goes on with the
// next rung. Wrap it with the reason.
var ErrNotApplicable = errors.New("not applicable")

// Input is all that a strategy may look at.
type Input struct {
	Diagnosis detect.Diagnosis
	Target    detect.Target // the culprit
	Facts     detect.Facts  // of the culprit's last look
	Needs     []Need        // what the culprit needs, in the order of the configuration
	Kept      []Change      // what earlier cures have changed on the culprit, and is not taken back yet
}

// Need is one target that the culprit needs in order to work.
type Need struct {
	Target    detect.Target
	Diagnosis detect.Diagnosis // of its last look
	Facts     detect.Facts     // of its last look
	Barred    string           // why it must be left alone (a person's word, a window, its mode); "" = it may be acted on
}

// Strategy plans one rung. Implementations are stateless and safe for concurrent use.
type Strategy interface {
	// Name is the word that ladders in the configuration use.
	Name() string
	// Plan says what would be done. It returns an error wrapping ErrNotApplicable when this rung
	// cannot help here.
	Plan(Input) (Plan, error)
}

// planner makes a Strategy of a name and a function.
type planner struct {
	name string
	plan func(Input) (Plan, error)
}

func (p planner) Name() string { return p.name }

func (p planner) Plan(in Input) (Plan, error) {
	plan, err := p.plan(in)
	if err != nil {
		return Plan{}, fmt.Errorf("strategy %s for %s: %w", p.name, in.Target.Name, err)
	}
	plan.Strategy = p.name
	for i := range plan.Actions {
		fill(&plan.Actions[i], in.Target)
	}
	for i := range plan.Undo {
		fill(&plan.Undo[i], in.Target)
	}
	return plan, nil
}

// fill completes what every action of a plan shares.
func fill(a *Action, t detect.Target) {
	a.Target = t.Name
	if a.Args == nil {
		a.Args = map[string]string{}
	}
	if a.Args[ArgPlatform] == "" {
		a.Args[ArgPlatform] = t.Platform
	}
}

// New makes a strategy from a function; the way for code outside this package to add one.
func New(name string, plan func(Input) (Plan, error)) Strategy { return planner{name, plan} }

// Builtin lists the built-in strategies.
func Builtin() []Strategy {
	return []Strategy{
		New("start", start), New("restart", restart), New("kill-start", killStart),
		New("terminate-idle", terminateIdle), New("terminate-long", terminateLong),
		New("resize-pool", resizePool), New("grow-pool", growPool), New("raise-memory", raiseMemory),
		New("start-dependencies", startDependencies), New("clean-start", cleanStart),
	}
}

func notApplicable(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrNotApplicable, fmt.Sprintf(format, args...))
}

// controllable reports whether a platform can act on the target at all, for this problem.
// It is the last line of defence of a promise: whatever ladder an operator writes, a database is
// not restarted because its connections are used up.
func controllable(in Input) error {
	t := in.Target
	switch {
	case t.Kind == detect.KindPostgres && in.Diagnosis.Class == detect.ClassPool:
		return notApplicable("the database is saturated, not dead: it is never restarted for that")
	case t.External:
		return notApplicable("it runs on another host")
	case t.Platform == "" || t.Platform == "none" || t.Object == "":
		return notApplicable("no platform is configured for it")
	}
	return nil
}

// verifyTime is how long a started target has until its condition must be clear: its own start
// grace and some looks.
func verifyTime(t detect.Target) time.Duration {
	return max(t.StartGrace, 10*time.Second) + 5*time.Second
}
