package main

import (
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/internal/app"
	"github.com/recoveryd/recoveryd/internal/config"
	"github.com/recoveryd/recoveryd/internal/console"
	"github.com/recoveryd/recoveryd/internal/doctest"
)

const repository = "../.."

// pages reads every Markdown file of the repository.
func pages(t *testing.T) []doctest.Page {
	t.Helper()
	list, err := doctest.Read(repository)
	require.NoError(t, err)
	require.Greater(t, len(list), 20, "the pages were not found")
	return list
}

func TestEveryLinkInTheDocsLeadsSomewhere(t *testing.T) {
	require.Empty(t, doctest.DeadLinks(repository, pages(t)))
}

func TestEveryCommandInTheDocsExists(t *testing.T) {
	var bad []string
	n := 0
	for _, p := range pages(t) {
		calls, err := p.Calls("recoveryd")
		require.NoError(t, err)
		for _, c := range calls {
			n++
			if err := understood(newRoot(io.Discard, io.Discard), c); err != nil {
				bad = append(bad, fmt.Sprintf("%s: %s: %v", c.At, strings.Join(c.Args, " "), err))
			}
		}
	}
	require.Greater(t, n, 50, "the commands were not found")
	require.Empty(t, bad)
}

// understood says what is wrong with a command line, without running it.
func understood(root *cobra.Command, c doctest.Call) error {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	root.InitDefaultVersionFlag()
	if len(c.Args) < 2 || slices.Contains([]string{"recoveryd", "COMMAND"}, c.Args[1]) {
		return nil // a word of a sentence
	}
	cmd, rest, err := root.Find(c.Args[1:])
	if err != nil {
		return err
	}
	cmd.InitDefaultHelpFlag()
	if c.Exact {
		if err := cmd.ParseFlags(rest); err != nil {
			return err
		}
		if given := cmd.Flags().Lookup("help"); given != nil && given.Changed || cmd == root && len(cmd.Flags().Args()) == 0 {
			return nil
		}
		if cmd.Annotations[console.Group] != "" {
			return fmt.Errorf("%q needs a command of its own (one of %s)", cmd.CommandPath(), names(cmd))
		}
		return cmd.ValidateArgs(cmd.Flags().Args())
	}
	// In a sentence values may be missing; names may not be wrong.
	if cmd.Annotations[console.Group] != "" && len(rest) > 0 && !strings.HasPrefix(rest[0], "-") {
		return fmt.Errorf("there is no command %q", rest[0])
	}
	for _, w := range rest {
		name, _, _ := strings.Cut(w, "=")
		var f *pflag.Flag
		switch {
		case strings.HasPrefix(name, "--") && len(name) > 2:
			f = cmd.Flag(name[2:])
		case strings.HasPrefix(name, "-") && len(name) == 2:
			if f = cmd.Flags().ShorthandLookup(name[1:]); f == nil {
				f = cmd.InheritedFlags().ShorthandLookup(name[1:])
			}
		default:
			continue
		}
		if f == nil {
			return fmt.Errorf("%s has no flag %s", cmd.CommandPath(), name)
		}
	}
	return nil
}

func names(cmd *cobra.Command) string {
	var out []string
	for _, c := range cmd.Commands() {
		out = append(out, c.Name())
	}
	return strings.Join(out, ", ")
}

func TestEveryCommandLineInTheDocsIsCheckedForReal(t *testing.T) {
	for _, c := range []struct {
		name string
		call doctest.Call
		says string
	}{
		{"an unknown command", doctest.Call{Args: []string{"recoveryd", "heal"}, Exact: true}, "one of"},
		{"an unknown command in a sentence", doctest.Call{Args: []string{"recoveryd", "heal", "TARGET"}}, "heal"},
		{"an unknown command below another", doctest.Call{Args: []string{"recoveryd", "notify", "all"}}, "there is no command"},
		{"an unknown flag", doctest.Call{Args: []string{"recoveryd", "hold", "x", "--until", "2h"}, Exact: true}, "--until"},
		{"an unknown flag in a sentence", doctest.Call{Args: []string{"recoveryd", "hold", "--until", "D"}}, "--until"},
		{"an argument too many", doctest.Call{Args: []string{"recoveryd", "hold", "x", "2h"}, Exact: true}, "accepts 1 arg"},
		{"an argument too few", doctest.Call{Args: []string{"recoveryd", "explain"}, Exact: true}, "accepts 1 arg"},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.ErrorContains(t, understood(newRoot(io.Discard, io.Discard), c.call), c.says)
		})
	}
	require.NoError(t, understood(newRoot(io.Discard, io.Discard), doctest.Call{Args: []string{"recoveryd", "evidence"}}), "a command may be named without its arguments")
}

func TestEveryConfigurationInTheDocsIsValid(t *testing.T) {
	known := app.Known()
	known.WithoutSecrets = true
	var bad []string
	n := 0
	for _, p := range pages(t) {
		for _, b := range p.Blocks {
			if b.Info != "yaml" { // "yaml prometheus" is for another program
				continue
			}
			n++
			text, err := completed(b.Code)
			if err != nil {
				bad = append(bad, fmt.Sprintf("%s: %v", b.At(0), err))
			} else if _, err := config.Parse(b.At(0), []byte(text), known); err != nil {
				bad = append(bad, err.Error())
			}
		}
	}
	require.GreaterOrEqual(t, n, 4, "the configurations were not found")
	require.Empty(t, bad, "a block that is no configuration of recoveryd is marked with the program that it is for: ```yaml prometheus")
}

// around is what a page may leave out of a configuration that it shows a part of.
var around = []struct{ key, text string }{
	{"version", "version: 1\n"},
	{"targets", `targets:
  - {name: codebase-mcp, kind: service, unit: codebase-mcp.service, depends_on: [postgres], health: [{url: "http://127.0.0.1:8000/health/status"}]}
  - {name: workflow-mcp, kind: service, unit: workflow-mcp.service, depends_on: [postgres], health: [{url: "http://127.0.0.1:8001/health/status"}]}
  - {name: postgres, kind: postgres, unit: postgresql@15-main.service, postgres: {dsn: host=/run/postgresql user=recoveryd dbname=postgres}}
`}}

// completed makes a whole configuration of a part.
func completed(part string) (string, error) {
	var top map[string]any
	if err := yaml.Unmarshal([]byte(part), &top); err != nil {
		return "", fmt.Errorf("no mapping: %w", err)
	}
	for _, a := range around {
		if _, has := top[a.key]; !has {
			part += "\n" + a.text
		}
	}
	return part, nil
}

func TestEveryMakeTargetInTheDocsExists(t *testing.T) {
	makefile, err := os.ReadFile(repository + "/Makefile")
	require.NoError(t, err)
	var targets []string
	for _, m := range regexp.MustCompile(`(?m)^([a-z-]+):`).FindAllStringSubmatch(string(makefile), -1) {
		targets = append(targets, m[1])
	}
	n := 0
	for _, p := range pages(t) {
		calls, err := p.Calls("make")
		require.NoError(t, err)
		for _, c := range calls {
			for _, a := range c.Args[1:] {
				if strings.Contains(a, "=") || strings.HasPrefix(a, "-") {
					continue
				}
				n++
				require.Contains(t, targets, a, "%s: make %s", c.At, a)
			}
		}
	}
	require.Greater(t, n, 5, "the targets were not found")
}

func TestEveryCommandIsInTheDocs(t *testing.T) {
	named := map[string]bool{}
	for _, p := range pages(t) {
		calls, err := p.Calls("recoveryd")
		require.NoError(t, err)
		for _, c := range calls {
			if len(c.Args) > 1 {
				named[c.Args[1]] = true
			}
		}
	}
	for _, cmd := range newRoot(io.Discard, io.Discard).Commands() {
		if !cmd.Hidden && cmd.Name() != "help" {
			require.True(t, named[cmd.Name()], "no page says what recoveryd %s is for: add a line to docs/cli.md", cmd.Name())
		}
	}
}
