package systemd

import (
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

// tape plays signals to a tracker, as they were seen from systemd 252.
type tape struct {
	*tracker
	now time.Time
	log []string // state, job and departure after each complete change
}

type props map[string]any

func newTape(p unitProps) *tape {
	t := &tape{now: time.Unix(1000, 0)}
	t.tracker = &tracker{unit: "a.service", own: newLedger(func(string) {}),
		cause: func(*tracker, time.Time, int) (string, string) { return "", "" }}
	t.snapshot(p, t.now)
	return t
}

// running is a unit that has run since 100.
func running() unitProps {
	return unitProps{load: "loaded", active: "active", sub: "running", result: "success", policy: "no", invocation: "aa",
		mainPID: 7, inactiveExit: 90, activeEnter: 100, changed: 100, memCurrent: notSet, memMax: notSet}
}

// sig plays one pair of signals: the service's properties, then the unit's.
func (t *tape) sig(service, unit props) {
	variants := func(p props) map[string]dbus.Variant {
		m := map[string]dbus.Variant{}
		for k, v := range p {
			m[k] = dbus.MakeVariant(v)
		}
		return m
	}
	t.now = t.now.Add(time.Millisecond)
	if t.changed(serviceIf, variants(service), t.now) {
		t.note()
	}
	if t.changed(unitIf, variants(unit), t.now) {
		t.note()
	}
}

func (t *tape) note() {
	f := t.facts()
	s := state(f)
	if j := f.Text(detect.WorkloadPending); j != "" {
		s += " " + j
	}
	if d := f.Text(detect.WorkloadDeparture); d != "" {
		s += ": " + d
	}
	t.log = append(t.log, s)
}

func jobProp(id uint32) []any { return []any{id, jobPath(id)} }

func killedBy(n int32, at uint64, result string) props {
	return props{"MainPID": uint32(0), "Result": result, "ExecMainCode": int32(2), "ExecMainStatus": n, "ExecMainExitTimestampMonotonic": at}
}

func to(active, sub string, more ...props) props {
	p := props{"ActiveState": active, "SubState": sub}
	for _, m := range more {
		for k, v := range m {
			p[k] = v
		}
	}
	return p
}

func left(at uint64) props { return props{"ActiveExitTimestampMonotonic": at} }

// between brings a unit that flaps into the delay before its automatic restart, with systemd's own job on it.
func between(t *tape) {
	t.props.policy = "always"
	t.sig(killedBy(9, 200, "exit-code"), to("failed", "failed", left(200)))
	t.sig(nil, to("activating", "auto-restart", props{"InactiveExitTimestampMonotonic": uint64(201)}))
	t.jobSeen(5, false, t.now)
	t.sig(props{"NRestarts": uint32(1)}, to("activating", "auto-restart", props{"Job": jobProp(5)}))
}

func TestTrackerTellsTheStory(t *testing.T) {
	tests := []struct {
		name string
		play func(t *tape)
		want []string
	}{
		{"a crash that systemd heals within a millisecond", func(t *tape) {
			t.props.policy = "on-failure"
			t.sig(killedBy(9, 200, "signal"), to("failed", "failed", left(200)))
			t.sig(nil, to("activating", "auto-restart", props{"InactiveExitTimestampMonotonic": uint64(201)}))
			t.jobSeen(5, false, t.now)
			t.sig(props{"NRestarts": uint32(1)}, to("activating", "auto-restart", props{"Job": jobProp(5)}))
			t.sig(props{"MainPID": uint32(0), "Result": "success", "ExecMainExitTimestampMonotonic": uint64(0)}, to("inactive", "dead"))
			t.sig(props{"MainPID": uint32(8)}, to("active", "running", props{"InvocationID": []byte{0xbb}, "Job": jobProp(0)}))
			t.jobRemoved(5, "done")
			t.note()
		}, []string{"failed/failed: crash", "activating/auto-restart: crash", "activating/auto-restart: crash",
			"inactive/auto-restart: crash", "active/running", "active/running"}},
		{"a person's stop, whose job ends before its type is known", func(t *tape) {
			t.jobSeen(5, true, t.now)
			t.sig(nil, to("deactivating", "stop-sigterm", left(190), props{"Job": jobProp(5)}))
			t.sig(killedBy(15, 200, "success"), to("inactive", "dead", props{"Job": jobProp(0)}))
			t.jobRemoved(5, "done")
			t.jobType(5, JobUnknown)
			t.note()
		}, []string{"deactivating/stop-sigterm unknown: stopped", "inactive/dead unknown: stopped", "inactive/dead: stopped"}},
		{"a person's restart", func(t *tape) {
			t.jobSeen(5, true, t.now)
			t.jobType(5, "restart")
			t.sig(nil, to("deactivating", "stop-sigterm", left(190), props{"Job": jobProp(5)}))
			t.sig(killedBy(15, 200, "success"), to("inactive", "dead"))
			t.sig(props{"MainPID": uint32(8)}, to("active", "running", props{"InvocationID": []byte{0xbb}}))
			t.jobRemoved(5, "done")
			t.note()
		}, []string{"deactivating/stop-sigterm restart: restarted", "inactive/dead restart: restarted", "active/running restart: restarted", "active/running"}},
		{"a restart whose type is asked for in its second half, when systemd calls it a start", func(t *tape) {
			t.jobSeen(5, true, t.now)
			t.sig(nil, to("deactivating", "stop-sigterm", left(190), props{"Job": jobProp(5)}))
			t.sig(killedBy(15, 200, "success"), to("inactive", "dead"))
			t.jobType(5, "start")
			t.sig(props{"MainPID": uint32(8)}, to("active", "running", props{"InvocationID": []byte{0xbb}}))
		}, []string{"deactivating/stop-sigterm unknown: stopped", "inactive/dead unknown: stopped", "active/running restart: restarted"}},
		{"a restart whose new process fails to start", func(t *tape) {
			t.jobSeen(5, true, t.now)
			t.jobType(5, "restart")
			t.sig(nil, to("deactivating", "stop-sigterm", left(190), props{"Job": jobProp(5)}))
			t.sig(killedBy(15, 200, "success"), to("inactive", "dead"))
			t.sig(props{"Result": "success", "ExecMainExitTimestampMonotonic": uint64(0)}, to("activating", "start", props{"InactiveExitTimestampMonotonic": uint64(205)}))
			t.sig(props{"Result": "exit-code", "ExecMainCode": int32(1), "ExecMainStatus": int32(5), "ExecMainExitTimestampMonotonic": uint64(210)}, to("failed", "failed"))
			t.jobRemoved(5, "failed")
			t.note()
		}, []string{"deactivating/stop-sigterm restart: restarted", "inactive/dead restart: restarted", "activating/start restart: restarted",
			"failed/failed restart: crash", "failed/failed: crash"}},
		{"our own restart, whose job is seen before the reply that tells its number", func(t *tape) {
			settle := t.own.begin("a.service")
			t.jobSeen(5, true, t.now)
			t.sig(nil, to("deactivating", "stop-sigterm", left(190), props{"Job": jobProp(5)}))
			settle(5)
			t.sig(killedBy(15, 200, "success"), to("inactive", "dead"))
			t.sig(props{"MainPID": uint32(8)}, to("active", "running", props{"InvocationID": []byte{0xbb}}))
		}, []string{"deactivating/stop-sigterm unknown: ours", "inactive/dead unknown: ours", "active/running restart"}},
		{"a person's stop at the moment of our own call", func(t *tape) {
			settle := t.own.begin("a.service")
			t.jobSeen(5, true, t.now)
			t.jobType(5, "stop")
			t.sig(nil, to("deactivating", "stop-sigterm", left(190), props{"Job": jobProp(5)}))
			settle(6) // ours has another number
			t.note()
		}, []string{"deactivating/stop-sigterm stop: ours", "deactivating/stop-sigterm stop: stopped"}},
		{"our own kill", func(t *tape) {
			t.own.kill("a.service")
			t.sig(killedBy(9, 200, "signal"), to("failed", "failed", left(200)))
		}, []string{"failed/failed: ours"}},
		{"a stop in the delay before the automatic restart", func(t *tape) {
			t.props.policy = "on-failure"
			t.sig(killedBy(9, 200, "signal"), to("failed", "failed", left(200)))
			t.sig(nil, to("activating", "auto-restart", props{"InactiveExitTimestampMonotonic": uint64(201)}))
			t.jobSeen(5, false, t.now)
			t.jobType(5, "stop")
			t.sig(nil, to("inactive", "dead", props{"Job": jobProp(5)}))
			t.jobRemoved(5, "done")
			t.note()
		}, []string{"failed/failed: crash", "activating/auto-restart: crash", "inactive/dead stop: stopped", "inactive/dead: stopped"}},
		{"the start limit", func(t *tape) {
			t.props.policy, t.props.limitBurst, t.props.limitWindow, t.props.restarts = "on-failure", 3, 30e6, 2
			t.sig(killedBy(9, 200, "exit-code"), to("failed", "failed", left(200)))
			t.sig(nil, to("activating", "auto-restart", props{"InactiveExitTimestampMonotonic": uint64(201)}))
			t.jobSeen(5, false, t.now)
			t.sig(props{"NRestarts": uint32(3)}, to("activating", "auto-restart", props{"Job": jobProp(5)}))
			t.sig(nil, to("inactive", "dead"))
			t.sig(nil, to("failed", "failed"))
			t.jobRemoved(5, "failed")
			t.note()
		}, []string{"failed/failed: crash", "activating/auto-restart: crash", "activating/auto-restart: crash",
			"inactive/auto-restart: crash", "failed/failed: start-limit-hit", "failed/failed: start-limit-hit"}},
		{"a person's stop that takes the place of the automatic restart", func(t *tape) {
			between(t)
			t.jobSeen(6, false, t.now)
			t.sig(nil, to("activating", "auto-restart", props{"Job": jobProp(6)}))
			t.sig(nil, to("inactive", "dead"))
			t.jobRemoved(6, "done")
			t.jobType(6, JobUnknown)
			t.note()
		}, []string{"failed/failed: crash", "activating/auto-restart: crash", "activating/auto-restart: crash",
			"activating/auto-restart unknown: crash", "inactive/dead unknown: crash", "inactive/dead: stopped"}},
		{"the same, told in one signal with the restart that it replaced", func(t *tape) {
			t.props.policy = "always"
			t.sig(killedBy(9, 200, "exit-code"), to("failed", "failed", left(200)))
			t.sig(nil, to("activating", "auto-restart"))
			t.jobSeen(6, false, t.now)
			t.sig(props{"NRestarts": uint32(1)}, to("activating", "auto-restart", props{"Job": jobProp(6)}))
			t.sig(nil, to("inactive", "dead"))
			t.jobRemoved(6, "done")
			t.note()
		}, []string{"failed/failed: crash", "activating/auto-restart: crash", "activating/auto-restart: crash",
			"inactive/auto-restart: crash", "inactive/dead: stopped"}},
		{"a person's stop while the automatic restart is on its way through inactive", func(t *tape) {
			between(t)
			t.sig(nil, to("inactive", "dead"))
			t.jobRemoved(5, "canceled")
			t.jobSeen(6, false, t.now)
			t.jobType(6, "stop")
			t.jobRemoved(6, "done")
			t.note()
		}, []string{"failed/failed: crash", "activating/auto-restart: crash", "activating/auto-restart: crash",
			"inactive/auto-restart: crash", "inactive/dead: stopped"}},
		{"a person's stop of what has failed already", func(t *tape) {
			t.sig(killedBy(9, 200, "exit-code"), to("failed", "failed", left(200)))
			t.jobSeen(6, false, t.now)
			t.jobType(6, "stop")
			t.jobRemoved(6, "done")
			t.note()
		}, []string{"failed/failed: crash", "failed/failed: stopped"}},
		{"a killed PostgreSQL postmaster", func(t *tape) {
			t.sig(killedBy(9, 200, "success"), to("deactivating", "stop", left(201)))
			t.sig(props{"Result": "exit-code"}, to("failed", "failed"))
		}, []string{"deactivating/stop: crash", "failed/failed: crash"}},
		{"a failed state that a person clears", func(t *tape) {
			t.sig(props{"MainPID": uint32(0), "Result": "exit-code", "ExecMainCode": int32(1), "ExecMainStatus": int32(3), "ExecMainExitTimestampMonotonic": uint64(200)},
				to("failed", "failed", left(201)))
			t.sig(props{"Result": "success"}, to("inactive", "dead"))
		}, []string{"failed/failed: crash", "inactive/dead: crash"}},
		{"a start of a failed unit, while it is still failed", func(t *tape) {
			t.sig(killedBy(9, 200, "signal"), to("failed", "failed", left(200)))
			t.jobSeen(5, false, t.now)
			t.jobType(5, "start")
			t.sig(props{"Result": "success", "ExecMainCode": int32(0), "ExecMainStatus": int32(0)}, to("failed", "failed", props{"Job": jobProp(5)}))
		}, []string{"failed/failed: crash", "failed/failed start: crash"}},
		{"death during a reload", func(t *tape) {
			t.jobSeen(5, true, t.now)
			t.jobType(5, "reload")
			t.sig(nil, to("reloading", "reload", props{"Job": jobProp(5)}))
			t.sig(killedBy(9, 200, "signal"), to("failed", "failed", left(201)))
		}, []string{"reloading/reload reload", "failed/failed reload: crash"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tp := newTape(running())
			tt.play(tp)
			require.Equal(t, tt.want, tp.log)
		})
	}
}

func TestTrackerAfterAGap(t *testing.T) {
	stopped := func() *tape {
		tp := newTape(running())
		tp.jobSeen(5, true, tp.now)
		tp.jobType(5, "stop")
		tp.sig(nil, to("deactivating", "stop-sigterm", left(190), props{"Job": jobProp(5)}))
		tp.sig(killedBy(15, 200, "success"), to("inactive", "dead", props{"Job": jobProp(0), "StateChangeTimestampMonotonic": uint64(200)}))
		tp.jobRemoved(5, "done")
		return tp
	}
	t.Run("what was known still holds when nothing happened", func(t *testing.T) {
		tp := stopped()
		tp.lost()
		require.True(t, tp.facts().False(detect.WorkloadWatched))
		tp.snapshot(tp.props, tp.now)
		require.Equal(t, detect.DepartureStopped, tp.facts().Text(detect.WorkloadDeparture))
		require.True(t, tp.facts().True(detect.WorkloadWatched))
	})
	t.Run("a unit that systemd unloaded keeps its last run", func(t *testing.T) {
		tp := stopped()
		tp.lost()
		tp.snapshot(unitProps{load: "loaded", active: "inactive", sub: "dead", result: "success"}, tp.now)
		f := tp.facts()
		require.Equal(t, detect.DepartureStopped, f.Text(detect.WorkloadDeparture))
		require.Equal(t, "aa", f.Text(detect.WorkloadRun))
		require.Equal(t, 15.0, f[detect.WorkloadExitCode].Value)
	})
	t.Run("what happened in the gap is judged by the properties", func(t *testing.T) {
		tp := newTape(running())
		tp.lost()
		p := running()
		p.active, p.sub, p.result, p.exitCode, p.exitStatus, p.mainExit, p.activeExit = "failed", "failed", "signal", 2, 9, 200, 200
		tp.snapshot(p, tp.now)
		require.Equal(t, detect.DepartureCrash, tp.facts().Text(detect.WorkloadDeparture))
		p.activeExit = 190 // systemd moved first
		tp.lost()
		p.invocation = "bb"
		tp.snapshot(p, tp.now)
		require.Equal(t, detect.DepartureStopped, tp.facts().Text(detect.WorkloadDeparture))
	})
	t.Run("a job that began in the gap is known from the properties", func(t *testing.T) {
		tp := newTape(running())
		tp.lost()
		p := running()
		p.job = 9
		tp.snapshot(p, tp.now)
		require.Equal(t, JobUnknown, tp.facts().Text(detect.WorkloadPending))
		tp.jobType(9, "stop")
		tp.sig(nil, to("deactivating", "stop-sigterm", left(190)))
		require.Equal(t, detect.DepartureStopped, tp.facts().Text(detect.WorkloadDeparture))
	})
}

func TestLedgerForgetsOldJobsAndKeepsTheLatest(t *testing.T) {
	settled := 0
	l := newLedger(func(string) { settled++ })
	for i := range uint32(keepJobs + 10) {
		l.begin("a.service")(i + 1)
	}
	require.Equal(t, keepJobs+10, settled)
	require.False(t, l.ours("a.service", 1, false))
	require.True(t, l.ours("a.service", keepJobs+10, false))
	require.False(t, l.ours("b.service", keepJobs+10, false), "the same number of another unit is not ours")
	end := l.begin("a.service")
	require.True(t, l.ours("a.service", 999, true), "while the call is under way")
	require.False(t, l.ours("a.service", 999, false), "but not a job that was there before")
	end(0)
	require.False(t, l.ours("a.service", 999, true))
}

func TestLedgerKnowsWhenItActed(t *testing.T) {
	l := newLedger(func(string) {})
	before := time.Now()
	end := l.act("db.service", time.Minute)
	require.True(t, l.acted("db.service", time.Now()))
	require.False(t, l.acted("db.service", before.Add(-time.Nanosecond)))
	end()
	require.True(t, l.acted("db.service", time.Now()), "signals lag a little")
	require.False(t, l.acted("db.service", time.Now().Add(2*actWindow)))
	require.False(t, l.acted("other.service", time.Now()))
}
