package detect

import (
	"slices"
	"strings"
	"time"
)

// Neighbour is another target as it was last seen: a dependency, or a service that depends on
// the one being judged.
type Neighbour struct {
	Target      Target
	Observation Observation
	Diagnosis   Diagnosis
}

// Background is what is known around one observation.
type Background struct {
	Target     Target
	Needs      []Neighbour // what the target depends on
	Dependents []Neighbour // what depends on it
	// Answered: this very process (same workload.run) has given a health reply before.
	Answered bool
	// Fresh is how old a neighbour's observation may be and still count; 15 s when zero.
	Fresh time.Duration
	// Extra are the failure classes declared by operators, judged when no built-in class matches.
	Extra []Condition
}

// fresh reports whether a neighbour was seen recently enough, relative to at.
func (b Background) fresh(n Neighbour, at time.Time) bool {
	limit := b.Fresh
	if limit == 0 {
		limit = 15 * time.Second // three polls at the default interval of 5 s
	}
	return !n.Observation.At.IsZero() && at.Sub(n.Observation.At) <= limit
}

// Finding is what one condition concluded from one observation.
type Finding struct {
	Verdict   Verdict
	Class     Class // "" = the condition's own class
	Because   string
	Witnesses []Witness // kinds of evidence that agree with the verdict
	Culprit   string    // "" = the target itself
	// Conclusive: the evidence cannot be a blip (the process is known to be gone), so one look
	// is enough.
	Conclusive bool
	// Final: no later condition may overrule this one (the target is still starting, its workload
	// does not exist).
	Final  bool
	Advice string // what a person should do, when recoveryd cannot
}

// Condition declares one failure class: what it looks like, how long it must be seen, and what
// may be tried about it.
type Condition struct {
	Class    Class
	Kinds    []Kind // kinds of target it applies to
	Severity Severity
	Looks    int           // consecutive looks that must agree (1 when the finding is conclusive)
	For      time.Duration // and for at least this long
	Clear    time.Duration // must stay clear this long to count as cured
	Ladder   []string      // default strategies by name, mildest first; empty = page at once
	Summary  string        // one line for docs/diagnosis.md
	Match    func(Observation, Background) Finding
	// Facts and Targets are of an operator's rule: the facts that it looks at, which are then measured at
	// every look, and the names of the targets that it is about (nil = all).
	Facts, Targets []string
}

// Asks reports whether an operator's rule looks at a fact whose name begins with prefix, of that target.
func (c Condition) Asks(t Target, prefix string) bool {
	return slices.Contains(c.Kinds, t.Kind) && (len(c.Targets) == 0 || slices.Contains(c.Targets, t.Name)) &&
		slices.ContainsFunc(c.Facts, func(f string) bool { return strings.HasPrefix(f, prefix) })
}

// Considered is a condition that was judged and did not win, for explain.
type Considered struct {
	Class   Class   `json:"class"`
	Verdict Verdict `json:"verdict"`
	Because string  `json:"because"`
}

// Diagnosis is the conclusion from one look. It is a value: printed, journaled, compared.
type Diagnosis struct {
	Target     string       `json:"target"`
	At         time.Time    `json:"at"`
	Verdict    Verdict      `json:"verdict"`
	Class      Class        `json:"class,omitzero"`
	Culprit    string       `json:"culprit,omitzero"` // target to be treated; "" when nothing is wrong
	Severity   Severity     `json:"severity,omitzero"`
	Because    string       `json:"because"` // the evidence in one sentence
	Witnesses  []Witness    `json:"witnesses,omitzero"`
	Conclusive bool         `json:"conclusive,omitzero"`
	Advice     string       `json:"advice,omitzero"`
	Considered []Considered `json:"considered,omitzero"`
}

// Bad reports a confirmed-looking problem; an unknown verdict is not one.
func (d Diagnosis) Bad() bool { return d.Verdict == Unhealthy }

// Good reports that the target serves, even if degraded.
func (d Diagnosis) Good() bool { return d.Verdict == Healthy || d.Verdict == Degraded }

// Masked reports that the problem is explained by another target.
func (d Diagnosis) Masked() bool { return d.Culprit != "" && d.Culprit != d.Target }

// Diagnose judges one observation. It is total and deterministic: conditions are judged in the
// fixed order of Builtin (most dangerous question first), the first that says unhealthy wins;
// otherwise the first that could not tell; otherwise the first degraded; otherwise healthy. A
// condition of the operator's that could not tell is only kept in Considered. An outside system's
// alert is added last and decides nothing.
func Diagnose(o Observation, b Background) Diagnosis {
	d := Diagnosis{Target: o.Target, At: o.At, Verdict: Healthy, Because: healthySentence(o, b)}
	best := -1
	rank := [...]int{Healthy: 0, Degraded: 1, Unknown: 2, Unhealthy: 3}
	builtin := Builtin()
	all := builtin
	if len(b.Extra) > 0 {
		all = slices.Concat(builtin, b.Extra)
	}
	for i := range all {
		c := &all[i]
		if !slices.Contains(c.Kinds, b.Target.Kind) {
			continue
		}
		f := c.Match(o, b)
		if f.Because == "" {
			continue // nothing to say: this condition is clear
		}
		f.Because = sentence(f.Because)
		class := f.Class
		if class == "" {
			class = c.Class
		}
		// A rule of the operator's that cannot be judged must not blind the built-in classes.
		weak := i >= len(builtin) && f.Verdict == Unknown
		if rank[f.Verdict] <= best || weak {
			d.Considered = append(d.Considered, Considered{class, f.Verdict, f.Because})
			continue
		}
		if best >= 0 {
			d.Considered = append(d.Considered, Considered{d.Class, d.Verdict, d.Because})
		}
		best = rank[f.Verdict]
		d.Verdict, d.Class, d.Severity, d.Because = f.Verdict, class, c.Severity, f.Because
		d.Witnesses, d.Conclusive, d.Advice, d.Culprit = f.Witnesses, f.Conclusive, f.Advice, f.Culprit
		if d.Verdict == Healthy {
			d.Class, d.Severity = ClassNone, SeverityUnset
		} else if d.Culprit == "" {
			d.Culprit = o.Target
		}
		if b.Target.External && d.Verdict == Unhealthy && d.Advice == "" {
			d.Advice = "it runs on another host: recoveryd never acts on it"
		}
		if f.Final {
			break
		}
	}
	return withAlert(d, o)
}

// Builtin lists the built-in conditions in the order in which they are judged.
func Builtin() []Condition {
	return []Condition{
		workloadCondition, startingCondition, loadingCondition, recoveringCondition, portCondition,
		lostDatabaseCondition, clusterCondition, saturatedCondition, refusingCondition,
		oomCondition, downCondition, poolTrendCondition, poolCondition, hungCondition,
		plainCondition, gatewayCondition, memoryTrendCondition, memoryCondition, misconfiguredCondition, diskCondition,
		unwellCondition, latencyCondition,
	}
}

// ConditionFor returns the condition whose timing and ladder hold for a class on a kind of target:
// the last one that declares it, since special cases are judged before the general one. The second
// result is false when none does.
func ConditionFor(c Class, k Kind, extra []Condition) (Condition, bool) {
	for _, cond := range slices.Backward(slices.Concat(Builtin(), extra)) {
		if cond.Class == c && slices.Contains(cond.Kinds, k) {
			return cond, true
		}
	}
	return Condition{}, false
}
