package sim

import (
	"os"
	"runtime/debug"
	"testing"
)

// TestMain gives the garbage collector less to do: worlds are short-lived and make much garbage, and
// what lives at a time fits many times into memory.
func TestMain(m *testing.M) {
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(256 << 20)
	os.Exit(m.Run())
}
