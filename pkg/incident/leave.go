package incident

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

// thing says what a target is, whatever its name: two of the same are one thing under two names. It is
// "" for a target that cannot be told from another one.
func thing(t detect.Target) string {
	if t.Object == "" {
		return string(t.Kind)
	}
	return strings.Join([]string{string(t.Kind), t.Platform, t.Object}, " ")
}

// Left lists the targets of the state that the configuration does not have any more, or has as another
// thing, and of which something is left to be ended: an incident, an action, a drill. Each needs a
// [Reconfigured] event.
func (p *Policy) Left(s State) (names []string) {
	for _, name := range slices.Sorted(maps.Keys(s.Targets)) {
		if p.left(s.Targets[name]) != "" {
			names = append(names, name)
		}
	}
	return names
}

// left says why nothing of what was known of a target counts any more; "" when it does.
func (p *Policy) left(t *TargetState) string {
	target, known := p.targets[t.Name]
	switch {
	case known && (t.Thing == "" || t.Thing == thing(target)):
		return ""
	case known:
		return fmt.Sprintf("target changed in the configuration: %s was %s and is %s", t.Name, t.Thing, thing(target))
	case t.Phase == Watching && t.Incident == "" && t.Drill == nil && t.Easing == nil:
		return ""
	}
	for _, other := range p.o.Targets {
		if other.Object != "" && thing(other) == t.Thing {
			return "target renamed in the configuration: it is " + other.Name + " now, and what is wrong with it is an incident of that name"
		}
	}
	return "target removed from the configuration"
}

// leave ends what is left of a target that is not configured any more, or is another thing now. An
// action in flight is waited for: its end belongs to the incident.
func (tn *turn) leave(rec Record, why string) (State, Record) {
	t := tn.t
	tn.backEnded()
	over := tn.ev.Kind == Ended && tn.ev.ActionID == t.ActionID || tn.now.After(t.Deadline)
	switch {
	case t.Phase == Acting && !over:
		tn.effect(Effect{Kind: Wake, Target: t.Name, At: t.Deadline.Add(time.Millisecond)})
		rec.Reason, rec.Sentence = NoChange, "no change: "+why+"; the action in flight is waited for"
		return tn.commit(rec, true)
	case t.Easing != nil && !tn.now.After(t.Easing.Deadline):
		tn.effect(Effect{Kind: Wake, Target: t.Name, At: t.Easing.Deadline.Add(time.Millisecond)})
		rec.Reason, rec.Sentence = NoChange, "no change: "+why+"; a change of it is being taken back"
		return tn.commit(rec, true)
	case t.Phase == Acting:
		tn.finishAttempt()
	}
	rec.Sentence = why
	tn.finish(&rec, TargetLeft, why)
	// A person's hold is about the name. What was learned is about the thing.
	next := TargetState{Name: t.Name, Since: tn.now, Reason: TargetLeft, Hold: t.Hold}
	if target, known := tn.p.targets[t.Name]; known {
		next.Thing = thing(target)
		tn.look(t.Name, 0)
	} else {
		next.Thing, next.Efforts, next.Trust, next.Kept = t.Thing, t.Efforts, t.Trust, t.Kept
	}
	*t = next
	return tn.commit(rec, true)
}

// finish ends the target's own incident for another reason than its recovery, and its part in that of
// its culprit. Nothing is learned from it. Whoever was told is told of the end.
func (tn *turn) finish(rec *Record, outcome Reason, why string) {
	t := tn.t
	rec.Reason, rec.To = outcome, Watching
	if i := tn.inc; i != nil {
		tn.change()
		i.Closed, i.Outcome, i.EndWhy = tn.now, outcome, why
		i.Held, i.HeldWhy, i.HeldSince, i.Proposal = "", "", time.Time{}, nil
		for _, name := range slices.Sorted(maps.Keys(tn.s.Targets)) {
			if o := tn.s.Targets[name]; o.Incident == i.ID && name != t.Name {
				tn.effect(Effect{Kind: Wake, Target: name, At: tn.now}) // it waited for this one
			}
		}
	} else if i := tn.s.Incidents[t.Incident]; i != nil {
		tn.touched = copyIncident(i)
		tn.touched.Affected = slices.DeleteFunc(tn.touched.Affected, func(name string) bool { return name == t.Name })
	}
	tn.reset()
	t.Phase, t.Since, t.Reason = Watching, tn.now, outcome
	if tn.inc != nil && len(tn.inc.Told) > 0 {
		tn.allClear()
	}
}

// closeWord takes a person's word that an incident is over, whatever is seen. What is still wrong
// afterwards is seen by the next looks and becomes an incident of its own, of which people are told
// as always: who wants to be left alone says hold.
func (tn *turn) closeWord(rec Record) (State, Record) {
	c, i := tn.ev.Command, tn.inc
	rec.Reason = OperatorSaid
	refuse := func(why string) (State, Record) {
		rec.Refused, rec.Sentence = true, fmt.Sprintf("close by %s: refused, %s", c.By, why)
		return tn.commit(rec, true)
	}
	switch {
	case i == nil || i.ID != c.Incident:
		return refuse(fmt.Sprintf("%s is no open incident of %s", c.Incident, tn.t.Name))
	case c.Why == "":
		return refuse("a reason is wanted (--reason): it is the last word of the record")
	case tn.t.Phase == Acting:
		a := i.Attempts[len(i.Attempts)-1]
		return refuse(fmt.Sprintf("%s is in flight until %s at the latest: ask again when it is over", a.Action, tn.t.Deadline.UTC().Format("15:04:05 MST")))
	}
	still := ""
	if tn.t.Diagnosis.Bad() {
		still = fmt.Sprintf(". It was last seen to be unwell (%s): if that is seen again it is a new incident; to be left alone use: recoveryd hold %s", tn.t.Diagnosis.Because, tn.t.Name)
	}
	tn.finish(&rec, ClosedByPerson, "closed by "+c.By+": "+c.Why)
	rec.Sentence = i.ID + " is closed by " + c.By + ": " + c.Why + still
	tn.look(tn.t.Name, 0)
	return tn.commit(rec, true)
}
