package residency

import (
	"os"
	"runtime/debug"
)

// Heap lets a daemon with few targets collect garbage once a minute only, when [Trim] does: what two looks
// a second leave behind in a minute is 2 MB, and a collection that begins by itself in between costs as
// much as some looks and maps 3 MB of tables. With many targets the heap may grow as Go's runtime has it
// by default, to twice of what lives.
//
// GOGC in the environment goes first: then nothing is changed. Call it with [Processors].
func Heap(targets int) {
	if os.Getenv("GOGC") != "" {
		return
	}
	percent := 100
	if targets <= few {
		percent = 200 // and so 8 MB before the first collection, not 4
	}
	debug.SetGCPercent(percent)
}
