package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEverySecretOfAConfigurationIsListedTheLongestFirst(t *testing.T) {
	calm(t)
	file := filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(file, []byte("from-a-file-0123\n"), 0o600))
	t.Setenv("ITS_TOKEN", "from-the-environment")
	c, err := Parse("f.yaml", []byte(`
version: 1
targets:
  - name: db
    kind: postgres
    unit: postgresql@15-main.service
    postgres: {dsn: "host=/run/postgresql password=hunter2hunter2"}
  - name: mcp
    kind: service
    command: [/bin/server]
    env: [{name: A_TOKEN, value: in-the-environment-of-the-child}, {name: B_KEY, value: abc}, {name: PORT, value: "8443"}]
    health: [{url: "http://127.0.0.1:8000/", bearer_token: literal-token, headers: [{name: Cookie, value: a-header-value}, {name: X-Probe, value: recoveryd}]}]
notifiers:
  - {name: pagerduty, type: pagerduty, routing_key_file: `+file+`}
  - {name: slack, type: slack, token_env: ITS_TOKEN, channel: "#ops"}
  - {name: hook, type: webhook, url: "https://hooks.example/T/B", headers: [{name: X, value: nested-value}]}
`), known())
	require.NoError(t, err)
	got := c.Secrets()
	require.ElementsMatch(t, []string{"host=/run/postgresql password=hunter2hunter2", "in-the-environment-of-the-child", "literal-token",
		"a-header-value", "from-a-file-0123", "from-the-environment", "https://hooks.example/T/B", "nested-value"}, got)
	for i := 1; i < len(got); i++ {
		require.GreaterOrEqual(t, len(got[i-1]), len(got[i]))
	}
}

func TestACheckOnAnotherMachineListsNoSecretThatIsNotThere(t *testing.T) {
	calm(t)
	c, err := Load(configs+"recoveryd.yaml", elsewhere())
	require.NoError(t, err)
	for _, s := range c.Secrets() {
		require.False(t, strings.HasPrefix(s, "/etc/recoveryd/"), "the name of a file is no secret: %s", s)
	}
}
