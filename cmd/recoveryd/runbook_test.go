package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestARunbookIsPrintedForAClassATargetOrAnIncident(t *testing.T) {
	dir, file := told(t, storyConfig, hungStory())
	page, err := os.ReadFile(repository + "/docs/runbooks/hung.md")
	require.NoError(t, err)
	for _, word := range []string{"hung", "mcp", storyID} {
		out, _, code := say(t, "runbook", word, "--config", file, "--state-dir", dir)
		require.Zero(t, code, word)
		require.Equal(t, string(page), out, word)
	}
	none := filepath.Join(t.TempDir(), "none")
	out, _, code := say(t, "runbook", "hung", "--config", none, "--state-dir", none)
	require.Zero(t, code, "a class needs nothing but the program")
	require.Equal(t, string(page), out)
	out, _, code = say(t, "runbook", "--config", none)
	require.Zero(t, code)
	require.Contains(t, out, "something on the way answers in its place")

	for _, c := range []struct{ word, says string }{
		{"hunk", "did you mean hung?"}, {"mcpp", "did you mean mcp?"}, {"db", `target "db" has had no incident`},
	} {
		out, stderr, code := say(t, "runbook", c.word, "--config", file, "--state-dir", dir)
		require.Equal(t, 1, code, c.word)
		require.Empty(t, out)
		require.Contains(t, stderr, c.says)
	}

	text, err := os.ReadFile(file)
	require.NoError(t, err)
	text = append([]byte("runbook_url: https://wiki.example/rb/\n"), []byte(strings.Replace(string(text), "rules:\n",
		"rules:\n  - {name: slow, when: http.latency > 2, runbook: 'https://wiki.example/slow'}\n  - {name: bare, when: http.latency > 3}\n", 1))...)
	require.NoError(t, os.WriteFile(file, text, 0o600))
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"runbook", "mcp"}, "https://wiki.example/rb/hung"},
		{[]string{"runbook", "slow"}, "https://wiki.example/slow"},
		{[]string{"show", storyID}, "https://wiki.example/rb/hung"},
		{[]string{"explain", storyID}, "https://wiki.example/rb/hung"},
		{[]string{"report", storyID}, "wiki.example/rb/hung"},
		{[]string{"incidents", "-o", "wide"}, "https://wiki.example/rb/hung"},
		{[]string{"incidents", "-o", "json"}, "https://wiki.example/rb/hung"},
	} {
		out, stderr, code := say(t, append(c.args, "--config", file, "--state-dir", dir)...)
		require.Zero(t, code, "%v: %s", c.args, stderr)
		require.Contains(t, out, c.says, "%v", c.args)
	}
	_, stderr, code := say(t, "runbook", "bare", "--config", file, "--state-dir", dir)
	require.Equal(t, 1, code)
	require.Contains(t, stderr, `class "bare" has no runbook`)
}
