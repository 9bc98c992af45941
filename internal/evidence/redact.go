package evidence

import (
	"encoding/json"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// masked stands where a secret was.
const masked = "<secret>"

const (
	// minSecret is the shortest known secret that is searched for, in bytes: replacing "a"
	// everywhere would destroy the text and hide nothing.
	minSecret = 4
	// minPart is the shortest part of a known secret that is hidden: an element of a list of
	// tokens, or the beginning of a secret at the end of a text that was cut there.
	minPart = 6
	// maxPart bounds that search: no secret but a whole key file is longer.
	maxPart = 4 << 10
)

// Redactor hides secrets in texts: those that it knows, in whatever way they are quoted, and what
// looks like one. It is immutable and safe for concurrent use. The zero value knows none.
type Redactor struct {
	known   []string // in all their forms, the longest first
	replace *strings.Replacer
}

// NewRedactor makes a Redactor for the known secrets. Of a connection string it also knows the
// password alone, and of a list its elements.
func NewRedactor(secrets []string) Redactor {
	var forms []string
	add := func(s string, shortest int) {
		if s = strings.TrimSpace(s); len(s) < shortest {
			return
		}
		quoted, err := json.Marshal(s)
		if err == nil {
			forms = append(forms, strings.Trim(string(quoted), `"`))
		}
		forms = append(forms, s, url.QueryEscape(s), url.PathEscape(s), strings.ReplaceAll(s, `'`, `\'`), strings.ReplaceAll(s, `'`, `''`))
	}
	for _, s := range secrets {
		add(s, minSecret)
		for _, p := range passwordsIn(s) {
			add(p, minSecret)
		}
		for _, part := range strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(", ;\n\t", r) }) {
			if len(part) < len(s) && !strings.Contains(part, "=") {
				add(part, 2*minPart)
			}
		}
	}
	slices.SortStableFunc(forms, func(a, b string) int { return len(b) - len(a) })
	r := Redactor{}
	for _, f := range forms {
		if !slices.Contains(r.known, f) {
			r.known = append(r.known, f)
		}
	}
	pairs := make([]string, 0, 2*len(r.known))
	for _, f := range r.known {
		pairs = append(pairs, f, masked)
	}
	r.replace = strings.NewReplacer(pairs...)
	return r
}

// passwordsIn finds the password in a connection string of either form.
func passwordsIn(s string) (out []string) {
	if u, err := url.Parse(s); err == nil && u.User != nil {
		if p, ok := u.User.Password(); ok {
			out = append(out, p)
		}
		out = append(out, u.Query().Get("password"))
	}
	for _, m := range dsnPassword.FindAllStringSubmatch(s, -1) {
		out = append(out, strings.NewReplacer(`\'`, `'`, `\\`, `\`).Replace(m[1]+m[2]))
	}
	return out
}

var dsnPassword = regexp.MustCompile(`(?:^|\s)password\s*=\s*(?:'((?:[^'\\]|\\.)*)'|([^\s']+))`)

// pattern is one way in which secrets appear in texts.
type pattern struct {
	re   *regexp.Regexp
	with string
}

// secretName is a word that names a secret, in a log line, a variable, a flag or a JSON key.
const secretName = `[\w.-]*(?:passw(?:or)?d|passphrase|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credential)s?`

// done is what an earlier replacement has left, with what sticks to it.
const done = masked + `[\w.~+/=-]*`

// patterns are applied in this order: whole blocks and headers first, so that no rest of them is
// left by a later one. A text is cut at its end now and then, so a missing closing quote ends at the
// end of the line.
var patterns = []pattern{
	{regexp.MustCompile(`(?s)-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|\z)`), masked},
	{regexp.MustCompile(`(?i)\b((?:proxy-)?authorization|(?:set-)?cookie|x-[a-z-]*(?:key|token|auth)|apikey)(\\?["']?\s*[:=]\s*)(?:` + done + `|\\?"[^"\n]*"?|'[^'\n]*'?|[^\n"']+)`), "${1}${2}" + masked},
	{regexp.MustCompile(`(://)[^\s"'<>]*@`), "${1}" + masked + "@"},
	{regexp.MustCompile(`(?i)\b(` + secretName + `)(\\?["']?\s*(?:=>|[=:])\s*)(?:` + done + `|\\"(?:[^"\\\n]|\\[^"])*(?:\\")?|"(?:[^"\\\n]|\\.)*"?|'(?:[^'\\\n]|\\.|'')*'?|[^\s&,;"'\\]+)`), "${1}${2}" + masked},
	{regexp.MustCompile(`(?i)(\s--?` + secretName + `)(\s+)(?:"[^"\n]*"?|'[^'\n]*'?|[^\s-][^\s]*)`), "${1}${2}" + masked},
	{regexp.MustCompile(`(?i)\b(passw(?:or)?d\s+)(?:E?'(?:[^'\n]|'')*'?|"[^"\n]*"?)`), "${1}" + masked}, // CREATE ROLE ... PASSWORD 'x'
	{regexp.MustCompile(`(?i)\b(bearer|basic|digest)\s+[\w.~+/=-]{6,}`), "${1} " + masked},
	{regexp.MustCompile(`\beyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)?`), masked}, // JSON web token
	{regexp.MustCompile(`\b(?:xox[a-z]-[\w-]{6,}|gh[a-z]_\w{16,}|github_pat_\w{16,}|glpat-[\w-]{16,}|sk-[\w-]{16,}|AKIA[0-9A-Z]{16}|AIza[\w-]{30,})`), masked},
	{regexp.MustCompile(`(hooks\.slack\.com/)\S+`), "${1}" + masked},
}

// Text returns s without secrets.
func (r Redactor) Text(s string) string {
	if r.replace != nil {
		s = r.replace.Replace(s)
	}
	for _, p := range patterns {
		s = p.re.ReplaceAllString(s, p.with)
	}
	return s
}

// Ended is Text for a text that was cut at its end, perhaps in the middle of a known secret.
func (r Redactor) Ended(s string) string {
	for _, k := range r.known {
		for n := min(len(k)-1, len(s), maxPart); n >= minPart; n-- {
			if strings.HasSuffix(s, k[:n]) {
				return r.Text(s[:len(s)-n]) + masked
			}
		}
	}
	return r.Text(s)
}

// Short is Text on one line of at most limit characters. It is cut after it is redacted, so that no
// part of a secret can be left at its end.
func (r Redactor) Short(s string, limit int) string {
	out := []rune(strings.Join(strings.Fields(r.Ended(plain(s))), " "))
	if len(out) > limit {
		return string(out[:limit-1]) + "…"
	}
	return string(out)
}
