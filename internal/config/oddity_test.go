package config

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWhatCannotBeSeenInAValueIsNamed(t *testing.T) {
	for s, want := range map[string]string{
		"a\u00a0b": "no-break space (U+00A0)", "a\u200bb": "zero-width space (U+200B)", "\ufeffkey": "byte order mark (U+FEFF)", "a\u202eb": "mark of writing direction (U+202E)",
		"key\r": "carriage return", "key ": "white space around it", "\tkey": "white space around it", `"key"`: "quotes of its own", "'key'": "quotes of its own",
		"“key”": "typographic quotes", "„key“": "typographic quotes", "５s": "digits other than 0 to 9", "٣": "digits other than 0 to 9",
	} {
		what, cure := oddity(s)
		require.Contains(t, what, want, "%q", s)
		require.NotEmpty(t, cure)
		require.NotContains(t, what+cure, "key", "it may be a secret")
	}
	for _, s := range []string{"", "key", "a b", "it's", `say "yes" or "no`, "prüfen", "🚒 fire", "line\nline\n", `"`} {
		what, _ := oddity(s)
		require.Empty(t, what, "%q", s)
	}
}
