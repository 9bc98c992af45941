package config

import (
	"fmt"
	"strings"
)

// reader compares the tree of a file with a shape. It collects every problem, remembers where
// each key stands, and returns the values in Go's types with the defaults filled in. This is the
// only place where defaults are applied that stand in struct tags.
type reader struct {
	file     string
	root     Shape // for hints: where a misplaced key belongs
	foreign  bool  // the struct is a notifier's: every text may have twins, and no text is shown
	resolve  bool  // fetch secrets from where the twins point
	problems []Problem
	warnings []Problem
	broken   map[string]bool // paths that have a problem: the later checks leave them alone
	source   source
}

func newReader(file string, root Shape, resolve bool) *reader {
	return &reader{
		file: file, root: root, resolve: resolve, broken: map[string]bool{},
		source: source{file: file, at: map[string]place{}, items: map[string][]string{}},
	}
}

// Shape is that of the whole file.
func (r *reader) Shape() Shape { return r.root }

func (r *reader) problem(at place, p Problem) {
	p.File, p.Line, p.Col = r.file, at.line, at.col
	r.problems = append(r.problems, p)
	r.broken[p.Path] = true
}

func (r *reader) warn(at place, p Problem) {
	p.File, p.Line, p.Col = r.file, at.line, at.col
	r.warnings = append(r.warnings, p)
}

// value reads one value. It returns nil after a problem, and for what is not there.
func (r *reader) value(path string, n *node, s Shape) any {
	r.source.at[path] = n.at
	switch s.Kind {
	case KindSection:
		return r.section(path, n, s)
	case KindList:
		return r.list(path, n, s)
	case KindWords:
		return r.words(path, n, s)
	case KindFree:
		return r.free(path, n, s)
	}
	return r.leaf(path, n, s)
}

// section reads a mapping with known keys. Nothing at all ("pool:" with every key commented out)
// counts as a mapping without keys.
func (r *reader) section(path string, n *node, s Shape) any {
	if n.kind != mapping && n.kind != null {
		r.problem(n.at, Problem{Path: path, What: "is of the wrong type", Got: n.kind.String(), Want: mapping.String()})
		return nil
	}
	given := r.entries(path, n)
	out := map[string]any{}
	for _, f := range s.Fields {
		if f.Owner != "" && !f.among(given) {
			continue // its default, if it has one, holds for targets of its platform only
		}
		v := r.field(path, n.at, f, s, given)
		switch {
		case v == nil:
		case f.Owner == "":
			out[f.Key] = v
		default:
			mine, _ := out[ownKeys].(own)
			if mine == nil {
				mine = own{}
				out[ownKeys] = mine
			}
			if mine[f.Owner] == nil {
				mine[f.Owner] = map[string]any{}
			}
			mine[f.Owner][f.Key] = v
		}
	}
	if s.Rest != "" {
		out[s.Rest] = Section{file: r.file, path: path, node: n, rest: given, resolve: r.resolve}
		return out
	}
	r.unknown(path, n, s, given)
	return out
}

// field reads one key of a section, in whatever way it is written, or takes its default.
func (r *reader) field(parent string, at place, f, in Shape, given map[string]*node) any {
	path := join(parent, f.Key)
	n, ok := given[f.Key]
	delete(given, f.Key)
	if f.Kind == KindSecret || r.foreign && f.Kind == KindText {
		if v, found := r.twin(path, n, f, in, given); found {
			return v
		}
	}
	switch {
	case ok:
		return r.value(path, n, f)
	case f.Required:
		r.problem(at, Problem{Path: path, What: "is missing", Want: f.describe()})
		return nil
	case f.Default != "":
		return r.fallback(f)
	case f.Kind == KindSection && !f.Optional:
		return r.section(path, &node{at: at}, f)
	}
	return nil
}

// fallback returns the default of a key. It panics when the default in the struct tag is not
// acceptable, which is a mistake in the program and is found by every test that loads anything.
func (r *reader) fallback(f Shape) any {
	quiet := newReader("", f, false)
	v := quiet.value("", plain(f.Default), f)
	if len(quiet.problems) > 0 {
		panic(fmt.Sprintf("config: default of %s.%s: %s", f.Type, f.Field, quiet.problems[0]))
	}
	return v
}

// entries indexes the keys of a mapping and reports those given twice. A merged key yields to
// one written here; of two merged ones the first counts.
func (r *reader) entries(path string, n *node) map[string]*node {
	given := map[string]*node{}
	first := map[string]entry{}
	for _, e := range n.entries {
		old, twice := first[e.key]
		switch {
		case !twice, old.merged && !e.merged:
			first[e.key], given[e.key] = e, e.value
		case !old.merged && !e.merged:
			r.problem(e.at, Problem{Path: join(path, e.key), What: "is given twice", Hint: fmt.Sprintf("the first is in line %d", old.at.line)})
		}
	}
	return given
}

// unknown reports the keys that nobody has read.
func (r *reader) unknown(path string, n *node, s Shape, left map[string]*node) {
	seen := map[string]bool{}
	for _, e := range n.entries {
		if _, ok := left[e.key]; !ok || seen[e.key] {
			continue
		}
		seen[e.key] = true
		hint := didYouMean(e.key, s.names())
		if what, cure := oddity(e.key); what != "" {
			hint = "it " + what + ": " + cure
		}
		if hint == "" && !r.foreign {
			if there := r.root.find(e.key, ""); len(there) > 0 {
				hint = "there is " + strings.Join(there[:min(2, len(there))], " and ")
			}
		}
		r.problem(e.at, Problem{Path: join(path, e.key), What: "unknown key", Hint: hint})
	}
}

func (r *reader) list(path string, n *node, s Shape) any {
	switch {
	case n.kind == null, n.kind == list && len(n.items) == 0:
		if s.NonEmpty {
			r.problem(n.at, Problem{Path: path, What: "is empty", Hint: s.emptyHint()})
			return nil
		}
		return []any{}
	case n.kind != list:
		r.problem(n.at, Problem{Path: path, What: "is of the wrong type", Got: n.kind.String(), Want: list.String(), Hint: "write [one, two], or one item a line after a hyphen"})
		return nil
	}
	var out []any
	names := map[string]int{}
	for i, item := range n.items {
		here := fmt.Sprintf("%s[%s]", path, r.label(item, i, names))
		r.source.items[path] = append(r.source.items[path], here)
		v := r.value(here, item, *s.Elem)
		if v == nil {
			v = s.Elem.zero() // keeps the places of the other items
		}
		out = append(out, v)
	}
	return out
}

// label is what stands in the brackets of a path: the name of the item when it has one of its
// own, otherwise its number.
func (r *reader) label(n *node, i int, names map[string]int) string {
	for _, e := range n.entries {
		if e.key == "name" && e.value.kind == text && isName(e.value.text()) && !strings.Contains(e.value.text(), ".") {
			if names[e.value.text()]++; names[e.value.text()] == 1 {
				return e.value.text()
			}
		}
	}
	return fmt.Sprint(i)
}

// words reads a mapping with keys of the operator's choice, which only notifiers have.
func (r *reader) words(path string, n *node, s Shape) any {
	if n.kind != mapping && n.kind != null {
		r.problem(n.at, Problem{Path: path, What: "is of the wrong type", Got: n.kind.String(), Want: mapping.String()})
		return nil
	}
	out := map[string]any{}
	given := r.entries(path, n)
	for _, e := range n.entries {
		if v, ok := given[e.key]; ok {
			delete(given, e.key)
			if got := r.value(join(path, e.key), v, *s.Elem); got != nil {
				out[e.key] = got
			}
		}
	}
	return out
}

// describe says in a few words what a key wants.
func (s Shape) describe() string {
	switch {
	case len(s.Enum) > 0:
		return oneOf(s.Enum)
	case s.Form != "" && s.Kind == KindText:
		return s.FormText()
	case s.Kind == KindSecret:
		return fmt.Sprintf("%s, or %s%s, %s%s or %s%s", s.Key, s.Key, fromFile, s.Key, fromEnv, s.Key, fromCredential)
	case s.Kind == KindDuration:
		return "a duration such as 30s"
	case s.Kind == KindSection:
		return mapping.String()
	case s.Kind == KindText:
		return text.String()
	}
	return "a " + string(s.Kind)
}

// emptyHint explains why an empty list is refused: it reads as "nothing" to one person and as
// "everything" to another.
func (s Shape) emptyHint() string {
	if s.Shown != "" && !s.Required {
		return fmt.Sprintf("name at least one, or leave the key out (%s)", s.Shown)
	}
	return "name at least one"
}

func oneOf(words []string) string {
	if len(words) == 1 {
		return words[0]
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}

// join adds a key to a path. A key that is no plain word is quoted and cut: anything can stand
// there, and a message is one line.
func join(path, key string) string {
	if !isWord(key) {
		key = quote(key)
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

// plain is the node of an unquoted scalar, for defaults.
func plain(s string) *node {
	n := &node{kind: text, scalar: &value{text: s}}
	switch {
	case s == "true" || s == "false":
		n.kind = truth
	case s != "" && strings.Trim(s, "0123456789") == "":
		n.kind = integer
	case strings.Trim(s, "0123456789.") == "":
		n.kind = decimal
	}
	return n
}

// has reports whether a key is written in the file, under whatever source of a secret.
func (s source) has(path string) bool {
	_, ok := s.at[path]
	return ok
}

// place finds a path, or the nearest of its parents that is written in the file.
func (s source) place(path string) place {
	for path != "" {
		if p, ok := s.at[path]; ok {
			return p
		}
		path = path[:max(0, strings.LastIndexAny(path, ".["))]
	}
	return place{1, 1}
}

// soundBelow reports whether nothing is known to be wrong at the path or inside it.
func (r *reader) soundBelow(path string) bool {
	for p := range r.broken {
		if strings.HasPrefix(p, path+".") {
			return false
		}
	}
	return r.sound(path)
}

// sound reports whether nothing is known to be wrong at any of the paths or above them, so that
// a check may rely on the values there and does not complain about the consequence of a mistake
// that is already reported.
func (r *reader) sound(paths ...string) bool {
	for _, p := range paths {
		for p != "" {
			if r.broken[p] {
				return false
			}
			p = p[:max(0, strings.LastIndexAny(p, ".["))]
		}
	}
	return true
}
