package config

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/recoveryd/recoveryd/internal/strictyaml"
)

// RunbookRoles are the roles of the runbooks' matrix. They may be named although nobody stands for
// them: the one below takes their place.
func RunbookRoles() []string {
	return []string{"primary", "secondary", "team-lead", "engineering-lead", "engineering-manager", "incident-command", "team", "chat", "status-page"}
}

// receivers are the names that routes, tiers and rules may use.
func (k *checker) receivers() []string {
	out := k.notifierNames()
	for _, s := range k.c.OnCall {
		out = append(out, s.Name)
	}
	for _, r := range k.c.Roles {
		out = append(out, r.Name)
	}
	if k.c.ByRunbook() || len(k.c.Roles) > 0 {
		for _, name := range RunbookRoles() {
			if !slices.Contains(out, name) {
				out = append(out, name)
			}
		}
	}
	return out
}

// roles judges who stands for the roles.
func (k *checker) roles() {
	for i, r := range k.c.Roles {
		k.eachAmong(k.Positions.Item("roles", i)+".notify", "notifier, schedule or role", r.Notify, k.receivers())
	}
	if b := k.c.Escalation.Runbook; b != nil && *b && len(k.c.Roles) == 0 && len(k.c.OnCall) == 0 {
		k.risk("escalation.runbook", "nobody stands for any role of the matrix: every notifier stands for primary", "add roles")
	}
}

// schedules judges who takes turns.
func (k *checker) schedules() {
	for i, s := range k.c.OnCall {
		p := k.Positions.Item("oncall", i)
		for j, n := range s.Notify { // the same person may have two turns
			k.among(k.Positions.Item(p+".notify", j), "notifier or role", n, k.receivers())
		}
		k.dated(p+".start", s.Start)
		for j, o := range s.Overrides {
			here := k.Positions.Item(p+".overrides", j)
			k.eachAmong(here+".notify", "notifier or role", o.Notify, k.receivers())
			k.dated(here+".from", o.From)
			k.dated(here+".until", o.Until)
			from, err1 := strictyaml.ParseMoment(o.From)
			until, err2 := strictyaml.ParseMoment(o.Until)
			if err1 == nil && err2 == nil && from.Date && until.Date && !from.In(time.UTC).Before(until.In(time.UTC)) {
				k.fail(strictyaml.Problem{Path: here + ".until", What: "is not later than from", Got: fmt.Sprintf("%q", o.Until), Want: fmt.Sprintf("later than %q", o.From)})
			}
		}
	}
}

// dated reports a moment without a day.
func (k *checker) dated(path, s string) {
	if m, err := strictyaml.ParseMoment(s); err == nil && !m.Date {
		k.fail(strictyaml.Problem{Path: path, What: "names no day", Got: fmt.Sprintf("%q", s), Want: `a moment such as "2026-01-05 09:00"`})
	}
}

// escalation judges the rules of an operator's own matrix, and the hours.
func (k *checker) escalation() {
	e := k.c.Escalation
	k.eachAmong("escalation.cures", "notifier, schedule or role", e.Cures, k.receivers())
	var names, paths []string
	for i, r := range e.Rules {
		p := k.Positions.Item("escalation.rules", i)
		names, paths = append(names, r.Name), append(paths, p+".name")
		k.eachAmong(p+".classes", "failure class", r.Classes, k.classNames())
		k.eachAmong(p+".targets", "target", r.Targets, k.targetNames())
		var tiers, at []string
		for j, t := range r.Tiers {
			here := k.Positions.Item(p+".tiers", j)
			tiers, at = append(tiers, t.Name), append(at, here+".name")
			k.eachAmong(here+".notify", "notifier, schedule or role", t.Notify, k.receivers())
			// Every repetition is an alert of its own.
			if t.Repeat > 0 && t.Repeat < 5*time.Minute {
				k.fail(strictyaml.Problem{Path: here + ".repeat", What: "is too often", Got: strictyaml.WriteDuration(t.Repeat), Want: "5m or more, or 0s"})
			}
		}
		k.unique("the name of the tier", tiers, at)
	}
	k.unique("the name", names, paths)
	k.hours(e.BusinessHours)
}

func (k *checker) hours(h BusinessHours) {
	const p = "escalation.business_hours"
	for _, x := range []struct{ key, value string }{{"from", h.From}, {"to", h.To}} {
		if m, err := strictyaml.ParseMoment(x.value); err == nil && m.Date {
			k.fail(strictyaml.Problem{Path: p + "." + x.key, What: "names a day", Got: fmt.Sprintf("%q", x.value), Want: `a time of day such as "09:00"`})
		}
	}
	if from, err := strictyaml.ParseMoment(h.From); err == nil {
		if to, err := strictyaml.ParseMoment(h.To); err == nil && from.Hour*60+from.Minute >= to.Hour*60+to.Minute {
			k.fail(strictyaml.Problem{Path: p + ".to", What: "is not later than from", Got: fmt.Sprintf("%q", h.To), Want: fmt.Sprintf("later than %q", h.From)})
		}
	}
	for i, d := range h.Days {
		if slices.Contains(h.Days[:i], d) {
			k.fail(strictyaml.Problem{Path: k.Positions.Item(p+".days", i), What: "is named twice", Got: d, Hint: "remove one"})
		}
	}
	for i, d := range h.Holidays {
		if _, err := time.Parse(time.DateOnly, d); err != nil {
			k.fail(strictyaml.Problem{Path: k.Positions.Item(p+".holidays", i), What: "is no date", Got: fmt.Sprintf("%q", d), Want: `a date such as "2026-12-25"`})
		}
	}
}

// notifiers judges the channels; what belongs to one of them is judged by itself.
func (k *checker) notifiers() {
	var names, paths []string
	for i, n := range k.c.Notifiers {
		p := k.Positions.Item("notifiers", i)
		names, paths = append(names, n.Name), append(paths, p+".name")
		k.among(p+".type", "notifier type", n.Type, k.known.NotifierTypes)
		if k.known.Notifier != nil && slices.Contains(k.known.NotifierTypes, n.Type) {
			k.channel(n)
		}
	}
	for i, s := range k.c.OnCall {
		names, paths = append(names, s.Name), append(paths, k.Positions.Item("oncall", i)+".name")
	}
	for i, r := range k.c.Roles {
		names, paths = append(names, r.Name), append(paths, k.Positions.Item("roles", i)+".name")
	}
	k.unique("the name", names, paths)
	if len(k.c.Notifiers) == 0 && k.Sound("notifiers") {
		k.risk("notifiers", "nobody is told of anything: there is no notifier", "add one, such as {name: pagerduty, type: pagerduty, routing_key_file: ...}")
	}
}

// channel takes over what the notifier itself says of its section.
func (k *checker) channel(n Notifier) {
	warnings, err := k.known.Notifier(n)
	if wrong, ok := errors.AsType[*strictyaml.ProblemsError](err); ok {
		warnings = append(warnings, wrong.Warnings...)
		for _, p := range wrong.Problems { // what is odd in a value is most likely why it is refused
			if i := slices.IndexFunc(warnings, func(w strictyaml.Problem) bool {
				return w.Line == p.Line && w.Col == p.Col && w.What != strictyaml.SecretHere
			}); i >= 0 && p.Hint == "" {
				p.Hint = "it " + warnings[i].What + ": " + warnings[i].Hint
			}
			k.Add(p)
		}
	}
	for _, w := range warnings {
		k.AddRisk(w)
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
		p := k.Positions.Item("routes", i)
		k.eachAmong(p+".classes", "failure class", r.Classes, k.classNames())
		k.eachAmong(p+".targets", "target", r.Targets, k.targetNames())
		k.eachAmong(p+".notify", "notifier, schedule or role", r.Notify, k.receivers())
		for j, s := range r.Severity {
			if slices.Contains(r.Severity[:j], s) {
				k.fail(strictyaml.Problem{Path: k.Positions.Item(p+".severity", j), What: "is named twice", Got: s, Hint: "remove one"})
			}
		}
	}
	before := time.Duration(-1)
	for i, t := range k.c.Escalation.Tiers {
		p := k.Positions.Item("escalation.tiers", i)
		k.eachAmong(p+".notify", "notifier, schedule or role", t.Notify, k.receivers())
		if t.After <= before && k.Sound(p+".after") {
			k.fail(strictyaml.Problem{Path: p + ".after", What: "is not later than the tier before", Got: strictyaml.WriteDuration(t.After), Want: "more than " + strictyaml.WriteDuration(before)})
		}
		before = max(before, t.After)
	}
	k.leftOver()
}

// leftOver warns of severe incidents that no route matches: they go to every notifier, which is
// seldom what was meant.
func (k *checker) leftOver() {
	if len(k.c.Notifiers) == 0 || !k.Sound("routes", "notifiers") || k.c.ByRunbook() || len(k.c.Escalation.Rules) > 0 {
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
