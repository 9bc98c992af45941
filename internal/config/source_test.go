package config

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/internal/strictyaml"
)

// database is a configuration whose only target takes the given keys as its connection.
func database(keys string) []byte {
	return []byte("version: 1\nnotifiers: [{name: pd, type: pagerduty}]\ntargets:\n" +
		"  - {name: db, kind: postgres, unit: postgresql@15-main.service, postgres: {" + keys + "}}\n")
}

const dsn = "host=/run/postgresql password=" + canary

func secretAt(t *testing.T, content string, mode fs.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "dsn")
	require.NoError(t, os.WriteFile(path, []byte(content), mode))
	require.NoError(t, os.Chmod(path, mode)) // whatever the umask is
	return path
}

func TestSecretComesFromAnyOfItsTwins(t *testing.T) {
	calm(t)
	path := secretAt(t, dsn+"\r\n", 0o640)
	t.Setenv("CREDENTIALS_DIRECTORY", filepath.Dir(path))
	t.Setenv("RECOVERYD_DSN", dsn)
	for name, tt := range map[string]struct{ keys, source string }{
		"from a file, without its last line end":             {"dsn_file: " + path, "file " + path},
		"from an environment variable":                       {"dsn_env: RECOVERYD_DSN", "environment variable RECOVERYD_DSN"},
		"from a credential of systemd":                       {"dsn_credential: dsn", "credential dsn"},
		"from the file itself":                               {"dsn: " + dsn, "literal"},
		"from a file while the key itself stands there bare": {`dsn: "", dsn_file: ` + path, "file " + path},
		"from the key while its twin stands there bare":      {`dsn_file: "", dsn: ` + dsn, "literal"},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := Parse("f.yaml", database(tt.keys), known())
			require.NoError(t, err)
			got := c.Targets[0].Postgres.DSN
			require.Equal(t, dsn, got.Reveal())
			require.Equal(t, tt.source, got.Source())
		})
	}
}

func TestSecretFileIsJudged(t *testing.T) {
	calm(t)
	for name, tt := range map[string]struct{ content, want string }{
		"an empty file":                {"\n", "is empty"},
		"a file that is far too large": {strings.Repeat("x", strictyaml.MaxSecret+1), "is larger than 64KiB"},
		"a file with binary data":      {"a\x00b", "holds binary data"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse("f.yaml", database("dsn_file: "+secretAt(t, tt.content, 0o600)), known())
			require.ErrorContains(t, err, tt.want)
			require.ErrorContains(t, err, "f.yaml:4:")
		})
	}
}

func TestSecretFileThatEverybodyCanReadIsARisk(t *testing.T) {
	calm(t)
	path := secretAt(t, dsn, 0o644)
	c, err := Parse("f.yaml", database("dsn_file: "+path), known())
	require.NoError(t, err)
	require.Len(t, c.Warnings, 1)
	require.Contains(t, c.Warnings[0].String(), "can be read by every user of this host; chmod 0640 "+path)
}

func TestMissingCredentialNamesTheUnitSetting(t *testing.T) {
	calm(t)
	t.Setenv("CREDENTIALS_DIRECTORY", t.TempDir())
	_, err := Parse("f.yaml", database("dsn_credential: pg"), known())
	require.ErrorContains(t, err, "does not exist; add LoadCredential=pg:/path/to/the/file to recoveryd.service")
}

func TestWithoutSecretsNothingIsLookedAt(t *testing.T) {
	calm(t)
	k := known()
	k.WithoutSecrets = true
	for _, keys := range []string{"dsn_file: /nonexistent", "dsn_env: RECOVERYD_TEST_UNSET", "dsn_credential: nothing"} {
		c, err := Parse("f.yaml", database(keys), k)
		require.NoError(t, err)
		require.False(t, c.Targets[0].Postgres.DSN.IsSet())
		require.Contains(t, c.Redacted(), keys, "the source is kept")
	}
	_, err := Parse("f.yaml", database("dsn_file: relative"), k)
	require.ErrorContains(t, err, "is not acceptable", "the form is judged all the same")
}
