package probe

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxSentence bounds words that come from outside: one line of a page or a journal entry.
const maxSentence = 300

// What looks like a credential in an error text. Servers put their database URL, with the
// password, into such texts.
var (
	userinfo   = regexp.MustCompile(`(://)[^\s"'<>]*@`)
	assignment = regexp.MustCompile(`(?i)\b([\w-]*(?:passw(?:or)?d|pwd|secret|token|api[_-]?key|access[_-]?key))(["']?\s*[=:]\s*)("[^"]*"|'[^']*'|[^\s&,;"']+)`)
	bearer     = regexp.MustCompile(`(?i)\b(bearer|basic)\s+[\w.~+/=-]{6,}`)
)

// clean makes a text from outside fit for a fact: one line, printable, without credentials, and
// at most limit characters.
func clean(s string, limit int) string {
	if len(s) > 4*limit+1024 {
		s = s[:4*limit+1024] // enough for any limit; the rest is dropped before the costly part
	}
	s = strings.ToValidUTF8(s, "?")
	if strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		s = strings.Map(func(r rune) rune {
			if unicode.IsSpace(r) || !unicode.IsPrint(r) {
				return ' '
			}
			return r
		}, s)
	}
	if strings.Contains(s, "  ") || strings.HasPrefix(s, " ") || strings.HasSuffix(s, " ") {
		s = strings.Join(strings.Fields(s), " ")
	}
	return cut(scrub(s), limit)
}

// scrub hides what looks like a credential.
func scrub(s string) string {
	if strings.Contains(s, "@") {
		s = userinfo.ReplaceAllString(s, "${1}"+masked+"@")
	}
	if strings.ContainsAny(s, "=:") {
		s = assignment.ReplaceAllString(s, "${1}${2}"+masked)
	}
	if strings.Contains(s, " ") {
		s = bearer.ReplaceAllString(s, "${1} "+masked)
	}
	return s
}

// cut shortens a text to at most limit characters.
func cut(s string, limit int) string {
	if len(s) <= limit || utf8.RuneCountInString(s) <= limit {
		return s
	}
	r := []rune(s)
	return string(r[:limit-1]) + "…"
}
