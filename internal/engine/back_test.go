package engine

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/incident"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// TestAStepBackThatWasInFlightIsNotRepeatedAfterARestart leaves its outcome unknown: the change is
// taken for still in force, and taken back when it has been quiet again.
func TestAStepBackThatWasInFlightIsNotRepeatedAfterARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &rig{facts: healthy("run1")}
		set := strategy.Action{Verb: strategy.SetMemory, Object: "svc.service", Target: "svc", Args: map[string]string{strategy.ArgBytes: "600"}}
		s := incident.NewState()
		s.Targets["svc"] = &incident.TargetState{Name: "svc", Kept: []strategy.Change{{Strategy: "raise-memory", Set: set, Before: "400", Now: "600"}},
			Easing: &incident.Easing{ActionID: "svc/back-7", Action: set, Deadline: time.Now().Add(time.Minute)}}
		e := r.engine(t, s)
		run(t, e, 20*time.Second)
		ts := e.State().Targets["svc"]
		require.Nil(t, ts.Easing)
		require.Equal(t, "600", ts.Kept[0].Now)
		require.Zero(t, r.count("do set-memory"))
		require.Equal(t, "taken back: set-memory svc.service (bytes=600): unknown, recoveryd was restarted while the action was in flight", r.records[0].Sentence)
	})
}
