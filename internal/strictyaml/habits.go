package strictyaml

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// unseen are characters that no editor shows, by what people call them. They come from web pages and chats.
var unseen = map[rune]string{
	0xa0: "a no-break space", 0x202f: "a narrow no-break space", 0x2007: "a figure space", 0x3000: "an ideographic space",
	0x200b: "a zero-width space", 0x200c: "a zero-width non-joiner", 0x200d: "a zero-width joiner", 0x2060: "a word joiner",
	0xfeff: "a byte order mark", 0xad: "a soft hyphen", 0x2028: "a line separator", 0x2029: "a paragraph separator", 0x85: "a next-line character",
	0x200e: "a left-to-right mark", 0x200f: "a right-to-left mark",
}

// unseenName names a character that cannot be seen; "" when it can.
func unseenName(r rune) string {
	name, ok := unseen[r]
	switch {
	case ok:
	case r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069:
		name = "a mark of writing direction"
	case r > 0x7f && unicode.Is(unicode.Zs, r):
		name = "a space that is not the plain one"
	default:
		return ""
	}
	return fmt.Sprintf("%s (U+%04X)", name, r)
}

// quotes are the pairs that people and word processors put around a text.
var quotes = []string{`""`, `''`, "“”", "‘’", "„“", "«»", "``"}

// oddity says what is most likely not meant in a text, and the cure; "" when nothing is odd. It never says
// the text itself, which may be a secret.
func oddity(s string) (what, cure string) {
	for _, r := range s {
		if name := unseenName(r); name != "" {
			return "holds " + name + ", which cannot be seen", "delete it, or type a plain space there"
		}
	}
	switch first, last := ends(s); {
	case strings.HasSuffix(s, "\r"):
		return "ends in a carriage return", "save the file with the line ends of Unix"
	case s != strings.TrimSpace(s) && !strings.Contains(strings.TrimSpace(s), "\n"):
		return "has white space around it", "delete that"
	case len([]rune(s)) > 1 && pair(first, last) && pair(first, first):
		return "stands in quotes of its own", "leave out the quotes around it"
	case len([]rune(s)) > 1 && pair(first, last):
		return "stands in typographic quotes", `leave them out, or use the plain ones: "`
	}
	for _, r := range s {
		if r > 0x7f && unicode.IsDigit(r) {
			return "holds digits other than 0 to 9", "type them anew"
		}
	}
	return "", ""
}

func ends(s string) (first, last rune) {
	if r := []rune(s); len(r) > 0 {
		return r[0], r[len(r)-1]
	}
	return 0, 0
}

func pair(first, last rune) bool {
	for _, q := range quotes {
		if r := []rune(q); first == r[0] && last == r[1] {
			return true
		}
	}
	return false
}

// theirs are the keys whose text is a template, a pattern, a program's own or read by people: anything may
// stand there.
var theirs = regexp.MustCompile(`template|body|match|pattern|regex|when|because|command|collector|argument|args|text|title|summary|message|label|why|query|sql|words`)

// odd warns of what is most likely not meant in the text of a key, which is not shown: it may be a secret.
// White space around an address is refused: it would be sent as a part of the path.
func (r *Reader) odd(path string, n *node, key, s string) {
	if theirs.MatchString(key) {
		return
	}
	what, cure := oddity(s)
	switch p := (Problem{Path: path, What: what, Hint: cure}); {
	case what == "":
	case s != strings.TrimSpace(s) && (key == "url" || strings.HasSuffix(key, "_url")):
		r.Problem(n.at, p)
	default:
		r.Warn(n.at, p)
	}
}

// placeholders find what a person or a template was to fill in, anywhere in a value: variables of
// shells, compose and Helm ("${X}", "$X", "{{ x }}"), of Windows and batch files ("%X%"), and words
// that stand for a value ("<changeme>"), and what other templates and secret stores write. A name in the first group is that of a variable. A small "$x"
// and "%2F" are none: passwords and addresses hold such things.
var placeholders = []*regexp.Regexp{
	regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_]*)[^}]*\}`),
	regexp.MustCompile(`\$([A-Z_][A-Z0-9_]{2,})\b`),
	regexp.MustCompile(`\{\{-?\s*\.?([A-Za-z_][A-Za-z0-9_.]*)[^}]*\}\}`),
	regexp.MustCompile(`%([A-Z_][A-Z0-9_]{2,})%`),
	regexp.MustCompile(`<([A-Za-z][A-Za-z0-9]*([ _-][A-Za-z0-9]+)*)>`),
	regexp.MustCompile(`(?i)^(change[-_ ]?me|replace[-_ ]?me|todo|fixme|tbd|placeholder|redacted|dummy|your[-_ ].*|(insert|enter|put|paste|add)[-_ ].*here|example[-_ ](key|token|secret|password)|x{4,}(-x{4,})*x*|[*]{3,}|0{16,})$`),
	// Templates of sed and autoconf, Azure, Ruby, Go with other brackets, and commands of a shell.
	regexp.MustCompile(`__[A-Z][A-Z0-9_]*[A-Z0-9]__|@[A-Z][A-Z0-9_]{2,}@|[#%]\{[A-Za-z_][A-Za-z0-9_.]*\}|\$\[[A-Z_][A-Z0-9_]{2,}\]|\[\[\s*[A-Za-z_][A-Za-z0-9_.]*\s*\]\]|<%.+%>|\$\([^()]+\)`),
	// References to a secret that only another program can follow: SOPS, Vault, 1Password, vals, Argo CD.
	regexp.MustCompile(`^(?:ENC\[[A-Z0-9_]+,.*|vault:[a-zA-Z0-9_-]+/.*|op://.*|ref\+[a-z]+://.*|<path:.*>|arn:aws:(?:secretsmanager|ssm):.*)$`),
}

// Placeholder returns the first part of a text that nobody filled in, and the name of the variable
// that was meant, if it is one; "" when there is none.
func Placeholder(text string) (found, name string) {
	if m := variable.FindStringSubmatch(text); m != nil { // alone it is one in small letters, too
		return text, m[1]
	}
	for i, re := range placeholders {
		if m := re.FindStringSubmatch(text); m != nil && m[0] != Masked { // what validate --print wrote
			if i < 4 {
				name = strings.ToUpper(strings.ReplaceAll(m[1], ".", "_"))
			}
			return m[0], name
		}
	}
	return "", ""
}

// unfilled warns of a placeholder in the value of a key, and reports whether there is one. Of a value
// that may be secret nothing is shown: it may only look like one.
func (r *Reader) unfilled(path, key string, n *node, hidden bool) bool {
	found, name := Placeholder(n.text())
	if found == "" {
		return false
	}
	p := Problem{Path: path, What: "is taken as it stands: variables are not expanded", Got: quote(found)}
	switch {
	case name == "":
		p.What, p.Hint = "looks like a placeholder that nobody filled in", "write the value itself"
	case found == n.text():
		p.Got, p.Hint = "", fmt.Sprintf("write %s%s: %s", key, FromEnv, strings.ToUpper(name))
	default:
		p.Hint = fmt.Sprintf("put the whole value into a variable or a file, and name that with %s%s or %s%s", key, FromEnv, key, FromFile)
	}
	if hidden {
		p.Got = ""
	}
	r.Warn(n.at, p)
	return true
}

// templated are the keys of notifiers whose text is a template, where braces and brackets belong.
var templated = []string{"templates", "body"}

// unfilledBelow warns of placeholders in everything below a key of a section that belongs to somebody
// else, but for the places that were warned of already.
func (r *Reader) unfilledBelow(path, key string, n *node) {
	if slices.Contains(templated, key) {
		return
	}
	known := slices.ContainsFunc(r.warnings, func(p Problem) bool { return p.Line == n.at.Line && p.Col == n.at.Col })
	switch n.kind {
	case text:
		if !known {
			r.unfilled(path, key, n, false)
		}
	case list:
		for i, item := range n.items {
			r.unfilledBelow(fmt.Sprintf("%s[%d]", path, i), key, item)
		}
	case mapping:
		for _, e := range n.entries {
			r.unfilledBelow(join(path, e.key), e.key, e.value)
		}
	}
}
