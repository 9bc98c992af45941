package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/recoveryd/recoveryd/internal/strictyaml"
)

// checker judges what one key alone cannot tell: names that must exist or be unique, settings
// that contradict each other, and what is legal but risky.
type checker struct {
	*strictyaml.Reader
	c     *Config
	known Known
}

func (k *checker) all() {
	if k.c.Version != 1 {
		k.fail(strictyaml.Problem{Path: "version", What: "is a version that this build does not read", Got: fmt.Sprint(k.c.Version), Want: "1"})
	}
	k.targetsTogether()
	for i, t := range k.c.Targets {
		k.target(k.Positions.Item("targets", i), t)
	}
	k.classes()
	k.modes()
	k.rules()
	k.playbooks()
	k.alerts()
	k.budgets()
	k.windows()
	k.notifiers()
	k.schedules()
	k.roles()
	k.routes()
	k.escalation()
	k.watched()
	k.drills()
	k.http()
}

// fail reports a problem at a path, unless what is there is known to be broken already.
func (k *checker) fail(p strictyaml.Problem) {
	if k.Sound(p.Path) {
		k.Problem(k.Positions.Place(p.Path), p)
	}
}

// risk reports a warning at a path.
func (k *checker) risk(path, what, hint string) {
	if k.Sound(path) {
		k.Warn(k.Positions.Place(path), strictyaml.Problem{Path: path, What: what, Hint: hint})
	}
}

// unique reports names that stand twice in a list.
func (k *checker) unique(what string, names, paths []string) {
	first := map[string]string{}
	for i, n := range names {
		if n == "" {
			continue
		}
		if at, twice := first[n]; twice {
			k.fail(strictyaml.Problem{
				Path: paths[i], What: what + " is taken", Got: fmt.Sprintf("%q", n),
				Hint: fmt.Sprintf("the first is in line %d", k.Positions.Place(at).Line),
			})
			continue
		}
		first[n] = paths[i]
	}
}

// among reports a name that is not in a list of names.
func (k *checker) among(path, what, name string, known []string) {
	if name == "" || slices.Contains(known, name) {
		return
	}
	p := strictyaml.Problem{Path: path, What: "unknown " + what, Got: fmt.Sprintf("%q", name), Hint: strictyaml.DidYouMean(name, known)}
	if p.Hint == "" {
		p.Want = listed(known)
	}
	k.fail(p)
}

// eachAmong reports the names of a list that are not known, and those that stand there twice.
func (k *checker) eachAmong(path, what string, names, known []string) {
	for i, n := range names {
		here := k.Positions.Item(path, i)
		k.among(here, what, n, known)
		if slices.Contains(names[:i], n) && n != "" {
			k.fail(strictyaml.Problem{Path: here, What: "is named twice", Got: fmt.Sprintf("%q", n), Hint: "remove one"})
		}
	}
}

// listed writes the known names, when they are few enough to help.
func listed(known []string) string {
	const most = 12
	switch {
	case len(known) == 0:
		return "nothing: there is none"
	case len(known) > most:
		return ""
	}
	return strictyaml.OneOf(known)
}

func (k *checker) targetNames() []string {
	var out []string
	for _, t := range k.c.Targets {
		if t.Name != "" {
			out = append(out, t.Name)
		}
	}
	return out
}

// classNames are the classes an incident can have: the built-in ones and those of the rules.
func (k *checker) classNames() []string {
	out := slices.Clone(k.known.Classes)
	for _, r := range k.c.Rules {
		if r.Name != "" {
			out = append(out, r.Name)
		}
	}
	return out
}

// targetsTogether judges the list of targets as a whole.
func (k *checker) targetsTogether() {
	var names, paths, units, unitPaths []string
	for i, t := range k.c.Targets {
		path := k.Positions.Item("targets", i)
		names, paths = append(names, t.Name), append(paths, path+".name")
		if t.Object != "" && !t.External {
			units, unitPaths = append(units, t.Object), append(unitPaths, path+".unit")
		}
		k.eachAmong(path+".depends_on", "target", t.DependsOn, k.targetNames())
	}
	k.unique("the name", names, paths)
	k.unique("the unit", units, unitPaths)
	k.cycles()
}

// cycles reports targets that need each other: whoever fails would wait for ever. A cycle is
// reported once, at the dependency that closes it.
func (k *checker) cycles() {
	index := map[string]int{}
	for i, t := range k.c.Targets {
		if _, ok := index[t.Name]; !ok {
			index[t.Name] = i
		}
	}
	const entered, left = 1, 2
	state := map[string]int{}
	var way []string
	var visit func(string)
	visit = func(name string) {
		i, ok := index[name]
		if !ok || state[name] == left {
			return
		}
		state[name] = entered
		way = append(way, name)
		list := k.Positions.Item("targets", i) + ".depends_on"
		for j, d := range k.c.Targets[i].DependsOn {
			if state[d] == entered {
				circle := append(slices.Clone(way[slices.Index(way, d):]), d)
				k.fail(strictyaml.Problem{
					Path: k.Positions.Item(list, j), What: "targets need each other in a circle",
					Got: strings.Join(circle, " -> "), Hint: "leave out the weakest of these dependencies",
				})
				continue
			}
			visit(d)
		}
		way = way[:len(way)-1]
		state[name] = left
	}
	for _, t := range k.c.Targets {
		visit(t.Name)
	}
}

// http judges the metrics server.
func (k *checker) http() {
	h := k.c.HTTP
	if h.Listen == "" {
		k.risk("http.listen", "there is no HTTP server: nothing outside can notice that recoveryd has died", "keep 127.0.0.1:9465")
		return
	}
	if h.WebConfigFile == "" && !isLoopback(h.Listen) {
		k.risk("http.listen", "the status page can be read from other hosts without a password", "set http.web_config_file, or listen on 127.0.0.1")
	}
}
