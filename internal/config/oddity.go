package config

import (
	"fmt"
	"regexp"
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
func (r *reader) odd(path string, n *node, key, s string) {
	if theirs.MatchString(key) {
		return
	}
	what, cure := oddity(s)
	switch p := (Problem{Path: path, What: what, Hint: cure}); {
	case what == "":
	case s != strings.TrimSpace(s) && (key == "url" || strings.HasSuffix(key, "_url")):
		r.problem(n.at, p)
	default:
		r.warn(n.at, p)
	}
}
