package engine

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestLooksAreNeverFurtherApartThanTheInterval(t *testing.T) {
	for _, every := range []time.Duration{10 * time.Millisecond, time.Second, 5 * time.Second, time.Hour} {
		for place := range 50 {
			b := beat{every, place}
			first := b.next(0)
			require.LessOrEqual(t, first, every)
			for at, n := first, 0; n < 500; n++ {
				next := b.next(at)
				require.GreaterOrEqual(t, next-at, every*9/10-time.Nanosecond, "in the rhythm no look is wasted")
				require.LessOrEqual(t, next-at, every)
				between := at + (next-at)*time.Duration(n)/500 // a signal, or a look that was bad
				require.Equal(t, next, b.next(between), "whoever left the rhythm falls into it again")
				at = next
			}
		}
	}
}

func TestGroupsOfTargetsAreSpreadOverTheInterval(t *testing.T) {
	const groups, every = 125, 10 * time.Second // a thousand targets
	parts := [20]int{}
	for place := range groups {
		at := beat{every, place}.next(time.Hour) - time.Hour
		parts[min(int(at*20/every), 19)]++
	}
	for i, n := range parts {
		require.Less(t, n, 3*groups/20, "part %d of the interval has more than its share: %v", i, parts)
	}
}

func TestTargetsOfAGroupAreLookedAtInTheSameMomentAndOtherIntervalsHaveTheirOwn(t *testing.T) {
	a, b, other := beat{time.Second, 0}, beat{time.Second, 0}, beat{time.Second, 1}
	at := a.next(5 * time.Second)
	require.Equal(t, at, b.next(5*time.Second+at/100))
	require.NotEqual(t, at, other.next(5*time.Second))
}
