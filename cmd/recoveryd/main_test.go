package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// asProgram makes the test binary behave as recoveryd itself: for what only a process of its own
// shows, such as exit codes and terminals.
const asProgram = "RECOVERYD_TEST_RUNS_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// program is recoveryd as a process.
func program(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), self, args...)
	cmd.Env = append(os.Environ(), asProgram+"=1", "TERM=xterm-256color", "NO_COLOR=")
	return cmd
}

func TestTheProcessEndsWithTheDocumentedExitCodes(t *testing.T) {
	dir, file := told(t, storyConfig, hungStory())
	bad := filepath.Join(dir, "bad.yaml")
	require.NoError(t, os.WriteFile(bad, []byte("version: 1\n"), 0o600))
	observe := filepath.Join(dir, "observe.yaml") // under which the recorded incident would have gone otherwise
	require.NoError(t, os.WriteFile(observe, []byte("mode: observe\n"+storyConfig), 0o600))
	for _, c := range []struct {
		name string
		code int
		args []string
	}{
		{"what was asked was done", 0, []string{"version"}},
		{"help was asked for", 0, []string{"hold", "--help"}},
		{"a listing from the journal", 0, []string{"incidents", "--state-dir", dir, "--config", file}},
		{"a replay without a difference", 0, []string{"replay", storyID, "--state-dir", dir, "--config", file}},
		{"a replay with a difference", 1, []string{"replay", storyID, "--state-dir", dir, "--config", observe}},
		{"no daemon answers", 1, []string{"status", "--socket", filepath.Join(dir, "none.sock")}},
		{"there is no such incident", 1, []string{"explain", "x", "--state-dir", dir, "--config", file}},
		{"a bad configuration", 2, []string{"validate", bad}},
		{"a daemon with a bad configuration", 2, []string{"run", "--config", bad}},
		{"an unknown command", 2, []string{"heal"}},
		{"an unknown flag", 2, []string{"status", "--fast"}},
		{"an argument too few", 2, []string{"ack"}},
		{"a live view without a terminal", 2, []string{"top"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, err := program(t, c.args...).CombinedOutput()
			code := 0
			if ended := new(exec.ExitError); errors.As(err, &ended) {
				code = ended.ExitCode()
			}
			require.Equal(t, c.code, code, "%s", out)
			require.NotEmpty(t, out)
		})
	}
}
