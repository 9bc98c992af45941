package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/internal/console"
	"github.com/recoveryd/recoveryd/internal/console/trial"
)

// other writes a changed configuration.
func other(t *testing.T, old, new string) string {
	t.Helper()
	require.Contains(t, storyConfig, old)
	file := filepath.Join(t.TempDir(), "new.yaml")
	require.NoError(t, os.WriteFile(file, []byte(strings.Replace(storyConfig, old, new, 1)), 0o600))
	return file
}

func TestReplayWithTheSameConfigurationChangesNothing(t *testing.T) {
	dir, file := told(t, storyConfig, hungStory())
	out, errOut, code := say(t, "replay", storyID, "--state-dir", dir, "--config", file)
	require.Zero(t, code, errOut)
	t.Log("\n" + out)
	require.Contains(t, out, "all 5 decisions stay the same; 8 events, recorded under the same configuration")
	require.NotContains(t, out, "\n*")

	out, _, code = say(t, "replay", storyID, "--state-dir", dir, "--config", file, "-o", "json")
	require.Zero(t, code)
	var r trial.Replayed
	require.NoError(t, json.Unmarshal([]byte(out), &r))
	require.True(t, r.Bytes)
	require.Zero(t, r.Different)
}

func TestReplayShowsSideBySideWhichDecisionsWouldChange(t *testing.T) {
	dir, _ := told(t, storyConfig, hungStory())
	file := other(t, "    depends_on: [db]\n", "    depends_on: [db]\n    mode: observe\n")
	out, _, code := say(t, "replay", storyID, "--state-dir", dir, "--config", file)
	require.Equal(t, 1, code)
	t.Log("\n" + out)
	require.Regexp(t, `(?m)^\* +03:15:08\.000 +mcp +suspect -> acting \(act\), unhealthy hung +suspect -> held \(observe-mode\), unhealthy hung$`, out)
	require.Contains(t, out, "does restart mcp.service")
	require.Contains(t, out, "held (observe-mode) instead of restart mcp.service (stop_grace=5s)")
	require.Contains(t, out, "recorded under another configuration")
	require.Contains(t, out, "\n~ ")
}

func TestReplaySaysWhatIsWrong(t *testing.T) {
	dir, file := told(t, storyConfig, hungStory())
	_, errOut, code := say(t, "replay", "nothing-1", "--state-dir", dir, "--config", file)
	require.Equal(t, 1, code)
	require.Contains(t, errOut, "recoveryd incidents")
	_, errOut, code = say(t, "replay", storyID, "--state-dir", dir, "--config", other(t, "version: 1", "version: 7"))
	require.Equal(t, console.Usage, code)
	require.Contains(t, errOut, "version")
}
