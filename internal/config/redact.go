package config

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
)

// hidden stands for text of a notifier that is not shown, because only the notifier knows whether
// it is a secret.
const hidden = "<hidden>"

// Redacted writes the configuration as it takes effect, with every default filled in, as YAML
// that people may read and paste into a ticket. Secrets appear as "<secret>" or by their source;
// of a notifier's own keys only true, false and the sources of secrets are shown. The body and
// the arguments of a synthetic check are shown: they are documented not to be secret.
func (c *Config) Redacted() string {
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b, yaml.IndentSequence(true))
	if err := enc.Encode(redact(reflect.ValueOf(*c), KeysWith(c.platforms))); err != nil {
		return fmt.Sprintf("# cannot be written: %v\n", err) // only a type that YAML cannot hold
	}
	return b.String()
}

// redact turns a value into what YAML can write, key by key in the order of the documentation.
func redact(v reflect.Value, s Shape) any {
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	switch s.Kind {
	case KindDuration:
		return writeDuration(v.Interface().(time.Duration))
	case KindSize:
		return v.Interface().(Size).String()
	case KindList:
		out := make([]any, v.Len())
		for i := range out {
			out[i] = redact(v.Index(i), *s.Elem)
		}
		return out
	case KindSection:
		out := yaml.MapSlice{}
		for _, f := range s.Fields {
			if !applies(v.Interface(), f.Key) {
				continue
			}
			if f.Owner != "" {
				if t := v.Interface().(Target); t.Platform == f.Owner {
					out = append(out, redactField(reflect.ValueOf(t.Own).Elem().FieldByName(f.Field), f)...)
				}
				continue
			}
			out = append(out, redactField(v.FieldByName(f.Field), f)...)
		}
		if s.Rest != "" {
			out = append(out, v.FieldByName("Section").Interface().(Section).redacted()...)
		}
		return out
	case KindFree:
		return map[string]any(v.Interface().(Values))
	}
	return v.Interface()
}

// applies reports whether a key has an effect beside the others of its section, so that defaults
// which mean nothing are not written.
func applies(section any, key string) bool {
	switch s := section.(type) {
	case Target:
		return key != "pool" || s.Kind == KindOfService
	case HealthCheck:
		return key != "transport" && key != "resource" || s.Type == TypeMCP
	case SyntheticCheck:
		return key != "transport" || s.Type == TypeMCP
	}
	return true
}

// redactField writes one key, under the name of its source when it is a secret, and nothing for
// what is not set and has no default.
func redactField(v reflect.Value, f Shape) yaml.MapSlice {
	if f.Kind == KindSecret {
		s := v.Interface().(Secret)
		for suffix, source := range sourceWords {
			if where, ok := strings.CutPrefix(s.Source(), source); ok {
				return yaml.MapSlice{{Key: f.Key + suffix, Value: where}}
			}
		}
		if !s.IsSet() {
			return nil
		}
		return yaml.MapSlice{{Key: f.Key, Value: masked}}
	}
	unset := v.IsZero() && f.Default == "" && f.Kind != KindSection
	if unset || v.Kind() == reflect.Pointer && v.IsNil() || f.Kind == KindList && v.Len() == 0 {
		return nil
	}
	return yaml.MapSlice{{Key: f.Key, Value: redact(v, f)}}
}

// redacted is a section without anything that may be a secret.
func (s Section) redacted() yaml.MapSlice {
	out := yaml.MapSlice{}
	if s.node == nil {
		return out
	}
	for _, e := range s.node.entries {
		if _, ok := s.rest[e.key]; ok {
			out = append(out, yaml.MapItem{Key: e.key, Value: e.value.redacted(e.key)})
		}
	}
	return out
}

func (n *node) redacted(key string) any {
	switch n.kind {
	case text, integer, decimal:
		if slices.ContainsFunc(twins, func(t string) bool { return strings.HasSuffix(key, t) }) {
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
