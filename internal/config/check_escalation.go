package config

import (
	"fmt"
	"slices"
	"time"
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
		k.eachAmong(k.source.item("roles", i)+".notify", "notifier, schedule or role", r.Notify, k.receivers())
	}
	if b := k.c.Escalation.Runbook; b != nil && *b && len(k.c.Roles) == 0 && len(k.c.OnCall) == 0 {
		k.risk("escalation.runbook", "nobody stands for any role of the matrix: every notifier stands for primary", "add roles")
	}
}

// schedules judges who takes turns.
func (k *checker) schedules() {
	for i, s := range k.c.OnCall {
		p := k.source.item("oncall", i)
		for j, n := range s.Notify { // the same person may have two turns
			k.among(k.source.item(p+".notify", j), "notifier or role", n, k.receivers())
		}
		k.dated(p+".start", s.Start)
		for j, o := range s.Overrides {
			here := k.source.item(p+".overrides", j)
			k.eachAmong(here+".notify", "notifier or role", o.Notify, k.receivers())
			k.dated(here+".from", o.From)
			k.dated(here+".until", o.Until)
			from, err1 := parseMoment(o.From)
			until, err2 := parseMoment(o.Until)
			if err1 == nil && err2 == nil && from.date && until.date && !from.in(time.UTC).Before(until.in(time.UTC)) {
				k.fail(Problem{Path: here + ".until", What: "is not later than from", Got: fmt.Sprintf("%q", o.Until), Want: fmt.Sprintf("later than %q", o.From)})
			}
		}
	}
}

// dated reports a moment without a day.
func (k *checker) dated(path, s string) {
	if m, err := parseMoment(s); err == nil && !m.date {
		k.fail(Problem{Path: path, What: "names no day", Got: fmt.Sprintf("%q", s), Want: `a moment such as "2026-01-05 09:00"`})
	}
}

// escalation judges the rules of an operator's own matrix, and the hours.
func (k *checker) escalation() {
	e := k.c.Escalation
	k.eachAmong("escalation.cures", "notifier, schedule or role", e.Cures, k.receivers())
	var names, paths []string
	for i, r := range e.Rules {
		p := k.source.item("escalation.rules", i)
		names, paths = append(names, r.Name), append(paths, p+".name")
		k.eachAmong(p+".classes", "failure class", r.Classes, k.classNames())
		k.eachAmong(p+".targets", "target", r.Targets, k.targetNames())
		var tiers, at []string
		for j, t := range r.Tiers {
			here := k.source.item(p+".tiers", j)
			tiers, at = append(tiers, t.Name), append(at, here+".name")
			k.eachAmong(here+".notify", "notifier, schedule or role", t.Notify, k.receivers())
			// Every repetition is an alert of its own.
			if t.Repeat > 0 && t.Repeat < 5*time.Minute {
				k.fail(Problem{Path: here + ".repeat", What: "is too often", Got: writeDuration(t.Repeat), Want: "5m or more, or 0s"})
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
		if m, err := parseMoment(x.value); err == nil && m.date {
			k.fail(Problem{Path: p + "." + x.key, What: "names a day", Got: fmt.Sprintf("%q", x.value), Want: `a time of day such as "09:00"`})
		}
	}
	if from, err := parseMoment(h.From); err == nil {
		if to, err := parseMoment(h.To); err == nil && from.hour*60+from.minute >= to.hour*60+to.minute {
			k.fail(Problem{Path: p + ".to", What: "is not later than from", Got: fmt.Sprintf("%q", h.To), Want: fmt.Sprintf("later than %q", h.From)})
		}
	}
	for i, d := range h.Days {
		if slices.Contains(h.Days[:i], d) {
			k.fail(Problem{Path: k.source.item(p+".days", i), What: "is named twice", Got: d, Hint: "remove one"})
		}
	}
	for i, d := range h.Holidays {
		if _, err := time.Parse(time.DateOnly, d); err != nil {
			k.fail(Problem{Path: k.source.item(p+".holidays", i), What: "is no date", Got: fmt.Sprintf("%q", d), Want: `a date such as "2026-12-25"`})
		}
	}
}
