package notice

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Ellipsis marks a text that was cut.
const Ellipsis = "…"

// Cut shortens s to at most limit runes, the ellipsis included, never in the middle of one.
// Invalid UTF-8 becomes U+FFFD, because vendors refuse it. A limit below 1 gives "".
func Cut(s string, limit int) string {
	if limit < 1 {
		return ""
	}
	s = strings.ToValidUTF8(s, string(utf8.RuneError))
	if utf8.RuneCountInString(s) <= limit {
		return s
	}
	n := 0
	for i := range s {
		if n == limit-1 {
			return s[:i] + Ellipsis
		}
		n++
	}
	return s
}

// CutBytes shortens s to at most limit bytes, the ellipsis included when it fits, never in the
// middle of a rune.
func CutBytes(s string, limit int) string {
	s = strings.ToValidUTF8(s, string(utf8.RuneError))
	if len(s) <= limit {
		return s
	}
	mark := Ellipsis
	if limit < len(mark) {
		mark = ""
	}
	end := max(limit-len(mark), 0)
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + mark
}

// OneLine makes s fit for a subject or a log field: every run of white space or control
// characters becomes one space, none at the ends.
func OneLine(s string) string {
	s = strings.ToValidUTF8(s, string(utf8.RuneError))
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r)
	}), " ")
}

// Printable keeps line breaks and tabs and replaces every other control character by a space:
// logs are evidence, and evidence may hold escape sequences that move a terminal's cursor.
func Printable(s string) string {
	s = strings.ToValidUTF8(s, string(utf8.RuneError))
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return ' '
		}
		return r
	}, s)
}
