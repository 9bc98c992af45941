package incident

import (
	"slices"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

// crowd is how many other targets must wait for the culprit until its incident counts as one step
// worse: then it is not one service's trouble any more, whatever its class.
const crowd = 2

// severity is how bad a diagnosis is on a target: as configured for the target or the class,
// otherwise as the condition that was found says (an OOM kill is worse than memory running short,
// though both are of class memory). When a crowd waits for the target it is one step worse, P1 at
// most; what an operator has configured stays as it is.
func (p *Policy) severity(t detect.Target, d detect.Diagnosis, affected int) detect.Severity {
	if p.severityConfigured(t, d.Class) || d.Severity == detect.SeverityUnset {
		return p.timing(t, d.Class).Severity
	}
	if affected >= crowd {
		return max(d.Severity-1, detect.P1)
	}
	return d.Severity
}

// severityConfigured reports whether an operator has said how bad a class is on a target. A class of
// the operator's own always has a severity of the operator's.
func (p *Policy) severityConfigured(t detect.Target, c detect.Class) bool {
	own := slices.ContainsFunc(p.o.Extra, func(x detect.Condition) bool { return x.Class == c })
	return own || p.o.Severities[t.Name] != detect.SeverityUnset || slices.ContainsFunc(p.o.Overrides, func(o Override) bool {
		return o.Class == c && o.Timing.Severity != detect.SeverityUnset && (o.Targets == nil || slices.Contains(o.Targets, t.Name))
	})
}

// worsen brings an incident's severity up to date with its diagnosis and with who is affected. It
// never falls while the incident is open: people were told how bad it was.
func (p *Policy) worsen(i *Incident, d detect.Diagnosis) {
	if sev := p.severity(p.targets[i.Target], d, len(i.Affected)); i.Severity == detect.SeverityUnset || sev < i.Severity {
		i.Severity = sev
	}
}
