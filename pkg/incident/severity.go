package incident

import (
	"slices"
	"time"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

// crowd is how many other targets must wait for the culprit until its incident counts as one step
// worse: then it is not one service's trouble any more, whatever its class.
const crowd = 2

// comesBack is how often a problem must come back after a cure until it counts as one step worse:
// the first relapse may be bad luck, the second says that the cures do not last.
const comesBack = 2

// SeverityRest is how long a problem must have been milder until the severity falls once people
// were told: as long as the first hour's tiers are apart, so that it does not swing between them.
const SeverityRest = 10 * time.Minute

// SeverityRules says in words what makes an incident's severity, in the order in which it counts.
func SeverityRules() []string {
	return []string{
		"configured: severity of the target, of the class in classes, or of your own rule. It is kept as it is, whatever happens",
		"otherwise as the condition that was found says, see the table; an OOM kill is worse than memory running short",
		"raised by one step, to P1 at most, when two or more other targets wait for the culprit, or when the problem came back twice after a cure",
		"raised at once when the problem turns into a worse one",
		"lowered when the problem turned into a milder one, when fewer than two others wait, or both: at once as long as nobody was told, " +
			"and otherwise when it has been so for 10 minutes without a break. What was told is not taken back, later tiers are those of the new severity",
	}
}

// severity is how bad a diagnosis is on a target, see [SeverityRules].
func (p *Policy) severity(t detect.Target, d detect.Diagnosis, waiting, relapses int) detect.Severity {
	if p.severityConfigured(t, d.Class) || d.Severity == detect.SeverityUnset {
		return p.timing(t, d.Class).Severity
	}
	if ownWord(d) {
		return detect.P3 // it serves
	}
	if waiting >= crowd || relapses >= comesBack {
		return max(d.Severity-1, detect.P1)
	}
	return d.Severity
}

// SeverityOf is the severity with which an incident of a condition begins on a target, and whether an
// operator has configured it.
func (p *Policy) SeverityOf(target string, c detect.Condition) (s detect.Severity, configured bool) {
	t := p.targets[target]
	return p.severity(t, detect.Diagnosis{Class: c.Class, Severity: c.Severity}, 0, 0), p.severityConfigured(t, c.Class)
}

// severityConfigured reports whether an operator has said how bad a class is on a target. A class of
// the operator's own always has a severity of the operator's.
func (p *Policy) severityConfigured(t detect.Target, c detect.Class) bool {
	own := slices.ContainsFunc(p.o.Extra, func(x detect.Condition) bool { return x.Class == c })
	return own || p.o.Severities[t.Name] != detect.SeverityUnset || slices.ContainsFunc(p.o.Overrides, func(o Override) bool {
		return o.Class == c && o.Timing.Severity != detect.SeverityUnset && (o.Targets == nil || slices.Contains(o.Targets, t.Name))
	})
}

// worsen raises an incident's severity to what its diagnosis and those who are affected make of it.
func (p *Policy) worsen(i *Incident, d detect.Diagnosis) {
	if sev := p.severity(p.targets[i.Target], d, len(i.Affected), i.Relapses); i.Severity == detect.SeverityUnset || sev < i.Severity {
		i.Severity, i.Milder = sev, time.Time{}
	}
}

// review brings the severity of the own incident up to date with what this look confirmed. What
// cannot be told now neither raises nor lowers it, and ends a rest.
func (tn *turn) review(f flags) {
	i, d := tn.inc, tn.t.Diagnosis
	if i == nil || !i.Open() || tn.t.Phase == Probation || !tn.fresh() || tn.willed() && tn.was[i.ID] != nil {
		return
	}
	if f&(bad|confirmed) != bad|confirmed || f&masked != 0 {
		if !i.Milder.IsZero() && !d.Good() {
			tn.change().Milder = time.Time{}
		}
		return
	}
	sev := tn.p.severity(tn.p.targets[i.Target], d, tn.waiting(), i.Relapses)
	switch {
	case sev == detect.SeverityUnset:
	case sev < i.Severity, sev > i.Severity && len(i.Told) == 0,
		sev > i.Severity && !i.Milder.IsZero() && tn.now.Sub(i.Milder) >= SeverityRest:
		c := tn.change()
		c.Severity, c.Milder = sev, time.Time{}
	case sev == i.Severity && !i.Milder.IsZero():
		tn.change().Milder = time.Time{}
	case sev > i.Severity && i.Milder.IsZero():
		tn.change().Milder = tn.now
	}
}

// waiting counts the other targets that wait in the own incident now.
func (tn *turn) waiting() (n int) {
	for name, o := range tn.s.Targets {
		if name != tn.t.Name && o.Phase == Held && (o.Incident == tn.inc.ID || o.BadCulprit == tn.t.Name) {
			n++
		}
	}
	return n
}
