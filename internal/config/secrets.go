package config

import (
	"regexp"
	"slices"
	"strings"
)

// Secrets reveals every secret of the configuration, for whoever must keep them out of something:
// evidence, a transcript. The order is by length, the longest first, because a secret may contain
// another. Of the notifiers' own sections it returns what the keys ending in _file, _env and
// _credential lead to, and the texts under keys that sound secret, since only the notifier knows
// which of them are. Left out are texts of fewer than four bytes, for which nobody could search, and
// headers and variables that stand in the file itself under a name that does not sound secret.
func (c *Config) Secrets() []string {
	var out []string
	add := func(s string) {
		if len(s) >= 4 && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	c.walk(func(v any) bool {
		switch x := v.(type) {
		case Secret:
			add(x.Reveal())
			return false
		case Header:
			if !harmless(x.Name, x.Value) {
				add(x.Value.Reveal())
			}
			return false
		case Variable:
			if !harmless(x.Name, x.Value) {
				add(x.Value.Reveal())
			}
			return false
		case Section:
			for _, s := range x.texts() {
				add(s)
			}
			return false
		}
		return true
	})
	slices.SortStableFunc(out, func(a, b string) int { return len(b) - len(a) })
	return out
}

// harmless reports a value that stands in the file under a name which does not sound secret, such as
// X-Probe: recoveryd. To search for it would blank out half of what is read.
func harmless(name string, v Secret) bool {
	return v.Source() == "literal" && !telltale.MatchString(name) && !slices.Contains(telling, strings.ToLower(name))
}

// telltale are the keys of a notifier whose texts are taken for secret, with everything below them.
var telltale = regexp.MustCompile(`(?i)key|token|secret|pass|pwd|url|dsn|auth|cred|header|env`)

// texts are the words of a section that may be secret, with its twins resolved.
func (s Section) texts() (out []string) {
	for key, n := range s.rest {
		out = append(out, n.secrets(key, s.resolve, false)...)
	}
	return out
}

// secrets collects what may be secret at a key and below it.
func (n *node) secrets(key string, resolve, told bool) (out []string) {
	for _, suffix := range twins {
		if strings.HasSuffix(key, suffix) && n.kind == text {
			if !resolve {
				return nil
			}
			v, _, err := secretFrom(suffix, n.text(), strings.TrimSuffix(key, suffix))
			if err != nil {
				return nil // its owner reports that
			}
			return []string{v.Reveal()}
		}
	}
	told = told || telltale.MatchString(key)
	switch n.kind {
	case text:
		if told {
			out = append(out, n.text())
		}
	case list:
		for _, item := range n.items {
			out = append(out, item.secrets("", resolve, told)...)
		}
	case mapping:
		for _, e := range n.entries {
			out = append(out, e.value.secrets(e.key, resolve, told)...)
		}
	}
	return out
}
