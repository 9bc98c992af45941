// Package route decides who is told, and when: routes, roles, on-call schedules, tiers by severity and age,
// acknowledgements. Its rules are pure: time is an argument. It sends nothing.
//
// Start reading at [Policy], then [Router.Due].
package route

import (
	"time"
)

// Policy says who is told of what, and when: the runbooks' escalation matrix as data. It is what
// an operator may write; [NewRouter] checks it and makes it usable. [DefaultPolicy] is the
// runbooks' own.
type Policy struct {
	// Rules are looked at in order. Every rule that matches an incident adds its tiers, up to and
	// including the first one marked Last.
	Rules []Rule `yaml:"rules"`
	// Roles say which channels, or whose turn, a name in a tier stands for.
	Roles []Role `yaml:"roles"`
	// Schedules say whose turn it is. A tier or role may name one.
	Schedules []Schedule `yaml:"schedules"`
	// Fallbacks say who is told instead of a role that nobody was configured for.
	Fallbacks []Fallback `yaml:"fallbacks"`
	// Threaded are channels that keep one conversation per incident: a later tier is told under
	// the key of the first. All other channels get a key of their own per tier, because an
	// acknowledged alert swallows what comes under its key.
	Threaded []string `yaml:"threaded"`
	// Public are channels that outsiders read. Nobody falls back to them.
	Public []string `yaml:"public"`
	// AtOnce are the priorities whose first people are told as soon as an incident is confirmed. Of
	// all others they are told when it needs a person, or when a later tier is due by age.
	AtOnce []string `yaml:"at_once"`
	// Cures are the roles, schedules or channels that are told, for the record, of cures that
	// worked. Empty: those of the tiers at once.
	Cures []string `yaml:"cures"`
	// Everyone tells every channel that is not public at once of an incident for which no tier at
	// once was written. Without it that holds only when there is no tier at all.
	Everyone bool `yaml:"everyone"`
	// Business are the hours for tiers that wait for them.
	Business Hours `yaml:"business"`
}

// Rule gives tiers to the incidents it matches.
type Rule struct {
	Name  string `yaml:"name"`
	Match Match  `yaml:"match"`
	Tiers []Tier `yaml:"tiers"`
	// Last keeps later rules from adding tiers: for exceptions, which stand before the rule.
	Last bool `yaml:"last"`
}

// Match says which incidents a rule is for. All lists that are not empty must contain the
// incident's value; a target may end in * to match a prefix.
type Match struct {
	Priorities []string `yaml:"priorities"`
	Classes    []string `yaml:"classes"`
	Targets    []string `yaml:"targets"`
}

// Tier is one step of escalation. When several matching rules have a tier of the same name, it
// is one tier: the earliest time counts, and all their people are told.
type Tier struct {
	// Name identifies the tier for ever: it is stored with what was sent.
	Name string `yaml:"name"`
	// After is the age of the unresolved incident, by the wall clock.
	After time.Duration `yaml:"after"`
	// OrFailed makes it due as soon as so many cures have been tried in vain; 0: only by age.
	OrFailed int `yaml:"or_failed"`
	// Notify are roles, schedules or channels.
	Notify []string `yaml:"notify"`
	// BusinessHours puts it off until the business hours.
	BusinessHours bool `yaml:"business_hours"`
	// NextBusinessDay puts it off until the beginning of the next business hours.
	NextBusinessDay bool `yaml:"next_business_day"`
	// DespiteAck tells them although somebody has acknowledged: the public, not a pager.
	DespiteAck bool `yaml:"despite_ack"`
	// Repeat tells them again in this interval until the incident is over; 0: never.
	Repeat time.Duration `yaml:"repeat"`
}

// Role is a name for some channels, or for whoever is on call.
type Role struct {
	Name string `yaml:"name"`
	// Notify are channels, schedules or other roles.
	Notify []string `yaml:"notify"`
}

// Fallback names the role that stands in for another.
type Fallback struct {
	Role string `yaml:"role"`
	To   string `yaml:"to"`
}

// Hours are the business hours of a week. The zero value is Monday to Friday, 9:00 to 17:00 UTC.
type Hours struct {
	// TimeZone is a name such as Europe/Berlin; empty: UTC.
	TimeZone string `yaml:"time_zone"`
	// Days are mon, tue, ... Empty: mon to fri.
	Days []string `yaml:"days"`
	// From and To are times of day such as 09:00; To is later than From.
	From string `yaml:"from"`
	To   string `yaml:"to"`
	// Holidays are dates such as 2026-12-25 without business hours.
	Holidays []string `yaml:"holidays"`
}

// The roles of the default policy.
const (
	RolePrimary            = "primary"             // on call, first
	RoleSecondary          = "secondary"           // on call, second
	RoleTeamLead           = "team-lead"           //
	RoleEngineeringLead    = "engineering-lead"    //
	RoleEngineeringManager = "engineering-manager" //
	RoleIncidentCommand    = "incident-command"    //
	RoleTeam               = "team"                // mail to everybody; wakes nobody
	RoleChat               = "chat"                // the incident channel
	RoleStatusPage         = "status-page"         // the public
)

// Response is the runbook's response time of a priority: how soon somebody must be working on
// it. It is 0 for an unknown priority.
func Response(priority string) time.Duration {
	switch priority {
	case "P1":
		return 15 * time.Minute
	case "P2":
		return time.Hour
	case "P3":
		return 4 * time.Hour
	case "P4":
		return 24 * time.Hour
	}
	return 0
}

// ServiceDownClasses are the failure classes in which a service serves nobody: the service
// downtime runbook applies to them.
func ServiceDownClasses() []string { return []string{"down", "hung", "database", "port"} }

// DefaultPolicy is the escalation of the two runbooks, without anybody's names: the roles are
// for the configuration to fill.
//
// From the incident response runbook: P1 pages the primary at once, the secondary after 15
// minutes, the team lead after 30, the engineering manager and incident command after 60; P2
// pages within 30 minutes; P3 is mailed; P4 waits for the next business day. From the service
// downtime runbook: status page after 5 minutes, engineering lead after 10 minutes or several
// restarts in vain, engineering manager after 30 minutes.
func DefaultPolicy() Policy {
	return Policy{
		Rules: []Rule{
			{Name: "p1", Match: Match{Priorities: []string{"P1"}}, Tiers: []Tier{
				{Name: "primary", Notify: []string{RolePrimary, RoleChat}},
				{Name: "secondary", After: 15 * time.Minute, Notify: []string{RoleSecondary, RoleChat}},
				{Name: "team-lead", After: 30 * time.Minute, Notify: []string{RoleTeamLead, RoleChat}},
				{Name: "engineering-manager", After: 60 * time.Minute, Notify: []string{RoleEngineeringManager, RoleChat}},
				{Name: "incident-command", After: 60 * time.Minute, Notify: []string{RoleIncidentCommand, RoleChat}},
			}},
			{Name: "service-down", Match: Match{Priorities: []string{"P1"}, Classes: ServiceDownClasses()}, Tiers: []Tier{
				{Name: "status-page", After: 5 * time.Minute, Notify: []string{RoleStatusPage}, DespiteAck: true},
				// "Multiple restart attempts failed": two are several.
				{Name: "engineering-lead", After: 10 * time.Minute, OrFailed: 2, Notify: []string{RoleEngineeringLead, RoleChat}},
				{Name: "engineering-manager", After: 30 * time.Minute, Notify: []string{RoleEngineeringManager, RoleChat}},
			}},
			{Name: "p2", Match: Match{Priorities: []string{"P2"}}, Tiers: []Tier{
				{Name: "announce", Notify: []string{RoleChat}},
				// "Within 30 min": 20 leave time for a channel that fails and the one that backs it up.
				{Name: "primary", After: 20 * time.Minute, Notify: []string{RolePrimary, RoleChat}},
				// The response time is over.
				{Name: "team-lead", After: 60 * time.Minute, Notify: []string{RoleTeamLead, RoleChat}},
			}},
			{Name: "p3", Match: Match{Priorities: []string{"P3"}}, Tiers: []Tier{
				{Name: "team", Notify: []string{RoleTeam}},
				{Name: "team-again", After: 4 * time.Hour, Notify: []string{RoleTeam}},
			}},
			{Name: "p4", Match: Match{Priorities: []string{"P4"}}, Tiers: []Tier{
				{Name: "team", Notify: []string{RoleTeam}, NextBusinessDay: true},
			}},
		},
		Cures:     []string{RolePrimary, RoleChat},
		Fallbacks: DefaultFallbacks(),
	}
}

// DefaultFallbacks say who is told instead of a role of the runbooks that nobody was configured for.
func DefaultFallbacks() []Fallback {
	return []Fallback{
		{RoleSecondary, RolePrimary}, {RoleTeamLead, RoleSecondary}, {RoleEngineeringLead, RoleTeamLead},
		{RoleEngineeringManager, RoleTeamLead}, {RoleIncidentCommand, RoleEngineeringManager},
		{RoleTeam, RoleChat}, // never the pager: nobody is woken for a P3
	}
}
