package app

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/recoveryd/recoveryd/internal/journal"
	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/incident"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// stateOf is a state with a time in every corner, as a process left it whose clock showed at.
func stateOf(at time.Time) incident.State {
	s := incident.NewState()
	later := at.Add(time.Hour)
	s.Host = incident.Host{Pause: &incident.Standing{By: "ann", Since: at, Until: later}, Actions: []incident.ActionStamp{{At: at, Target: "a"}}}
	inc := &incident.Incident{ID: "a-1", Target: "a", Since: at, Opened: at, HeldSince: at, Stood: at, Paged: at, Ack: &incident.Standing{By: "ann", Since: at, Until: later},
		Proposal: &incident.Proposal{Plan: "start", Until: later}, Attempts: []incident.Attempt{{ID: "a-1/a1", At: at, Ended: at}}}
	s.Incidents[inc.ID] = inc
	s.Targets["a"] = &incident.TargetState{Name: "a", Phase: incident.Held, Incident: "a-1", Since: at, Last: detect.Observation{Target: "a", At: at}, BadSince: at, ClassSince: at,
		BackoffUntil: later, Starts: []time.Time{at, at}, Ended: at, Efforts: []incident.Effort{{Last: at}}, Flaps: &incident.Flaps{N: 1, First: at, Last: at},
		Kept: []strategy.Change{{}}}
	return s
}

func TestAfterTheClockWasSetBackNothingWaitsForTheOldTime(t *testing.T) {
	now := time.Now()
	for name, step := range map[string]time.Duration{"by six hours": 6 * time.Hour, "by a minute": time.Minute, "by years": 20000 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			at := now.Add(step).UTC().Round(0)
			s := stateOf(at)
			require.InDelta(t, -step, onThisClock(&s, at, now), float64(time.Microsecond))
			want, err := json.Marshal(stateOf(now.Round(0)))
			require.NoError(t, err)
			is, err := json.Marshal(s)
			require.NoError(t, err)
			require.JSONEq(t, inUTC(t, want), inUTC(t, is), "every time has moved")
		})
	}
	t.Run("and where it was not, or went forward, none does", func(t *testing.T) {
		for _, ago := range []time.Duration{0, time.Second, 7 * time.Hour} {
			s := stateOf(now.Add(-ago).UTC().Round(0))
			require.Zero(t, onThisClock(&s, now.Add(-ago).Round(0), now))
			require.True(t, s.Targets["a"].Since.Equal(now.Add(-ago)))
		}
	})
	t.Run("and setting it later does not matter either", func(t *testing.T) {
		s := stateOf(now.Add(-time.Hour).UTC().Round(0))
		onThisClock(&s, now.Add(-time.Hour).Round(0), now)
		require.Contains(t, s.Targets["a"].Since.String(), "m=", "it has a reading of the monotonic clock")
		require.Contains(t, s.Host.Actions[0].At.String(), "m=")
		require.Contains(t, s.Incidents["a-1"].Attempts[0].Ended.String(), "m=")
	})
}

// inUTC is a JSON text whose times are all in UTC.
func inUTC(t *testing.T, text []byte) string {
	t.Helper()
	var v any
	require.NoError(t, json.Unmarshal(text, &v))
	var walk func(v any) any
	walk = func(v any) any {
		switch x := v.(type) {
		case map[string]any:
			for k := range x {
				x[k] = walk(x[k])
			}
		case []any:
			for i := range x {
				x[i] = walk(x[i])
			}
		case string:
			if at, err := time.Parse(time.RFC3339Nano, x); err == nil {
				return at.UTC().Format(time.RFC3339)
			}
		}
		return v
	}
	out, err := json.Marshal(walk(v))
	require.NoError(t, err)
	return string(out)
}

func TestAPauseOfAClockThatWasHoursAheadEndsInItsTime(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	ahead := now.Add(6 * time.Hour)
	open := func() *journal.Journal {
		j, err := journal.Open(t.Context(), journal.Options{Dir: dir, BallastBytes: -1, Readable: readable})
		require.NoError(t, err)
		return j
	}
	j := open()
	host := incident.Host{Pause: &incident.Standing{By: "ann", Since: ahead, Until: ahead.Add(time.Hour)}}
	require.NoError(t, ledger{j, nil}.Append(t.Context(), incident.Record{Seq: 1, At: ahead, Host: &host}, nil))
	require.NoError(t, j.Close())
	for range 2 { // also for the process after that
		j = open()
		s, err := restore(t.Context(), j, now, zap.NewNop())
		require.NoError(t, err)
		require.WithinDuration(t, now.Add(time.Hour), s.Host.Pause.Until, time.Second)
		require.NoError(t, ledger{j, nil}.Append(t.Context(), incident.Record{Seq: s.Seq + 1, At: now}, nil))
		require.NoError(t, j.Close())
	}
}
