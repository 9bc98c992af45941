package evidence

import (
	"context"
	"errors"
	"os"
	"strconv"
	"strings"
)

// gatherPressure writes the pressure stall information of the host and of the unit: who waited how
// much for memory, processor and disk in the last ten seconds, minute and five minutes.
func gatherPressure(_ context.Context, k *scene, p *page) error { return proc.pressure(k, p) }

func (r procRoot) pressure(k *scene, p *page) error {
	if b, err := r.read("loadavg"); err == nil {
		p.line("load: %s", strings.TrimSpace(string(b)))
	}
	missing := true
	for _, what := range []string{"memory", "cpu", "io"} {
		b, err := r.read("pressure/" + what)
		if err != nil {
			continue
		}
		missing = false
		for line := range strings.Lines(string(b)) {
			p.line("host %-6s %s", what, strings.TrimSpace(line))
		}
	}
	for _, dir := range r.groups(k.pid()) {
		for _, what := range []string{"memory", "cpu", "io"} {
			b, err := os.ReadFile(dir + "/" + what + ".pressure")
			if err != nil {
				continue
			}
			for line := range strings.Lines(string(b)) {
				p.line("unit %-6s %s", what, strings.TrimSpace(line))
			}
		}
	}
	if missing {
		return errors.New("the kernel offers no pressure information (psi=1 enables it)")
	}
	return nil
}

// groups are the directories in which the control group of a process may be mounted.
func (r procRoot) groups(pid int) []string {
	if pid == 0 {
		return nil
	}
	b, err := r.read(strconv.Itoa(pid) + "/cgroup")
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(b)) {
		if at, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok && at != "/" {
			return []string{"/sys/fs/cgroup" + at, "/sys/fs/cgroup/unified" + at} // pure v2, hybrid
		}
	}
	return nil
}
