package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/jsonschema-go/jsonschema"
	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/internal/config"
	"github.com/recoveryd/recoveryd/internal/strictyaml"
)

var update = flag.Bool("update", false, "rewrite the generated files")

// source is where package config stands, seen from here.
const source = ".."

// TestGeneratedFilesAreFresh fails when a comment or a tag has changed and the files have not.
func TestGeneratedFilesAreFresh(t *testing.T) {
	if *update {
		require.NoError(t, write(source))
	}
	files, err := render(source)
	require.NoError(t, err)
	require.Len(t, files, 2)
	for path, want := range files {
		got, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, string(want), string(got), "%s is stale: run go generate ./internal/config", path)
	}
}

func TestReferenceDescribesEveryKey(t *testing.T) {
	texts, err := readComments(source)
	require.NoError(t, err)
	page := string(markdown(config.Keys(), texts))
	var check func(s strictyaml.Shape, at string)
	check = func(s strictyaml.Shape, at string) {
		for _, f := range s.Fields {
			here := strings.TrimPrefix(at+"."+f.Key, ".")
			require.Contains(t, page, "| `"+f.Key+"` | ", here)
			require.Contains(t, page, cell(texts.of(f)), here)
			if f.Kind == strictyaml.KindList && f.Elem.Kind == strictyaml.KindSection {
				require.Contains(t, page, "## `"+here+"[]`\n", here)
				check(*f.Elem, here+"[]")
			}
			if f.Kind == strictyaml.KindSection {
				require.Contains(t, page, "## `"+here+"`\n", here)
				check(f, here)
			}
		}
	}
	check(config.Keys(), "")
}

// TestLinksLeadToHeadings proves that every link of the page to itself has a heading.
func TestLinksLeadToHeadings(t *testing.T) {
	texts, err := readComments(source)
	require.NoError(t, err)
	page := string(markdown(config.Keys(), texts))
	headings := map[string]bool{}
	for line := range strings.Lines(page) {
		if title, ok := strings.CutPrefix(line, "## "); ok {
			headings[strings.ToLower(anchor(strings.Trim(strings.TrimSpace(title), "`")))] = true
		}
	}
	links := strings.Split(page, "](#")[1:]
	require.NotEmpty(t, links)
	for _, l := range links {
		name, _, _ := strings.Cut(l, ")")
		require.True(t, headings[name], "no heading for #%s", name)
	}
}

func TestFieldWithoutCommentIsAnError(t *testing.T) {
	require.ErrorContains(t, comments{}.complete(config.Keys()), "field config.Config.Version (key version) has no comment")
}

// accepts reads a YAML file as an editor does and asks the schema.
func accepts(t *testing.T, path string) error {
	t.Helper()
	data, err := os.ReadFile("../../../configs/recoveryd.schema.json")
	require.NoError(t, err)
	var schema jsonschema.Schema
	require.NoError(t, json.Unmarshal(data, &schema))
	resolved, err := schema.Resolve(nil)
	require.NoError(t, err)

	text, err := os.ReadFile(path)
	require.NoError(t, err)
	asJSON, err := yaml.YAMLToJSON(bytes.TrimPrefix(text, []byte("\ufeff")))
	require.NoError(t, err)
	var instance any
	require.NoError(t, json.Unmarshal(asJSON, &instance))
	return resolved.Validate(instance)
}

func TestSchemaAcceptsWhatTheDaemonAccepts(t *testing.T) {
	paths, err := filepath.Glob("../testdata/risky/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	for _, path := range append(paths, "../../../configs/minimal.yaml", "../../../configs/recoveryd.yaml") {
		require.NoError(t, accepts(t, path), path)
	}
}

// TestSchemaRefusesWhatOneKeyCanSay takes the mistakes that need no second key to be seen.
func TestSchemaRefusesWhatOneKeyCanSay(t *testing.T) {
	for _, name := range []string{
		"unknown-key-top-level", "unknown-key-misspelt", "unknown-key-in-flow-mapping", "missing-version", "missing-targets",
		"empty-targets", "missing-name", "type-list-instead-of-mapping", "type-text-instead-of-list", "type-number-instead-of-text",
		"duration-without-unit", "duration-nonsense", "duration-negative", "size-nonsense", "unknown-word", "unknown-severity",
		"factor-not-above-one", "share-in-percent", "share-zero", "budget-zero", "empty-targets-of-class", "empty-ladder",
		"empty-notify-of-route", "secret-missing", "window-unknown-day", "notifier-without-type",
	} {
		require.Error(t, accepts(t, "../testdata/bad/"+name+".yaml"), name)
	}
}
