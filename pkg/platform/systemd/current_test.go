package systemd

import (
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

func TestAUnitIsAskedForAsAWholeOnlyWhenTheSignalsDoNotSuffice(t *testing.T) {
	root := t.TempDir()
	put := func(name, text string) {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(root, name)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(root, name), []byte(text), 0o644))
	}
	put("proc/self/mounts", "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n")
	put("sys/fs/cgroup/system.slice/a.service/memory.current", "4096\n")
	running := unitProps{active: "active", sub: "running", invocation: "r1", mainPID: 7, cgroup: "/system.slice/a.service", memCurrent: 4095, memMax: 8192}

	tests := []struct {
		name  string
		read  bool // a complete answer that agreed is there
		agree bool
		after time.Duration
		view  func(*view)
		known bool
	}{
		{"after a complete answer the signals suffice", true, true, readAgain - time.Millisecond, nil, true},
		{"without a complete answer they do not", false, true, 0, nil, false},
		{"an answer that disagreed with the signals is not believed to hold", true, false, 0, nil, false},
		{"it is asked again after a while", true, true, readAgain, nil, false},
		{"sooner when half of the memory limit is in use", true, true, shortAgain, func(v *view) { v.props.memCurrent = 4096 }, false},
		{"and until then they suffice", true, true, shortAgain - time.Millisecond, func(v *view) { v.props.memCurrent = 4096 }, true},
		{"a new run is asked for", true, true, 0, func(v *view) { v.props.invocation = "r2" }, false},
		{"a crash is known from its signals alone", true, true, 0, func(v *view) { v.props.active, v.props.sub, v.props.mainPID = "failed", "failed", 0 }, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := &Adapter{host: hostFiles{root: root}, read: map[string]whole{}, told: map[string]told{}}
				if tt.read {
					a.wasRead("a.service", running, tt.agree)
				}
				v := view{props: running}
				if tt.view != nil {
					tt.view(&v)
				}
				a.wasTold("a.service", detect.Facts{detect.MemoryCurrent: detect.Num(float64(v.props.memCurrent)), detect.MemoryMax: detect.Num(8192)}, running, v, true)
				time.Sleep(tt.after) // of the bubble
				p, known := a.current("a.service", v, true)
				require.Equal(t, tt.known, known)
				if known {
					require.Equal(t, v.props.active, p.active)
					require.Equal(t, uint64(8192), p.memMax)
					require.Equal(t, notSet, p.memCurrent, "it is read from the cgroup, not remembered")
					require.Equal(t, v.props.active != "active", p.cgroup == "", "a dead unit has no cgroup")
				}
			})
		})
	}
	t.Run("without signals it is always asked for, and after an action", func(t *testing.T) {
		a := &Adapter{host: hostFiles{root: root}, read: map[string]whole{}}
		a.wasRead("a.service", running, true)
		_, known := a.current("a.service", view{props: running}, false)
		require.False(t, known)
		a.forget("a.service")
		_, known = a.current("a.service", view{props: running}, true)
		require.False(t, known)
	})
	t.Run("memory that only systemd can see is asked for", func(t *testing.T) {
		a := &Adapter{host: hostFiles{root: t.TempDir()}, read: map[string]whole{}}
		a.wasRead("a.service", running, true)
		_, known := a.current("a.service", view{props: running}, true)
		require.False(t, known)
	})
}

func TestSlowFactsAreMeasuredAgainWhenTheyMayMatter(t *testing.T) {
	root := t.TempDir()
	put := func(name, text string) {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(root, name)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(root, name), []byte(text), 0o644))
	}
	group := "sys/fs/cgroup/system.slice/a.service/"
	put("proc/self/mounts", "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n")
	put(group+"memory.current", "1000")
	put(group+"memory.max", "10000")
	put(group+"memory.events", "oom_kill 1\n")
	p := unitProps{active: "active", invocation: "r1", mainPID: 7, cgroup: "/system.slice/a.service", memCurrent: notSet, memMax: notSet}
	a := &Adapter{host: hostFiles{root: root}, read: map[string]whole{}}
	look := func(quick bool, p unitProps) detect.Facts {
		f := detect.Facts{}
		if quick {
			a.addQuickFacts(f, "a.service", p)
		} else {
			a.wasRead("a.service", p, true)
			a.addHostFacts(f, "a.service", p)
		}
		return f
	}
	kills := func(f detect.Facts) float64 { return f[detect.MemoryOOMKills].Value }
	require.EqualValues(t, 1, kills(look(false, p)))

	put(group+"memory.events", "oom_kill 2\n")
	put(group+"memory.current", "4999")
	f := look(true, p)
	require.EqualValues(t, 4999, f[detect.MemoryCurrent].Value, "memory is measured at each look")
	require.EqualValues(t, 1, kills(f), "far from the limit, the rest is from the last complete answer")
	require.EqualValues(t, 10000, f[detect.MemoryMax].Value)

	put(group+"memory.max", "20000")
	require.EqualValues(t, 20000, look(true, p)[detect.MemoryMax].Value, "a person may set a limit at any time")
	put(group+"memory.max", "max")
	require.NotContains(t, look(true, p), detect.MemoryMax, "or take it away")
	put(group+"memory.max", "10000")

	put(group+"memory.current", "5000")
	require.EqualValues(t, 2, kills(look(true, p)), "half of the limit is used")
	put(group+"memory.current", "1000")
	other := p
	other.mainPID = 8
	require.EqualValues(t, 2, kills(look(true, other)), "another process")
	require.NoError(t, os.Remove(filepath.Join(root, group+"memory.current")))
	f = look(true, p)
	require.NotEmpty(t, f[detect.MemoryCurrent].Err)
	require.NotEmpty(t, f[detect.ProcessRSS], "when the cgroup cannot tell, the processes are asked at each look")
}

func TestPeopleAtWorkOnTheHostAreNotLookedForAtEachLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hostFiles{root: t.TempDir()}
		require.Empty(t, h.atWork())
		asked := h.work.at
		time.Sleep(askAgain - time.Millisecond)
		require.Empty(t, h.atWork())
		require.Equal(t, asked, h.work.at)
		time.Sleep(time.Millisecond)
		require.Empty(t, h.atWork())
		require.NotEqual(t, asked, h.work.at)
	})
}
