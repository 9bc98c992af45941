package strictyaml

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// ownKeys is the yaml tag of the field that takes the keys which belong to platforms.
const ownKeys = "@own"

// Owned are the values of such keys as they stand in the file, by platform.
type Owned map[string]map[string]any

// Kind is what a key takes, as far as reading and documenting it is concerned.
type Kind string

// The kinds of key.
const (
	KindText     Kind = "text"
	KindTruth    Kind = "true or false"
	KindInteger  Kind = "whole number"
	KindNumber   Kind = "number"
	KindDuration Kind = "duration"
	KindSize     Kind = "size"
	KindSecret   Kind = "secret"
	KindList     Kind = "list"
	KindSection  Kind = "section"     // a mapping with known keys
	KindFree     Kind = "free"        // read by somebody else: see [Section] and [Values]
	KindWords    Kind = "mapping"     // a mapping with keys of the operator's choice
	KindParsed   Kind = "parsed text" // text that a type of its own reads (encoding.TextUnmarshaler)
	kindUnfit    Kind = "unusable"    // a Go type that no key can have
)

// Shape describes one key, or the elements of a list. It is derived from the Go types and their
// tags, and is what the reader, the generated documentation and the JSON schema have in common.
//
// The tags: yaml (name of the key), default (as written in the file), shown (default in words,
// when it is computed), example (a value as written in the file), enum (allowed words, separated by |), unit, form (see forms.go), and want,
// a comma-separated list of: required, nonempty, min=, max= (inclusive), above= (exclusive),
// secret ("true": plain text that must not be shown) and literal (see Shape.Literal).
type Shape struct {
	Key      string // "interval"; "" for list elements
	Kind     Kind   //
	Type     string // name of the Go struct which has the field: "config.Target"
	Field    string // name of the Go field: "Interval"
	Default  string // as written in the file; "" = none
	Shown    string // default in words, when it is computed or has consequences
	Enum     []string
	Unit     string
	Example  string // as written in the file, where the type alone does not show it
	Form     string
	Required bool
	NonEmpty bool // when present, the list or text has something in it
	Min, Max string
	Above    string
	Struct   string  // KindSection: name of the Go struct
	Fields   []Shape // KindSection: its keys in order
	Elem     *Shape  // KindList and KindWords: the elements
	Hidden   bool    // what is written there must not be shown, though it is text: the tag secret
	Literal  string  // KindSecret: "fine" when it may well stand in the file, "dsn" when that depends
	Optional bool    // the Go field is a pointer: nil when the key is absent
	Owned    *Form   // the form of the text, when it is a platform's
	Owner    string  // the platform that it belongs to; "" = it is everybody's
	Rest     string  // KindSection: the field that takes all other keys; "" = other keys are refused
	goType   reflect.Type
}

// restKey is the yaml tag of the field that takes the keys which are not known here. No key of a
// file can have this name, because such keys go into that field.
const restKey = "@rest"

// KeysOf describes the keys of a section that belongs to somebody else, given by its struct.
func KeysOf(section any) Shape { return shapeOf(reflect.TypeOf(section)) }

// shapeOf derives the shape of a type. It panics on a struct tag that it cannot read, which is a
// mistake in the program and is found by every test that loads anything.
func shapeOf(t reflect.Type) Shape {
	optional := t.Kind() == reflect.Pointer
	if optional {
		t = t.Elem()
	}
	s := Shape{goType: t, Optional: optional}
	switch {
	case t == reflect.TypeFor[time.Duration]():
		s.Kind = KindDuration
	case t == reflect.TypeFor[Size]():
		s.Kind = KindSize
	case t == reflect.TypeFor[Secret]():
		s.Kind = KindSecret
	case t == reflect.TypeFor[Section](), t == reflect.TypeFor[Values]():
		s.Kind = KindFree
	case reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()):
		s.Kind = KindParsed
	default:
		s.ofKind(t)
	}
	return s
}

func (s *Shape) ofKind(t reflect.Type) {
	switch t.Kind() {
	case reflect.String:
		s.Kind = KindText
	case reflect.Bool:
		s.Kind = KindTruth
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		s.Kind = KindInteger
	case reflect.Float32, reflect.Float64:
		s.Kind = KindNumber
	case reflect.Slice:
		s.Kind = KindList
		s.Elem = new(shapeOf(t.Elem()))
	case reflect.Map:
		s.Kind = KindWords
		s.Elem = new(shapeOf(t.Elem()))
		if t.Key().Kind() != reflect.String {
			s.Kind = kindUnfit
		}
	case reflect.Struct:
		s.Kind, s.Struct = KindSection, t.Name()
		s.Fields = fieldsOf(t)
		s.Fields = slices.DeleteFunc(s.Fields, func(f Shape) bool { return f.Key == ownKeys })
		if i := slices.IndexFunc(s.Fields, func(f Shape) bool { return f.Key == restKey }); i >= 0 {
			s.Fields, s.Rest = slices.Delete(s.Fields, i, i+1), restKey
		}
	case reflect.Interface:
		s.Kind = KindFree
	default:
		s.Kind = kindUnfit
	}
}

// fieldsOf lists the keys of a struct: its exported fields with a yaml tag.
func fieldsOf(t reflect.Type) []Shape {
	var out []Shape
	for f := range t.Fields() {
		name, rest, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if rest == "inline" {
			out = append(out, fieldsOf(f.Type)...)
			continue
		}
		if !f.IsExported() || name == "" || name == "-" {
			continue
		}
		s := shapeOf(f.Type)
		s.Key, s.Type, s.Field = name, t.String(), f.Name
		s.Default, s.Shown, s.Unit = f.Tag.Get("default"), f.Tag.Get("shown"), f.Tag.Get("unit")
		s.Example = f.Tag.Get("example")
		s.Form, s.Literal = f.Tag.Get("form"), f.Tag.Get("literal")
		s.Hidden = f.Tag.Get("secret") == "true" || s.Kind == KindSecret
		if e := f.Tag.Get("enum"); e != "" {
			s.Enum = strings.Split(e, "|")
		}
		if s.Kind == KindList && s.Elem.Kind == KindText {
			s.Elem.Form, s.Elem.Enum = s.Form, s.Enum
		}
		s.wants(f.Tag.Get("want"), t.Name()+"."+f.Name)
		out = append(out, s)
	}
	return out
}

func (s *Shape) wants(tag, field string) {
	if tag == "" {
		return
	}
	for _, w := range strings.Split(tag, ",") {
		key, value, _ := strings.Cut(w, "=")
		switch key {
		case "required":
			s.Required = true
		case "nonempty":
			s.NonEmpty = true
		case "min":
			s.Min = value
		case "max":
			s.Max = value
		case "above":
			s.Above = value
		default:
			panic(fmt.Sprintf("config: field %s has the unknown want %q", field, w))
		}
	}
}

// names lists the keys of a section, with the twins of its secrets.
func (s Shape) names() []string {
	var out []string
	for _, f := range s.Fields {
		out = append(out, f.Key)
		if f.Kind == KindSecret {
			for _, t := range TwinEndings {
				out = append(out, f.Key+t)
			}
		}
	}
	return out
}

// Named returns the key of that name.
func (s Shape) Named(name string) (Shape, bool) {
	i := slices.IndexFunc(s.Fields, func(f Shape) bool { return f.Key == name })
	if i < 0 {
		return Shape{}, false
	}
	return s.Fields[i], true
}

// find lists where in the shape a key of that name exists: "targets[].pool.cap".
func (s Shape) find(name, path string) []string {
	var out []string
	for _, f := range s.Fields {
		here := strings.TrimPrefix(path+"."+f.Key, ".")
		if f.Key == name {
			out = append(out, here)
		}
		if f.Kind == KindList {
			out = append(out, f.Elem.find(name, here+"[]")...)
			continue
		}
		out = append(out, f.find(name, here)...)
	}
	return out
}

// zero is the value of an element that could not be read.
func (s Shape) zero() any {
	if s.Kind == KindSection {
		return map[string]any{}
	}
	return reflect.Zero(s.goType).Interface()
}

// Belongs makes it the key of an owner, whose texts may have forms of his own.
func (s *Shape) Belongs(to string, forms map[string]Form) {
	s.Owner = to
	if form, ok := forms[s.Form]; ok {
		s.Owned = &form
	}
}

// DefaultValue is the default of a key in its Go type.
func (s Shape) DefaultValue() any { return NewReader("", s, false).fallback(s) }

// Check says which of the tags of a key cannot be read, for the tests of whoever writes them: the reader panics
// when it comes to one.
func (s Shape) Check() (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%v", r)
		}
	}()
	if s.Kind == kindUnfit {
		return fmt.Errorf("no key can have the type %s", s.goType)
	}
	for _, b := range []string{s.Min, s.Max, s.Above} {
		if b != "" {
			s.bound(b)
		}
	}
	if s.Default != "" {
		NewReader("", s, false).fallback(s)
	}
	if s.Form != "" && s.FormText() == "" {
		return fmt.Errorf("there is no form %q", s.Form)
	}
	return nil
}
