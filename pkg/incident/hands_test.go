package incident

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// largeBudgets hide nothing: what is bounded is bounded by itself.
func largeBudgets(o *Options) {
	b := Budget{Actions: 500, Window: time.Hour}
	o.Limits.Target, o.Limits.Class, o.Limits.Host = b, b, b
}

func TestTheClocksOfATroubleDoNotBeginAnewWhenItsReasonChanges(t *testing.T) {
	fails := but(crashed("c1"), detect.WorkloadPolicy, "always", detect.WorkloadRetryAfter, 3)
	waits := but(fails, detect.WorkloadState, detect.StateRetrying)
	hangs := but(noReply("c1"), detect.SocketBacklog, 5)
	reasons := map[string][]detect.Facts{
		"a person restarts it now and then":            {waits, waits, but(fails, detect.WorkloadPending, "restart"), waits},
		"packages are upgraded now and then":           {waits, but(fails, detect.WorkloadMaintenance, "package-upgrade: dpkg"), waits, waits},
		"the host stalls, and systemd has a job on it": {but(hangs, detect.HostMemoryStall, 60), but(hangs, detect.WorkloadPending, "reload")},
		"all of it": {but(hangs, detect.HostMemoryStall, 60), waits, but(hangs, detect.WorkloadPending, "start"), but(fails, detect.WorkloadPending, "restart"), waits},
	}
	for name, faces := range reasons {
		t.Run(name, func(t *testing.T) {
			s := quiet(t, largeBudgets)
			s.host["postgres"], s.host["workflow"] = database("p1"), well("w1")
			for n := 0; s.now.Sub(s.began) < 12*time.Minute && len(s.told) == 0; n++ {
				s.host["codebase"] = faces[n%len(faces)]
				s.run(3 * time.Second)
			}
			i := s.incident("codebase")
			require.NotEmpty(t, s.told, "%s since %s, and nobody was told", i.Held, i.HeldSince)
			require.LessOrEqual(t, s.now.Sub(i.Opened)-i.Aside, 5*time.Minute+10*time.Second, "page_after.held counts from the first reason, a person's time left out")
			s.noAction()
		})
	}
}

func TestWhatComesTooLateIsTriedABoundedNumberOfTimes(t *testing.T) {
	s := quiet(t, largeBudgets)
	s.host["postgres"], s.host["workflow"], s.host["codebase"] = database("p1"), well("w1"), crashed("c1")
	s.do = func(strategy.Action) outcome { return outcome{result: ResultVoid, took: time.Second} }
	s.run(24*time.Hour).phase("codebase", Escalated)
	i := s.incident("codebase")
	n := map[int]int{}
	for _, a := range i.Attempts {
		n[a.Rung]++
	}
	for rung, times := range n {
		require.LessOrEqual(t, times, maxVoid, "rung %d", rung)
	}
	require.Equal(t, maxVoid, n[0])
	require.Equal(t, len(i.Attempts), len(s.acted))
	require.LessOrEqual(t, len(s.acted), maxAttempts)
	require.Contains(t, s.told[0], "trigger t0", "somebody is told")
	require.Empty(t, s.s.Targets["codebase"].Efforts, "and nothing is learned of it")
}

func TestAPersonsDoingInProbationTeachesNothing(t *testing.T) {
	for name, does := range map[string][]detect.Facts{
		"a stop":                     {stopped("c2")},
		"a stop that ends badly":     {but(stopped("c2"), detect.WorkloadState, detect.StateFailed)},
		"a restart":                  {but(crashed("c2"), detect.WorkloadPending, "restart"), but(crashed("c2"), detect.WorkloadDeparture, detect.DepartureRestart), well("c3")},
		"a mask":                     {but(crashed("c2"), detect.WorkloadDisabled, "masked")},
		"a stop and a start by hand": {stopped("c2"), but(stopped("c2"), detect.WorkloadState, detect.StateStarting, detect.WorkloadPending, "start"), well("c3")},
	} {
		t.Run(name, func(t *testing.T) {
			s := quiet(t, func(o *Options) { o.Memory = Memory{SkipAfter: 1, Forget: time.Hour}; o.Approval.DemoteAfter = 1 })
			s.host["postgres"], s.host["workflow"], s.host["codebase"] = database("p1"), well("w1"), crashed("c1")
			s.do = func(strategy.Action) outcome {
				return outcome{result: ResultDone, took: time.Second, then: func() { s.host["codebase"] = well("c2") }}
			}
			s.run(30*time.Second).phase("codebase", Probation)
			id := s.s.Targets["codebase"].Incident
			for _, f := range does {
				s.host["codebase"] = f
				s.run(10 * time.Second)
			}
			s.run(10*time.Minute).phase("codebase", map[bool]Phase{true: Watching, false: Held}[does[len(does)-1].Text(detect.WorkloadState) == detect.StateRunning])
			ts := s.s.Targets["codebase"]
			require.Empty(t, ts.Efforts)
			for _, tr := range ts.Trust {
				require.Zero(t, tr.Wrong)
				require.Empty(t, tr.Mode)
			}
			var last *Incident
			for _, rec := range s.kept {
				if rec.Incident != nil && rec.Incident.ID == id {
					last = rec.Incident
				}
			}
			require.Zero(t, last.Relapses)
			require.Len(t, last.Attempts, 1)
			require.Equal(t, Verified, last.Attempts[0].Verdict)
			require.Len(t, s.acted, 1)
			for _, words := range s.told {
				require.NotContains(t, words, "trigger", "nobody is woken")
			}
		})
	}
}
