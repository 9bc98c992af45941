package strictyaml

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestSuggestionIsTheNearestWord(t *testing.T) {
	words := []string{"interval", "health", "start_grace", "stop_grace", "timeout"}
	for _, tt := range []struct{ name, word, want string }{
		{"one letter too many", "intervall", `did you mean "interval"?`},
		{"two letters swapped", "haelth", `did you mean "health"?`},
		{"another way of joining words", "start-grace", `did you mean "start_grace"?`},
		{"capitals", "stopGrace", `did you mean "stop_grace"?`},
		{"a letter missing", "timeot", `did you mean "timeout"?`},
		{"nothing like it", "colour", ""},
		{"a short word is not stretched", "to", ""},
	} {
		t.Run(tt.name, func(t *testing.T) { require.Equal(t, tt.want, DidYouMean(tt.word, words)) })
	}
	require.Empty(t, DidYouMean("x", nil))
}

func TestDistanceIsAMetric(t *testing.T) {
	const far = 100
	word := rapid.StringOfN(rapid.RuneFrom([]rune("abc")), 0, 6, -1)
	rapid.Check(t, func(t *rapid.T) {
		a, b := []rune(word.Draw(t, "a")), []rune(word.Draw(t, "b"))
		d := distance(a, b, far)
		require.Equal(t, string(a) == string(b), d == 0)
		require.Equal(t, d, distance(b, a, far))
		require.LessOrEqual(t, d, max(len(a), len(b)))
		require.GreaterOrEqual(t, d, abs(len(a)-len(b)))
	})
}
