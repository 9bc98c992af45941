package look

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAFrameFitsTheScreen(t *testing.T) {
	got := frame("one line that is too long\ntwo\nthree\nfour\nfive\n", 10, 5, false)
	require.Equal(t, "\x1b[Hone line …\x1b[K\ntwo\x1b[K\nthree\x1b[K\n... 2 mor…\x1b[K\n\x1b[J", got)
}
