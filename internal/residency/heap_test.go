package residency

import (
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheHeapOfAFewTargetsIsLeftAloneBetweenTwoMinutes(t *testing.T) {
	before := debug.SetGCPercent(100)
	t.Cleanup(func() { debug.SetGCPercent(before) })
	percent := func() int {
		p := debug.SetGCPercent(100)
		debug.SetGCPercent(p)
		return p
	}
	t.Setenv("GOGC", "")
	Heap(2)
	require.Equal(t, 200, percent())
	Heap(few + 1)
	require.Equal(t, 100, percent(), "a reload with more targets")

	t.Setenv("GOGC", "50")
	debug.SetGCPercent(50)
	Heap(2)
	require.Equal(t, 50, percent(), "an operator's own number goes first")
}
