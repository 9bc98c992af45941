package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

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
		if m := re.FindStringSubmatch(text); m != nil && m[0] != masked { // what validate --print wrote
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
func (r *reader) unfilled(path, key string, n *node, hidden bool) bool {
	found, name := Placeholder(n.text())
	if found == "" {
		return false
	}
	p := Problem{Path: path, What: "is taken as it stands: variables are not expanded", Got: quote(found)}
	switch {
	case name == "":
		p.What, p.Hint = "looks like a placeholder that nobody filled in", "write the value itself"
	case found == n.text():
		p.Got, p.Hint = "", fmt.Sprintf("write %s%s: %s", key, fromEnv, strings.ToUpper(name))
	default:
		p.Hint = fmt.Sprintf("put the whole value into a variable or a file, and name that with %s%s or %s%s", key, fromEnv, key, fromFile)
	}
	if hidden {
		p.Got = ""
	}
	r.warn(n.at, p)
	return true
}

// templated are the keys of notifiers whose text is a template, where braces and brackets belong.
var templated = []string{"templates", "body"}

// unfilledBelow warns of placeholders in everything below a key of a section that belongs to somebody
// else, but for the places that were warned of already.
func (r *reader) unfilledBelow(path, key string, n *node) {
	if slices.Contains(templated, key) {
		return
	}
	known := slices.ContainsFunc(r.warnings, func(p Problem) bool { return p.Line == n.at.line && p.Col == n.at.col })
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
