package app

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/recoveryd/recoveryd/internal/config"
	"github.com/recoveryd/recoveryd/internal/routing"
	"github.com/recoveryd/recoveryd/pkg/escalate/builtin"
	"github.com/recoveryd/recoveryd/pkg/escalate/route"
)

// routingOf builds who is told, and when, from a configuration.
func routingOf(c *config.Config) (*routing.Routing, error) {
	r, err := route.NewRouter(escalationOf(c), channelNames(c), time.LoadLocation)
	if err != nil {
		return nil, fmt.Errorf("escalation: %w", err)
	}
	return routing.New(r, c.Drills.Notify...), nil
}

// The names of what routes and the plain tiers become.
const (
	firstTier = "first"
	plainTier = "tier-%d"
)

// escalationOf puts the rules, the routes, the plain tiers and the matrix of the runbooks of a
// configuration into one policy, in this order: a rule that is the last one keeps out the rest.
func escalationOf(c *config.Config) route.Policy {
	e := c.Escalation
	p := route.Policy{AtOnce: e.AtOnce, Cures: e.Cures, Fallbacks: route.DefaultFallbacks(), Business: hoursOf(e.BusinessHours),
		Everyone: !c.ByRunbook() && len(e.Rules) == 0} // what is left over by the routes goes to everyone
	for _, r := range e.Rules {
		p.Rules = append(p.Rules, ruleFrom(r))
	}
	for i, r := range c.Routes {
		p.Rules = append(p.Rules, route.Rule{Name: fmt.Sprintf("routes[%d]", i), Match: route.Match{Priorities: r.Severity, Classes: r.Classes, Targets: r.Targets},
			Tiers: []route.Tier{{Name: firstTier, Notify: r.Notify}}})
	}
	if len(e.Tiers) > 0 {
		rule := route.Rule{Name: "escalation.tiers"}
		for i, t := range e.Tiers {
			name := fmt.Sprintf(plainTier, i+1)
			if t.After == 0 {
				name = firstTier
			}
			rule.Tiers = append(rule.Tiers, route.Tier{Name: name, After: t.After, Notify: t.Notify})
		}
		p.Rules = append(p.Rules, rule)
	}
	if c.ByRunbook() {
		d := route.DefaultPolicy()
		p.Rules = append(p.Rules, d.Rules...)
		if p.Cures == nil {
			p.Cures = d.Cures
		}
	}
	for _, r := range c.Roles {
		p.Roles = append(p.Roles, route.Role{Name: r.Name, Notify: r.Notify})
	}
	for _, s := range c.OnCall {
		p.Schedules = append(p.Schedules, scheduleOf(s))
	}
	for _, n := range c.Notifiers {
		if builtin.Threaded(n.Type) {
			p.Threaded = append(p.Threaded, n.Name)
		}
		if public(n.Type) {
			p.Public = append(p.Public, n.Name)
		}
	}
	return p
}

func ruleFrom(r config.EscalationRule) route.Rule {
	out := route.Rule{Name: r.Name, Last: r.Last, Match: route.Match{Priorities: r.Severity, Classes: r.Classes, Targets: r.Targets}}
	for _, t := range r.Tiers {
		out.Tiers = append(out.Tiers, route.Tier{Name: t.Name, After: t.After, OrFailed: t.OrFailed, Notify: t.Notify,
			BusinessHours: t.When == "business-hours", NextBusinessDay: t.When == "next-business-day", DespiteAck: t.DespiteAck, Repeat: t.Repeat})
	}
	return out
}

func hoursOf(h config.BusinessHours) route.Hours {
	return route.Hours{TimeZone: h.Timezone, Days: h.Days, From: h.From, To: h.To, Holidays: h.Holidays}
}

// scheduleOf counts a turn of whole days in days, so that it ends at the same time of the day all year.
func scheduleOf(s config.Schedule) route.Schedule {
	const day = 24 * time.Hour
	out := route.Schedule{Name: s.Name, Members: slices.Clone(s.Notify), Start: civilOf(s.Start), TimeZone: s.Timezone}
	if s.Turn%day == 0 {
		out.Days = int(s.Turn / day)
	} else {
		out.Turn = s.Turn
	}
	for _, o := range s.Overrides {
		out.Overrides = append(out.Overrides, route.Override{From: civilOf(o.From), Until: civilOf(o.Until), Members: o.Notify})
	}
	return out
}

// civilOf takes the form of ISO 8601 too, as the configuration does.
func civilOf(moment string) string { return strings.Replace(moment, "T", " ", 1) }
