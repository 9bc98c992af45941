package systemd

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

// host lays out the kernel's files of a host below a directory.
func host(t *testing.T, files map[string]string) *hostFiles {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	return &hostFiles{root: root}
}

func TestAddMemory(t *testing.T) {
	const (
		pure   = "cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid 0 0\n"
		hybrid = "cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\ncgroup /sys/fs/cgroup/systemd cgroup rw,xattr,name=systemd 0 0\ncgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\n"
		none   = "proc /proc proc rw 0 0\n"
		unit   = "/system.slice/a.service"
	)
	tests := []struct {
		name  string
		files map[string]string
		props unitProps
		want  detect.Facts
		lacks []string
	}{
		{"systemd knows it all", map[string]string{"proc/self/mounts": pure},
			unitProps{memCurrent: 1000, memMax: 2000},
			detect.Facts{detect.MemoryCurrent: detect.Num(1000), detect.MemoryMax: detect.Num(2000), detect.MemorySource: detect.Word("systemd")},
			[]string{detect.MemoryPressure, detect.MemoryOOMKills}},
		{"a v2 host: counters and pressure from the cgroup", map[string]string{"proc/self/mounts": pure,
			"sys/fs/cgroup" + unit + "/memory.events":   "low 0\nhigh 0\nmax 9\noom 3\noom_kill 2\noom_group_kill 0\n",
			"sys/fs/cgroup" + unit + "/memory.pressure": "some avg10=39.54 avg60=1.00 avg300=0.00 total=1\nfull avg10=30.00 avg60=0 avg300=0 total=1\n",
			"sys/fs/cgroup" + unit + "/memory.max":      "max\n"},
			unitProps{memCurrent: 1000, memMax: notSet},
			detect.Facts{detect.MemoryCurrent: detect.Num(1000), detect.MemorySource: detect.Word("systemd"),
				detect.MemoryOOMKills: detect.Num(2), detect.MemoryPressure: detect.Num(39.54)},
			[]string{detect.MemoryMax}},
		{"a v2 host after the kernel killed a child of the unit (OOMPolicy=continue), as kernel 6.1 with systemd 252 left it",
			map[string]string{"proc/self/mounts": "cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid,nodev,noexec,relatime,nsdelegate,memory_recursiveprot 0 0\n",
				"sys/fs/cgroup" + unit + "/memory.current": "176128\n", "sys/fs/cgroup" + unit + "/memory.max": "67108864\n",
				"sys/fs/cgroup" + unit + "/memory.events": "low 0\nhigh 0\nmax 35\noom 1\noom_kill 1\noom_group_kill 0\n"},
			unitProps{memCurrent: 176128, memMax: 67108864},
			detect.Facts{detect.MemoryCurrent: detect.Num(176128), detect.MemoryMax: detect.Num(67108864), detect.MemorySource: detect.Word("systemd"),
				detect.MemoryOOMKills: detect.Num(1)},
			[]string{detect.MemoryPressure}}, // this kernel was built without PSI
		{"systemd has no figure (2^64-1): the v2 file has", map[string]string{"proc/self/mounts": pure,
			"sys/fs/cgroup" + unit + "/memory.current": "4096\n", "sys/fs/cgroup" + unit + "/memory.max": "8192\n"},
			unitProps{memCurrent: notSet, memMax: notSet},
			detect.Facts{detect.MemoryCurrent: detect.Num(4096), detect.MemoryMax: detect.Num(8192), detect.MemorySource: detect.Word("cgroup")}, nil},
		{"a hybrid host: memory is accounted by v1, pressure by v2", map[string]string{"proc/self/mounts": hybrid,
			"sys/fs/cgroup/memory" + unit + "/memory.usage_in_bytes": "5000\n",
			"sys/fs/cgroup/memory" + unit + "/memory.limit_in_bytes": "9223372036854771712\n",
			"sys/fs/cgroup/memory" + unit + "/memory.oom_control":    "oom_kill_disable 0\nunder_oom 0\noom_kill 4\n",
			"sys/fs/cgroup/unified" + unit + "/memory.pressure":      "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"},
			unitProps{memCurrent: notSet, memMax: notSet},
			detect.Facts{detect.MemoryCurrent: detect.Num(5000), detect.MemorySource: detect.Word("cgroup"),
				detect.MemoryOOMKills: detect.Num(4), detect.MemoryPressure: detect.Num(0)},
			[]string{detect.MemoryMax}},
		{"nothing accounts memory: not measured, and never 0", map[string]string{"proc/self/mounts": hybrid},
			unitProps{memCurrent: notSet, memMax: notSet}, nil, []string{detect.MemoryMax, detect.MemorySource, detect.MemoryPressure}},
		{"no cgroup file system at all", map[string]string{"proc/self/mounts": none},
			unitProps{memCurrent: notSet, memMax: 7}, detect.Facts{detect.MemoryMax: detect.Num(7)}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := detect.Facts{}
			tt.props.cgroup = unit
			h := host(t, tt.files)
			h.addMemory(f, tt.props)
			h.addLimit(f, tt.props)
			h.addEvents(f, tt.props)
			if _, ok := tt.want[detect.MemoryCurrent]; !ok {
				require.NotEmpty(t, f[detect.MemoryCurrent].Err)
			}
			for name, want := range tt.want {
				require.Equal(t, want, f[name], name)
			}
			for _, name := range tt.lacks {
				require.NotContains(t, f, name)
			}
		})
	}
	f := detect.Facts{}
	host(t, nil).addMemory(f, unitProps{memCurrent: notSet, memMax: notSet})
	host(t, nil).addLimit(f, unitProps{memCurrent: notSet, memMax: notSet})
	host(t, nil).addEvents(f, unitProps{memCurrent: notSet, memMax: notSet})
	require.Empty(t, f, "a unit without a cgroup has no processes to account")
}

func TestAddProcessesSaysWhenTheyAreHidden(t *testing.T) {
	f := detect.Facts{}
	h := host(t, map[string]string{"proc/self/mounts": ""})
	h.addProcess(f, unitProps{mainPID: 4711, cgroup: "/x"})
	h.addUse(f, unitProps{mainPID: 4711, cgroup: "/x"})
	require.Contains(t, f[detect.ProcessState].Err, "ProtectProc")
	require.Contains(t, f[detect.ProcessRSS].Err, "ProtectProc")
}
