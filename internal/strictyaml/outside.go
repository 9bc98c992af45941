package strictyaml

import (
	"maps"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
)

// Places finds the twins at a key of a notifier and below it.
func (n *node) Places(key string, add func(suffix, place string)) {
	switch n.kind {
	case text:
		for _, suffix := range TwinEndings {
			if strings.HasSuffix(key, suffix) && n.text() != "" && (suffix != FromFile || filepath.IsAbs(n.text())) {
				add(suffix, n.text())
			}
		}
	case list:
		for _, item := range n.items {
			item.Places("", add)
		}
	case mapping:
		for _, e := range n.entries {
			e.value.Places(e.key, add)
		}
	}
}

// hidden stands for text of a notifier that is not shown, because only the notifier knows whether
// it is a secret.
const hidden = "<hidden>"

// Redacted is a section without anything that may be a secret.
func (s Section) Redacted() yaml.MapSlice {
	out := yaml.MapSlice{}
	if s.node == nil {
		return out
	}
	for _, e := range s.node.entries {
		if _, ok := s.Rest[e.key]; ok {
			out = append(out, yaml.MapItem{Key: e.key, Value: e.value.redacted(e.key)})
		}
	}
	return out
}

func (n *node) redacted(key string) any {
	switch n.kind {
	case text, integer, decimal:
		if slices.ContainsFunc(TwinEndings, func(t string) bool { return strings.HasSuffix(key, t) }) {
			return n.text()
		}
		return hidden
	case list:
		out := make([]any, len(n.items))
		for i, v := range n.items {
			out[i] = v.redacted(key)
		}
		return out
	case mapping:
		out := yaml.MapSlice{}
		for _, e := range n.entries {
			out = append(out, yaml.MapItem{Key: e.key, Value: e.value.redacted(e.key)})
		}
		return out
	}
	return n.any()
}

// Telltale are the keys of a notifier whose texts are taken for secret, with everything below them.
var Telltale = regexp.MustCompile(`(?i)key|token|secret|pass|pwd|url|dsn|auth|cred|header|env`)

// Texts are the words of a section that may be secret, with its twins resolved.
func (s Section) Texts() (out []string) {
	for key, n := range s.Rest {
		out = append(out, n.secrets(key, s.resolve, false)...)
	}
	return out
}

// secrets collects what may be secret at a key and below it.
func (n *node) secrets(key string, resolve, told bool) (out []string) {
	for _, suffix := range TwinEndings {
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
	told = told || Telltale.MatchString(key)
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

// URLs lists every text in the section that is a URL with a host, whatever its key. Secrets that are kept
// elsewhere are not read for it.
func (s Section) URLs() (out []string) {
	var into func(n *node)
	into = func(n *node) {
		switch n.kind {
		case text:
			if u, err := url.Parse(n.text()); err == nil && u.Scheme != "" && u.Hostname() != "" {
				out = append(out, n.text())
			}
		case list:
			for _, item := range n.items {
				into(item)
			}
		case mapping:
			for _, e := range n.entries {
				into(e.value)
			}
		}
	}
	for _, key := range slices.Sorted(maps.Keys(s.Rest)) {
		into(s.Rest[key])
	}
	return out
}
