package config

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// notifiers judges the channels; what belongs to one of them is judged by itself.
func (k *checker) notifiers() {
	var names, paths []string
	for i, n := range k.c.Notifiers {
		p := k.source.item("notifiers", i)
		names, paths = append(names, n.Name), append(paths, p+".name")
		k.among(p+".type", "notifier type", n.Type, k.known.NotifierTypes)
		if k.known.Notifier != nil && slices.Contains(k.known.NotifierTypes, n.Type) {
			k.channel(n)
		}
	}
	for i, s := range k.c.OnCall {
		names, paths = append(names, s.Name), append(paths, k.source.item("oncall", i)+".name")
	}
	for i, r := range k.c.Roles {
		names, paths = append(names, r.Name), append(paths, k.source.item("roles", i)+".name")
	}
	k.unique("the name", names, paths)
	if len(k.c.Notifiers) == 0 && k.sound("notifiers") {
		k.risk("notifiers", "nobody is told of anything: there is no notifier", "add one, such as {name: pagerduty, type: pagerduty, routing_key_file: ...}")
	}
}

// channel takes over what the notifier itself says of its section.
func (k *checker) channel(n Notifier) {
	warnings, err := k.known.Notifier(n)
	if wrong, ok := errors.AsType[*ProblemsError](err); ok {
		warnings = append(warnings, wrong.Warnings...)
		for _, p := range wrong.Problems { // what is odd in a value is most likely why it is refused
			if i := slices.IndexFunc(warnings, func(w Problem) bool { return w.Line == p.Line && w.Col == p.Col && w.What != secretHere }); i >= 0 && p.Hint == "" {
				p.Hint = "it " + warnings[i].What + ": " + warnings[i].Hint
			}
			k.problems = append(k.problems, p)
		}
	}
	for _, w := range warnings {
		if !slices.Contains(k.warnings, w) {
			k.warnings = append(k.warnings, w)
		}
	}
}

func (k *checker) notifierNames() []string {
	var out []string
	for _, n := range k.c.Notifiers {
		out = append(out, n.Name)
	}
	return out
}

func (k *checker) routes() {
	for i, r := range k.c.Routes {
		p := k.source.item("routes", i)
		k.eachAmong(p+".classes", "failure class", r.Classes, k.classNames())
		k.eachAmong(p+".targets", "target", r.Targets, k.targetNames())
		k.eachAmong(p+".notify", "notifier, schedule or role", r.Notify, k.receivers())
		for j, s := range r.Severity {
			if slices.Contains(r.Severity[:j], s) {
				k.fail(Problem{Path: k.source.item(p+".severity", j), What: "is named twice", Got: s, Hint: "remove one"})
			}
		}
	}
	before := time.Duration(-1)
	for i, t := range k.c.Escalation.Tiers {
		p := k.source.item("escalation.tiers", i)
		k.eachAmong(p+".notify", "notifier, schedule or role", t.Notify, k.receivers())
		if t.After <= before && k.sound(p+".after") {
			k.fail(Problem{Path: p + ".after", What: "is not later than the tier before", Got: writeDuration(t.After), Want: "more than " + writeDuration(before)})
		}
		before = max(before, t.After)
	}
	k.leftOver()
}

// leftOver warns of severe incidents that no route matches: they go to every notifier, which is
// seldom what was meant.
func (k *checker) leftOver() {
	if len(k.c.Notifiers) == 0 || !k.sound("routes", "notifiers") || k.c.ByRunbook() || len(k.c.Escalation.Rules) > 0 {
		return
	}
	for _, severity := range []string{"P1", "P2"} {
		told := slices.ContainsFunc(k.c.Routes, func(r Route) bool {
			return len(r.Classes) == 0 && len(r.Targets) == 0 && (len(r.Severity) == 0 || slices.Contains(r.Severity, severity))
		})
		if !told {
			k.risk("routes", fmt.Sprintf("no route matches every %s incident; what is left over goes to every notifier", severity), fmt.Sprintf("add {severity: [%s], notify: [...]}", severity))
		}
	}
}
