package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/internal/console"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

func TestEveryMistakeInACommandLineEndsWithExitCode2AndAWayOut(t *testing.T) {
	for _, c := range []struct {
		name string
		args []string
		says []string
	}{
		{"a command that does not exist", []string{"heal"}, []string{`no command "heal"`, "--help"}},
		{"a command mistyped", []string{"statsu"}, []string{"did you mean", "status"}},
		{"a command below another that does not exist", []string{"notify", "tset"}, []string{`no command "notify tset"`, "did you mean test?"}},
		{"an argument missing", []string{"hold"}, []string{"accepts 1 arg", "recoveryd hold --help"}},
		{"an argument too many", []string{"status", "x"}, []string{"recoveryd status --help"}},
		{"an unknown flag", []string{"status", "--wide"}, []string{"--wide", "recoveryd status --help"}},
		{"a flag without its value", []string{"incidents", "--limit"}, []string{"--limit", "--help"}},
		{"an unknown format", []string{"status", "-o", "csv"}, []string{"want text or json, or wide or yaml"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, stderr, code := say(t, c.args...)
			require.Equal(t, console.Usage, code)
			require.Empty(t, out)
			for _, w := range c.says {
				require.Contains(t, stderr, w)
			}
		})
	}
}

func TestAGroupOfCommandsAloneShowsItsHelp(t *testing.T) {
	for _, args := range [][]string{{}, {"notify"}} {
		out, _, code := say(t, args...)
		require.Zero(t, code)
		require.Contains(t, out, "Available Commands")
	}
}

func TestYAMLHasTheKeysOfJSON(t *testing.T) {
	dir, file := told(t, storyConfig, hungStory())
	where := []string{"--state-dir", dir, "--config", file}
	asJSON, _, code := say(t, append([]string{"incidents", "-o", "json"}, where...)...)
	require.Zero(t, code)
	asYAML, _, code := say(t, append([]string{"incidents", "-o", "yaml"}, where...)...)
	require.Zero(t, code)
	var a, b []incident.Incident
	require.NoError(t, json.Unmarshal([]byte(asJSON), &a))
	back, err := yaml.YAMLToJSON([]byte(asYAML))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(back, &b))
	require.Len(t, a, 1)
	require.Equal(t, a, b)
	require.True(t, strings.HasPrefix(asYAML, "- id: mcp-20261122-031508\n"), asYAML[:60])
}

// complete asks for completions as a shell does.
func complete(t *testing.T, args ...string) []string {
	t.Helper()
	out, _, code := say(t, append([]string{"__complete"}, args...)...)
	require.Zero(t, code)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	return lines[:len(lines)-1] // the last is the directive
}

func TestTheShellCompletesNamesOfTargetsAndIncidents(t *testing.T) {
	dir, file := told(t, storyConfig, hungStory())
	away := []string{"--config", file, "--socket", filepath.Join(dir, "none.sock")}
	journal := append(away, "--state-dir", dir)
	for _, c := range []struct {
		name string
		args []string
		want []string
	}{
		{"targets of the configuration while no daemon answers", append([]string{"hold"}, append(away, "")...), []string{"mcp\tservice", "db\tpostgres"}},
		{"only those that begin so", append([]string{"retry"}, append(away, "m")...), []string{"mcp\tservice"}},
		{"no second target", append([]string{"hold"}, append(away, "mcp", "")...), nil},
		{"incidents of the journal", append([]string{"explain"}, append(journal, "")...), []string{storyID + "\thung, cured: restart"}},
		{"sources of evidence that are not named yet", append([]string{"evidence"}, append(journal, storyID, "log", "s")...), []string{"sockets", "sessions"}},
		{"output formats", []string{"status", "-o", "w"}, []string{"wide"}},
		{"channels of the configuration", append([]string{"notify", "test"}, append(away, "--channel", "")...), []string{"hook\twebhook"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := complete(t, c.args...)
			if len(got) == 0 {
				got = nil
			}
			require.ElementsMatch(t, c.want, got)
		})
	}
}
