package systemd

import (
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAUnitIsAskedForAsAWholeOnlyWhenTheSignalsDoNotSuffice(t *testing.T) {
	root := t.TempDir()
	put := func(name, text string) {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(root, name)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(root, name), []byte(text), 0o644))
	}
	put("proc/self/mounts", "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n")
	put("sys/fs/cgroup/system.slice/a.service/memory.current", "4096\n")
	running := unitProps{active: "active", sub: "running", invocation: "r1", mainPID: 7, cgroup: "/system.slice/a.service", memCurrent: 4096, memMax: 8192}

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
		{"a new run is asked for", true, true, 0, func(v *view) { v.props.invocation = "r2" }, false},
		{"a crash is known from its signals alone", true, true, 0, func(v *view) { v.props.active, v.props.sub, v.props.mainPID = "failed", "failed", 0 }, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := &Adapter{host: hostFiles{root: root}, read: map[string]whole{}}
				if tt.read {
					a.wasRead("a.service", running, tt.agree)
				}
				time.Sleep(tt.after) // of the bubble
				v := view{props: running}
				if tt.view != nil {
					tt.view(&v)
				}
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
