package incident

import (
	"fmt"
	"slices"
	"time"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

// Fault is what a drill does to a target.
type Fault string

// The faults.
const (
	FaultKill   Fault = "kill"        // every process of the target is killed
	FaultStop   Fault = "stop"        // the target is stopped by its platform
	FaultFreeze Fault = "freeze"      // every process of the target is stopped by a signal
	FaultPool   Fault = "fill-pool"   // sessions of its application are opened at its database
	FaultMemory Fault = "fill-memory" // memory is allocated within its account
)

// Faults lists all faults, the mildest first.
func Faults() []Fault { return []Fault{FaultKill, FaultStop, FaultFreeze, FaultPool, FaultMemory} }

// Drill is a real fault that is brought about on purpose, as it was announced before. Nothing is
// judged, decided or done differently for it but this: the stop of a stop drill is no person's
// wish, and people are told that it is a drill.
type Drill struct {
	ID    string    `json:"id"`
	Fault Fault     `json:"fault"`
	By    string    `json:"by"`
	Run   string    `json:"run,omitzero"` // workload.run when it was announced
	Since time.Time `json:"since"`
	Until time.Time `json:"until"`          // afterwards a problem is taken for real, whatever began it
	Ended time.Time `json:"ended,omitzero"` // when it said that it had put everything back
}

// Drilled marks the incident of a drill.
type Drilled struct {
	ID     string    `json:"id"`
	Fault  Fault     `json:"fault"`
	Target string    `json:"target"` // that was drilled; the incident may be of another one that needs it
	By     string    `json:"by"`
	Real   time.Time `json:"real,omitzero"` // when it was taken for real after all: it outlived the drill, or changed its face
}

// Exercise reports whether the incident is a drill's, and nobody but those who follow drills need
// be told.
func (i *Incident) Exercise() bool { return i.Drill != nil && i.Drill.Real.IsZero() }

// DrillGrace is how long after its end a drill still explains what it has caused: the time in which
// its target comes back and is seen to.
const DrillGrace = 30 * time.Second

// active reports whether the drill may still have caused what is seen now.
func (d *Drill) active(now time.Time) bool { return d != nil && now.Before(d.Until) }

// covers reports whether a stop that looks like a person's is the drill's own. It covers one stop
// of the very run that it was announced for: a mask, a restart, and a stop of the next run are
// somebody's wish.
func (d *Drill) covers(f detect.Facts, now time.Time) bool {
	if !d.active(now) || !d.Ended.IsZero() || d.Fault != FaultStop || d.Run == "" ||
		f.Text(detect.WorkloadRun) != d.Run || f.Text(detect.WorkloadDisabled) != "" {
		return false
	}
	if job := f.Text(detect.WorkloadPending); endsRun(job) {
		return job == "stop"
	}
	return f.Text(detect.WorkloadDeparture) == detect.DepartureStopped
}

// wish is what a person did to the target, a drill's own stop left out, or that nothing wants it to run; ""
// when neither. Where the platform has forgotten its last run, what a person was known to have done
// before still holds.
func (tn *turn) wish(f detect.Facts) (Intent, string) {
	if tn.t.Drill.covers(f, tn.now) {
		return "", ""
	}
	if intent, why := operatorIntent(f); why != "" || !forgotten(f) {
		return intent, why
	}
	switch t := tn.t; {
	case t.Intent != "" && t.IntentOf != IntentUnasked:
		return t.IntentOf, t.Intent
	case unasked(f):
		return IntentUnasked, fmt.Sprintf("nothing asks for the %s to run (%s)", detect.Noun(f), f.Text(detect.WorkloadNote))
	}
	return "", ""
}

// drill takes the announcement of a drill, or of its end.
func (tn *turn) drill(c *Command) {
	d, t := *c.Drill, tn.t
	switch c.Verb {
	case CmdDrill:
		tn.note = fmt.Sprintf("drill %s (%s) by %s", d.ID, d.Fault, c.By)
		if why := tn.drillRefusal(); why != "" {
			tn.refused = true
			tn.note += ", refused: " + why
			return
		}
		d.By, d.Since, d.Until, d.Ended = c.By, tn.now, c.Until, time.Time{}
		d.Run = t.Last.Facts.Text(detect.WorkloadRun)
		t.Drill = &d
	case CmdDrillEnd:
		tn.note = fmt.Sprintf("drill %s is over, by %s", d.ID, c.By)
		if t.Drill == nil || t.Drill.ID != d.ID {
			tn.note += ", and was not known"
			return
		}
		over := *t.Drill
		if over.Ended.IsZero() {
			over.Ended = tn.now
			if end := tn.now.Add(DrillGrace); end.Before(over.Until) {
				over.Until = end
			}
		}
		t.Drill = &over
	}
	if c.Why != "" {
		tn.note += ": " + c.Why
	}
}

// drillRefusal says why no drill may begin now; "" when one may. A drill needs a host on which all
// is well, a target that would be cured, and room in the budgets for a real failure after it.
func (tn *turn) drillRefusal() string {
	t, target, p := tn.t, tn.p.targets[tn.t.Name], tn.p
	if len(tn.s.Incidents) > 0 {
		ids := make([]string, 0, len(tn.s.Incidents))
		for id := range tn.s.Incidents {
			ids = append(ids, id)
		}
		return "incident " + slices.Min(ids) + " is open"
	}
	for name, o := range tn.s.Targets {
		if o.Drill.active(tn.now) && o.Drill.Ended.IsZero() {
			return fmt.Sprintf("drill %s of %s is under way", o.Drill.ID, name)
		}
	}
	if h, yes := p.standing(tn); yes {
		return h.why
	}
	for _, w := range p.o.Targets { // a host on which something is being asked again is not quiet
		if o := tn.s.Targets[w.Name]; w.Name != t.Name && o != nil && o.Phase != Watching {
			return fmt.Sprintf("%s is not seen to be well now: %s", w.Name, o.Diagnosis.Because)
		}
	}
	around := append(slices.Clone(target.DependsOn), p.dependents[t.Name]...)
	for _, name := range around {
		if o := tn.s.Targets[name]; o != nil && o.Hold.active(tn.now) {
			return name + " is " + said("held", o.Hold)
		}
	}
	switch {
	case target.External:
		return "it runs on another host"
	case target.Object == "":
		return "it has nothing that recoveryd could act on"
	case p.mode(t.Name) != Auto:
		return fmt.Sprintf("its mode is %s: nothing would cure it", p.mode(t.Name))
	case t.Last.Facts.Text(detect.WorkloadPermission) != "":
		return "recoveryd may not act on it: " + t.Last.Facts.Text(detect.WorkloadPermission)
	case t.Phase != Watching || !t.Diagnosis.Good() || !tn.current():
		return "it is not seen to be well now: " + t.Diagnosis.Because
	}
	for _, name := range target.DependsOn {
		if o := tn.s.Targets[name]; o == nil || o.Phase != Watching || !o.Diagnosis.Good() {
			return name + ", which it needs, is not seen to be well now"
		}
	}
	lim := p.o.Limits
	if _, n := spent(tn.s.Host.Actions, lim.Target, tn.now, func(a ActionStamp) bool { return a.Target == t.Name }); lim.Target.Actions > 0 && n+2 > lim.Target.Actions {
		return fmt.Sprintf("%d of the %d actions of its budget are used: a drill would leave none for a real failure", n, lim.Target.Actions)
	}
	if _, n := spent(tn.s.Host.Actions, lim.Host, tn.now, func(ActionStamp) bool { return true }); lim.Host.Actions > 0 && n+2 > lim.Host.Actions {
		return fmt.Sprintf("%d of the %d actions of the host's budget are used: a drill would leave none for a real failure", n, lim.Host.Actions)
	}
	return ""
}

// explains reports whether a fault of a target may lead to a problem of a class on the same target
// or on one that has to do with it. What it does not explain is taken for real: a full disk, a
// taken port, a wrong configuration, what cannot be told, and an operator's own classes.
func (p *Policy) explains(f Fault, drilled, target string, c detect.Class) bool {
	switch c {
	case detect.ClassDown, detect.ClassHung, detect.ClassLatency, detect.ClassDatabase, detect.ClassDependency:
	case detect.ClassPool:
		if f != FaultPool && target == drilled {
			return false
		}
	case detect.ClassMemory:
		if f != FaultMemory || target != drilled {
			return false
		}
	default:
		return false
	}
	return target == drilled || p.needs(target, drilled) || f == FaultPool && target == p.targets[drilled].Pool.Database
}

// needs reports whether one target needs another, itself or by way of others.
func (p *Policy) needs(name, other string) bool {
	for _, d := range p.targets[name].DependsOn { // the configuration has no circles
		if d == other || p.needs(d, other) {
			return true
		}
	}
	return false
}

// drillOf finds the drill that has caused a new problem of this target; nil when none has.
func (tn *turn) drillOf() *Drilled {
	states := []*TargetState{tn.t}
	for name, o := range tn.s.Targets {
		if name != tn.t.Name {
			states = append(states, o)
		}
	}
	for _, o := range states { // one drill at a time: the order does not matter
		if d := o.Drill; d.active(tn.now) && !tn.t.BadSince.Before(d.Since) && tn.p.explains(d.Fault, o.Name, tn.t.Name, tn.t.Diagnosis.Class) {
			return &Drilled{ID: d.ID, Fault: d.Fault, Target: o.Name, By: d.By}
		}
	}
	return nil
}

// drillState is the drill that the own incident belongs to; nil when its target forgot it.
func (tn *turn) drillState() *Drill {
	if tn.inc == nil || !tn.inc.Exercise() {
		return nil
	}
	o := tn.t
	if tn.inc.Drill.Target != tn.t.Name {
		o = tn.s.Targets[tn.inc.Drill.Target]
	}
	if o == nil || o.Drill == nil || o.Drill.ID != tn.inc.Drill.ID {
		return nil
	}
	return o.Drill
}

// takeForReal ends the mark of an incident that its drill does not explain any more: it is told to
// everybody, as if it began now.
func (tn *turn) takeForReal() {
	i := tn.inc
	if i == nil || !i.Exercise() || !i.Open() || tn.t.Phase == Probation {
		return
	}
	if tn.drillState().active(tn.now) && tn.p.explains(i.Drill.Fault, i.Drill.Target, i.Target, i.Class) {
		return
	}
	real := *i.Drill
	real.Real = tn.now
	c := tn.change()
	c.Drill, c.Paged, c.PagedWhy, c.Clock = &real, time.Time{}, "", tn.now
	for n := range c.Told { // what was sent stays to be taken back, and is nobody's tier any more
		c.Told[n].Tiers = []string{DrillTier}
	}
}

// forgetDrill drops a drill that explains nothing any more.
func (tn *turn) forgetDrill() {
	if tn.t.Drill != nil && !tn.t.Drill.active(tn.now) {
		tn.t.Drill = nil
	}
}
