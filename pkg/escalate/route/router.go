package route

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
)

// Situation is what routing must know of an incident.
type Situation struct {
	Incident string    // id; begins every key
	Priority string    // "P1" to "P4"
	Class    string    // failure class
	Target   string    // the culprit
	Opened   time.Time // wall clock: when the incident was opened. Persisted; a restart does not reset it
	Failed   int       // cures that were tried and did not help
	// Working says that nobody is needed yet, because a cure is being tried: who is told at once
	// waits for its end, or until a later tier is due.
	Working bool
	// Anew says that what was sent so far was about a drill: people are told as if it were nothing,
	// but under keys of their own.
	Anew bool
}

// Ack says that somebody is working on an incident: no further tier is told until Until.
type Ack struct {
	By    string    `json:"by"`
	At    time.Time `json:"at"`
	Until time.Time `json:"until"`
}

// Active reports whether the acknowledgement holds at that time.
func (a Ack) Active(now time.Time) bool { return !now.Before(a.At) && now.Before(a.Until) }

// Step is one message that is due: one channel is told of one or more tiers. The steps of one
// call of [Router.Due] belong together and are to be stored in one transaction, with the incident.
type Step struct {
	Tiers   []string    `json:"tiers"`         // names of the tiers that became due; never empty
	N       int         `json:"n"`             // ordinal of this escalation in the incident: 0, 1, 2, ...
	Key     string      `json:"key"`           // dedup key of the message: "<incident>/t<N>"
	Kind    notice.Kind `json:"kind"`          // Trigger or Resolve
	Channel string      `json:"channel"`       //
	To      []string    `json:"to"`            // the roles and people it is for, for the message
	At      time.Time   `json:"at"`            // when it became due
	Sent    time.Time   `json:"sent"`          // when Due returned it
	Why     string      `json:"why,omitempty"` // one sentence
}

// Notice returns n as this step sends it. The caller gives it its ID.
func (s Step) Notice(n notice.Notice) notice.Notice {
	n.Key, n.Kind, n.Tier = s.Key, s.Kind, s.N
	return n
}

// Router decides who is told. It is immutable and safe for concurrent use.
type Router struct {
	rules     []Rule
	channels  map[string]bool
	roles     map[string][]string // role -> names
	rotas     map[string]*Rota
	fallbacks map[string]string
	threaded  map[string]bool
	public    map[string]bool
	private   []string // the channels that are not public, in the order of the configuration
	rest      bool     // see Policy.Everyone
	atOnce    []string
	cures     []string
	office    office
}

// NewRouter checks a policy against the names of the configured channels. The error names every
// problem. A role that nobody was configured for is no error but is listed by [Router.Gaps]; only
// somebody must be "primary": when nobody is, every channel that is not public stands for it.
func NewRouter(p Policy, channels []string, zones Zones) (*Router, error) {
	r := &Router{
		rules: p.Rules, channels: map[string]bool{}, roles: map[string][]string{}, rotas: map[string]*Rota{},
		fallbacks: map[string]string{}, threaded: map[string]bool{}, public: map[string]bool{},
	}
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	names := map[string]string{}
	claim := func(what, name string) {
		switch {
		case name == "":
			bad("%s: has no name", what)
		case names[name] != "":
			bad("%s %s: there is a %s of this name", what, name, names[name])
		}
		names[name] = what
	}
	for _, c := range channels {
		claim("channel", c)
		r.channels[c] = true
	}
	for _, s := range p.Schedules {
		claim("schedule", s.Name)
		rota, err := NewRota(s, zones)
		if err != nil {
			bad("schedule %s: %w", s.Name, err)
			continue
		}
		r.rotas[s.Name] = rota
	}
	for _, role := range p.Roles {
		claim("role", role.Name)
		if len(role.Notify) == 0 {
			bad("role %s: notify: missing", role.Name)
		}
		r.roles[role.Name] = slices.Clone(role.Notify)
	}
	for list, into := range map[string]map[string]bool{"threaded": r.threaded, "public": r.public} {
		for _, c := range map[string][]string{"threaded": p.Threaded, "public": p.Public}[list] {
			if !r.channels[c] {
				bad("%s: %q is not a channel", list, c)
			}
			into[c] = true
		}
	}
	r.private = slices.DeleteFunc(slices.Clone(channels), func(c string) bool { return r.public[c] })
	r.rest = p.Everyone
	r.atOnce, r.cures = slices.Clone(p.AtOnce), slices.Clone(p.Cures)
	if names[RolePrimary] == "" {
		r.roles[RolePrimary] = r.private
		names[RolePrimary] = "role"
	}
	for _, f := range p.Fallbacks {
		r.fallbacks[f.Role] = f.To
	}
	var err error
	if r.office, err = newOffice(p.Business, zones); err != nil {
		bad("business: %w", err)
	}
	r.checkReferences(p, names, bad)
	r.checkRules(names, bad)
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return r, nil
}

// WellKnown are the roles of the runbooks.
func WellKnown() []string { return wellKnown() }

// wellKnown are the roles that a policy may name although nobody was configured for them.
func wellKnown() []string {
	return []string{RolePrimary, RoleSecondary, RoleTeamLead, RoleEngineeringLead, RoleEngineeringManager,
		RoleIncidentCommand, RoleTeam, RoleChat, RoleStatusPage}
}

func (r *Router) checkReferences(p Policy, names map[string]string, bad func(string, ...any)) {
	known := func(n string) bool { return names[n] != "" || slices.Contains(wellKnown(), n) }
	for _, n := range p.Cures {
		if !known(n) {
			bad("cures: %q is neither a channel nor a schedule nor a role", n)
		}
	}
	for _, pr := range p.AtOnce {
		if Response(pr) == 0 {
			bad("at_once: want P1, P2, P3 or P4 (got %q)", pr)
		}
	}
	for _, role := range p.Roles {
		for _, n := range role.Notify {
			if !known(n) {
				bad("role %s: %q is neither a channel nor a schedule nor a role", role.Name, n)
			}
		}
		if r.circular(role.Name, nil) {
			bad("role %s: leads back to itself", role.Name)
		}
	}
	for _, s := range p.Schedules {
		members := slices.Clone(s.Members)
		for _, o := range s.Overrides {
			members = append(members, o.Members...)
		}
		for _, m := range members {
			if !known(m) {
				bad("schedule %s: %q is neither a channel nor a role", s.Name, m)
			}
		}
		if r.circular(s.Name, nil) {
			bad("schedule %s: leads back to itself", s.Name)
		}
	}
	for name := range r.fallbacks {
		seen := map[string]bool{}
		for at := name; at != ""; at = r.fallbacks[at] {
			if seen[at] {
				bad("fallback of %s: leads back to itself", name)
				break
			}
			seen[at] = true
		}
	}
}

// circular reports whether a name can lead to itself, whoever is on call.
func (r *Router) circular(name string, above []string) bool {
	if slices.Contains(above, name) {
		return true
	}
	below := slices.Clone(r.roles[name])
	if rota := r.rotas[name]; rota != nil {
		below = rota.everybody()
	}
	above = append(slices.Clone(above), name)
	return slices.ContainsFunc(below, func(n string) bool { return r.circular(n, above) })
}

func (r *Router) checkRules(names map[string]string, bad func(string, ...any)) {
	for i, rule := range r.rules {
		where := fmt.Sprintf("rules[%d]", i)
		if rule.Name != "" {
			where = "rule " + rule.Name
		}
		for _, p := range rule.Match.Priorities {
			if Response(p) == 0 {
				bad("%s: priorities: want P1, P2, P3 or P4 (got %q)", where, p)
			}
		}
		for j, t := range rule.Tiers {
			at := fmt.Sprintf("%s: tier %s", where, cmp.Or(t.Name, fmt.Sprint(j)))
			switch {
			case t.Name == "" || strings.ContainsAny(t.Name, "#/ \n"):
				bad("%s: name: want a word without blanks, # and / (it is stored with what was sent)", at)
			case slices.ContainsFunc(rule.Tiers[:j], func(o Tier) bool { return o.Name == t.Name }):
				bad("%s: is there twice", at)
			}
			if t.After < 0 || t.Repeat < 0 || t.OrFailed < 0 {
				bad("%s: after, repeat and or_failed must not be negative", at)
			}
			if t.Repeat > 0 && t.Repeat < time.Minute {
				bad("%s: repeat: at least 1m", at)
			}
			if len(t.Notify) == 0 {
				bad("%s: notify: missing", at)
			}
			for _, n := range t.Notify {
				if names[n] == "" && !slices.Contains(wellKnown(), n) {
					bad("%s: %q is neither a channel nor a schedule nor a role", at, n)
				}
			}
		}
	}
}

// matches reports whether a rule is for an incident.
func (m Match) matches(s Situation) bool {
	in := func(list []string, v string) bool {
		return len(list) == 0 || slices.ContainsFunc(list, func(p string) bool {
			prefix, wild := strings.CutSuffix(p, "*")
			return p == v || wild && strings.HasPrefix(v, prefix)
		})
	}
	exact := func(list []string, v string) bool { return len(list) == 0 || slices.Contains(list, v) }
	return exact(m.Priorities, s.Priority) && exact(m.Classes, s.Class) && in(m.Targets, s.Target)
}

// Tiers returns the tiers of an incident, in order of time: those of all rules that match, with
// tiers of the same name made one.
func (r *Router) Tiers(s Situation) []Tier {
	byName := map[string]Tier{}
	for _, rule := range r.rules {
		if !rule.Match.matches(s) {
			continue
		}
		for _, t := range rule.Tiers {
			if old, ok := byName[t.Name]; ok {
				t = merged(old, t)
			}
			byName[t.Name] = t
		}
		if rule.Last {
			break
		}
	}
	all := slices.Collect(maps.Values(byName))
	if len(all) == 0 || r.rest && !slices.ContainsFunc(all, Tier.prompt) {
		all = append(all, Tier{Name: "everyone", Notify: r.private})
	}
	slices.SortFunc(all, func(a, b Tier) int {
		return cmp.Or(cmp.Compare(a.After, b.After), cmp.Compare(a.Name, b.Name))
	})
	return all
}

// merged is the more urgent of both in every respect.
func merged(a, b Tier) Tier {
	least := func(x, y int) int { // 0 means never
		if x == 0 || y != 0 && y < x {
			return y
		}
		return x
	}
	notify := slices.Clone(a.Notify)
	for _, n := range b.Notify {
		if !slices.Contains(notify, n) {
			notify = append(notify, n)
		}
	}
	return Tier{
		Name: a.Name, After: min(a.After, b.After), OrFailed: least(a.OrFailed, b.OrFailed), Notify: notify,
		BusinessHours: a.BusinessHours && b.BusinessHours, NextBusinessDay: a.NextBusinessDay && b.NextBusinessDay,
		DespiteAck: a.DespiteAck || b.DespiteAck, Repeat: time.Duration(least(int(a.Repeat), int(b.Repeat))),
	}
}

// Receiver is a channel, and for whom it is told.
type Receiver struct {
	Channel string `json:"channel"`
	For     string `json:"for"` // the name in the tier, and who has its turn: "primary: alice"
}

// standIn begins what a label says of somebody who is told instead.
const standIn = " (nobody is, so "

// Receivers finds the channels behind names at that time. A role, or a schedule whose turn is
// nobody's, leads to its fallback where it leads to no channel; each channel comes once.
func (r *Router) Receivers(names []string, at time.Time) []Receiver {
	var all []Receiver
	seen := map[string]bool{}
	// walk reports whether a name leads to a channel, and takes note of those that are new.
	var walk func(name, label string, above []string) bool
	walk = func(name, label string, above []string) bool {
		if r.channels[name] {
			if !seen[name] {
				seen[name] = true
				all = append(all, Receiver{name, label})
			}
			return true
		}
		if slices.Contains(above, name) {
			return false // who stands in for somebody may have nobody else
		}
		above = append(slices.Clone(above), name)
		found := false
		for _, m := range r.below(name, at) {
			who := label
			if r.rotas[name] != nil {
				who += ": " + m
			}
			found = walk(m, who, above) || found
		}
		if to := r.fallbacks[name]; !found && to != "" {
			label, _, _ = strings.Cut(label, standIn) // of a chain of them the last one says it
			return walk(to, label+standIn+to+")", above)
		}
		return found
	}
	for _, n := range names {
		walk(n, n, nil)
	}
	return all
}

// below are the names behind a role, or whose turn it is by a schedule.
func (r *Router) below(name string, at time.Time) []string {
	if rota := r.rotas[name]; rota != nil {
		return rota.OnCall(at)
	}
	return r.roles[name]
}

// Public reports whether outsiders read a channel.
func (r *Router) Public(channel string) bool { return r.public[channel] }

// Cured returns who is told, for the record, of a cure that nobody was woken for.
func (r *Router) Cured(s Situation, at time.Time) []Receiver {
	names := r.cures
	if len(names) == 0 {
		names = r.first(s)
	}
	return r.privately(names, at)
}

// Own returns who is told of trouble with recoveryd itself: those who are told at once of its
// priority and, when that may wake somebody, the primary. Outsiders never are.
func (r *Router) Own(s Situation, at time.Time) []Receiver {
	names := r.first(s)
	if s.Priority == "P1" || s.Priority == "P2" {
		names = append(names, RolePrimary)
	}
	if to := r.privately(names, at); len(to) > 0 {
		return to
	}
	return r.everyone()
}

// first are the names in the tiers at once.
func (r *Router) first(s Situation) (names []string) {
	for _, t := range r.Tiers(s) {
		if t.prompt() {
			names = append(names, t.Notify...)
		}
	}
	return names
}

func (r *Router) privately(names []string, at time.Time) []Receiver {
	return slices.DeleteFunc(r.Receivers(names, at), func(x Receiver) bool { return r.public[x.Channel] })
}

// everyone stands in where a rule leads to nobody: a page that nobody gets is worse than one too many.
func (r *Router) everyone() (all []Receiver) {
	for _, c := range r.private {
		all = append(all, Receiver{c, "everyone (no rule leads to anybody)"})
	}
	return all
}
