package route

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
)

// Gap is a place of the policy where nobody is told as it was meant.
type Gap struct {
	Name string `json:"name"` // the role or schedule
	Text string `json:"text"` // what is the matter, in one sentence
	// Note says that nothing is wrong: a role of the runbooks for which another one stands, or which
	// is a matter of choice.
	Note bool `json:"note,omitzero"`
}

// maxInstants bounds how many handovers of the schedules are looked at: more than a year of days.
const maxInstants = 1000

// Gaps lists, from now on, the roles and schedules that lead to nobody, always or at times, and
// those that no tier leads to. The schedules are followed through one whole round and all of
// their overrides.
func (r *Router) Gaps(now time.Time) []Gap {
	named := r.named()
	instants := r.instants(now)
	var gaps []Gap
	for _, n := range slices.Sorted(maps.Keys(named)) {
		if r.channels[n] {
			continue
		}
		if !r.held(n) {
			gaps = append(gaps, r.unheld(n, now))
			continue
		}
		if text := r.hole(n, instants); text != "" {
			gaps = append(gaps, Gap{Name: n, Text: text})
		}
	}
	mine := slices.Sorted(maps.Keys(r.rotas))
	for _, n := range slices.Sorted(maps.Keys(r.roles)) {
		if n != RolePrimary || !slices.Equal(r.roles[n], r.private) { // where nobody was named, everybody is primary
			mine = append(mine, n)
		}
	}
	for _, n := range mine {
		if !named[n] && !r.standsIn(n, named) {
			gaps = append(gaps, Gap{Name: n, Text: n + " is in no tier: nobody is ever told in this place"})
		}
	}
	return gaps
}

// unheld is the gap of a role of the runbooks that nobody was configured for.
func (r *Router) unheld(n string, now time.Time) Gap {
	if len(r.Receivers([]string{n}, now)) > 0 {
		return Gap{Name: n, Text: fmt.Sprintf("nobody is %s: %s is told instead", n, r.fallbacks[n]), Note: true}
	}
	// Whether outsiders are told, and whether there is a chat, is a matter of choice.
	return Gap{Name: n, Text: fmt.Sprintf("nobody is %s: nobody is told in that place", n), Note: n == RoleStatusPage || n == RoleChat}
}

// hole says in a sentence when a role or schedule that somebody was configured for leads to
// nobody; "" when it never does.
func (r *Router) hole(n string, instants []time.Time) string {
	empty, first, spans := 0, -1, 0
	for i, at := range instants {
		if r.leads(n, at, nil) {
			continue
		}
		if empty++; first < 0 {
			first = i
		}
		if i == 0 || r.leads(n, instants[i-1], nil) {
			spans++
		}
	}
	if empty == 0 || slices.ContainsFunc(r.below(n, instants[first]), func(m string) bool { return r.held(m) && !r.leads(m, instants[first], nil) }) {
		return "" // or it is the gap of the name below, which has a line of its own
	}
	instead := "nobody is told in that place"
	if to := r.Receivers([]string{n}, instants[first]); len(to) > 0 {
		instead = to[0].Channel + " is told instead"
	}
	who := r.dead(n, instants[first], nil)
	if empty == len(instants) {
		return fmt.Sprintf("%s leads to nobody, since no channel stands for %s: %s", n, who, instead)
	}
	until := ""
	for _, at := range instants[first:] {
		if r.leads(n, at, nil) {
			until = " until " + notice.Stamp(at)
			break
		}
	}
	more := ""
	if spans > 1 {
		more = fmt.Sprintf(" (and %d more times in a round)", spans-1)
	}
	return fmt.Sprintf("from %s%s%s %s leads to nobody, since no channel stands for %s: %s", notice.Stamp(instants[first]), until, more, n, who, instead)
}

// held reports whether somebody was configured for a role or schedule.
func (r *Router) held(n string) bool { return r.rotas[n] != nil || len(r.roles[n]) > 0 }

// leads reports whether a name leads to a channel by itself, without anybody who stands in for it.
func (r *Router) leads(n string, at time.Time, above []string) bool {
	if r.channels[n] {
		return true
	}
	if slices.Contains(above, n) {
		return false
	}
	above = append(slices.Clone(above), n)
	return slices.ContainsFunc(r.below(n, at), func(m string) bool { return r.leads(m, at, above) })
}

// dead is the first name below n that leads to nobody.
func (r *Router) dead(n string, at time.Time, above []string) string {
	above = append(slices.Clone(above), n)
	for _, m := range r.below(n, at) {
		if !slices.Contains(above, m) && !r.leads(m, at, nil) {
			return r.dead(m, at, above)
		}
	}
	return n
}

// named are all names that tiers and cures lead to, directly or not.
func (r *Router) named() map[string]bool {
	out := map[string]bool{}
	var add func(n string)
	add = func(n string) {
		if out[n] {
			return
		}
		out[n] = true
		for _, m := range r.roles[n] {
			add(m)
		}
		if rota := r.rotas[n]; rota != nil {
			for _, m := range rota.everybody() {
				add(m)
			}
		}
	}
	for _, rule := range r.rules {
		for _, t := range rule.Tiers {
			for _, n := range t.Notify {
				add(n)
			}
		}
	}
	for _, n := range r.cures {
		add(n)
	}
	return out
}

// standsIn reports whether a role takes the place of one that tiers lead to.
func (r *Router) standsIn(n string, named map[string]bool) bool {
	for of, to := range r.fallbacks {
		if to == n && (named[of] || r.standsIn(of, named)) {
			return true
		}
	}
	return false
}

// instants are now and the moments at which somebody else may be on call, for one whole round of
// every schedule and all overrides to come.
func (r *Router) instants(now time.Time) []time.Time {
	out := []time.Time{now}
	for _, rota := range r.rotas {
		at := now
		for n := 0; n < len(rota.members)+2*len(rota.overrides) && len(out) < maxInstants; n++ {
			next, ok := rota.Next(at)
			if !ok {
				break
			}
			out, at = append(out, next), next
		}
		for _, o := range rota.overrides {
			for _, at := range []time.Time{o.from, o.until} {
				if at.After(now) {
					out = append(out, at)
				}
			}
		}
	}
	slices.SortFunc(out, time.Time.Compare)
	return slices.CompactFunc(out, time.Time.Equal)
}
