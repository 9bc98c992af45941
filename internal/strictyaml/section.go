package strictyaml

import (
	"fmt"
	"maps"
	"reflect"
	"strings"

	"github.com/go-viper/mapstructure/v2"
)

// Values is a mapping that nobody here interprets, such as the arguments of a tool. Keys keep
// their case; values are string, bool, int64, uint64, float64, nil, []any and map[string]any.
type Values map[string]any

// Section is the part of the file that belongs to somebody else, a notifier: kept as it stands,
// with positions, until its owner reads it. Immutable and safe for concurrent use.
type Section struct {
	file, path string
	node       *node
	Rest       map[string]*node
	resolve    bool
}

// Decode reads the section into a struct, given by pointer. Its fields are named by yaml tags;
// unknown keys are refused. Strings, booleans, numbers, [time.Duration] (also in days: "2d"),
// lists, maps, nested and inlined structs, pointers to these, and types with UnmarshalText are
// understood, and so are the tags default, enum, want and form of this package.
//
// Every key that takes text may be written with one of the endings _file, _env and _credential
// instead, which is resolved here: the field holds the secret as plain text. A field tagged
// secret:"true" is never quoted in a message. The error is a *[ProblemsError] that names every
// problem with its position and holds no value of the section. Fields without a key keep what
// they hold.
func (s Section) Decode(into any) error {
	_, err := s.DecodeWarn(into)
	return err
}

// DecodeWarn is Decode that also returns what is legal but risky in the section.
func (s Section) DecodeWarn(into any) ([]Problem, error) {
	t := reflect.TypeOf(into)
	if t == nil || t.Kind() != reflect.Pointer || t.Elem().Kind() != reflect.Struct {
		return nil, fmt.Errorf("decode section %s: want a pointer to a struct, got %T", s.path, into)
	}
	shape := shapeOf(t.Elem())
	r := NewReader(s.file, shape, s.resolve)
	r.foreign = true
	n := &node{kind: mapping}
	if s.node != nil {
		n.at = s.node.at
		for _, e := range s.node.entries {
			if _, ok := s.Rest[e.key]; ok {
				n.entries = append(n.entries, e)
			}
		}
	}
	values := r.section(s.path, n, shape)
	for _, e := range n.entries {
		r.unfilledBelow(join(s.path, e.key), e.key, e.value)
	}
	if len(r.problems) > 0 {
		return nil, &ProblemsError{Problems: inOrder(r.problems), Warnings: inOrder(r.warnings)}
	}
	if err := Fill(values, into); err != nil {
		return nil, fmt.Errorf("decode section %s: %w", s.path, err)
	}
	return inOrder(r.warnings), nil
}

// Has reports whether the section has a key, as it is written in the file.
func (s Section) Has(key string) bool { return s.Rest[key] != nil }

// Problem makes a problem with the position of a key of the section, for what its owner finds
// wrong with it. An unknown or empty key gives the position of the section.
func (s Section) Problem(key, what string) Problem {
	p := Problem{File: s.file, Path: s.path, What: what}
	if s.node != nil {
		p.Line, p.Col = s.node.at.Line, s.node.at.Col
	}
	name, inside := key, strings.IndexAny(key, ".[") // "to[0]" and "severities.p1" stand in a key of the section
	if inside > 0 {
		name = key[:inside]
	}
	if key != "" {
		p.Path = join(s.path, name) + key[len(name):]
	}
	for _, suffix := range append([]string{""}, TwinEndings...) {
		if n := s.Rest[name+suffix]; n != nil {
			var item int
			if _, err := fmt.Sscanf(key[len(name):], "[%d]", &item); err == nil && item < len(n.items) {
				n = n.items[item]
			}
			p.Line, p.Col = n.at.Line, n.at.Col
			break
		}
	}
	return p
}

// Unread reports whether the section names secrets that were not looked at ([Known.WithoutSecrets]):
// then its owner cannot tell what is missing.
func (s Section) Unread() bool {
	for key := range s.Rest {
		for _, t := range TwinEndings {
			if strings.HasSuffix(key, t) && !s.resolve {
				return true
			}
		}
	}
	return false
}

// Fill sets the fields of a struct from what the reader returned. Unknown keys are refused once
// more: the reader and the struct must agree.
func Fill(values, into any) error {
	config := mapstructure.DecoderConfig{Result: into}
	Strictly(&config)
	d, err := mapstructure.NewDecoder(&config)
	if err != nil {
		return err
	}
	return d.Decode(values)
}

// Strictly makes mapstructure take our tags, and nothing that it does not know.
func Strictly(c *mapstructure.DecoderConfig) {
	c.TagName, c.SquashTagOption = "yaml", "inline"
	c.ErrorUnused = true
	c.WeaklyTypedInput = false
	c.DecodeHook = nil // the reader has made every value already
}

// free keeps a mapping that nobody here interprets.
func (r *Reader) free(path string, n *node, s Shape) any {
	if s.goType.Kind() == reflect.Interface {
		return n.any()
	}
	if n.kind != mapping {
		r.Problem(n.at, Problem{Path: path, What: "is of the wrong type", Got: n.kind.String(), Want: mapping.String()})
		return nil
	}
	r.distinct(path, n)
	return Values(n.any().(map[string]any))
}

// distinct reports keys that are given twice, however deep.
func (r *Reader) distinct(path string, n *node) {
	for _, v := range n.items {
		r.distinct(path, v)
	}
	given := maps.Values(r.entries(path, n))
	for v := range given {
		r.distinct(path, v)
	}
}

// any is the node as plain Go values.
func (n *node) any() any {
	switch n.kind {
	case truth:
		return n.text() == "true"
	case integer, decimal:
		return n.scalar.number
	case text:
		return n.text()
	case list:
		out := make([]any, len(n.items))
		for i, v := range n.items {
			out[i] = v.any()
		}
		return out
	case mapping:
		out := map[string]any{}
		for _, e := range n.entries {
			if _, twice := out[e.key]; !twice || !e.merged {
				out[e.key] = e.value.any()
			}
		}
		return out
	}
	return nil
}
