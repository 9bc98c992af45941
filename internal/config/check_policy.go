package config

import (
	"fmt"
	"slices"
	"time"

	"github.com/recoveryd/recoveryd/internal/strictyaml"
)

// alerts judges how alerts of an outside system are understood.
func (k *checker) alerts() {
	seen := map[string]int{}
	for i, a := range k.c.Alerts {
		p := k.Positions.Item("alerts", i)
		k.among(p+".target", "target", a.Target, k.targetNames())
		k.among(p+".class", "failure class", a.Class, k.classNames())
		if !k.Sound(p+".target", p+".target_label") {
			continue
		}
		switch {
		case a.Target == "" && a.TargetLabel == "":
			k.fail(strictyaml.Problem{Path: p + ".target", What: "is missing", Want: "the name of a target, or target_label"})
		case a.Target != "" && a.TargetLabel != "":
			k.fail(strictyaml.Problem{Path: p + ".target_label", What: "contradicts target", Got: a.TargetLabel, Hint: "keep one of them"})
		}
		key := fmt.Sprintf("%q %q %q", a.Alertname, a.Target, a.TargetLabel)
		if first, twice := seen[key]; twice && a.Alertname != "" {
			k.fail(strictyaml.Problem{Path: p + ".alertname", What: "is mapped twice to the same target", Got: fmt.Sprintf("%q", a.Alertname),
				Hint: fmt.Sprintf("the first is in line %d", k.Positions.Place(k.Positions.Item("alerts", first)).Line)})
		} else if !twice {
			seen[key] = i
		}
	}
}

// classes judges the changes to built-in failure classes.
func (k *checker) classes() {
	for i, o := range k.c.Classes {
		p := k.Positions.Item("classes", i)
		k.among(p+".class", "failure class", o.Class, k.known.Classes)
		k.ladder(p+".ladder", o.Ladder)
		k.eachAmong(p+".targets", "target", o.Targets, k.targetNames())
		for j, old := range k.c.Classes[:i] {
			if old.Class == o.Class && o.Class != "" && overlap(old.Targets, o.Targets) {
				k.fail(strictyaml.Problem{
					Path: p + ".class", What: "is changed twice for the same targets", Got: fmt.Sprintf("%q", o.Class),
					Hint: fmt.Sprintf("the first is in line %d", k.Positions.Place(k.Positions.Item("classes", j)).Line),
				})
				break
			}
		}
		if k.SoundBelow(p) && o.Looks == 0 && o.For == nil && o.Clear == nil && o.Probation == nil && o.Severity == "" && o.Ladder == nil {
			k.fail(strictyaml.Problem{Path: p, What: "changes nothing", Want: "looks, for, clear, probation, severity or ladder"})
		}
	}
}

// overlap reports whether two entries speak of the same targets with the same authority: an entry
// with targets comes before one without, so those two do not contradict each other.
func overlap(a, b []string) bool {
	if len(a) == 0 || len(b) == 0 {
		return len(a) == len(b)
	}
	return slices.ContainsFunc(a, func(n string) bool { return slices.Contains(b, n) })
}

// ladder judges the names of strategies. The same one may stand twice: it is then tried twice.
func (k *checker) ladder(path string, rungs []string) {
	for i, s := range rungs {
		k.among(k.Positions.Item(path, i), "strategy", s, k.strategyNames())
	}
	k.playbookRungs(path, rungs)
}

// rules judges the operator's own failure classes.
func (k *checker) rules() {
	var names, paths []string
	for i, r := range k.c.Rules {
		p := k.Positions.Item("rules", i)
		names, paths = append(names, r.Name), append(paths, p+".name")
		if slices.Contains(k.known.Classes, r.Name) {
			k.fail(strictyaml.Problem{Path: p + ".name", What: "is the name of a built-in failure class", Got: fmt.Sprintf("%q", r.Name), Hint: "choose another; to change the built-in one use classes"})
		}
		k.ladder(p+".ladder", r.Ladder)
		k.eachAmong(p+".targets", "target", r.Targets, k.targetNames())
		k.once(p+".kinds", r.Kinds)
		k.once(p+".witnesses", r.Witnesses)
		if len(r.Witnesses) == 1 {
			k.fail(strictyaml.Problem{Path: p + ".witnesses", What: "names one kind of evidence, which never suffices for anything disruptive", Got: r.Witnesses[0], Want: "two kinds or more", Hint: "leave witnesses out, or the disruptive rungs out of ladder"})
		}
		if k.known.Rule == nil || r.Name == "" || r.When == "" || !k.Sound(p+".name", p+".when", p+".witnesses", p+".kinds", p+".looks", p+".for", p+".clear") {
			continue
		}
		if key, what := k.known.Rule(r); what != "" {
			k.fail(strictyaml.Problem{Path: p + "." + key, What: what})
		}
	}
	k.unique("the name", names, paths)
}

// once reports what stands twice in a list.
func (k *checker) once(path string, list []string) {
	for i, x := range list {
		if slices.Contains(list[:i], x) {
			k.fail(strictyaml.Problem{Path: k.Positions.Item(path, i), What: "is named twice", Got: fmt.Sprintf("%q", x), Hint: "remove one"})
		}
	}
}

// modes judges the exceptions from the modes.
func (k *checker) modes() {
	for i, m := range k.c.Modes {
		p := k.Positions.Item("modes", i)
		k.among(p+".strategy", "strategy", m.Strategy, k.known.Strategies)
		k.eachAmong(p+".targets", "target", m.Targets, k.targetNames())
		for j, old := range k.c.Modes[:i] {
			if old.Strategy == m.Strategy && m.Strategy != "" && overlap(old.Targets, m.Targets) {
				k.fail(strictyaml.Problem{Path: p + ".strategy", What: "has two modes for the same targets", Got: fmt.Sprintf("%q", m.Strategy),
					Hint: fmt.Sprintf("the first is in line %d", k.Positions.Place(k.Positions.Item("modes", j)).Line)})
				break
			}
		}
	}
}

// budgets judges the bounds of what recoveryd does.
func (k *checker) budgets() {
	b := k.c.Budgets
	if b.Backoff.Initial > b.Backoff.Max && k.Sound("budgets.backoff.initial", "budgets.backoff.max") {
		k.order("budgets.backoff.initial", "budgets.backoff.max", float64(b.Backoff.Initial), float64(b.Backoff.Max), strictyaml.WriteDuration(b.Backoff.Initial), strictyaml.WriteDuration(b.Backoff.Max))
	}
	if b.Host.Actions < b.Target.Actions && b.Host.Window >= b.Target.Window && k.Sound("budgets.host.actions", "budgets.target.actions") {
		path := "budgets.target.actions"
		if !k.Positions.Has(path) {
			path = "budgets.host.actions"
		}
		k.risk(path, fmt.Sprintf("the host's budget (%d actions) is smaller than that of one target (%d)", b.Host.Actions, b.Target.Actions), "the target's is then never used up")
	}
	if n := len(k.c.Targets); n > 1 && b.Concurrent >= n {
		k.risk("budgets.concurrent", "every target may be restarted at the same time", "keep 1 unless the targets are independent")
	}
}

// windows judges the maintenance windows.
func (k *checker) windows() {
	var names, paths []string
	for i, w := range k.c.Maintenance {
		p := k.Positions.Item("maintenance", i)
		names, paths = append(names, w.Name), append(paths, p+".name")
		k.eachAmong(p+".targets", "target", w.Targets, k.targetNames())
		if k.Positions.Has(p+".days") && !w.Returns() && k.Sound(p+".start", p+".days") {
			k.fail(strictyaml.Problem{Path: p + ".days", What: "contradicts start, which names one day", Got: w.Start, Want: `a time of day such as "02:30"`, Hint: "leave days out, or the date"})
		}
		for j, d := range w.Days {
			if slices.Contains(w.Days[:j], d) {
				k.fail(strictyaml.Problem{Path: k.Positions.Item(p+".days", j), What: "is named twice", Got: d, Hint: "remove one"})
			}
		}
		if w.Returns() && w.Duration >= time.Duration(longestGap(w.Days))*strictyaml.Day {
			k.risk(p+".duration", "the window never ends: the next one begins before", "make it shorter")
		}
	}
	k.unique("the name", names, paths)
}

// longestGap is the longest time between the beginnings of two windows, in days.
func longestGap(days []string) int {
	longest, last := 0, -1
	first := -1
	for i, d := range strictyaml.Weekdays() {
		if !slices.Contains(days, d) {
			continue
		}
		if last >= 0 {
			longest = max(longest, i-last)
		} else {
			first = i
		}
		last = i
	}
	return max(longest, first+len(strictyaml.Weekdays())-last)
}
