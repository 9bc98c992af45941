package app

import (
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A file that was edited and not reloaded, and a reload that was refused, are what the next restart
// stumbles over: at night, with nobody watching.
func TestTheDaemonSaysWhenItsConfigurationIsNotThatOfTheFile(t *testing.T) {
	a, _, path := running(t, "targets: [{name: svc, kind: service, platform: none, interval: 30s, health: [{url: \"http://127.0.0.1:1/health\", timeout: 20s}]}]\n")
	require.Eventually(t, func() bool { code, _ := fetch(t, a, "/readyz"); return code == http.StatusOK }, time.Minute, 10*time.Millisecond)
	good, err := os.ReadFile(path)
	require.NoError(t, err)
	says := func(metric string, words ...string) {
		t.Helper()
		_, status := fetch(t, a, "/api/v1/status")
		_, page := fetch(t, a, "/")
		for _, w := range words {
			require.Contains(t, status, w)
			require.Contains(t, page, w)
		}
		if len(words) == 0 {
			require.NotContains(t, status, "configuration in force")
			require.NotContains(t, page, "configuration in force")
		}
		_, metrics := fetch(t, a, "/metrics")
		require.Contains(t, metrics, "recoveryd_config_file_differs "+metric)
	}
	says("0")

	edited := strings.Replace(string(good), "interval: 30s", "interval: 25s", 1)
	require.NoError(t, os.WriteFile(path, []byte(edited), 0o600))
	says("1", "was changed at", "is not in force", "sudo systemctl reload recoveryd")

	_, err = a.Reload(t.Context())
	require.NoError(t, err)
	require.Equal(t, 25*time.Second, a.Config().Targets[0].Interval)
	says("0")

	require.NoError(t, os.WriteFile(path, []byte(edited+"nonsense: 1\nmore: 2\n"), 0o600))
	_, err = a.Reload(t.Context())
	require.ErrorContains(t, err, "nonsense: unknown key")
	require.ErrorContains(t, err, "more: unknown key", "every problem")
	says("1", "was refused, and a restart would fail", "nonsense: unknown key", "(and 1 more)")

	require.NoError(t, os.WriteFile(path, good, 0o600))
	r, err := a.Reload(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, r.Targets)
	require.Contains(t, strings.Join(r.Warnings, "\n"), "nobody is told of anything", "what is risky in it")
	says("0")

	require.NoError(t, os.Remove(path))
	says("1", "is gone, and a restart would fail")
}
