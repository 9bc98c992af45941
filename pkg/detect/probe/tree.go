package probe

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	tokens "github.com/segmentio/encoding/json"
)

// kind is the type of a JSON value.
type kind uint8

const (
	absent kind = iota
	null
	truth
	number
	word
	list
	object
)

// node is a JSON value as it was written: numbers keep their digits, so that nothing is rounded
// or overflows before its range is checked.
type node struct {
	kind   kind
	text   string // word, or digits of a number, or "true"/"false"
	fields map[string]node
	items  []node
	// twice: the key occurred again with another value. Which one counts is anybody's guess (RFC
	// 8259 section 4), so neither does.
	twice bool
}

// maxDepth is how deeply a payload may be nested. The deepest real one (details.checks.<name> of
// task-mcp) has five levels.
const maxDepth = 32

// maxItems is how many elements of an array are kept; the rest is read and dropped. Nothing that
// we decode looks beyond the first few.
const maxItems = 64

// parseJSON reads exactly one JSON value. It also takes the bare words NaN, Infinity and
// -Infinity, which Python writes; they come out as words, so that only that one number is lost.
func parseJSON(b []byte) (node, error) {
	b = bytes.TrimPrefix(b, []byte("\xef\xbb\xbf")) // a byte order mark says nothing
	n, err := parseStrict(b)
	if err == nil {
		return n, nil
	}
	if quoted, changed := quoteNonNumbers(b); changed {
		if n, err2 := parseStrict(quoted); err2 == nil {
			return n, nil
		}
	}
	return node{}, err
}

// parseStrict checks the whole text first, so that what reads it afterwards need not doubt it.
func parseStrict(b []byte) (node, error) {
	if !json.Valid(b) {
		return node{}, invalid(b)
	}
	t := tokens.NewTokenizer(b)
	t.Next()
	return readValue(t, 0)
}

// invalid says what is wrong with a text that is not JSON.
func invalid(b []byte) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	var first json.RawMessage
	err := dec.Decode(&first)
	switch {
	case errors.Is(err, io.EOF):
		return errors.New("the body is empty")
	case errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the JSON is cut short")
	case err != nil:
		return fmt.Errorf("not JSON: %w", err)
	}
	return errors.New("more follows after the JSON value")
}

// readValue reads the value at whose first token t stands, to its last one. The text is known to be JSON.
func readValue(t *tokens.Tokenizer, depth int) (node, error) {
	if depth > maxDepth {
		return node{}, fmt.Errorf("not JSON: nested deeper than %d levels", maxDepth)
	}
	switch t.Delim {
	case '{':
		return readObject(t, depth)
	case '[':
		return readList(t, depth)
	}
	switch v := t.Value; {
	case v.Null():
		return node{kind: null}, nil
	case v.True():
		return node{kind: truth, text: "true"}, nil
	case v.False():
		return node{kind: truth, text: "false"}, nil
	case v.Number():
		return node{kind: number, text: string(v)}, nil
	}
	return node{kind: word, text: unquote(t)}, nil
}

// unquote is the string at which t stands. Escapes and broken UTF-8 are read as encoding/json does.
func unquote(t *tokens.Tokenizer) string {
	if t.Kind() == tokens.Unescaped && utf8.Valid(t.Value) {
		return string(t.String())
	}
	var s string
	_ = json.Unmarshal(t.Value, &s) // it was checked
	return s
}

func readObject(t *tokens.Tokenizer, depth int) (node, error) {
	n := node{kind: object, fields: map[string]node{}}
	for t.Next() && t.Delim != '}' {
		if t.Delim == ',' {
			continue
		}
		key := unquote(t)
		t.Next() // the colon
		t.Next()
		v, err := readValue(t, depth+1)
		if err != nil {
			return node{}, err
		}
		if old, again := n.fields[key]; again {
			v.twice = old.twice || v.kind != old.kind || v.text != old.text || v.kind >= list
		}
		n.fields[key] = v
	}
	return n, t.Err
}

func readList(t *tokens.Tokenizer, depth int) (node, error) {
	n := node{kind: list}
	for t.Next() && t.Delim != ']' {
		if t.Delim == ',' {
			continue
		}
		v, err := readValue(t, depth+1)
		if err != nil {
			return node{}, err
		}
		if len(n.items) < maxItems {
			n.items = append(n.items, v)
		}
	}
	return n, t.Err
}

// get follows keys through objects. The result is absent when a key is missing or its value is
// null, and marked twice when any key on the way was.
func (n node) get(keys ...string) node {
	twice := n.twice
	for _, k := range keys {
		n = n.fields[k] // a nil map has no keys
		twice = twice || n.twice
	}
	if n.kind == null {
		return node{}
	}
	n.twice = twice && n.kind != absent
	return n
}

// first returns the value of the first of several names that is there.
func (n node) first(names ...string) node {
	for _, name := range names {
		if v := n.get(name); v.kind != absent {
			return v
		}
	}
	return node{}
}

// str returns a word, or "" for anything else and for a key that occurred twice.
func (n node) str() string {
	if n.kind != word || n.twice {
		return ""
	}
	return n.text
}

// quoteNonNumbers puts quotes around bare NaN and Infinity outside strings.
func quoteNonNumbers(b []byte) ([]byte, bool) {
	var out []byte
	inString := false
	for i := 0; i < len(b); i++ {
		c := b[i]
		switch {
		case inString && c == '\\' && i+1 < len(b):
			if out != nil {
				out = append(out, c)
			}
			i++
			c = b[i]
		case c == '"':
			inString = !inString
		case !inString && (c == 'N' || c == 'I' || c == '-'):
			for _, w := range [...]string{"NaN", "Infinity", "-Infinity"} {
				if bytes.HasPrefix(b[i:], []byte(w)) {
					if out == nil {
						out = append(make([]byte, 0, len(b)+16), b[:i]...)
					}
					out = append(append(append(out, '"'), w...), '"')
					i += len(w) - 1
					c = 0
					break
				}
			}
			if c == 0 {
				continue
			}
		}
		if out != nil {
			out = append(out, c)
		}
	}
	return out, out != nil
}
