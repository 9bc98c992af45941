package config

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/recoveryd/recoveryd/internal/strictyaml"
)

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
func redact(v reflect.Value, s strictyaml.Shape) any {
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	switch s.Kind {
	case strictyaml.KindDuration:
		return strictyaml.WriteDuration(v.Interface().(time.Duration))
	case strictyaml.KindSize:
		return v.Interface().(strictyaml.Size).String()
	case strictyaml.KindList:
		out := make([]any, v.Len())
		for i := range out {
			out[i] = redact(v.Index(i), *s.Elem)
		}
		return out
	case strictyaml.KindSection:
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
			out = append(out, v.FieldByName("Section").Interface().(strictyaml.Section).Redacted()...)
		}
		return out
	case strictyaml.KindFree:
		return map[string]any(v.Interface().(strictyaml.Values))
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
func redactField(v reflect.Value, f strictyaml.Shape) yaml.MapSlice {
	if f.Kind == strictyaml.KindSecret {
		s := v.Interface().(strictyaml.Secret)
		for suffix, source := range strictyaml.SourceWords {
			if where, ok := strings.CutPrefix(s.Source(), source); ok {
				return yaml.MapSlice{{Key: f.Key + suffix, Value: where}}
			}
		}
		if !s.IsSet() {
			return nil
		}
		return yaml.MapSlice{{Key: f.Key, Value: strictyaml.Masked}}
	}
	unset := v.IsZero() && f.Default == "" && f.Kind != strictyaml.KindSection
	if unset || v.Kind() == reflect.Pointer && v.IsNil() || f.Kind == strictyaml.KindList && v.Len() == 0 {
		return nil
	}
	return yaml.MapSlice{{Key: f.Key, Value: redact(v, f)}}
}

// walk shows every value of the configuration to visit, from the outside in. What is inside of a
// value is visited only when visit says so.
func (c *Config) walk(visit func(v any) bool) {
	var into func(v reflect.Value)
	into = func(v reflect.Value) {
		if !visit(v.Interface()) {
			return
		}
		switch v.Kind() {
		case reflect.Pointer, reflect.Interface:
			if !v.IsNil() {
				into(v.Elem())
			}
		case reflect.Slice:
			for i := range v.Len() {
				into(v.Index(i))
			}
		case reflect.Struct:
			for i := range v.NumField() {
				if v.Type().Field(i).IsExported() {
					into(v.Field(i))
				}
			}
		}
	}
	into(reflect.ValueOf(*c))
}
