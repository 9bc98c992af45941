package residency

import (
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
)

// Memory lets garbage be collected sooner when the heap comes near the limit of the unit (MemoryMax=), at
// which the kernel would kill the daemon in the middle of its work. Two thirds are for the heap: the rest is
// for what Go does not count, which is the page caches of the journal and what the kernel holds for
// connections. root is the file system that has proc and sys, "/" but in tests. It returns the limit that it
// set, or 0 where there is none.
//
// GOMEMLIMIT in the environment goes first: then nothing is changed.
func Memory(root string) int64 {
	if os.Getenv("GOMEMLIMIT") != "" {
		return 0
	}
	limit := unitLimit(root) / 3 * 2
	if limit == 0 {
		return 0
	}
	debug.SetMemoryLimit(limit)
	return limit
}

// unitLimit is the lowest memory.max of the control group of the process and those above it; 0 = none is known.
func unitLimit(root string) int64 {
	text, err := os.ReadFile(filepath.Join(root, "proc/self/cgroup"))
	if err != nil {
		return 0
	}
	var group string
	for line := range strings.Lines(string(text)) {
		if path, unified := strings.CutPrefix(strings.TrimSpace(line), "0::/"); unified {
			group = path
		}
	}
	lowest := int64(math.MaxInt64)
	for dir := filepath.Join("/", group); ; dir = filepath.Dir(dir) {
		text, err := os.ReadFile(filepath.Join(root, "sys/fs/cgroup", dir, "memory.max"))
		if n, bad := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && bad == nil { // "max" is no number
			lowest = min(lowest, n)
		}
		if dir == "/" {
			break
		}
	}
	if lowest == math.MaxInt64 {
		return 0
	}
	return lowest
}
