package strategy

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

func TestAnActionIsOutdatedWhen(t *testing.T) {
	up := func(run string) detect.Facts {
		return facts(detect.WorkloadState, detect.StateRunning, detect.WorkloadNoun, "unit", detect.WorkloadRun, run)
	}
	down := func(run, departure string) detect.Facts {
		return facts(detect.WorkloadState, detect.StateStopped, detect.WorkloadNoun, "unit", detect.WorkloadRun, run, detect.WorkloadDeparture, departure)
	}
	job := func(f detect.Facts, kind string, ours bool) detect.Facts {
		f[detect.WorkloadPending], f[detect.WorkloadPendingOurs] = detect.Word(kind), detect.Flag(ours)
		return f
	}
	watched := func(f detect.Facts) detect.Facts {
		f[detect.WorkloadWatched] = detect.Flag(true)
		return f
	}
	retry := facts(detect.WorkloadState, detect.StateRetrying, detect.WorkloadNoun, "unit", detect.WorkloadRun, "r1", detect.WorkloadDeparture, detect.DepartureCrash)
	for name, c := range map[string]struct {
		seen *Seen
		verb Verb
		now  detect.Facts
		want string
	}{
		"not when nothing has changed":                             {SeenIn(up("r1")), Restart, up("r1"), ""},
		"not when it was decided on nothing":                       {nil, Restart, job(down("r2", detect.DepartureStopped), "stop", false), ""},
		"somebody's job is on the unit":                            {SeenIn(up("r1")), Restart, job(up("r1"), "restart", false), "a restart job that is not ours is on the unit"},
		"somebody's job is on a unit that was to be started":       {SeenIn(down("r1", "")), Start, job(down("r1", ""), "stop", false), "a stop job that is not ours is on the unit"},
		"not when the job is our own":                              {SeenIn(up("r1")), Kill, job(up("r1"), "restart", true), ""},
		"somebody's job follows our own first action":              {&Seen{Own: true}, Start, job(down("r1", ""), "stop", false), "a stop job that is not ours is on the unit"},
		"not when what our own first action did looks like a stop": {&Seen{Own: true}, Start, down("r1", detect.DepartureStopped), ""},
		"a person's stop after our own first action was signalled": {&Seen{Own: true}, Start, watched(down("r1", detect.DepartureStopped)), "a person stopped the unit since it was decided"},
		"not when the stop that was signalled is our own":          {&Seen{Own: true}, Start, watched(down("r1", detect.DepartureBySelf)), ""},
		"another run has begun":                                    {SeenIn(up("r1")), Kill, up("r2"), "the unit was started anew since it was decided"},
		"what was down was started by somebody else":               {SeenIn(down("r1", detect.DepartureCrash)), Start, up("r2"), "the unit was started anew since it was decided"},
		"somebody stopped it":                                      {SeenIn(up("r1")), Restart, down("r1", detect.DepartureStopped), "a person stopped the unit since it was decided"},
		"somebody stopped it before its automatic restart":         {SeenIn(retry), Restart, down("r1", detect.DepartureStopped), "a person stopped the unit since it was decided"},
		"somebody stopped what was to be started":                  {SeenIn(retry), Start, down("r1", detect.DepartureStopped), "a person stopped the unit since it was decided"},
		"not when a person had stopped it before":                  {SeenIn(down("r1", detect.DepartureStopped)), Start, down("r1", detect.DepartureStopped), ""},
		"it ended by itself, and was to be killed":                 {SeenIn(up("r1")), Kill, down("r1", detect.DepartureClean), "the unit does not run any more"},
		"somebody stopped it and systemd has forgotten it":         {SeenIn(up("r1")), Restart, facts(detect.WorkloadState, detect.StateStopped, detect.WorkloadNoun, "unit"), "the unit was started anew since it was decided"},
		"not when what is to be started is down still":             {SeenIn(down("r1", "")), Start, down("r1", ""), ""},
		"not when systemd has forgotten what is to be started":     {SeenIn(down("r1", "")), Start, facts(detect.WorkloadState, detect.StateStopped, detect.WorkloadNoun, "unit"), ""},
		"not when its run was not known and it runs":               {SeenIn(facts(detect.WorkloadState, detect.StateRunning, detect.WorkloadNoun, "unit")), Restart, up("r2"), ""},
		"not when what ran and is to be started has ended again":   {SeenIn(up("r1")), Start, down("r1", detect.DepartureCrash), ""},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, c.seen.Outdated(c.verb, c.now))
		})
	}
}
