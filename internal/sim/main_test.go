package sim

import (
	"os"
	"runtime/debug"
	"testing"
)

// TestMain gives the garbage collector less to do: worlds are short-lived and make much garbage.
func TestMain(m *testing.M) {
	debug.SetGCPercent(800)
	os.Exit(m.Run())
}
