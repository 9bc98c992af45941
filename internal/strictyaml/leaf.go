package strictyaml

import (
	"encoding"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// leaf reads one scalar and judges it by its tags.
func (r *Reader) leaf(path string, n *node, s Shape) any {
	v, want := s.parse(n)
	if n.kind == null {
		r.Problem(n.at, Problem{Path: path, What: "has no value", Want: s.describe(), Hint: "give one, or leave the key out"})
		return nil
	}
	if v == nil {
		p := Problem{Path: path, What: "is of the wrong type", Got: r.show(n, s), Want: want}
		if n.kind == s.written() {
			p.What = "cannot be read"
		}
		if s.Kind == KindParsed && r.foreign {
			p.Want = "" // it is what the type says, and may quote a secret
		}
		if s.Kind == KindDuration && n.kind == integer {
			p.What, p.Hint = "has no unit", fmt.Sprintf("write %ss for seconds", n.text())
		}
		if s.Kind == KindTruth {
			p.Hint = map[string]string{"yes": "write true", "on": "write true", "y": "write true", "enabled": "write true", "1": "write true", "true": "leave the quotes out",
				"no": "write false", "off": "write false", "n": "write false", "disabled": "write false", "0": "write false", "false": "leave the quotes out"}[strings.ToLower(n.text())]
		}
		if p.Hint == "" {
			p.Hint = s.cure(n)
		}
		if p.Hint == "" && (s.Kind == KindText || s.Kind == KindSecret) && n.kind != list && n.kind != mapping {
			p.Hint = "put it in quotes"
		}
		r.Problem(n.at, p)
		return nil
	}
	if p, ok := s.judge(v); !ok {
		p.Path = path
		if p.Hint == "" && s.Kind == KindText {
			p.Hint = s.cure(n)
		}
		if p.Got == "" {
			p.Got = r.show(n, s)
		}
		r.Problem(n.at, p)
		return nil
	}
	if s.Kind == KindText || s.Kind == KindSecret {
		r.odd(path, n, s.Key, n.text())
	}
	return v
}

// parse turns a scalar into the Go type of the key. It returns nil and what is wanted when that
// cannot be done.
func (s Shape) parse(n *node) (v any, want string) {
	switch s.Kind {
	case KindText:
		if n.kind == text {
			return reflect.ValueOf(n.text()).Convert(s.goType).Interface(), ""
		}
		return nil, "text"
	case KindSecret:
		if n.kind == text {
			return NewSecret(n.text()), ""
		}
		return nil, "text"
	case KindTruth:
		if n.kind == truth {
			return n.text() == "true", ""
		}
		return nil, "true or false"
	case KindInteger, KindNumber:
		return s.parseNumber(n)
	case KindDuration:
		if n.kind == text || n.kind == integer && n.text() == "0" {
			if d, err := parseDuration(n.text()); err == nil {
				return d, ""
			}
		}
		return nil, "a duration such as 500ms, 30s, 1h30m or 2d"
	case KindSize:
		if n.kind == text || n.kind == integer {
			if size, err := parseSize(n.text()); err == nil {
				return size, ""
			}
		}
		return nil, "a size such as 512MiB, 2GiB or 500MB"
	case KindParsed:
		if n.kind == list || n.kind == mapping {
			return nil, "text"
		}
		p := reflect.New(s.goType)
		if err := p.Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(n.text())); err != nil {
			return nil, "something else: " + err.Error()
		}
		return p.Elem().Interface(), ""
	}
	return nil, fmt.Sprintf("nothing: a %s cannot be configured", s.goType)
}

func (s Shape) parseNumber(n *node) (any, string) {
	if s.Kind == KindNumber {
		f, err := strconv.ParseFloat(strings.ReplaceAll(n.text(), "_", ""), 64)
		if n.kind != integer && n.kind != decimal || err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
			return nil, "a number such as 0.95"
		}
		return reflect.ValueOf(f).Convert(s.goType).Interface(), ""
	}
	if n.kind != integer {
		return nil, "a whole number"
	}
	if digits := strings.TrimLeft(n.text(), "+-"); len(digits) > 1 && digits[0] == '0' && strings.Trim(digits, "0123456789_") == "" {
		return nil, "a whole number without a leading zero" // 010 is eight to one parser and ten to another
	}
	v := reflect.New(s.goType).Elem()
	switch i, err := strconv.ParseInt(n.text(), 0, 64); {
	case err != nil:
		return nil, "a whole number"
	case v.CanInt() && !v.OverflowInt(i):
		v.SetInt(i)
	case v.CanUint() && i >= 0 && !v.OverflowUint(uint64(i)):
		v.SetUint(uint64(i))
	default:
		return nil, "a smaller whole number"
	}
	return v.Interface(), ""
}

// written is the kind of node by which a key is usually written.
func (s Shape) written() kind {
	switch s.Kind {
	case KindTruth:
		return truth
	case KindInteger:
		return integer
	case KindNumber:
		return decimal
	}
	return text
}

// judge compares a value with the bounds in the tags of its key.
func (s Shape) judge(v any) (Problem, bool) {
	switch s.Kind {
	case KindText:
		return s.judgeText(reflect.ValueOf(v).String())
	case KindSecret:
		if s.Required && !v.(Secret).IsSet() {
			return Problem{What: "is empty", Got: `""`, Want: s.describe()}, false
		}
	case KindInteger, KindNumber, KindDuration, KindSize:
		return s.judgeRange(v)
	}
	return Problem{}, true
}

func (s Shape) judgeText(v string) (Problem, bool) {
	switch {
	case v == "" && (s.Required || s.NonEmpty):
		return Problem{What: "is empty", Got: `""`, Want: s.describe()}, false
	case v == "":
		return Problem{}, true // as if the key were absent
	case len(s.Enum) > 0:
		for _, e := range s.Enum {
			if e == v {
				return Problem{}, true
			}
		}
		return Problem{What: "unknown value", Want: OneOf(s.Enum), Hint: DidYouMean(v, s.Enum)}, false
	case !s.fits(v):
		return Problem{What: "is not acceptable", Want: s.FormText()}, false
	}
	return Problem{}, true
}

func (s Shape) judgeRange(v any) (Problem, bool) {
	n := amount(v)
	switch {
	case s.Min != "" && n < s.bound(s.Min):
		return Problem{What: "is too small", Want: "at least " + s.Min}, false
	case s.Above != "" && n <= s.bound(s.Above):
		return Problem{What: "is too small", Want: "more than " + s.Above}, false
	case s.Max != "" && n > s.bound(s.Max):
		p := Problem{What: "is too large", Want: "at most " + s.Max}
		if s.Unit == "share" && n <= 100 {
			p.Hint = fmt.Sprintf("write %v for %v %%", n/100, n)
		}
		return p, false
	}
	return Problem{}, true
}

// Bound reads a bound in a struct tag, which is written as in the file. A bound that cannot be
// read is a mistake in the program; it panics, and every test that loads anything finds it.
func (s Shape) bound(tag string) float64 {
	v, want := s.parse(plain(tag))
	if v == nil {
		panic(fmt.Sprintf("config: bound %q of %s.%s: want %s", tag, s.Type, s.Field, want))
	}
	return amount(v)
}

// amount makes values comparable with their bounds. Durations and sizes stay exact up to 2^53,
// which is a hundred days in nanoseconds and eight petabytes.
func amount(v any) float64 {
	switch v := v.(type) {
	case time.Duration:
		return float64(v)
	case Size:
		return float64(v)
	}
	rv := reflect.ValueOf(v)
	switch {
	case rv.CanInt():
		return float64(rv.Int())
	case rv.CanUint():
		return float64(rv.Uint())
	}
	return rv.Float()
}

// show renders what is written, for a message. What may be a secret is only described.
func (r *Reader) show(n *node, s Shape) string {
	if n.kind == list || n.kind == mapping || n.kind == null {
		return n.kind.String()
	}
	if s.Hidden || r.foreign && (s.Kind == KindText || n.kind == text) {
		return n.kind.String()
	}
	if n.kind == text {
		return quote(n.text())
	}
	return cut(n.text()) // a number or true, false
}

// quote writes a text in quotes, cut to what helps.
func quote(s string) string {
	return strconv.Quote(cut(s))
}

func cut(s string) string {
	const most = 60
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}
