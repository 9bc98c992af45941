package residency

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAFewTargetsTakeOneProcessorAndManyTakeWhatTheMachineGrants(t *testing.T) {
	t.Setenv("GOMAXPROCS", "") // of this machine's own: its default is asked for below
	before := runtime.GOMAXPROCS(0)
	t.Cleanup(func() { runtime.GOMAXPROCS(before) })
	runtime.SetDefaultGOMAXPROCS()
	granted := runtime.GOMAXPROCS(0)

	Processors(2)
	require.Equal(t, 1, runtime.GOMAXPROCS(0))
	Processors(few + 1)
	require.Equal(t, granted, runtime.GOMAXPROCS(0))
	Processors(few)
	require.Equal(t, 1, runtime.GOMAXPROCS(0), "a reload with fewer targets")

	runtime.GOMAXPROCS(3)
	t.Setenv("GOMAXPROCS", "3")
	Processors(2)
	require.Equal(t, 3, runtime.GOMAXPROCS(0), "an operator's own number goes first")
}
