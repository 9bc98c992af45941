package config

import (
	"path/filepath"
	"slices"
	"strings"
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
	secret := func(s Secret) {
		for suffix, word := range sourceWords {
			if place, ok := strings.CutPrefix(s.Source(), word); ok {
				p.add(suffix, place)
			}
		}
	}
	c.walk(func(v any) bool {
		switch x := v.(type) {
		case Secret:
			secret(x)
			return false
		case Section:
			for key, n := range x.rest {
				n.places(key, p.add)
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
	case fromFile:
		p.Secrets = append(p.Secrets, place)
	case fromCredential:
		p.Credentials = append(p.Credentials, place)
	case fromEnv:
		p.Variables = append(p.Variables, place)
	}
}

// places finds the twins at a key of a notifier and below it.
func (n *node) places(key string, add func(suffix, place string)) {
	switch n.kind {
	case text:
		for _, suffix := range twins {
			if strings.HasSuffix(key, suffix) && n.text() != "" && (suffix != fromFile || filepath.IsAbs(n.text())) {
				add(suffix, n.text())
			}
		}
	case list:
		for _, item := range n.items {
			item.places("", add)
		}
	case mapping:
		for _, e := range n.entries {
			e.value.places(e.key, add)
		}
	}
}
