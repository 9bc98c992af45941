package strictyaml

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// MaxSize bounds a configuration file, in bytes. 5,000 targets on a line each take some 750 KB; a larger
// file is the wrong file.
const MaxSize = 1 << 20

// maxTokens bounds the words of a file, because each takes the YAML parser some 400 bytes of memory.
// 5,000 targets stay below it.
const maxTokens = 250_000

// MaxKeys bounds the keys of one mapping, with which the time of the parser grows quadratically: at this bound
// it takes some two seconds.
const MaxKeys = 10_000

// parseTree turns the text into a tree, or reports why it cannot. It returns nil after a report.
func parseTree(data []byte, report func(Place, string, string)) (root *node) {
	if !readable(data, report) {
		return nil
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	failed := false
	tell := func(at Place, what, hint string) {
		failed = true
		report(at, what, hint)
	}
	// The parser is a library fed with whatever an operator may write: should it panic, that is
	// a file that cannot be read and not a daemon that cannot be started or reloaded.
	defer func() {
		if r := recover(); r != nil {
			report(Place{1, 1}, "is not YAML that can be read", "validate it with another YAML tool to find the place")
			root = nil
		}
	}()
	tokens := lexer.Tokenize(string(data))
	if !bounded(tokens, tell) {
		return nil
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		syntaxError(data, err, tell)
		return nil
	}
	body := document(file, tell)
	if body == nil {
		return nil
	}
	p := planter{anchors: map[string]ast.Node{}, open: map[string]bool{}, report: tell}
	root = p.plant(body, 0)
	if root.kind != mapping {
		tell(root.at, "the file must be a mapping of keys to values, such as version: 1", "")
	}
	if failed {
		return nil
	}
	return root
}

// document returns the body of the only document of the file.
func document(file *ast.File, report func(Place, string, string)) ast.Node {
	var body ast.Node
	for _, d := range file.Docs {
		switch {
		case d.Body == nil:
		case body == nil:
			body = d.Body
		default:
			report(at(d.Body), "a second document begins here", "one file holds one configuration: remove the line ---")
			return nil
		}
	}
	if body == nil {
		report(Place{1, 1}, "the file is empty", "start with: version: 1")
	}
	return body
}

// readable reports whether the bytes can be text: small enough, UTF-8, no control characters.
func readable(data []byte, report func(Place, string, string)) bool {
	if len(data) > MaxSize {
		report(Place{1, 1}, fmt.Sprintf("the file is too large (got %s, want at most %s)", Size(len(data)), Size(MaxSize)), "is this the right file?")
		return false
	}
	line, col := 1, 1
	for rest := data; len(rest) > 0; {
		r, n := utf8.DecodeRune(rest)
		switch {
		case r == utf8.RuneError && n == 1:
			hint := "save the file as UTF-8"
			if bytes.HasPrefix(data, []byte{0xff, 0xfe}) || bytes.HasPrefix(data, []byte{0xfe, 0xff}) {
				hint = "it is UTF-16, as some editors of Windows save; save it as UTF-8, or: iconv -f UTF-16 -t UTF-8"
			}
			report(Place{line, col}, fmt.Sprintf("not UTF-8 (got byte 0x%02x)", rest[0]), hint)
			return false
		case r < ' ' && r != '\t' && r != '\n' && r != '\r', r == 0x7f:
			report(Place{line, col}, fmt.Sprintf("control character 0x%02x", r), "remove it")
			return false
		case r == '\n':
			line, col = line+1, 0
		}
		col++
		rest = rest[n:]
	}
	return true
}

// bounded refuses what would take the parser too long or too deep.
func bounded(tokens token.Tokens, report func(Place, string, string)) bool {
	if len(tokens) > maxTokens {
		report(Place{1, 1}, fmt.Sprintf("the file has too many words (got %d, want at most %d)", len(tokens), maxTokens), "is this the right file?")
		return false
	}
	flow, line, onLine := 0, 0, 0
	keys := map[[2]int]int{} // by depth of brackets, and outside of them by column: what is open now
	for i, t := range tokens {
		at := [2]int{flow, 0}
		if flow == 0 && i > 0 && t.Type == token.MappingValueType {
			at[1] = tokens[i-1].Position.Column
		}
		switch t.Type {
		case token.MappingStartType:
			keys[[2]int{flow + 1, 0}] = 0
		case token.SequenceEntryType: // an item begins: the mappings of the one before it have ended
			closeAfter(keys, t.Position.Column)
		case token.MappingValueType:
			if flow == 0 {
				closeAfter(keys, at[1])
			}
			if keys[at]++; keys[at] > MaxKeys {
				report(Place{max(1, t.Position.Line), max(1, t.Position.Column)}, fmt.Sprintf("a mapping has more than %d keys", MaxKeys), "is this the right file?")
				return false
			}
		}
		if t.Position.Line != line {
			line, onLine = t.Position.Line, 0
		}
		switch t.Type {
		case token.SequenceStartType, token.MappingStartType:
			flow++
		case token.SequenceEndType, token.MappingEndType:
			flow--
		case token.SequenceEntryType, token.MappingKeyType, token.AnchorType, token.TagType:
			onLine++
		}
		if flow > maxDepth || onLine > maxDepth {
			report(Place{max(1, t.Position.Line), max(1, t.Position.Column)}, "nested too deeply", "")
			return false
		}
	}
	return true
}

// closeAfter forgets the mappings that stand further right than a column.
func closeAfter(keys map[[2]int]int, column int) {
	for open := range keys {
		if open[0] > 0 || open[1] > column {
			delete(keys, open)
		}
	}
}

// syntaxError reports the parser's complaint, or every tab in an indentation and every space that cannot be
// seen outside of quotes, which are the usual causes that the parser names badly.
func syntaxError(data []byte, err error, report func(Place, string, string)) {
	named := false
	for i, line := range strings.Split(string(data), "\n") {
		indent := line[:len(line)-len(strings.TrimLeft(line, " \t"))]
		if c := strings.IndexByte(indent, '\t'); c >= 0 && strings.TrimSpace(line) != "" {
			report(Place{i + 1, c + 1}, "a tab in the indentation", "indent with spaces")
			named = true
		}
		for c, r := range []rune(line) {
			if strings.ContainsRune("#\"'", r) {
				break // a comment or a text may hold anything
			}
			if name := unseenName(r); name != "" {
				report(Place{i + 1, c + 1}, name+" stands here, which cannot be seen", "replace it by a plain space")
				named = true
				break
			}
		}
	}
	if named {
		return
	}
	var ye yaml.Error
	if !errors.As(err, &ye) {
		report(Place{1, 1}, "not valid YAML", "")
		return
	}
	where := Place{1, 1}
	if t := ye.GetToken(); t != nil && t.Position != nil {
		where = Place{max(1, t.Position.Line), max(1, t.Position.Column)}
	}
	what, hint := plainWords(ye.GetMessage())
	report(where, "not valid YAML: "+what, hint)
}

// plainWords says the parser's commonest complaints as an operator would. It gets the message
// alone, because the whole error would quote the file, and with it perhaps a secret.
func plainWords(message string) (what, hint string) {
	switch message {
	case "unexpected key name", "non-map value is specified":
		return "a line is neither a key nor a list item", "write key: value, with a space after the colon"
	case "mapping value is not allowed in this context":
		return "a second colon in one line", "put the value in quotes, or begin a new line"
	case "value is not allowed in this context":
		return "the indentation does not fit", "indent keys of one mapping alike"
	case "could not find flow map content":
		return "a { begins a mapping here, without keys after it", "put a text that begins with { in quotes"
	case "sequence end token ']' not found":
		return "a [ is not closed", ""
	case "could not find flow mapping end token '}'":
		return "a { is not closed", ""
	case "',' or ']' must be specified", "',' or '}' must be specified":
		return "a comma or a closing bracket is missing before this", ""
	case "could not find end character of double-quoted text", "could not find end character of single-quoted text":
		return "a quote is not closed", ""
	}
	return message, ""
}
