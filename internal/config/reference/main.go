// Command reference writes docs/configuration.md and configs/recoveryd.schema.json from the field
// comments and struct tags of package config, so that what is documented, what an editor
// completes and what the daemon accepts cannot differ.
//
// It decides only how a key is presented. It never describes a key by itself: a field without a
// comment is an error. It is run by "go generate ./internal/config"; a test fails when a file that
// it writes is stale.
//
// Start reading at [render], then markdown.go and schema.go.
package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/recoveryd/recoveryd/internal/config"
	"github.com/recoveryd/recoveryd/internal/strictyaml"
	"github.com/recoveryd/recoveryd/pkg/escalate/builtin"
	platforms "github.com/recoveryd/recoveryd/pkg/platform/builtin"
)

func main() {
	if err := write("."); err != nil {
		fmt.Fprintln(os.Stderr, "reference:", err)
		os.Exit(1)
	}
}

// write renders the files of the package in dir and writes them.
func write(dir string) error {
	files, err := render(dir)
	if err != nil {
		return err
	}
	for path, data := range files {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// types are the types of notifier that this build has.
func types() []string { return slices.Sorted(maps.Keys(builtin.Configs())) }

// render returns the generated files by path. dir is that of package config, whose sources hold
// the comments.
func render(dir string) (map[string][]byte, error) {
	texts, err := readComments(dir)
	if err != nil {
		return nil, err
	}
	root := config.KeysWith(platforms.Keys(platforms.Drivers()))
	if err := texts.complete(root); err != nil {
		return nil, err
	}
	for _, name := range types() {
		if err := texts.complete(strictyaml.KeysOf(builtin.Configs()[name])); err != nil {
			return nil, err
		}
	}
	schema, err := schemaJSON(root, texts)
	if err != nil {
		return nil, err
	}
	return map[string][]byte{
		filepath.Join(dir, "..", "..", "docs", "configuration.md"):         markdown(root, texts),
		filepath.Join(dir, "..", "..", "configs", "recoveryd.schema.json"): schema,
	}, nil
}
