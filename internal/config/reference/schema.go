package main

import (
	"bytes"
	"encoding/json"
	"strconv"

	"github.com/invopop/jsonschema"

	"github.com/recoveryd/recoveryd/internal/strictyaml"
	"github.com/recoveryd/recoveryd/pkg/escalate/builtin"
)

// The patterns of values that are text in YAML and have a form of their own.
const (
	durationPattern = `^(0|([0-9]+(\.[0-9]+)?(ns|us|ms|s|m|h|d|w))+)$`
	sizePattern     = `^[0-9]+(\.[0-9]+)?( ?([KkMmGgTt]([Ii]?[Bb])?|[Bb]))?$`
)

// schemaJSON renders the JSON schema. It says what one key can say; what several keys say
// together is left to "recoveryd validate".
func schemaJSON(root strictyaml.Shape, texts comments) ([]byte, error) {
	s := schemaOf(root, texts)
	s.Version = jsonschema.Version
	s.Title = "recoveryd configuration"
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(s); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func schemaOf(f strictyaml.Shape, texts comments) *jsonschema.Schema {
	s := &jsonschema.Schema{Description: texts.of(f)}
	switch f.Kind {
	case strictyaml.KindSection:
		sectionSchema(s, f, texts)
		return s
	case strictyaml.KindList:
		s.Type, s.Items = "array", schemaOf(*f.Elem, texts)
		if f.NonEmpty {
			s.MinItems = new(uint64(1))
		}
		return s
	case strictyaml.KindTruth:
		s.Type = "boolean"
	case strictyaml.KindInteger, strictyaml.KindNumber:
		s.Type = map[strictyaml.Kind]string{strictyaml.KindInteger: "integer", strictyaml.KindNumber: "number"}[f.Kind]
		s.Minimum, s.Maximum, s.ExclusiveMinimum = json.Number(f.Min), json.Number(f.Max), json.Number(f.Above)
	case strictyaml.KindDuration:
		s.OneOf = []*jsonschema.Schema{{Type: "string", Pattern: durationPattern}, {Const: 0}}
	case strictyaml.KindSize:
		s.OneOf = []*jsonschema.Schema{{Type: "string", Pattern: sizePattern}, {Type: "integer", Minimum: "0"}}
	case strictyaml.KindFree:
		s.Type = "object"
	case strictyaml.KindWords:
		s.Type, s.AdditionalProperties = "object", schemaOf(*f.Elem, texts)
	default:
		s.Type = "string"
		if f.Required || f.NonEmpty {
			s.MinLength = new(uint64(1))
		}
	}
	for _, e := range f.Enum {
		s.Enum = append(s.Enum, e)
	}
	s.Default = defaultValue(f)
	return s
}

// notifierSchema lists the types, and for each which keys it has.
func notifierSchema(s *jsonschema.Schema, own strictyaml.Shape, texts comments) {
	kind, _ := s.Properties.Get("type")
	for _, name := range types() {
		kind.Enum = append(kind.Enum, name)
		keys := &jsonschema.Schema{}
		shape := strictyaml.KeysOf(builtin.Configs()[name])
		sectionSchema(keys, shape, texts)
		twinned(keys, shape)
		for _, f := range own.Fields {
			keys.Properties.Set(f.Key, jsonschema.TrueSchema)
		}
		is := jsonschema.NewProperties()
		is.Set("type", &jsonschema.Schema{Const: name})
		s.AllOf = append(s.AllOf, &jsonschema.Schema{If: &jsonschema.Schema{Properties: is, Required: []string{"type"}}, Then: keys})
	}
}

// twinned adds the other ways in which every text of a notifier may be written.
func twinned(s *jsonschema.Schema, f strictyaml.Shape) {
	for _, k := range f.Fields {
		sub, _ := s.Properties.Get(k.Key)
		switch {
		case k.Kind == strictyaml.KindText:
			for _, t := range strictyaml.Twins() {
				s.Properties.Set(k.Key+t.Suffix, &jsonschema.Schema{Type: "string", Description: k.Key + ", " + t.Text})
			}
		case k.Kind == strictyaml.KindSection:
			twinned(sub, k)
		case k.Kind == strictyaml.KindList && k.Elem.Kind == strictyaml.KindSection:
			twinned(sub.Items, *k.Elem)
		}
	}
}

// sectionSchema describes a mapping. A secret may be written under any of its names.
func sectionSchema(s *jsonschema.Schema, f strictyaml.Shape, texts comments) {
	s.Type = "object"
	s.Properties = jsonschema.NewProperties()
	if f.Rest == "" {
		s.AdditionalProperties = jsonschema.FalseSchema
	}
	for _, k := range f.Fields {
		s.Properties.Set(k.Key, schemaOf(k, texts))
		names := []string{k.Key}
		if k.Kind == strictyaml.KindSecret {
			for _, t := range strictyaml.Twins() {
				s.Properties.Set(k.Key+t.Suffix, &jsonschema.Schema{Type: "string", Description: k.Key + ", " + t.Text})
				names = append(names, k.Key+t.Suffix)
			}
		}
		switch {
		case k.Required && len(names) == 1:
			s.Required = append(s.Required, k.Key)
		case k.Required:
			s.AllOf = append(s.AllOf, &jsonschema.Schema{AnyOf: anyRequired(names)})
		}
	}
	if f.Struct == "Notifier" {
		notifierSchema(s, f, texts)
	}
}

func anyRequired(names []string) []*jsonschema.Schema {
	out := make([]*jsonschema.Schema, len(names))
	for i, n := range names {
		out[i] = &jsonschema.Schema{Required: []string{n}}
	}
	return out
}

// defaultValue is the default in the type that JSON has for it.
func defaultValue(f strictyaml.Shape) any {
	switch {
	case f.Default == "":
		return nil
	case f.Kind == strictyaml.KindTruth:
		return f.Default == "true"
	case f.Kind == strictyaml.KindInteger, f.Kind == strictyaml.KindNumber:
		return json.Number(f.Default)
	case f.Kind == strictyaml.KindSize:
		if n, err := strconv.ParseUint(f.Default, 10, 64); err == nil {
			return n
		}
	}
	return f.Default
}
