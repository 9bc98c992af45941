package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/internal/strictyaml"
)

// FuzzParse proves that Parse ends without a panic for whatever it is given, that it says the same
// thing twice, that every problem of a file which is not empty has a place inside that file, and
// that an accepted configuration can be printed and its own notifiers asked.
func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"testdata/bad/*.yaml", "testdata/risky/*.yaml", configs + "*.yaml"} {
		seeds, err := filepath.Glob(pattern)
		require.NoError(f, err)
		require.NotEmpty(f, seeds)
		for _, path := range seeds {
			data, err := os.ReadFile(path)
			require.NoError(f, err)
			f.Add(data)
		}
	}
	known := elsewhere() // what a file or a variable holds must not decide here
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse("fuzz.yaml", data, known)
		again, errAgain := Parse("fuzz.yaml", data, known)
		if err != nil {
			require.Nil(t, c)
			require.EqualError(t, errAgain, err.Error())
			pe, ok := errors.AsType[*strictyaml.ProblemsError](err)
			require.True(t, ok, "%T", err)
			require.NotEmpty(t, pe.Problems)
			within(t, data, pe.Problems)
			within(t, data, pe.Warnings)
			return
		}
		require.NoError(t, errAgain)
		require.Equal(t, c.Redacted(), again.Redacted())
		require.NotEmpty(t, c.Targets)
		within(t, data, c.Warnings)
		for _, n := range c.Notifiers {
			var own pager
			if err := n.Decode(&own); err != nil {
				pe, ok := errors.AsType[*strictyaml.ProblemsError](err)
				require.True(t, ok, "%T", err)
				within(t, data, pe.Problems)
			}
		}
	})
}

// within checks that each problem stands in one line of output and points into the file.
func within(t *testing.T, data []byte, ps []strictyaml.Problem) {
	t.Helper()
	for _, p := range ps {
		require.Positive(t, p.Line, "%s", p)
		require.Positive(t, p.Col, "%s", p)
		require.LessOrEqual(t, p.Line, strings.Count(string(data), "\n")+strings.Count(string(data), "\r")+1, "%s", p)
		require.True(t, utf8.ValidString(p.String()))
		require.NotContains(t, p.String(), "\n")
		require.NotEmpty(t, p.What)
	}
}
