package config

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
)

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
		here := k.source.item(path, i)
		if i != len(rungs)-1 {
			k.fail(Problem{Path: here, What: "a playbook is the last rung of a ladder", Got: s, Hint: "move it to the end"})
		}
		if slices.ContainsFunc(k.c.Playbooks[j].Steps, func(s PlaybookStep) bool { return s.Approval == "required" }) {
			k.fail(Problem{Path: here, What: "this playbook needs a person's approval and is never run by a ladder", Got: s, Hint: "leave it out; run it with: recoveryd playbook run " + name})
		}
	}
}

// playbooks judges the playbooks.
func (k *checker) playbooks() {
	var names, paths []string
	for i, b := range k.c.Playbooks {
		p := k.source.item("playbooks", i)
		names, paths = append(names, b.Name), append(paths, p+".name")
		for j, s := range b.Steps {
			k.playbookStep(k.source.item(p+".steps", j), s)
		}
	}
	k.unique("the name", names, paths)
}

// playbookStep judges one step: what it needs, and what it has that does not go with what it does.
func (k *checker) playbookStep(p string, s PlaybookStep) {
	if !k.sound(p + ".do") {
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
		if k.source.has(p+"."+x.key) && !x.fits {
			k.noEffect(p+"."+x.key, "do: "+s.Do, x.wants)
		}
	}
	switch {
	case check && countTrue(len(s.Targets) > 0, s.URL != "", s.Disk != "") != 1:
		k.fail(Problem{Path: p, What: "what is checked is not one thing", Want: "targets, url or disk"})
	case onTargets && !check && len(s.Targets) == 0:
		k.fail(Problem{Path: p, What: "has no targets", Want: "targets: the names of what it is done to"})
	case s.Do == DoClean && len(s.Directories) == 0:
		k.fail(Problem{Path: p, What: "has no directories", Want: "directories: what is emptied"})
	case command && len(s.Command) == 0:
		k.fail(Problem{Path: p, What: "has no command", Want: "command: the program and its arguments"})
	}
	k.stepTargets(p, s)
	for i, d := range s.Directories {
		k.cacheDir(k.source.item(p+".directories", i), d)
	}
	if len(s.Command) > 0 && !filepath.IsAbs(s.Command[0]) {
		k.fail(Problem{Path: k.source.item(p+".command", 0), What: "is not an absolute path", Got: fmt.Sprintf("%q", s.Command[0]), Hint: "no shell searches for it"})
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
		here := k.source.item(p+".targets", i)
		acts := slices.Contains([]string{"stop", "start", "restart", "ensure"}, s.Do)
		switch {
		case acts && (t.External || t.Platform == PlatformNone):
			k.fail(Problem{Path: here, What: "is only watched: nothing can be done to it", Got: name, Hint: "it can be checked and waited for"})
		case s.Do == DoSmoke && len(t.Synthetic) == 0:
			k.fail(Problem{Path: here, What: "has no calls of real work", Got: name, Hint: "give the target a synthetic check, or wait for its health"})
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
			k.fail(Problem{Path: k.source.item(p+".env", i), What: "is a secret, and the environment of a unit can be read by everybody", Hint: "let the program read it from a file of its own"})
		}
	}
	for i, x := range s.Properties {
		here := k.source.item(p+".properties", i)
		name, value, found := strings.Cut(x, "=")
		switch {
		case strings.ContainsFunc(x, unicode.IsControl):
			k.fail(Problem{Path: here, What: "holds a line break or another control character", Got: fmt.Sprintf("%q", x), Want: "NAME=VALUE"})
		case !found || value == "" || name == "":
			k.fail(Problem{Path: here, What: "is no property", Got: x, Want: "NAME=VALUE"})
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
