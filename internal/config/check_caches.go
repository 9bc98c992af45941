package config

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// caches judges the cache directories of a target. They are emptied without a question, so that
// each must be a directory of its own and nothing that holds anything else.
func (k *checker) caches(path string, t Target) {
	p := path + ".caches"
	if len(t.Caches) == 0 {
		return
	}
	if t.Kind == KindOfPostgres {
		k.fail(Problem{Path: p, What: "a database has no caches that may be emptied", Hint: "leave it out"})
		return
	}
	if t.External || t.Platform == PlatformNone {
		k.noEffect(p, "a target that is only watched", "a target that recoveryd may act on")
	}
	for i, d := range t.Caches {
		here := k.source.item(p, i)
		k.cacheDir(here, d)
		if slices.Contains(t.Caches[:i], d) {
			k.fail(Problem{Path: here, What: "is named twice", Got: d, Hint: "remove one"})
		}
		for _, other := range k.c.Targets {
			if other.Name == t.Name {
				continue
			}
			if j := slices.IndexFunc(other.Caches, func(o string) bool { return liesIn(d, o) || liesIn(o, d) }); j >= 0 {
				k.fail(Problem{Path: here, What: "is also a cache of " + other.Name + ", which may be running when it is emptied", Got: d,
					Hint: "give each its own, or leave it to a playbook that stops both"})
			}
		}
	}
}

// cacheDir judges one directory that may be emptied, wherever it is named.
func (k *checker) cacheDir(path, d string) {
	switch {
	case d == "" || !k.sound(path):
		return
	case filepath.Clean(d) != d || strings.Count(d, "/") < 2:
		k.fail(Problem{Path: path, What: "is no directory that may be emptied", Got: d, Want: "a plain absolute path at least two levels below /", Hint: "such as /var/cache/codebase-mcp"})
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
			k.fail(Problem{Path: path, What: "holds more than caches", Got: d, Hint: fmt.Sprintf("%s is %s", x[0], dir)})
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
