package engine

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/incident"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

func TestTheBrakeIsAskedBeforeEveryDecision(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &rig{facts: dead("run1")}
		r.onDo = func(strategy.Action) (incident.Result, string) {
			r.set(healthy("run2"))
			return incident.ResultDone, ""
		}
		e := r.engine(t, incident.NewState())
		var why atomic.Value
		why.Store("change 4711")
		e.o.Brake = func() string { return why.Load().(string) }
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- e.Run(ctx) }()
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Zero(t, r.count("do start"))
		require.Equal(t, []string{"append stop-file", "append stop-file"}, r.steps(), "first the file, then the hold of the target")
		why.Store("")
		time.Sleep(10 * time.Second) // nobody tells: the loop asks by itself
		synctest.Wait()
		require.Equal(t, 1, r.count("do start"))
		cancel()
		require.ErrorIs(t, <-done, context.Canceled)
	})
}

func TestABrakeThatComesWhileEvidenceIsCollectedStopsTheActionBeforeItBegins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &rig{facts: hung("run1")}
		r.onDo = func(strategy.Action) (incident.Result, string) { return incident.ResultDone, "" }
		e := r.engine(t, incident.NewState())
		began := time.Now()
		e.o.Evidence = witness{r, time.Second}
		// The restart is decided at once and begins a second later.
		e.o.Brake = func() string {
			if time.Since(began) > 500*time.Millisecond {
				return "late"
			}
			return ""
		}
		run(t, e, time.Minute)
		require.Equal(t, 1, r.count("collect svc"), "the restart was decided")
		require.Zero(t, r.count("do restart"), "and not begun")
		i := e.State().Incidents[e.State().Targets["svc"].Incident]
		require.Equal(t, "not begun: the stop file came first", i.Attempts[0].Detail)
		require.Equal(t, incident.HoldStop, i.Held)
	})
}
