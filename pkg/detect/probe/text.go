package probe

import (
	"bytes"
	"html"
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

// maxExcerpt bounds what is quoted of a body that is not understood.
const maxExcerpt = 120

var (
	invisible = regexp.MustCompile(`(?is)<(script|style)\b.*?</(script|style)>|<!--.*?-->|<[^>]*>`)
)

// excerpt is what a body says to people: its beginning, in quotes; of a web page the title, or the text
// between its marks. It is empty for an empty body and for one that is no text.
func excerpt(body []byte, contentType string) string {
	body = body[:min(len(body), 4096)]
	if text := bytes.ToValidUTF8(body, nil); len(text) < len(body)*9/10 {
		return ""
	}
	s := string(body)
	if looksHTML(body, contentType) {
		if m := pageTitle.FindStringSubmatch(s); m != nil && strings.TrimSpace(m[1]) != "" {
			s = html.UnescapeString(m[1])
		} else {
			s = pageText(body)
		}
	}
	switch s = clean(s, maxExcerpt); {
	case s == "":
		return ""
	case strings.Contains(s, `"`):
		return "'" + s + "'" // JSON is easier to read without a backslash at each quote
	}
	return `"` + s + `"`
}

// pageText is the text of a web page between its marks.
func pageText(page []byte) string {
	s := html.UnescapeString(invisible.ReplaceAllString(string(page[:min(len(page), 4096)]), " "))
	return strings.Join(strings.Fields(s), " ")
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
