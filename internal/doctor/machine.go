package doctor

import (
	"context"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// oldest is a date before which this program did not exist: a clock that shows less is wrong.
var oldest = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// machine looks at the clock and at the controllers of the kernel.
func machine(ctx context.Context, n *notes) {
	clock(ctx, n, time.Now())
	cgroups(n, "/")
}

// clock: times stand in the journal, in pages and in maintenance windows.
func clock(ctx context.Context, n *notes, now time.Time) {
	const mend = "enable systemd-timesyncd, chrony or another time service"
	if now.Before(oldest) {
		n.add("clock", now.Format(time.RFC3339), Fail, mend, "is wrong: pages would carry times of the past")
		return
	}
	var t unix.Timex // modes 0: only read
	_, err := unix.Adjtimex(&t)
	if err == nil {
		if t.Status&unix.STA_UNSYNC != 0 {
			n.add("clock", "kernel", Warn, mend, "is not synchronised: times in pages may be off")
		} else {
			n.ok("clock", "kernel", "is synchronised")
		}
		return
	}
	b, derr := dial(ctx) // a sandbox may hide the clock's settings
	if derr == nil {
		defer b.Close()
		v, perr := b.Object("org.freedesktop.timedate1", "/org/freedesktop/timedate1").GetProperty("org.freedesktop.timedate1.NTPSynchronized")
		if synced, ok := v.Value().(bool); perr == nil && ok {
			if synced {
				n.ok("clock", "timedated", "is synchronised")
			} else {
				n.add("clock", "timedated", Warn, mend, "is not synchronised: times in pages may be off")
			}
			return
		}
	}
	n.add("clock", "kernel", Warn, "timedatectl status", "whether it is synchronised cannot be told: %v", err)
}

// cgroups: memory of units is measured and limited by the controllers of cgroup v2.
func cgroups(n *notes, root string) {
	controllers, err := os.ReadFile(root + "sys/fs/cgroup/cgroup.controllers")
	switch {
	case err == nil && slices.Contains(strings.Fields(string(controllers)), "memory"):
		n.ok("cgroup", "v2", "with the controllers %s", strings.TrimSpace(string(controllers)))
	case err == nil:
		n.add("cgroup", "v2", Warn, "memory accounting may be off: cgroup_enable=memory on the kernel's command line", "has no memory controller: memory limits are neither seen nor raised (there are: %s)", strings.TrimSpace(string(controllers)))
	default:
		n.add("cgroup", "v1", Warn, "systemd.unified_cgroup_hierarchy=1 on the kernel's command line", "memory of a unit may not be measured, and a kill for want of memory looks like any other")
	}
}
