package notice_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
)

func TestCut(t *testing.T) {
	for _, tc := range []struct {
		name, in string
		limit    int
		want     string
	}{
		{"a short text stays", "disk full", 9, "disk full"},
		{"a long one ends in the mark", "disk full", 8, "disk fu…"},
		{"runes count, not bytes", "ééééé", 5, "ééééé"},
		{"an emoji is never split", "🔥🔥🔥", 2, "🔥…"},
		{"one place is the mark", "abc", 1, "…"},
		{"no place is nothing", "abc", 0, ""},
		{"a negative limit is nothing", "abc", -1, ""},
		{"bytes that are no UTF-8 become one replacement", "a\xff\xfeb", 9, "a\uFFFDb"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			require.Equal(t, tc.want, notice.Cut(tc.in, tc.limit))
		})
	}
}

func TestOneLine(t *testing.T) {
	require.Equal(t, "a b c", notice.OneLine(" a\r\n\tb\x00\x1b c\n"))
	require.Empty(t, notice.OneLine("\r\n \x00"))
}

func TestPrintableKeepsLinesAndDropsControls(t *testing.T) {
	require.Equal(t, "a\n\tb [31m", notice.Printable("a\n\tb\x1b[31m"))
}

func FuzzCut(f *testing.F) {
	f.Add("disk full 🔥", 5)
	f.Add("\xff\xfe", 1)
	f.Fuzz(func(t *testing.T, s string, limit int) {
		limit %= 5000
		got := notice.Cut(s, limit)
		require.True(t, utf8.ValidString(got))
		require.LessOrEqual(t, utf8.RuneCountInString(got), max(limit, 0))
		clean := strings.ToValidUTF8(s, "\uFFFD")
		if limit >= utf8.RuneCountInString(clean) && limit > 0 {
			require.Equal(t, clean, got, "what fits is not touched")
		}
		b := notice.CutBytes(s, max(limit, 0))
		require.True(t, utf8.ValidString(b))
		require.LessOrEqual(t, len(b), max(limit, 0))
		if limit >= len(clean) {
			require.Equal(t, clean, b)
		}
	})
}
