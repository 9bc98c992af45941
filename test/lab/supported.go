package lab

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// Supported returns nil when labs can be started here, else every reason why not.
func Supported() error {
	if runtime.GOOS != "linux" {
		return fmt.Errorf("labs need Linux (this is %s)", runtime.GOOS)
	}
	if os.Geteuid() != 0 {
		return fmt.Errorf("labs need root (this is uid %d)", os.Geteuid())
	}
	var missing []error
	for program, pkg := range map[string]string{
		"systemd-nspawn": "systemd-container", "nsenter": "util-linux", "journalctl": "systemd", "debootstrap": "debootstrap",
	} {
		if _, err := exec.LookPath(program); err != nil {
			missing = append(missing, fmt.Errorf("labs need %s (package %s)", program, pkg))
		}
	}
	if len(missing) > 0 {
		return errors.Join(missing...)
	}
	// A container without the right to mount cannot start another one.
	if out, err := exec.Command("unshare", "--mount", "--net", "--pid", "--fork", "mount", "-t", "tmpfs", "none", "/mnt").CombinedOutput(); err != nil {
		return fmt.Errorf("labs need the right to mount and to make namespaces: %w: %s", err, strings.TrimSpace(string(out)))
	}
	dirs, err := cgroupRoots(false)
	if err != nil {
		return err
	}
	for _, dir := range dirs {
		probe, err := os.MkdirTemp(dir, "recoveryd-lab-probe-")
		if err != nil {
			return fmt.Errorf("labs need a writable cgroup tree: %w", err)
		}
		if err := os.Remove(probe); err != nil {
			return fmt.Errorf("labs need a writable cgroup tree: %w", err)
		}
	}
	return nil
}

// Memory is what the kernel offers for the memory of units in a lab.
type Memory string

// The kinds of memory control.
const (
	MemoryNone Memory = "none" // MemoryCurrent reads "[not set]", MemoryMax has no effect
	MemoryV1   Memory = "v1"   // with Options.V1Memory: MemoryCurrent and MemoryMax work, an OOM kill shows as Result=signal
	MemoryV2   Memory = "v2"   // all of it works, with Result=oom-kill
)

// Capabilities are what differs between hosts.
type Capabilities struct {
	Memory Memory
	PSI    bool // units have memory.pressure
}

// Probe looks at the host's kernel.
func Probe() Capabilities {
	c := Capabilities{Memory: MemoryNone}
	if text, err := os.ReadFile("/sys/fs/cgroup/cgroup.controllers"); err == nil {
		for _, f := range strings.Fields(string(text)) {
			if f == "memory" {
				c.Memory = MemoryV2
			}
		}
	} else if exists("/sys/fs/cgroup/memory/memory.limit_in_bytes") {
		c.Memory = MemoryV1
	}
	// The file exists without psi=1 on the command line, too; reading it then fails.
	_, err := os.ReadFile("/proc/pressure/memory")
	c.PSI = err == nil && (exists("/sys/fs/cgroup/cgroup.controllers") || exists("/sys/fs/cgroup/unified/cgroup.controllers"))
	return c
}

// cgroupRoots lists the hierarchies in which a lab gets a group of its own.
func cgroupRoots(v1Memory bool) ([]string, error) {
	const root = "/sys/fs/cgroup"
	if exists(filepath.Join(root, "cgroup.controllers")) {
		return []string{root}, nil
	}
	var dirs []string
	for _, h := range []string{"systemd", "unified"} {
		if exists(filepath.Join(root, h, "cgroup.procs")) {
			dirs = append(dirs, filepath.Join(root, h))
		}
	}
	if len(dirs) == 0 {
		return nil, fmt.Errorf("labs need a cgroup tree for systemd: neither cgroup v2 nor %s/systemd is mounted", root)
	}
	if v1Memory && exists(filepath.Join(root, "memory", "cgroup.procs")) {
		dirs = append(dirs, filepath.Join(root, "memory"))
	}
	return dirs, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
