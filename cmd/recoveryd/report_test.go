package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/internal/console"
	"github.com/recoveryd/recoveryd/internal/report"
)

func TestAReportIsPrintedOrWrittenInTheFormatAskedFor(t *testing.T) {
	dir, file := told(t, storyConfig, hungStory())
	out, errOut, code := say(t, "report", storyID, "--state-dir", dir, "--config", file)
	require.Zero(t, code, errOut)
	require.True(t, strings.HasPrefix(out, "# Incident Report - "), out)
	require.Contains(t, out, "## Evidence")
	require.NotContains(t, out, "not text", "recordings for a replay are no evidence for people")

	html := filepath.Join(t.TempDir(), "incident.html")
	out, _, code = say(t, "report", storyID, "--state-dir", dir, "--config", "/nonexistent", "--out", html)
	require.Zero(t, code, "it works without a configuration")
	require.Contains(t, out, html)
	text, err := os.ReadFile(html)
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(string(text), "<!doctype html>"), "by the ending of the name")

	out, _, code = say(t, "report", storyID, "--state-dir", dir, "-o", "json")
	require.Zero(t, code)
	var r report.Report
	require.NoError(t, json.Unmarshal([]byte(out), &r))
	require.Equal(t, storyID, r.ID)
	require.NotEmpty(t, r.Timeline)
}

func TestFiguresArePrintedForPeopleAndForMachines(t *testing.T) {
	dir, file := told(t, storyConfig, hungStory())
	out, errOut, code := say(t, "stats", "--since", "1000w", "--state-dir", dir, "--config", file, "-o", "json")
	require.Zero(t, code, errOut)
	var s report.Stats
	require.NoError(t, json.Unmarshal([]byte(out), &s))
	out, _, code = say(t, "stats", "--since", "1d", "--state-dir", dir, "--config", file)
	require.Zero(t, code)
	require.Contains(t, out, " in 1d until ")
}

func TestReportStatsAndNotifyRefuseWhatTheyDoNotUnderstand(t *testing.T) {
	_, file := told(t, storyConfig, hungStory())
	for _, c := range []struct {
		name string
		args []string
		says string
	}{
		{"an unknown format", []string{"report", "x", "--format", "pdf"}, "want markdown or html"},
		{"no period", []string{"stats", "--since", "soon"}, "12h, 30d or 4w"},
		{"an empty period", []string{"stats", "--since", "0"}, "12h, 30d or 4w"},
		{"no channel", []string{"notify", "test", "--config", file}, "--channel NAME"},
		{"all channels and one", []string{"notify", "test", "--all", "--channel", "x", "--config", file}, "--channel NAME"},
		{"an unknown kind", []string{"notify", "preview", "--kind", "panic", "--config", file}, "want trigger"},
		{"a channel that is not there", []string{"notify", "test", "--channel", "nobody", "--config", file}, "no channel"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, stderr, code := say(t, c.args...)
			require.Equal(t, console.Usage, code, stderr)
			require.Contains(t, stderr, c.says)
		})
	}
}
