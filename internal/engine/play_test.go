package engine

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
	"github.com/recoveryd/recoveryd/pkg/incident"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// playing gives the engine a playbook that stops and starts its only target.
func (r *rig) playing(t *testing.T, state incident.State) *Engine {
	e := r.engine(t, state)
	svc := detect.Target{Name: "svc", Kind: detect.KindService, Platform: "systemd", Object: "svc.service", StartGrace: 5 * time.Second, StopGrace: time.Second}
	set, err := strategy.NewSet(strategy.Builtin()...)
	require.NoError(t, err)
	p, err := incident.NewPolicy(incident.Options{Strategies: set, Targets: []detect.Target{svc}, Probation: 30 * time.Second,
		Limits: incident.Limits{Target: incident.Budget{Actions: 4, Window: time.Hour}, Host: incident.Budget{Actions: 10, Window: time.Hour}},
		Playbooks: []strategy.Playbook{{Name: "again", Timeout: 5 * time.Minute, Steps: []strategy.Step{
			strategy.TargetStep(strategy.StepStop, svc, 0), strategy.TargetStep(strategy.StepStart, svc, 0), strategy.TargetStep(strategy.StepWait, svc, 0)}}}})
	require.NoError(t, err)
	e.policy.Store(p)
	return e
}

var plays = incident.Event{Kind: incident.Operator, Command: &incident.Command{Verb: incident.CmdPlay, By: "ann", Playbook: "again"}}

func TestTheEndOfAStepsActionGoesToItsRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &rig{facts: healthy("run1")}
		r.onDo = func(a strategy.Action) (incident.Result, string) {
			if r.set(dead("run1")); a.Verb == strategy.Start {
				r.set(healthy("run2"))
			}
			return incident.ResultDone, "job done"
		}
		e := r.playing(t, incident.NewState())
		go func() {
			time.Sleep(time.Second)
			_, err := e.Ask(t.Context(), plays)
			if err != nil {
				t.Error(err)
			}
		}()
		run(t, e, time.Minute)
		require.Equal(t, incident.PlaybookDone, e.State().Host.Runs[0].Outcome)
		require.Less(t, e.State().Host.Runs[0].Ended.Sub(e.State().Host.Runs[0].Began), 5*time.Second, "no end was waited for in vain")
		require.Equal(t, 1, r.count("do stop"))
		require.Equal(t, 1, r.count("do start"))
		require.Len(t, r.notices, 1, "its success is told, for the record")
		require.Equal(t, notice.Change, r.notices[0].Kind)
		for i, s := range r.steps() {
			if s == "do stop" || s == "do start" {
				require.Equal(t, "append playbook-step", r.steps()[i-1], "written before it is done")
			}
		}
	})
}

func TestARunFoundAfterARestartGoesOnByLooking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := &rig{facts: healthy("run1")}
		die := make(chan struct{}) // this process dies during the stop
		first.onDo = func(strategy.Action) (incident.Result, string) { <-die; return incident.ResultUnknown, "" }
		e := first.playing(t, incident.NewState())
		ctx, cancel := context.WithCancel(t.Context())
		go func() { _ = e.Run(ctx) }()
		time.Sleep(time.Second)
		_, err := e.Ask(ctx, plays)
		require.NoError(t, err)
		time.Sleep(time.Second)
		synctest.Wait()
		state := incident.NewState()
		for _, rec := range first.records { // what the journal holds at its death
			state = incident.Fold(state, rec)
		}
		cancel()
		close(die)
		synctest.Wait()
		require.Equal(t, incident.StageActing, state.Host.Run.Stage)

		second := &rig{facts: dead("run1")} // the stop did take place
		second.onDo = func(strategy.Action) (incident.Result, string) {
			second.set(healthy("run2"))
			return incident.ResultDone, "job done"
		}
		e = second.playing(t, state)
		run(t, e, time.Minute)
		require.Equal(t, incident.PlaybookDone, e.State().Host.Runs[0].Outcome)
		require.Zero(t, second.count("do stop"), "what took place is not repeated")
		require.Equal(t, 1, second.count("do start"))
	})
}

func TestAPageThatIsDueWhenTheJournalBreaksIsNotLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &rig{facts: healthy("run1"), appendEr: errors.New("no space left on device")}
		s, now := incident.NewState(), time.Now()
		s.Host.Troubles = []incident.Trouble{{Run: "again-1", Playbook: "again", Targets: []string{"svc"}, Halted: true,
			Case: incident.Incident{ID: "again-1", Target: "playbook:again", Class: incident.ClassPlaybook, Severity: detect.P2, Since: now, Opened: now, Clock: now}}}
		e := r.playing(t, s)
		go func() {
			time.Sleep(time.Second)
			_, _ = e.Ask(t.Context(), incident.Event{Kind: incident.Operator, Command: &incident.Command{Verb: incident.CmdPause, By: "ann"}})
		}()
		run(t, e, 10*time.Second)
		pages := 0
		for _, n := range r.urgent {
			if n.Target == "playbook:again" && n.Kind == notice.Trigger {
				pages++
			}
		}
		require.Equal(t, 1, pages)
		require.NotEmpty(t, e.State().Host.Troubles[0].Case.Told, "the core takes it for told")
	})
}
