package engine

import (
	"math"
	"math/rand/v2"
	"time"
)

// together is how many targets of the same interval are looked at in the same moment: to wake up for
// one costs as much as the look itself, and eight requests at once are nothing to a host.
const together = 8

// beat is the rhythm of a group of targets of the same interval. It counts from when watching began, so
// that targets which left it for a while (a signal, a look that was bad) fall into it again.
type beat struct {
	every time.Duration // the interval that was asked for
	place int           // of the group among those of this interval
}

// next returns when a look is due that follows one at a moment; both count from when watching began.
// It is never later than the interval. In the rhythm it is 5 % earlier on average and spread by as much,
// so that polls of this and other tools do not fall into step.
func (b beat) next(after time.Duration) time.Duration {
	spread := b.every / 20
	step := b.every - spread
	// Multiples of the golden ratio are spread evenly, however many groups there are.
	_, share := math.Modf(float64(b.place) * math.Phi)
	offset := time.Duration(share * float64(step))
	for k := (after - offset) / step; ; k++ {
		random := rand.New(rand.NewPCG(uint64(b.place), uint64(k))) //nolint:gosec // no secret: the same for all of a group
		if at := offset + k*step + time.Duration(random.Float64()*float64(spread)); at > after {
			return at
		}
	}
}
