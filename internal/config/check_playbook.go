package config

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"github.com/recoveryd/recoveryd/internal/strictyaml"
)

// caches judges the cache directories of a target. They are emptied without a question, so that
// each must be a directory of its own and nothing that holds anything else.
func (k *checker) caches(path string, t Target) {
	p := path + ".caches"
	if len(t.Caches) == 0 {
		return
	}
	if t.Kind == KindOfPostgres {
		k.fail(strictyaml.Problem{Path: p, What: "a database has no caches that may be emptied", Hint: "leave it out"})
		return
	}
	if t.External || t.Platform == PlatformNone {
		k.noEffect(p, "a target that is only watched", "a target that recoveryd may act on")
	}
	for i, d := range t.Caches {
		here := k.Positions.Item(p, i)
		k.cacheDir(here, d)
		if slices.Contains(t.Caches[:i], d) {
			k.fail(strictyaml.Problem{Path: here, What: "is named twice", Got: d, Hint: "remove one"})
		}
		for _, other := range k.c.Targets {
			if other.Name == t.Name {
				continue
			}
			if j := slices.IndexFunc(other.Caches, func(o string) bool { return liesIn(d, o) || liesIn(o, d) }); j >= 0 {
				k.fail(strictyaml.Problem{Path: here, What: "is also a cache of " + other.Name + ", which may be running when it is emptied", Got: d,
					Hint: "give each its own, or leave it to a playbook that stops both"})
			}
		}
	}
}

// cacheDir judges one directory that may be emptied, wherever it is named.
func (k *checker) cacheDir(path, d string) {
	switch {
	case d == "" || !k.Sound(path):
		return
	case filepath.Clean(d) != d || strings.Count(d, "/") < 2:
		k.fail(strictyaml.Problem{Path: path, What: "is no directory that may be emptied", Got: d, Want: "a plain absolute path at least two levels below /", Hint: "such as /var/cache/codebase-mcp"})
		return
	}
	kept := [][2]string{{"state_dir", k.c.StateDir}, {"runtime_dir", k.c.RuntimeDir}}
	for _, t := range k.c.Targets {
		if t.Postgres != nil {
			kept = append(kept, [2]string{"the data directory of " + t.Name, t.Postgres.DataDir})
		}
	}
	for _, x := range kept {
		if dir := x[1]; dir != "" && (liesIn(dir, d) || liesIn(d, dir)) {
			k.fail(strictyaml.Problem{Path: path, What: "holds more than caches", Got: d, Hint: fmt.Sprintf("%s is %s", x[0], dir)})
			return
		}
	}
	if liesIn(d, "/tmp") || liesIn(d, "/var/tmp") {
		k.risk(path, "recoveryd.service has a /tmp of its own (PrivateTmp=yes) and does not see this directory", "let the service keep its cache below /var/cache")
	}
}

// liesIn reports whether a path is a directory or lies below it.
func liesIn(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}

// playbookPrefix begins the name by which a ladder names a playbook.
const playbookPrefix = "playbook:"

// strategyNames are what a ladder may name: the strategies of this build and the playbooks.
func (k *checker) strategyNames() []string {
	out := slices.Clone(k.known.Strategies)
	for _, b := range k.c.Playbooks {
		if b.Name != "" {
			out = append(out, playbookPrefix+b.Name)
		}
	}
	return out
}

// playbookRungs judges the playbooks that a ladder names: such a rung is the last one, and needs
// nobody.
func (k *checker) playbookRungs(path string, rungs []string) {
	for i, s := range rungs {
		name, is := strings.CutPrefix(s, playbookPrefix)
		j := slices.IndexFunc(k.c.Playbooks, func(b Playbook) bool { return b.Name == name })
		if !is || j < 0 {
			continue
		}
		here := k.Positions.Item(path, i)
		if i != len(rungs)-1 {
			k.fail(strictyaml.Problem{Path: here, What: "a playbook is the last rung of a ladder", Got: s, Hint: "move it to the end"})
		}
		if slices.ContainsFunc(k.c.Playbooks[j].Steps, func(s PlaybookStep) bool { return s.Approval == "required" }) {
			k.fail(strictyaml.Problem{Path: here, What: "this playbook needs a person's approval and is never run by a ladder", Got: s, Hint: "leave it out; run it with: recoveryd playbook run " + name})
		}
	}
}

// playbooks judges the playbooks.
func (k *checker) playbooks() {
	var names, paths []string
	for i, b := range k.c.Playbooks {
		p := k.Positions.Item("playbooks", i)
		names, paths = append(names, b.Name), append(paths, p+".name")
		for j, s := range b.Steps {
			k.playbookStep(k.Positions.Item(p+".steps", j), s)
		}
	}
	k.unique("the name", names, paths)
}

// playbookStep judges one step: what it needs, and what it has that does not go with what it does.
func (k *checker) playbookStep(p string, s PlaybookStep) {
	if !k.Sound(p + ".do") {
		return
	}
	command, check := s.Do == DoCommand, s.Do == DoCheck
	onTargets := s.Do != DoClean && !command
	for _, x := range []struct {
		key   string
		fits  bool
		wants string
	}{
		{"targets", onTargets, "a step on targets"},
		{"directories", s.Do == DoClean, "do: clean"},
		{"url", check, "do: check"}, {"status", check && s.URL != "" || s.Status == 200, "do: check with url"},
		{"disk", check, "do: check"}, {"free", check && s.Disk != "" || s.Free == 1<<30, "do: check with disk"},
		{"command", command, "do: command"}, {"dir", command || s.Dir == "/", "do: command"}, {"env", command, "do: command"}, {"as", command, "do: command"},
		{"properties", command, "do: command"}, {"output", command || s.Output == 8<<10, "do: command"}, {"repeatable", command || !s.Repeatable, "do: command"},
	} {
		if k.Positions.Has(p+"."+x.key) && !x.fits {
			k.noEffect(p+"."+x.key, "do: "+s.Do, x.wants)
		}
	}
	switch {
	case check && countTrue(len(s.Targets) > 0, s.URL != "", s.Disk != "") != 1:
		k.fail(strictyaml.Problem{Path: p, What: "what is checked is not one thing", Want: "targets, url or disk"})
	case onTargets && !check && len(s.Targets) == 0:
		k.fail(strictyaml.Problem{Path: p, What: "has no targets", Want: "targets: the names of what it is done to"})
	case s.Do == DoClean && len(s.Directories) == 0:
		k.fail(strictyaml.Problem{Path: p, What: "has no directories", Want: "directories: what is emptied"})
	case command && len(s.Command) == 0:
		k.fail(strictyaml.Problem{Path: p, What: "has no command", Want: "command: the program and its arguments"})
	}
	k.stepTargets(p, s)
	for i, d := range s.Directories {
		k.cacheDir(k.Positions.Item(p+".directories", i), d)
	}
	if len(s.Command) > 0 && !filepath.IsAbs(s.Command[0]) {
		k.fail(strictyaml.Problem{Path: k.Positions.Item(p+".command", 0), What: "is not an absolute path", Got: fmt.Sprintf("%q", s.Command[0]), Hint: "no shell searches for it"})
	}
	k.properties(p, s)
}

// stepTargets judges whether the step can be done to its targets.
func (k *checker) stepTargets(p string, s PlaybookStep) {
	k.eachAmong(p+".targets", "target", s.Targets, k.targetNames())
	for i, name := range s.Targets {
		t, ok := k.c.Target(name)
		if !ok {
			continue
		}
		here := k.Positions.Item(p+".targets", i)
		acts := slices.Contains([]string{"stop", "start", "restart", "ensure"}, s.Do)
		switch {
		case acts && (t.External || t.Platform == PlatformNone):
			k.fail(strictyaml.Problem{Path: here, What: "is only watched: nothing can be done to it", Got: name, Hint: "it can be checked and waited for"})
		case s.Do == DoSmoke && len(t.Synthetic) == 0:
			k.fail(strictyaml.Problem{Path: here, What: "has no calls of real work", Got: name, Hint: "give the target a synthetic check, or wait for its health"})
		}
	}
}

// properties judges the sandbox of a command.
func (k *checker) properties(p string, s PlaybookStep) {
	if len(s.Properties) > 0 && s.As == "child" {
		k.noEffect(p+".properties", "as: child", "as: unit")
	}
	for i, v := range s.Env {
		if s.AsUnit() && v.Value.Source() != "literal" {
			k.fail(strictyaml.Problem{Path: k.Positions.Item(p+".env", i), What: "is a secret, and the environment of a unit can be read by everybody", Hint: "let the program read it from a file of its own"})
		}
	}
	for i, x := range s.Properties {
		here := k.Positions.Item(p+".properties", i)
		name, value, found := strings.Cut(x, "=")
		switch {
		case strings.ContainsFunc(x, unicode.IsControl):
			k.fail(strictyaml.Problem{Path: here, What: "holds a line break or another control character", Got: fmt.Sprintf("%q", x), Want: "NAME=VALUE"})
		case !found || value == "" || name == "":
			k.fail(strictyaml.Problem{Path: here, What: "is no property", Got: x, Want: "NAME=VALUE"})
		default:
			k.among(here, "property", name, UnitProperties())
		}
	}
}

// UnitProperties are the properties that the command of a step may be given. Those that say what
// runs, and when it ends, are recoveryd's own.
func UnitProperties() []string {
	return []string{"User", "Group", "SupplementaryGroups", "DynamicUser", "UMask", "Nice", "MemoryMax", "TasksMax", "CPUQuota", "LimitNOFILE",
		"NoNewPrivileges", "ProtectSystem", "ProtectHome", "PrivateTmp", "PrivateDevices", "PrivateNetwork", "ReadWritePaths", "ReadOnlyPaths", "InaccessiblePaths"}
}

func countTrue(list ...bool) (n int) {
	for _, b := range list {
		if b {
			n++
		}
	}
	return n
}
