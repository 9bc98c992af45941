package strategy

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

func TestAnActionIsOutdatedWhen(t *testing.T) {
	up := func(run string) detect.Facts { return facts(detect.UnitActive, "active", detect.UnitInvocation, run) }
	down := func(run, departure string) detect.Facts {
		return facts(detect.UnitActive, "inactive", detect.UnitInvocation, run, detect.UnitDeparture, departure)
	}
	job := func(f detect.Facts, kind string, ours bool) detect.Facts {
		f[detect.UnitJob], f[detect.UnitJobOurs] = detect.Word(kind), detect.Flag(ours)
		return f
	}
	watched := func(f detect.Facts) detect.Facts {
		f[detect.UnitWatched] = detect.Flag(true)
		return f
	}
	retry := facts(detect.UnitActive, "activating", detect.UnitSub, "auto-restart", detect.UnitInvocation, "r1", detect.UnitDeparture, detect.DepartureCrash)
	for name, c := range map[string]struct {
		seen *Seen
		verb Verb
		now  detect.Facts
		want string
	}{
		"not when nothing has changed":                             {SeenIn(up("r1")), UnitRestart, up("r1"), ""},
		"not when it was decided on nothing":                       {nil, UnitRestart, job(down("r2", detect.DepartureStopped), "stop", false), ""},
		"somebody's job is on the unit":                            {SeenIn(up("r1")), UnitRestart, job(up("r1"), "restart", false), "a restart job that is not ours is on the unit"},
		"somebody's job is on a unit that was to be started":       {SeenIn(down("r1", "")), UnitStart, job(down("r1", ""), "stop", false), "a stop job that is not ours is on the unit"},
		"not when the job is our own":                              {SeenIn(up("r1")), UnitKill, job(up("r1"), "restart", true), ""},
		"somebody's job follows our own first action":              {&Seen{Own: true}, UnitStart, job(down("r1", ""), "stop", false), "a stop job that is not ours is on the unit"},
		"not when what our own first action did looks like a stop": {&Seen{Own: true}, UnitStart, down("r1", detect.DepartureStopped), ""},
		"a person's stop after our own first action was signalled": {&Seen{Own: true}, UnitStart, watched(down("r1", detect.DepartureStopped)), "a person stopped the unit since it was decided"},
		"not when the stop that was signalled is our own":          {&Seen{Own: true}, UnitStart, watched(down("r1", detect.DepartureBySelf)), ""},
		"another run has begun":                                    {SeenIn(up("r1")), UnitKill, up("r2"), "the unit was started anew since it was decided"},
		"what was down was started by somebody else":               {SeenIn(down("r1", detect.DepartureCrash)), UnitStart, up("r2"), "the unit was started anew since it was decided"},
		"somebody stopped it":                                      {SeenIn(up("r1")), UnitRestart, down("r1", detect.DepartureStopped), "a person stopped the unit since it was decided"},
		"somebody stopped it before its automatic restart":         {SeenIn(retry), UnitRestart, down("r1", detect.DepartureStopped), "a person stopped the unit since it was decided"},
		"somebody stopped what was to be started":                  {SeenIn(retry), UnitStart, down("r1", detect.DepartureStopped), "a person stopped the unit since it was decided"},
		"not when a person had stopped it before":                  {SeenIn(down("r1", detect.DepartureStopped)), UnitStart, down("r1", detect.DepartureStopped), ""},
		"it ended by itself, and was to be killed":                 {SeenIn(up("r1")), UnitKill, down("r1", detect.DepartureClean), "the unit does not run any more"},
		"somebody stopped it and systemd has forgotten it":         {SeenIn(up("r1")), UnitRestart, facts(detect.UnitActive, "inactive"), "the unit was started anew since it was decided"},
		"not when what is to be started is down still":             {SeenIn(down("r1", "")), UnitStart, down("r1", ""), ""},
		"not when systemd has forgotten what is to be started":     {SeenIn(down("r1", "")), UnitStart, facts(detect.UnitActive, "inactive"), ""},
		"not when its run was not known and it runs":               {SeenIn(facts(detect.UnitActive, "active")), UnitRestart, up("r2"), ""},
		"not when what ran and is to be started has ended again":   {SeenIn(up("r1")), UnitStart, down("r1", detect.DepartureCrash), ""},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, c.seen.Outdated(c.verb, c.now))
		})
	}
}
