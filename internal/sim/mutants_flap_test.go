package sim

import (
	"maps"
	"slices"
	"time"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/incident"
	"github.com/recoveryd/recoveryd/pkg/platform/systemd"
)

// withIncident replaces the open incident of a target.
func withIncident(s incident.State, target string, change func(*incident.Incident)) incident.State {
	t := s.Targets[target]
	if t == nil || s.Incidents[t.Incident] == nil {
		return s
	}
	i := *s.Incidents[t.Incident]
	change(&i)
	s.Incidents = maps.Clone(s.Incidents)
	s.Incidents[i.ID] = &i
	return s
}

// flapMutants are broken rules about units that flap, and about people who stop them.
func flapMutants() []struct {
	mutant
	by []string
} {
	type m = struct {
		mutant
		by []string
	}
	return []m{
		{mutant{name: "stop-between-lives", says: "takes a person's stop between two lives of an automatic restart for a crash",
			core: seeing(func(_ *world, _ string, f detect.Facts) {
				if f.Text(detect.WorkloadState) == detect.StateStopped && f.Text(detect.WorkloadDeparture) == detect.DepartureStopped && f.Text(systemd.UnitResult) != "success" {
					f[detect.WorkloadDeparture] = detect.Word(detect.DepartureCrash)
				}
			})}, []string{operatorLeftAlone}},
		{mutant{name: "systemds-word", says: "takes systemd's own jobs for a person's",
			core: seeing(func(_ *world, _ string, f detect.Facts) {
				if f.Text(detect.WorkloadState) == detect.StateRetrying || f.Text(detect.WorkloadPending) == "start" && !f.True(detect.WorkloadPendingOurs) {
					f[detect.WorkloadPending], f[detect.WorkloadPendingOurs] = detect.Word("restart"), detect.Flag(false)
				}
			})}, []string{nobodysWord}},
		{mutant{name: "clocks-begin-anew", says: "begins the clocks of a trouble anew whenever its reason changes", worlds: 1500,
			core: func(w *world, p *incident.Policy) core {
				was := map[string]string{}
				return stepped(func(_ *world, s incident.State, now time.Time, ev *incident.Event) incident.State {
					return withIncident(s, ev.Target, func(i *incident.Incident) {
						if i.HeldWhy != was[i.ID] {
							was[i.ID], i.Aside = i.HeldWhy, now.Sub(i.Opened)
							if !i.HeldSince.IsZero() {
								i.HeldSince = now
							}
						}
					})
				}, nil)(w, p)
			}}, []string{neverSilent, tiersTold}},
		{mutant{name: "late-for-ever", says: "begins again and again what comes too late", worlds: 1500,
			core: stepped(func(_ *world, s incident.State, _ time.Time, ev *incident.Event) incident.State {
				return withIncident(s, ev.Target, func(i *incident.Incident) {
					i.Attempts = slices.Clone(i.Attempts)
					for k := range i.Attempts[:max(len(i.Attempts)-1, 0)] {
						if a := &i.Attempts[k]; a.Result == incident.ResultVoid {
							a.Strategy = "nothing"
						}
					}
				})
			}, nil)}, []string{repeatsEnd}},
		{mutant{name: "learns-from-persons", says: "takes what a person does to a unit in its probation for a relapse", worlds: 1500,
			core: func(w *world, p *incident.Policy) core {
				return stepped(func(w *world, s incident.State, _ time.Time, ev *incident.Event) incident.State {
					t := s.Targets[ev.Target]
					if ev.Observation == nil || t == nil || t.Phase != incident.Probation && t.Phase != incident.Verifying {
						return s
					}
					o := *ev.Observation
					o.Facts = maps.Clone(o.Facts)
					delete(o.Facts, detect.WorkloadPending)
					if d := o.Facts.Text(detect.WorkloadDeparture); d == detect.DepartureStopped || d == detect.DepartureRestart {
						o.Facts[detect.WorkloadDeparture] = detect.Word(detect.DepartureCrash)
					}
					ev.Observation = &o
					return s
				}, nil)(w, p)
			}}, []string{teachesNothing, operatorLeftAlone}},
	}
}
