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

// pattern is one way in which secrets appear in texts. The last group of the expression is the secret; what is
// before it stays.
type pattern struct {
	re *regexp.Regexp
	// innocent says that what stands in the place of a secret is none; nil = it always is.
	innocent func(word string) bool
}

// secretName is a word that names a secret, in a log line, a variable, a flag or a JSON key.
const secretName = `[\w.-]*(?:passw(?:or)?d|passphrase|passwort|passwd|pwd|secret|token|(?:api|access|private|account|signing|encryption|master|auth|ssh|license|shared|storage|session|webhook|deploy|routing|integration)[_-]?key|sharedaccesskey|credential|requirepass|masterauth)s?`

// password is one that people put into sentences.
const password = `(?:passw(?:or)?d|passphrase|passwort|pwd|passcode)`

// done is what an earlier replacement has left, with what sticks to it.
const done = masked + `[\w.~+/=-]*`

// quoted is a text in quotes; one that is cut ends at the end of the line.
const quoted = `\\"(?:[^"\\\n]|\\[^"])*(?:\\")?|"(?:[^"\\\n]|\\.)*"?|'(?:[^'\\\n]|\\.|'')*'?|` + "`[^`\\n]*`?"

// patterns are applied in this order: whole blocks and headers first, so that no rest of them is
// left by a later one. A text is cut at its end now and then, so a missing closing quote ends at the
// end of the line.
var patterns = []pattern{
	{re: regexp.MustCompile(`(?s)()(-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|\z))`)},
	{re: regexp.MustCompile(`()((?:[A-Za-z0-9+/=]{16,}\s+)*[A-Za-z0-9+/=]*\s*-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----)`)}, // it began before the text
	{re: regexp.MustCompile(`(?m)^(\S*\s*)(MI[IG][A-Za-z0-9+/]{50,})`)},                                                         // the first line of a key or certificate, when lines come alone
	{re: regexp.MustCompile(`(?i)\b((?:(?:proxy-)?authorization|(?:set-)?cookie|x-[a-z-]*(?:key|token|auth|signature|credential)|apikey)(?:\\?["']?\s*[:=]\s*))(` + done + `|\\?"[^"\n]*"?|'[^'\n]*'?|[^\n"'&]+)`)},
	{re: regexp.MustCompile(`(://)([^\s"'<>]*)@`)},
	{re: regexp.MustCompile(`(\b[\w.-]+:)([^\s@:/"']+)@(?:tcp|unix|udp)\(`)},
	{re: regexp.MustCompile(`(?i)([?&;](?:sig|signature|jwt|auth|authkey|hmac|st|se_?sig|policy|x-(?:amz|goog)-(?:signature|credential|security-token))=)([^&\s"'<>]+)`)},
	{re: regexp.MustCompile(`([?&](?:key|code)=)([^&\s"'<>]{16,})`)},
	{re: regexp.MustCompile(`(?i)\b(` + secretName + `\s*:\s*[|>][+-]?\s*\n\s+)(\S[^\n]*)`)}, // a block of YAML
	{re: regexp.MustCompile(`(?i)\b(` + secretName + `(?:\\?["']?\s*(?:=>|[=:])\s*))(` + done + `|` + quoted + `|[^\s&,;"'\\]+)`), innocent: said},
	{re: regexp.MustCompile(`(?i)(\s--?` + secretName + `\s+)("[^"\n]*"?|'[^'\n]*'?|[^\s-][^\s]*)`)},
	{re: regexp.MustCompile(`(?i)\b((?:passw(?:or)?d|identified(?:\s+with\s+\S+)?\s+(?:by|as))\s+)(E?'(?:[^'\n]|'')*'?|"[^"\n]*"?)`)}, // CREATE ROLE ... PASSWORD 'x'
	{re: regexp.MustCompile(`(?i)\b((?:requirepass|masterauth)\s+)(\S+)`)},
	{re: regexp.MustCompile(`(?i)\b(` + password + `\s+(?:is|was|are|ist|of)(?:\s+now)?:?\s+)(` + quoted + `|\S+)`), innocent: plainWord},
	{re: regexp.MustCompile(`(?i)\b((?:with|using|by|via|and|mit)\s+(?:the\s+|a\s+|its\s+|new\s+)?` + password + `:?\s+)(` + quoted + `|\S+)`), innocent: plainWord},
	{re: regexp.MustCompile(`(?i)\b((?:secret|token|(?:api|access)[ _-]?key|credentials?|pin)\s+(?:is|was|are|=)\s+)(` + quoted + `|\S+)`), innocent: unlikely},
	{re: regexp.MustCompile(`(?i)\b((?:with|using|via)\s+(?:the\s+|a\s+)?(?:secret|token|(?:api|access)[ _-]?key|credentials?)\s+)(` + quoted + `|\S+)`), innocent: unlikely},
	{re: regexp.MustCompile(`(\b(?:mysql\w*|mariadb\w*|sshpass)\b[^\n|;]*?\s-p\s?)("[^"\n]*"?|'[^'\n]*'?|[^\s-]\S*)`)},
	{re: regexp.MustCompile(`(\s-p)("[^"\n]*"?|'[^'\n]*'?|[^\s"']\S*)`), innocent: unlikely},
	{re: regexp.MustCompile(`(\bredis-cli\b[^\n|;]*?\s(?:-a|--pass)\s+)(\S+)`)},
	{re: regexp.MustCompile(`(\bcurl\b[^\n|;]*?\s(?:-u|--user)[ =]?["']?[^\s:"']+:)([^\s"']+)`)},
	{re: regexp.MustCompile(`(?i)\b((?:bearer|digest)\s+)([\w.~+/=-]{6,})`), innocent: plainWord},
	{re: regexp.MustCompile(`(?i)\b(basic\s+)([\w.~+/=-]{6,})`), innocent: unlikely},
	{re: regexp.MustCompile(`()(\beyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)?)`)}, // JSON web token
	{re: regexp.MustCompile(`()(\b(?:xox[a-z]-[\w-]{6,}|xapp-[\w-]{10,}|gh[a-z]_\w{16,}|github_pat_\w{16,}|gl[a-z]+-[\w-]{16,}|sk-[\w-]{16,}|[srp]k_(?:live|test)_\w{10,}|whsec_\w{16,}|npm_\w{30,}|pypi-[\w-]{30,}|hf_\w{20,}|SG\.[\w-]{16,}\.[\w-]{16,}|dop_v1_\w{30,}|shp[a-z]{2}_\w{20,}|ya29\.[\w-]{16,}|(?:AKIA|ASIA)[0-9A-Z]{16}|AIza[\w-]{30,}|AGE-SECRET-KEY-\w{20,}|\d{8,10}:AA[\w-]{30,}))`)},
	{re: regexp.MustCompile(`((?:hooks\.slack\.com|discord(?:app)?\.com/api/webhooks|[\w.-]*webhook\.office\.com|chat\.googleapis\.com/v1/spaces)/)(\S+)`)},
}

// What a program says in the place of a secret. Such a word is no secret, and the reader needs it.
var (
	saidWords  = regexp.MustCompile(`(?i)^\(?(?:yes|no|none|null|nil|true|false|empty|unset|missing|redacted|\*+|x{3,}|[|>][+-]?|<[\w -]*>|\$\{?\w+\}?)\)?[.,;:!)\]}]*$`)
	plainWords = regexp.MustCompile(`(?i)^(?:` +
		`not|no|none|too|very|only|also|still|already|never|now|wrong|incorrect|invalid|valid|bad|weak|strong|old|new|empty|missing|absent|unknown|unset|set|null|nil|` +
		`correct|right|ok|okay|good|fine|safe|secure|insecure|short|long|different|same|identical|default|optional|mandatory|necessary|needed|stale|fresh|required|` +
		`case-sensitive|read|sent|kept|held|lost|found|given|taken|shown|hidden|known|wanted|due|to|in|on|at|for|from|of|by|as|the|a|an|and|or|with|without|via|per|` +
		`auth|authentication|authorization|authenticator|login|hash|hashes|hashing|salt|policy|file|files|field|prompt|reset|change|changes|manager|store|check|checks|` +
		`length|age|expiry|rotation|protection|encryption|method|mechanism|plugin|fields|entry|support|grant|flow|scheme|credentials|user|failed|fails|yes|` +
		`[a-z]+(?:ed|ing|tion|able|ible|ly))[.,;:!?)\]}"']*$`)
	random = regexp.MustCompile(`[0-9]|[a-z][A-Z]|[A-Za-z][^\w\s.,;:!?)\]}"'-]+[A-Za-z]|[!$%^&*#@=+]`)
)

// said reports a word such as YES, which is no secret.
func said(word string) bool { return saidWords.MatchString(word) }

// plainWord reports a word of a sentence about a password, such as "is wrong".
func plainWord(word string) bool {
	return !strings.ContainsAny(word[:1], `"'`+"`"+`\`) && (saidWords.MatchString(word) || plainWords.MatchString(word))
}

// unlikely reports a word that does not look as if it had been drawn by lot, where most words are no secret.
func unlikely(word string) bool {
	if strings.ContainsAny(word[:1], `"'`+"`"+`\`) {
		return false
	}
	return len(word) < minPart || plainWords.MatchString(word) || !random.MatchString(word) || strings.HasPrefix(word, "/") || ports.MatchString(word)
}

// ports are the numbers in -p8080:80, and a process in -p1234.
var ports = regexp.MustCompile(`^[\d.:,/-]+(?:/?(?:tcp|udp))?$`)

// hide replaces the secrets that a pattern finds.
func (p pattern) hide(s string) string {
	found := p.re.FindAllStringSubmatchIndex(s, -1)
	if found == nil {
		return s
	}
	var b strings.Builder
	last := 0
	for _, m := range found {
		from, to := m[len(m)-2], m[len(m)-1]
		if p.innocent != nil && p.innocent(s[from:to]) {
			continue
		}
		b.WriteString(s[last:from])
		b.WriteString(masked)
		last = to
	}
	b.WriteString(s[last:])
	return b.String()
}

// Text returns s without secrets.
func (r Redactor) Text(s string) string {
	if r.replace != nil {
		s = r.replace.Replace(s)
	}
	for _, p := range patterns {
		s = p.hide(s)
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
