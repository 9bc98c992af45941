package systemd

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

func TestAGlanceRepeatsWhatWasSaidUntilSomethingIsHeard(t *testing.T) {
	const unit = "a.service"
	running := unitProps{load: "loaded", active: "active", sub: "running", invocation: "r1", mainPID: 7}
	with := func(change func(*unitProps)) unitProps {
		p := running
		change(&p)
		return p
	}
	said := detect.Facts{UnitActive: detect.Word("active"), detect.MemoryCurrent: detect.Num(49), detect.MemoryMax: detect.Num(100)}
	tests := []struct {
		name  string
		props unitProps // when it was said
		then  func(*Adapter, *tracker)
		after time.Duration
		known bool
	}{
		{"a moment later nothing has changed", running, nil, glanceFor - time.Millisecond, true},
		{"after a while it is asked again", running, nil, glanceFor, false},
		{"a job is on the unit", running, func(_ *Adapter, t *tracker) { t.jobSeen(1, true, time.Now()) }, 0, false},
		{"a job has ended", running, func(_ *Adapter, t *tracker) { t.jobRemoved(1, "done") }, 0, false},
		{"its properties changed", running, func(_ *Adapter, t *tracker) { t.changed(unitIf, nil, time.Now()) }, 0, false},
		{"it was read as a whole", running, func(_ *Adapter, t *tracker) { t.snapshot(running, time.Now()) }, 0, false},
		{"signals may have been lost", running, func(_ *Adapter, t *tracker) { t.lost() }, 0, false},
		{"an action was performed on it", running, func(a *Adapter, _ *tracker) { a.forget(unit) }, 0, false},
		{"the host refused an action on it", running, func(a *Adapter, _ *tracker) { a.remember(unit, "denied") }, 0, false},
		{"the adapter was closed", running, func(a *Adapter, _ *tracker) { a.Close() }, 0, false},
		{"a unit that is down is asked for", with(func(p *unitProps) { p.active = "failed" }), nil, 0, false},
		{"a unit with a job is asked for", with(func(p *unitProps) { p.job = 3 }), nil, 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := &Adapter{link: newDialer("", nil), own: newLedger(func(string) {}), denied: map[string]string{},
					read: map[string]whole{}, told: map[string]told{}}
				_, known := a.Glance(unit)
				require.False(t, known, "nothing was said yet")
				s := newSession(a, []string{unit})
				a.addSession(s)
				s.units[unit].snapshot(tt.props, time.Now())
				v, watched := a.watched(unit)
				require.True(t, watched)
				a.wasTold(unit, said, tt.props, v, watched)
				if tt.then != nil {
					tt.then(a, s.units[unit])
				}
				time.Sleep(tt.after) // of the bubble
				f, known := a.Glance(unit)
				require.Equal(t, tt.known, known)
				if known {
					require.Equal(t, said, f)
				}
			})
		})
	}
	t.Run("half of the memory limit is in use", func(t *testing.T) {
		a := &Adapter{link: newDialer("", nil), own: newLedger(func(string) {}), denied: map[string]string{},
			read: map[string]whole{}, told: map[string]told{}}
		s := newSession(a, []string{unit})
		a.addSession(s)
		s.units[unit].snapshot(running, time.Now())
		v, watched := a.watched(unit)
		for current, known := range map[float64]bool{49: true, 50: false} {
			a.wasTold(unit, detect.Facts{detect.MemoryCurrent: detect.Num(current), detect.MemoryMax: detect.Num(100)}, running, v, watched)
			_, got := a.Glance(unit)
			require.Equal(t, known, got, "%v of 100", current)
		}
	})
	t.Run("an answer about another state than the signals tell is not repeated", func(t *testing.T) {
		a := &Adapter{link: newDialer("", nil), told: map[string]told{}}
		a.wasTold(unit, said, running, view{props: with(func(p *unitProps) { p.invocation = "r2" })}, true)
		_, known := a.Glance(unit)
		require.False(t, known)
	})
}
