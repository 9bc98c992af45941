package config

import (
	"time"

	"github.com/recoveryd/recoveryd/internal/strictyaml"
)

// Role says who stands for a name: routes, tiers and rules may name it like a notifier.
type Role struct {
	// Name of the role. The matrix of the runbooks uses primary, secondary, team-lead,
	// engineering-lead, engineering-manager, incident-command, team (mail), chat and status-page.
	Name string `yaml:"name" form:"name" want:"required"`
	// Notifiers, on-call schedules or other roles.
	Notify []string `yaml:"notify" want:"required,nonempty"`
}

// Escalation is who is told next, and when. Rules, routes, tiers and the matrix add up: whoever one
// of them names is told, at the earliest time that one of them says.
type Escalation struct {
	// Whether the matrix of the runbooks is in force, with its nine roles: P1 primary at once,
	// secondary after 15m, team-lead after 30m, engineering-manager and incident-command after 60m;
	// a service that is down also status-page after 5m, engineering-lead after 10m or two cures in
	// vain, engineering-manager after 30m; P2 chat at once, primary after 20m, team-lead after 60m;
	// P3 team at once and after 4h; P4 team on the next business day. A role that nobody stands for
	// is taken by the one below it.
	Runbook *bool `yaml:"runbook" shown:"true when there are roles, and neither routes, tiers nor rules"`
	// The plain form: the same people for every incident that grows old, in the order of time.
	Tiers []Tier `yaml:"tiers"`
	// The full form: a matrix of your own.
	Rules []EscalationRule `yaml:"rules"`
	// Severities whose first people are told as soon as an incident is confirmed, although recoveryd
	// is still at work. Of all others they are told when it needs a person (see page_after), or when
	// a later tier is due by age, whatever comes first.
	AtOnce []string `yaml:"at_once" enum:"P1|P2|P3|P4" want:"nonempty" shown:"none: recoveryd tries first"`
	// Who is told, for the record, of cures that worked. It wakes nobody.
	Cures []string `yaml:"cures" want:"nonempty" shown:"primary and chat with the matrix of the runbooks, otherwise who is told at once"`
	// The hours for tiers that wait for them.
	BusinessHours BusinessHours `yaml:"business_hours"`
}

// Tier is one step of escalation.
type Tier struct {
	// Age of the unresolved incident at which these are told, when nobody has acknowledged. With
	// 0s they are told together with the routes.
	After time.Duration `yaml:"after" want:"required,max=7d"`
	// Notifiers, on-call schedules or roles that are told.
	Notify []string `yaml:"notify" want:"required,nonempty"`
}

// EscalationRule gives tiers to the incidents that it matches.
type EscalationRule struct {
	// Name of the rule in messages. Unique.
	Name string `yaml:"name" form:"name" want:"required"`
	// Severities to which it applies.
	Severity []string `yaml:"severity" enum:"P1|P2|P3|P4" want:"nonempty" shown:"all severities"`
	// Failure classes to which it applies: built-in ones, or names of rules.
	Classes []string `yaml:"classes" want:"nonempty" shown:"all classes"`
	// Targets to which it applies.
	Targets []string `yaml:"targets" want:"nonempty" shown:"all targets"`
	// Keeps everything below from adding people: later rules, routes, tiers and the matrix.
	Last bool `yaml:"last" default:"false"`
	// The tiers. One of the same name in another rule that matches is the same tier.
	Tiers []RuleTier `yaml:"tiers" want:"required,nonempty"`
}

// RuleTier is one step of escalation in a rule.
type RuleTier struct {
	// Name of the tier. It is stored with what was sent, so that nobody is told twice.
	Name string `yaml:"name" form:"slug" want:"required"`
	// Age of the unresolved incident. 0s: when it needs a person (see at_once).
	After time.Duration `yaml:"after" default:"0s" want:"max=7d"`
	// Number of cures that did not help after which it is due whatever its age. 0: age alone.
	OrFailed int `yaml:"or_failed" default:"0" want:"min=0,max=100" unit:"attempts"`
	// Notifiers, on-call schedules or roles that are told.
	Notify []string `yaml:"notify" want:"required,nonempty"`
	// Whether it waits for business hours, or for the beginning of the next business day.
	When string `yaml:"when" enum:"always|business-hours|next-business-day" default:"always"`
	// Tell them although somebody has acknowledged: for the public, not for a pager.
	DespiteAck bool `yaml:"despite_ack" default:"false"`
	// Tell them again in this interval, as long as it is unresolved. 0s: never.
	Repeat time.Duration `yaml:"repeat" default:"0s" want:"max=7d"`
}

// BusinessHours are the hours of a week in which people are at work.
type BusinessHours struct {
	// Days of the week.
	Days []string `yaml:"days" enum:"mon|tue|wed|thu|fri|sat|sun" want:"nonempty" shown:"mon to fri"`
	// Beginning of a day.
	From string `yaml:"from" form:"moment" default:"09:00"`
	// End of a day, later than from.
	To string `yaml:"to" form:"moment" default:"17:00"`
	// Time zone of the hours.
	Timezone string `yaml:"timezone" form:"timezone" default:"Local" want:"nonempty"`
	// Days without business hours, such as "2026-12-25".
	Holidays []string `yaml:"holidays" want:"nonempty"`
}

// Schedule says whose turn it is.
type Schedule struct {
	// Name of the schedule, as routes and tiers use it. Unique among schedules, roles and notifiers.
	Name string `yaml:"name" form:"name" want:"required"`
	// The notifiers or roles that take turns, in this order.
	Notify []string `yaml:"notify" want:"required,nonempty"`
	// When the first turn begins: a moment such as "2026-01-05 09:00".
	Start string `yaml:"start" form:"moment" want:"required"`
	// Length of a turn. Turns of whole days change at the same time of the wall clock all year.
	Turn time.Duration `yaml:"turn" default:"7d" want:"min=1h,max=90d"`
	// Time zone of start and of the overrides.
	Timezone string `yaml:"timezone" form:"timezone" default:"Local" want:"nonempty"`
	// Exceptions: holidays and swaps. The last one that applies counts.
	Overrides []ScheduleOverride `yaml:"overrides"`
}

// ScheduleOverride puts others on call for a while.
type ScheduleOverride struct {
	// When it begins, such as "2026-12-24 18:00".
	From string `yaml:"from" form:"moment" want:"required"`
	// When it ends.
	Until string `yaml:"until" form:"moment" want:"required"`
	// Notifiers or roles that are on call meanwhile, all of them.
	Notify []string `yaml:"notify" want:"required,nonempty"`
}

// ByRunbook reports whether the matrix of the runbooks is in force.
func (c *Config) ByRunbook() bool {
	e := c.Escalation
	if e.Runbook != nil {
		return *e.Runbook
	}
	return len(c.Roles) > 0 && len(c.Routes) == 0 && len(e.Tiers) == 0 && len(e.Rules) == 0
}

// Notifier is a channel by which people are told.
type Notifier struct {
	// Name of the channel, as routes and tiers use it. Unique.
	Name string `yaml:"name" form:"name" want:"required"`
	// Kind of channel: pagerduty, slack, email, webhook, ... Every other key belongs to that kind
	// and is described with it. A secret key may end in _file, _env or _credential there too.
	Type string `yaml:"type" want:"required"`
	// The keys that belong to the notifier.
	Section strictyaml.Section `yaml:"@rest"`
}

// Decode reads the keys that belong to the notifier into its own struct: see [Section.Decode].
// It has the form that notifier packages take.
func (n Notifier) Decode(into any) error { return n.Section.Decode(into) }

// Route says who is told of which incidents.
type Route struct {
	// Severities to which it applies.
	Severity []string `yaml:"severity" enum:"P1|P2|P3|P4" want:"nonempty" shown:"all severities"`
	// Failure classes to which it applies: built-in ones, or names of rules.
	Classes []string `yaml:"classes" want:"nonempty" shown:"all classes"`
	// Targets to which it applies.
	Targets []string `yaml:"targets" want:"nonempty" shown:"all targets"`
	// Notifiers, or on-call schedules, that are told.
	Notify []string `yaml:"notify" want:"required,nonempty"`
}
