package httpserve_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/internal/httpserve"
	"github.com/recoveryd/recoveryd/internal/httpserve/hosttest"
	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/incident"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// moment is the daemon as one record leaves it.
type moment struct {
	httpserve.Daemon
	state incident.State
}

func (m moment) State() incident.State { return m.state }

// The notice that woke somebody and the status that they then read must say the same. The notices
// are the core's own, of every way in which people come to be told.
func TestNextSaysWhatTheNoticesSay(t *testing.T) {
	start := time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
	seen := map[incident.Phase]map[incident.Reason]bool{}
	status := func(rec incident.Record) string {
		m := moment{hosttest.New(t, start, hosttest.Options(t)), incident.NewState()}
		m.state.Targets[rec.Target], m.state.Incidents[rec.Incident.ID] = rec.After, rec.Incident
		for _, x := range httpserve.StatusOf(m, rec.At).Targets {
			if x.Name == rec.Target {
				return x.Next
			}
		}
		return "no such target"
	}
	compare := func(rec incident.Record) {
		for _, e := range rec.Effects {
			if e.Kind != incident.Notify || rec.After.Phase == incident.Watching {
				continue // when it is over there is nothing next, and the status says nothing
			}
			require.NotNil(t, rec.Incident)
			require.Equal(t, e.Notice.Next, status(rec), "%s, %s", rec.After.Phase, rec.Reason)
			if seen[rec.After.Phase] == nil {
				seen[rec.After.Phase] = map[incident.Reason]bool{}
			}
			seen[rec.After.Phase][e.Notice.Why] = true
		}
	}
	host := func(change func(*incident.Options)) *hosttest.Host {
		o := hosttest.Options(t)
		if change != nil {
			change(&o)
		}
		h := hosttest.New(t, start, o)
		h.Told = compare
		h.Run(20 * time.Second)
		return h
	}
	failing := func(strategy.Action) incident.Result { return incident.ResultFailed }

	hosttest.DatabaseDead(t, start, compare).Run(2 * time.Hour) // the ladder ends, tiers become due

	h := host(nil) // mended by a person after the ladder ended
	h.Do = failing
	h.Facts["workflow-mcp"] = hosttest.Crashed("run-1")
	h.Run(time.Minute)
	h.Facts["workflow-mcp"] = hosttest.Serving("run-2")
	h.Run(5 * time.Minute)

	h = host(nil) // the host refuses
	h.Do = func(strategy.Action) incident.Result { return incident.ResultDenied }
	h.Facts["workflow-mcp"] = hosttest.Crashed("run-1")
	h.Run(time.Minute)

	h = host(func(o *incident.Options) {
		o.Modes = map[string]incident.Mode{"workflow-mcp": incident.Observe, "task-mcp": incident.Propose}
	})
	h.Facts["workflow-mcp"], h.Facts["task-mcp"] = hosttest.Crashed("run-1"), hosttest.Crashed("run-1")
	h.Run(time.Minute)

	h = host(func(o *incident.Options) { o.PageAfter.Operator = time.Minute }) // a person stopped it
	h.Facts["workflow-mcp"] = hosttest.Stopped("run-1")
	h.Run(10 * time.Minute)
	h.Say("task-mcp", incident.Command{Verb: incident.CmdHold, By: "ann"})
	h.Facts["task-mcp"] = hosttest.Crashed("run-1")
	h.Run(10 * time.Minute)

	h = host(nil) // it cannot be told what is wrong
	h.Facts["task-mcp"] = hosttest.With(hosttest.Serving("run-1"), detect.HTTPOutcome, detect.NotMeasured("the probe failed"), detect.HealthStatus, nil,
		detect.WorkloadState, detect.NotMeasured("no answer from systemd"), detect.SocketConnect, detect.NotMeasured("no answer"))
	h.Run(30 * time.Minute)

	h = host(nil) // cured, paged for being slow, watched for a relapse
	h.Do = func(a strategy.Action) incident.Result {
		h.Facts[a.Target] = hosttest.Serving("run-2")
		return incident.ResultDone
	}
	h.Facts["workflow-mcp"] = hosttest.Crashed("run-1")
	h.Impair("disk full")
	h.Run(time.Minute)
	h.Impair("")
	h.Run(time.Minute)

	for phase, least := range map[incident.Phase]int{incident.Escalated: 3, incident.Held: 3, incident.Acting: 1, incident.Verifying: 1, incident.Probation: 1} {
		require.GreaterOrEqual(t, len(seen[phase]), least, "too few notices in phase %s: %v", phase, seen)
	}
}
