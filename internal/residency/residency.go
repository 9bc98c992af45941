// Package residency keeps small what a waiting daemon takes of its host. It gives back memory that is not
// needed for now: the heap's free pages, and the pages of the program file that were mapped while
// configuration, templates and tables were read, the journal was tidied or garbage was collected; what is
// needed again is mapped again from the page cache, a page fault each. And it takes no more processors
// than the work needs. It decides nothing about targets and changes no behaviour.
//
// Without it a daemon that idles at 4 MB of heap stays at 36 MB resident, 25 of them program text
// that ran once (measured with two targets; see docs/benchmarks.md).
//
// Start reading at [Trim], [Processors], [Heap] and [Memory].
package residency

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"

	"golang.org/x/sys/unix"
)

// Trim collects garbage, and gives back what is not needed for now. It takes some milliseconds of a
// processor: call it when the process has begun its steady work, and after work that is rare. An error
// says what could not be given back; the process goes on all the same. It is safe for concurrent use
// with everything.
func Trim() error {
	debug.FreeOSMemory()
	exe, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return fmt.Errorf("name the program file: %w", err)
	}
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		return fmt.Errorf("read the map of the process: %w", err)
	}
	defer f.Close() //nolint:errcheck // only read
	for _, s := range cleanSpans(f, exe) {
		if _, _, errno := unix.Syscall(unix.SYS_MADVISE, s.from, s.to-s.from, unix.MADV_DONTNEED); errno != 0 {
			return fmt.Errorf("give back the program's pages at %x: %w", s.from, errno)
		}
	}
	return nil
}

// span is a part of the address space.
type span struct{ from, to uintptr }

// cleanSpans finds the read-only mappings of a file in which no page is a copy of the process's own:
// only these can be dropped without loss. A dirty page that is not anonymous is the file's own, not
// written to disk yet. It reads the format of proc_pid_smaps(5).
func cleanSpans(smaps io.Reader, file string) (out []span) {
	var (
		s    span
		ours bool
	)
	keep := func() {
		if ours {
			out = append(out, s)
		}
		ours = false
	}
	for lines := bufio.NewScanner(smaps); lines.Scan(); {
		line := lines.Text()
		if !attribute(line) {
			var perms, offset, dev, inode string
			var next span
			if n, _ := fmt.Sscanf(line, "%x-%x %s %s %s %s", &next.from, &next.to, &perms, &offset, &dev, &inode); n == 6 {
				keep()
				s, ours = next, (perms == "r--p" || perms == "r-xp") && strings.HasSuffix(line, " "+file)
			}
			continue
		}
		if !ours {
			continue
		}
		var kb int
		for _, key := range []string{"Anonymous:", "Locked:"} {
			if n, _ := fmt.Sscanf(line, key+" %d", &kb); n == 1 && kb > 0 {
				ours = false
			}
		}
	}
	keep()
	return out
}

// attribute tells a line about a mapping ("Rss:") from the one that names it, which begins with its
// address.
func attribute(line string) bool { return line != "" && line[0] >= 'A' && line[0] <= 'Z' }
