package incident

import (
	"fmt"
	"slices"
	"time"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// Timing says how often and how long a class must be seen. Zero fields take the class's own.
type Timing struct {
	Looks     int           // consecutive looks that must agree
	For       time.Duration // and at least this long
	Clear     time.Duration // must stay clear this long to count as cured
	Probation time.Duration // a relapse within this time belongs to the same incident
	Severity  detect.Severity
	Ladder    []string // nil = the class's own; empty = page at once
	// Lasts is how long the problem must have lasted before anybody is woken for it, when nothing can be
	// tried against it. Zero = PageAfter.Confirmed.
	Lasts time.Duration
}

// Override replaces the timing of a class for some targets (all when Targets is nil).
type Override struct {
	Class   detect.Class
	Targets []string
	Timing  Timing
}

// Budget is a number of actions within a sliding window.
type Budget struct {
	Actions int
	Window  time.Duration
}

// Backoff is the pause after the n-th failed attempt of an incident: Initial * Factor^(n-1), at
// most Max, spread by up to a tenth so that targets do not fall into step.
type Backoff struct {
	Initial time.Duration
	Factor  float64
	Max     time.Duration
}

// Window is a maintenance window that is open from Start to End.
type Window struct {
	Name    string
	Targets []string // nil = all
	Open    func(now time.Time) (until time.Time, open bool)
}

// Limits bound what is done, per target and on the host.
type Limits struct {
	Target, Host Budget
	Class        Budget // against one failure class, on all targets together; no Actions = unlimited
	Backoff      Backoff
	Concurrent   int // disruptive actions at a time on the host
	StormTargets int // that many incidents opened within StormWindow: stop acting; 0 = never
	StormWindow  time.Duration
	// Nothing is disrupted for being late while the host stalls for so many percent of 10 s: its
	// memory, its disks (PSI full avg10). 0 = never held for that.
	StallMemory, StallIO float64
}

// PageAfter says when people are told although recoveryd is not at its end yet.
type PageAfter struct {
	Held       time.Duration // held back for this long
	Unknown    time.Duration // unable to tell for this long
	Starting   time.Duration // said to be starting, by itself, for this long; 0 = as Unknown
	Unresolved time.Duration // worked on for this long
	Degraded   time.Duration // degraded by its own word for this long; 0 = never
	Operator   time.Duration // held by a person's own doing for this long; 0 = never
	// Confirmed is how long a problem must have lasted, and be seen again after that, before anybody is
	// woken when nothing was tried and nothing can be: a target that is only watched or observed, one that the host or
	// its class leaves nothing to be tried. 0 = it is told at once.
	Confirmed time.Duration
}

// unclear is how long an unknown state of a class may last before people are told; 0 = for ever.
func (a PageAfter) unclear(c detect.Class) time.Duration {
	if c == detect.ClassStarting && a.Starting > 0 {
		return a.Starting
	}
	return a.Unknown
}

// Options is everything that a Policy is built from. The configuration makes it.
type Options struct {
	Targets []detect.Target
	Modes   map[string]Mode // by target; Auto when absent
	// StrategyModes are exceptions from Modes, those that count most at the end.
	StrategyModes []StrategyMode
	Approval      Approval
	Memory        Memory // of what did not help; zero = nothing is passed over
	Severities    map[string]detect.Severity
	Strategies    strategy.Set
	Playbooks     []strategy.Playbook
	Extra         []detect.Condition // classes declared by operators
	Overrides     []Override
	Limits        Limits
	PageAfter     PageAfter
	Escalation    Escalation // nil = one receiver without a name is told once
	Windows       []Window
	Probation     time.Duration // default for all classes
	Fresh         time.Duration // how old a neighbour's look may be (see detect.Background)
}

// Policy is the immutable rule set of one configuration. Its methods are pure and safe for
// concurrent use.
type Policy struct {
	o          Options
	targets    map[string]detect.Target
	dependents map[string][]string
	rules      [len(phaseNames)][]rule
	rowWords   [len(phaseNames)][]string // the same rows in words
	timings    map[timingOf]Timing       // of all classes that may occur: asked several times a step
}

type timingOf struct {
	target string
	class  detect.Class
}

// NewPolicy checks the options and builds a Policy. It refuses names that do not exist, since a
// mistake here would show at three in the morning.
func NewPolicy(o Options) (*Policy, error) {
	p := &Policy{o: o, targets: map[string]detect.Target{}, dependents: map[string][]string{}, rules: rules(), timings: map[timingOf]Timing{}}
	for ph := range p.rules {
		for _, r := range p.rules[ph] {
			p.rowWords[ph] = append(p.rowWords[ph], r.words())
		}
	}
	for _, t := range o.Targets {
		if _, twice := p.targets[t.Name]; twice || t.Name == "" {
			return nil, fmt.Errorf("target name %q is empty or used twice", t.Name)
		}
		p.targets[t.Name] = t
	}
	for _, t := range o.Targets {
		for _, d := range t.DependsOn {
			if _, ok := p.targets[d]; !ok {
				return nil, fmt.Errorf("target %s depends on %q, which is no target", t.Name, d)
			}
			p.dependents[d] = append(p.dependents[d], t.Name)
		}
	}
	for _, t := range o.Targets {
		for _, c := range slices.Concat(detect.Builtin(), o.Extra) {
			for _, name := range p.merge(t, c.Class).Ladder {
				if _, ok := o.Strategies.Get(name); !ok {
					return nil, fmt.Errorf("ladder of class %s names strategy %q, which does not exist (there are %v)", c.Class, name, o.Strategies.Names())
				}
			}
		}
	}
	if p.o.Escalation == nil {
		p.o.Escalation = Ages{0}
	}
	if p.o.Limits.Concurrent < 1 {
		p.o.Limits.Concurrent = 1
	}
	if p.o.Probation <= 0 {
		p.o.Probation = time.Minute
	}
	classes := append(detect.BuiltinClasses(), detect.ClassNone)
	for _, c := range o.Extra {
		classes = append(classes, c.Class)
	}
	for _, t := range o.Targets {
		for _, c := range classes {
			p.timings[timingOf{t.Name, c}] = p.merge(t, c)
		}
	}
	return p, nil
}

// Target returns a target of the configuration.
func (p *Policy) Target(name string) (detect.Target, bool) { t, ok := p.targets[name]; return t, ok }

// Targets lists the targets in configuration order.
func (p *Policy) Targets() []detect.Target { return p.o.Targets }

// Extra lists the classes that operators declared.
func (p *Policy) Extra() []detect.Condition { return p.o.Extra }

// Dependents lists the targets that need the named one.
func (p *Policy) Dependents(name string) []string { return p.dependents[name] }

// timing is how often and how long a class must be seen on a target, and what may be tried.
func (p *Policy) timing(t detect.Target, c detect.Class) Timing {
	if tm, ok := p.timings[timingOf{t.Name, c}]; ok {
		return tm
	}
	return p.merge(t, c)
}

// merge merges the class's own timing with the configuration's overrides.
func (p *Policy) merge(t detect.Target, c detect.Class) Timing {
	tm := Timing{Looks: 2, Clear: 2 * time.Second, Probation: p.o.Probation, Severity: detect.P2, Lasts: p.o.PageAfter.Confirmed}
	if cond, ok := detect.ConditionFor(c, t.Kind, p.o.Extra); ok {
		tm = Timing{Looks: max(cond.Looks, 1), For: cond.For, Clear: cond.Clear, Probation: p.o.Probation,
			Severity: cond.Severity, Ladder: cond.Ladder, Lasts: p.o.PageAfter.Confirmed}
	}
	for _, o := range p.o.Overrides {
		if o.Class != c || o.Targets != nil && !slices.Contains(o.Targets, t.Name) {
			continue
		}
		if o.Timing.Looks > 0 {
			tm.Looks = o.Timing.Looks
		}
		if o.Timing.For > 0 {
			tm.For = o.Timing.For
		}
		if o.Timing.Clear > 0 {
			tm.Clear = o.Timing.Clear
		}
		if o.Timing.Probation > 0 {
			tm.Probation = o.Timing.Probation
		}
		if o.Timing.Lasts > 0 {
			tm.Lasts = o.Timing.Lasts
		}
		if o.Timing.Severity != detect.SeverityUnset {
			tm.Severity = o.Timing.Severity
		}
		if o.Timing.Ladder != nil {
			tm.Ladder = o.Timing.Ladder
		}
	}
	if s, ok := p.o.Severities[t.Name]; ok && s != detect.SeverityUnset {
		tm.Severity = s
	}
	return tm
}

// Ladder returns the strategies for a class on a target, mildest first.
func (p *Policy) Ladder(target string, c detect.Class) []string {
	return p.timing(p.targets[target], c).Ladder
}

// Diagnose judges an observation against what the state knows of the target's neighbours.
func (p *Policy) Diagnose(s State, o detect.Observation) detect.Diagnosis {
	t := p.targets[o.Target]
	b := detect.Background{Target: t, Fresh: p.o.Fresh, Extra: p.o.Extra}
	neighbour := func(name string) detect.Neighbour {
		n := detect.Neighbour{Target: p.targets[name]}
		if ts, ok := s.Targets[name]; ok {
			n.Observation, n.Diagnosis = ts.Last, ts.Diagnosis
		}
		return n
	}
	b.Needs = make([]detect.Neighbour, 0, len(t.DependsOn))
	b.Dependents = make([]detect.Neighbour, 0, len(p.dependents[o.Target]))
	for _, name := range t.DependsOn {
		b.Needs = append(b.Needs, neighbour(name))
	}
	for _, name := range p.dependents[o.Target] {
		b.Dependents = append(b.Dependents, neighbour(name))
	}
	if ts, ok := s.Targets[o.Target]; ok {
		run := o.Facts.Text(detect.WorkloadRun)
		b.Answered = run != "" && ts.Answered == run
	}
	return detect.Diagnose(o, b)
}
