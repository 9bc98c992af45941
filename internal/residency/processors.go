package residency

import (
	"os"
	"runtime"
)

// few is how many targets one processor looks at with ease: at one look a second each, a hundred take
// about 3 % of it (docs/benchmarks.md).
const few = 100

// Processors lets the Go code of a daemon with few targets run on one processor, and on all that the
// machine grants otherwise. What wakes up is then done by who woke up: handing half of a look to
// another thread cost a fifth of idling, and doubles the caches of the memory allocator. System
// calls that take long, such as writing to a disk, leave the processor to others all the same.
//
// GOMAXPROCS in the environment goes first: then nothing is changed. Call it at the start, and whenever
// the number of targets may have changed; it stops the program for some microseconds.
func Processors(targets int) {
	if os.Getenv("GOMAXPROCS") != "" {
		return
	}
	if targets > few {
		runtime.SetDefaultGOMAXPROCS()
		return
	}
	runtime.GOMAXPROCS(1)
}
