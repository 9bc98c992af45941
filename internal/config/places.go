package config

import (
	"slices"
	"strings"

	"github.com/recoveryd/recoveryd/internal/strictyaml"
)

// Places are the things outside of the configuration file that it needs to read: for granting
// recoveryd exactly those. The lists are sorted and without duplicates.
type Places struct {
	Secrets     []string // files that hold a secret: keys ending in _file
	Files       []string // other files: certificates (ca_file), http.web_config_file
	Credentials []string // names of systemd credentials: keys ending in _credential
	Variables   []string // environment variables: keys ending in _env
}

// Places lists what the configuration needs to read, secrets included or not. Of a notifier's own
// keys, those that end like the twin of a secret count as one.
func (c *Config) Places() Places {
	var p Places
	secret := func(s strictyaml.Secret) {
		for suffix, word := range strictyaml.SourceWords {
			if place, ok := strings.CutPrefix(s.Source(), word); ok {
				p.add(suffix, place)
			}
		}
	}
	c.walk(func(v any) bool {
		switch x := v.(type) {
		case strictyaml.Secret:
			secret(x)
			return false
		case strictyaml.Section:
			for key, n := range x.Rest {
				n.Places(key, p.add)
			}
			return false
		case Call:
			if x.CAFile != "" {
				p.Files = append(p.Files, x.CAFile)
			}
		}
		return true
	})
	if f := c.HTTP.WebConfigFile; f != "" {
		p.Files = append(p.Files, f)
	}
	for _, list := range []*[]string{&p.Secrets, &p.Files, &p.Credentials, &p.Variables} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	return p
}

func (p *Places) add(suffix, place string) {
	switch suffix {
	case strictyaml.FromFile:
		p.Secrets = append(p.Secrets, place)
	case strictyaml.FromCredential:
		p.Credentials = append(p.Credentials, place)
	case strictyaml.FromEnv:
		p.Variables = append(p.Variables, place)
	}
}

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
		case strictyaml.Secret:
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
		case strictyaml.Section:
			for _, s := range x.Texts() {
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
func harmless(name string, v strictyaml.Secret) bool {
	return v.Source() == "literal" && !strictyaml.Telltale.MatchString(name) && !slices.Contains(telling, strings.ToLower(name))
}
