package strictyaml

import (
	"fmt"
	"slices"
	"strings"
)

// Positions knows where in the file each key stands.
type Positions struct {
	Digest string // of the text
	File   string
	At     map[string]Place
	items  map[string][]string // path of a list -> paths of its items
}

// Item is the path of an item of a list, as messages write it: Item("targets", 0) is "targets[codebase-mcp]".
func (s Positions) Item(list string, i int) string {
	if items := s.items[list]; i < len(items) {
		return items[i]
	}
	return fmt.Sprintf("%s[%d]", list, i)
}

// among reports whether a key is given, itself or as the place of a secret.
func (s Shape) among(given map[string]*node) bool {
	return given[s.Key] != nil || s.Kind == KindSecret && slices.ContainsFunc(TwinEndings, func(t string) bool { return given[s.Key+t] != nil })
}

// Reader compares the tree of a file with a shape. It collects every problem, remembers where
// each key stands, and returns the values in Go's types with the defaults filled in. This is the
// only place where defaults are applied that stand in struct tags.
type Reader struct {
	file      string
	root      Shape // for hints: where a misplaced key belongs
	foreign   bool  // the struct is a notifier's: every text may have twins, and no text is shown
	resolve   bool  // fetch secrets from where the twins point
	problems  []Problem
	warnings  []Problem
	broken    map[string]bool // paths that have a problem: the later checks leave them alone
	Positions Positions
}

// NewReader is for one file and the shape of what it holds. With resolve secrets are fetched from where the
// file says that they are.
func NewReader(file string, root Shape, resolve bool) *Reader {
	return &Reader{
		file: file, root: root, resolve: resolve, broken: map[string]bool{},
		Positions: Positions{File: file, At: map[string]Place{}, items: map[string][]string{}},
	}
}

// Shape is that of the whole file.
func (r *Reader) Shape() Shape { return r.root }

// Read parses the text and compares it with the shape: the values of the keys in Go's types, defaults filled in.
// It returns nil when there is nothing to compare; what is wrong is told by [Reader.Err].
func (r *Reader) Read(data []byte) map[string]any {
	tree := parseTree(data, func(at Place, what, hint string) { r.Problem(at, Problem{What: what, Hint: hint}) })
	if tree == nil {
		return nil
	}
	return r.section("", tree, r.root).(map[string]any)
}

// Err is everything that was found wrong so far, a *[ProblemsError]; nil when nothing was.
func (r *Reader) Err() error {
	if len(r.problems) == 0 {
		return nil
	}
	return &ProblemsError{Problems: inOrder(r.problems), Warnings: inOrder(r.warnings)}
}

// Risks are the warnings so far, in the order of the file.
func (r *Reader) Risks() []Problem { return inOrder(r.warnings) }

// Problem adds what is wrong at a place.
func (r *Reader) Problem(at Place, p Problem) {
	p.File, p.Line, p.Col = r.file, at.Line, at.Col
	r.problems = append(r.problems, p)
	r.broken[p.Path] = true
}

// Add takes over a problem that somebody else has found, with its place.
func (r *Reader) Add(p Problem) { r.problems = append(r.problems, p) }

// AddRisk takes over a warning, once.
func (r *Reader) AddRisk(w Problem) {
	if !slices.Contains(r.warnings, w) {
		r.warnings = append(r.warnings, w)
	}
}

// Warn adds what is legal there, and risky.
func (r *Reader) Warn(at Place, p Problem) {
	p.File, p.Line, p.Col = r.file, at.Line, at.Col
	r.warnings = append(r.warnings, p)
}

// value reads one value. It returns nil after a problem, and for what is not there.
func (r *Reader) value(path string, n *node, s Shape) any {
	r.Positions.At[path] = n.at
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

// Section reads a mapping with known keys. Nothing at all ("pool:" with every key commented out)
// counts as a mapping without keys.
func (r *Reader) section(path string, n *node, s Shape) any {
	if n.kind != mapping && n.kind != null {
		r.Problem(n.at, Problem{Path: path, What: "is of the wrong type", Got: n.kind.String(), Want: mapping.String()})
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
			mine, _ := out[ownKeys].(Owned)
			if mine == nil {
				mine = Owned{}
				out[ownKeys] = mine
			}
			if mine[f.Owner] == nil {
				mine[f.Owner] = map[string]any{}
			}
			mine[f.Owner][f.Key] = v
		}
	}
	if s.Rest != "" {
		out[s.Rest] = Section{file: r.file, path: path, node: n, Rest: given, resolve: r.resolve}
		return out
	}
	r.unknown(path, n, s, given)
	return out
}

// field reads one key of a section, in whatever way it is written, or takes its default.
func (r *Reader) field(parent string, at Place, f, in Shape, given map[string]*node) any {
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
		r.Problem(at, Problem{Path: path, What: "is missing", Want: f.describe()})
		return nil
	case f.Default != "":
		return r.fallback(f)
	case f.Kind == KindSection && !f.Optional:
		return r.section(path, &node{at: at}, f)
	}
	return nil
}

// Fallback returns the default of a key. It panics when the default in the struct tag is not
// acceptable, which is a mistake in the program and is found by every test that loads anything.
func (r *Reader) fallback(f Shape) any {
	quiet := NewReader("", f, false)
	v := quiet.value("", plain(f.Default), f)
	if len(quiet.problems) > 0 {
		panic(fmt.Sprintf("config: default of %s.%s: %s", f.Type, f.Field, quiet.problems[0]))
	}
	return v
}

// entries indexes the keys of a mapping and reports those given twice. A merged key yields to
// one written here; of two merged ones the first counts.
func (r *Reader) entries(path string, n *node) map[string]*node {
	given := map[string]*node{}
	first := map[string]entry{}
	for _, e := range n.entries {
		old, twice := first[e.key]
		switch {
		case !twice, old.merged && !e.merged:
			first[e.key], given[e.key] = e, e.value
		case !old.merged && !e.merged:
			r.Problem(e.at, Problem{Path: join(path, e.key), What: "is given twice", Hint: fmt.Sprintf("the first is in line %d", old.at.Line)})
		}
	}
	return given
}

// unknown reports the keys that nobody has read.
func (r *Reader) unknown(path string, n *node, s Shape, left map[string]*node) {
	seen := map[string]bool{}
	for _, e := range n.entries {
		if _, ok := left[e.key]; !ok || seen[e.key] {
			continue
		}
		seen[e.key] = true
		hint := DidYouMean(e.key, s.names())
		if what, cure := oddity(e.key); what != "" {
			hint = "it " + what + ": " + cure
		}
		if hint == "" && !r.foreign {
			if there := r.root.find(e.key, ""); len(there) > 0 {
				hint = "there is " + strings.Join(there[:min(2, len(there))], " and ")
			}
		}
		r.Problem(e.at, Problem{Path: join(path, e.key), What: "unknown key", Hint: hint})
	}
}

func (r *Reader) list(path string, n *node, s Shape) any {
	switch {
	case n.kind == null, n.kind == list && len(n.items) == 0:
		if s.NonEmpty {
			r.Problem(n.at, Problem{Path: path, What: "is empty", Hint: s.emptyHint()})
			return nil
		}
		return []any{}
	case n.kind != list:
		r.Problem(n.at, Problem{Path: path, What: "is of the wrong type", Got: n.kind.String(), Want: list.String(), Hint: "write [one, two], or one item a line after a hyphen"})
		return nil
	}
	var out []any
	names := map[string]int{}
	for i, item := range n.items {
		here := fmt.Sprintf("%s[%s]", path, r.label(item, i, names))
		r.Positions.items[path] = append(r.Positions.items[path], here)
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
func (r *Reader) label(n *node, i int, names map[string]int) string {
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
func (r *Reader) words(path string, n *node, s Shape) any {
	if n.kind != mapping && n.kind != null {
		r.Problem(n.at, Problem{Path: path, What: "is of the wrong type", Got: n.kind.String(), Want: mapping.String()})
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
		return OneOf(s.Enum)
	case s.Form != "" && s.Kind == KindText:
		return s.FormText()
	case s.Kind == KindSecret:
		return fmt.Sprintf("%s, or %s%s, %s%s or %s%s", s.Key, s.Key, FromFile, s.Key, FromEnv, s.Key, FromCredential)
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

func OneOf(words []string) string {
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

// Has reports whether a key is written in the file, under whatever source of a secret.
func (s Positions) Has(path string) bool {
	_, ok := s.At[path]
	return ok
}

// Place finds a path, or the nearest of its parents that is written in the file.
func (s Positions) Place(path string) Place {
	for path != "" {
		if p, ok := s.At[path]; ok {
			return p
		}
		path = path[:max(0, strings.LastIndexAny(path, ".["))]
	}
	return Place{1, 1}
}

// SoundBelow reports whether nothing is known to be wrong at the path or inside it.
func (r *Reader) SoundBelow(path string) bool {
	for p := range r.broken {
		if strings.HasPrefix(p, path+".") {
			return false
		}
	}
	return r.Sound(path)
}

// Sound reports whether nothing is known to be wrong at any of the paths or above them, so that
// a check may rely on the values there and does not complain about the consequence of a mistake
// that is already reported.
func (r *Reader) Sound(paths ...string) bool {
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
