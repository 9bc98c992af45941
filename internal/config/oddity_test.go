package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestASecretFileThatHoldsSomethingOddIsWarnedOf(t *testing.T) {
	for text, want := range map[string]string{"“hunter2”": "typographic quotes", "a\u200bhunter2": "zero-width space", "\"hunter2\"\n": "quotes of its own", "\ufeffhunter2": "byte order mark", "hunter2 \n": "white space", "hunter2\r\n": "", "hunter2": ""} {
		file := filepath.Join(t.TempDir(), "secret")
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		c, err := Parse("f.yaml", []byte("version: 1\nnotifiers: [{name: log, type: log}]\ntargets: [{name: svc, kind: service, unit: svc.service, health: [{url: \"http://127.0.0.1:8000/health\", bearer_token_file: "+file+"}]}]\n"),
			Known{Platforms: platforms(), NotifierTypes: []string{"log"}})
		require.NoError(t, err)
		said := fmt.Sprint(c.Warnings)
		require.NotContains(t, said, "hunter2")
		if want == "" {
			require.Empty(t, c.Warnings, "%q", text)
		}
		require.Contains(t, said, want, "%q", text)
	}
}

func TestWhatIsOddInAValueIsWarnedOfWithoutShowingIt(t *testing.T) {
	base := "version: 1\nnotifiers: [{name: log, type: log}]\ntargets: [{name: svc, kind: service, unit: svc.service, %s health: [{url: \"http://127.0.0.1:8000/health\", bearer_token: %s}]}]\n"
	known := Known{Platforms: platforms(), NotifierTypes: []string{"log"}}
	for token, want := range map[string]string{`"hunter2 "`: "white space around it", `"hun\u200bter2"`: "zero-width space (U+200B)", `"'hunter2'"`: "quotes of its own", `"“hunter2”"`: "typographic quotes", "hunter2": ""} {
		c, err := Parse("f.yaml", fmt.Appendf(nil, base, "", token), known)
		require.NoError(t, err)
		said := fmt.Sprint(c.Warnings)
		require.NotContains(t, said, "hunter2")
		require.Len(t, c.Warnings, map[bool]int{true: 1, false: 2}[want == ""], "a secret that stands in the file, and what is odd in it: %s", said)
		require.Contains(t, said, want)
	}
	_, err := Parse("f.yaml", fmt.Appendf(nil, base, "inter\u200bval: 5s,", "hunter2"), known)
	require.ErrorContains(t, err, "it holds a zero-width space (U+200B), which cannot be seen: delete it")
}

func TestAPlaceholderInASecretFileIsWarnedOfWithoutShowingIt(t *testing.T) {
	known := Known{Platforms: platforms(), NotifierTypes: []string{"log"}}
	for text, warned := range map[string]bool{"<changeme>": true, "${PAGERDUTY_KEY}\n": true, "{{ vault_key }}": true, "changeme": true, "%PD_KEY%": true, "$PD_KEY": true,
		"0123456789abcdef0123456789abcdef": false, "a$b%2Fc<d": false, "x": false} {
		file := filepath.Join(t.TempDir(), "secret")
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		t.Setenv("THE_TOKEN", strings.TrimSpace(text))
		for key, value := range map[string]string{"bearer_token_file": file, "bearer_token_env": "THE_TOKEN"} {
			c, err := Parse("f.yaml", []byte("version: 1\nnotifiers: [{name: log, type: log}]\ntargets: [{name: svc, kind: service, unit: svc.service, health: [{url: \"http://127.0.0.1:8000/health\", "+key+": "+value+"}]}]\n"), known)
			require.NoError(t, err)
			said := fmt.Sprint(c.Warnings)
			require.Equal(t, warned, strings.Contains(said, "looks like a placeholder that nobody filled in"), "%q: %s", text, said)
			if warned {
				require.Contains(t, said, value)
				require.NotContains(t, said, strings.TrimSpace(text))
			}
		}
	}
}
