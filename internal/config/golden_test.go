package config

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/internal/strictyaml"
	"github.com/recoveryd/recoveryd/pkg/platform"
	"github.com/recoveryd/recoveryd/pkg/platform/systemd"
)

var update = flag.Bool("update", false, "rewrite the golden files; commit only what you can explain")

// known are the names of a small build, for tests.
func known() Known {
	return Known{
		Strategies:    []string{"restart", "kill-start", "terminate-idle"},
		Classes:       []string{"down", "hung", "database", "pool", "memory", "disk"},
		NotifierTypes: []string{"pagerduty", "slack", "webhook", "email", "statuspage"},
		Platforms:     platforms(),
	}
}

// platforms are systemd's driver, and one with keys such as child processes have.
func platforms() []Platform {
	sd := systemd.Driver()
	first := Platform{Name: sd.Name, Keys: sd.Keys, Drills: sd.Drills, Forms: map[string]strictyaml.Form{}}
	for name, f := range sd.Forms {
		first.Forms[name] = strictyaml.Form(f)
	}
	first.Judge = func(t Target, keys any) (string, []Wrong) {
		object, found := sd.Judge(platform.Target{Name: t.Name, Kind: t.Kind}, keys)
		var wrong []Wrong
		for _, w := range found {
			wrong = append(wrong, Wrong(w))
		}
		return object, wrong
	}
	return []Platform{first, {Name: "process", Keys: programKeys{}, Judge: func(t Target, keys any) (string, []Wrong) {
		if len(keys.(*programKeys).Command) == 0 {
			return t.Name, []Wrong{{Key: "command", What: "is missing", Want: "the program and its arguments"}}
		}
		return t.Name, nil
	}}}
}

type programKeys struct {
	Command []string   `yaml:"command"`
	Env     []Variable `yaml:"env"`
	Dir     string     `yaml:"dir" form:"path"`
}

// calm gives a test an environment of its own: no directories from systemd, no credentials, one
// variable with a secret.
func calm(t *testing.T) {
	t.Helper()
	for _, name := range []string{"STATE_DIRECTORY", "RUNTIME_DIRECTORY", "CREDENTIALS_DIRECTORY", "RECOVERYD_TEST_UNSET"} {
		t.Setenv(name, "") // restores the old value afterwards
		require.NoError(t, os.Unsetenv(name))
	}
	t.Setenv("RECOVERYD_TEST_KEY", canary)
}

// canary is a secret that must appear nowhere. The files in testdata use it too.
const canary = "hunter2"

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err, "run the test with -update")
	require.Equal(t, string(want), got)
}

func lines(ps []strictyaml.Problem) string {
	var b strings.Builder
	for _, p := range ps {
		b.WriteString(p.String() + "\n")
	}
	return b.String()
}

// TestBadFiles proves that each mistake is found, at its place, in words that say what to do.
func TestBadFiles(t *testing.T) {
	calm(t)
	paths, err := filepath.Glob("testdata/bad/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".yaml")
		t.Run(name, func(t *testing.T) {
			data, err := os.ReadFile(path)
			require.NoError(t, err)
			_, err = Parse(name+".yaml", data, known())
			pe, ok := errors.AsType[*strictyaml.ProblemsError](err)
			require.True(t, ok, "want a *ProblemsError, got %v", err)
			require.NotEmpty(t, pe.Problems)
			for _, p := range pe.Problems {
				require.Positive(t, p.Line, "a problem without a place: %s", p)
				require.Positive(t, p.Col, "a problem without a place: %s", p)
			}
			require.NotContains(t, err.Error()+lines(pe.Warnings), canary)
			golden(t, strings.TrimSuffix(path, ".yaml")+".golden", lines(pe.Problems))
		})
	}
}

// TestRiskyFiles proves that what is legal but risky is said, and does not keep the daemon from
// starting.
func TestRiskyFiles(t *testing.T) {
	calm(t)
	paths, err := filepath.Glob("testdata/risky/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".yaml")
		t.Run(name, func(t *testing.T) {
			data, err := os.ReadFile(path)
			require.NoError(t, err)
			c, err := Parse(name+".yaml", data, known())
			require.NoError(t, err)
			require.NotEmpty(t, c.Warnings)
			require.NotContains(t, lines(c.Warnings), canary)
			golden(t, strings.TrimSuffix(path, ".yaml")+".golden", lines(c.Warnings))
		})
	}
}
