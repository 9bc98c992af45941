package cgroup

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParse(t *testing.T) {
	const v1 = "cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\ncgroup /sys/fs/cgroup/systemd cgroup rw,xattr,name=systemd 0 0\n"
	for name, c := range map[string]struct {
		table string
		want  Mounts
	}{
		"one hierarchy":                     {"proc /proc proc rw 0 0\ncgroup2 /sys/fs/cgroup cgroup2 rw,nosuid 0 0\n", Mounts{Unified: "/sys/fs/cgroup"}},
		"one for each controller":           {v1, Mounts{Memory: "/sys/fs/cgroup/memory", Systemd: "/sys/fs/cgroup/systemd"}},
		"both":                              {"cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n" + v1, Mounts{"/sys/fs/cgroup/unified", "/sys/fs/cgroup/memory", "/sys/fs/cgroup/systemd"}},
		"the first of two is the host's":    {"cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\ncgroup2 /srv/jail/sys/fs/cgroup cgroup2 rw 0 0\n", Mounts{Unified: "/sys/fs/cgroup"}},
		"a controller is a word of its own": {"cgroup /x cgroup rw,memory_pressure 0 0\n", Mounts{}},
		"a line that is cut off":            {"cgroup2 /sys/fs", Mounts{}},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, c.want, Parse(c.table)) })
	}
}
