package strategy

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAnActionIsOutdatedWhen(t *testing.T) {
	up, down := &Seen{Run: "r1", Up: true}, &Seen{Run: "r1"}
	for name, c := range map[string]struct {
		seen *Seen
		verb Verb
		run  string
		up   bool
		job  string
		want string
	}{
		"not when nothing has changed":                           {up, UnitRestart, "r1", true, "", ""},
		"not when it was decided on nothing":                     {nil, UnitRestart, "r2", false, "stop", ""},
		"somebody's job is on the unit":                          {up, UnitRestart, "r1", true, "restart", "somebody queued a restart job for the unit"},
		"somebody's job is on a unit that was to be started":     {down, UnitStart, "r1", false, "stop", "somebody queued a stop job for the unit"},
		"another run has begun":                                  {up, UnitKill, "r2", true, "", "the unit was started anew since it was decided"},
		"what was down was started by somebody else":             {down, UnitStart, "r2", true, "", "the unit was started anew since it was decided"},
		"somebody stopped it":                                    {up, UnitRestart, "r1", false, "", "the unit does not run any more"},
		"somebody stopped it and systemd has forgotten it":       {up, UnitRestart, "", false, "", "the unit was started anew since it was decided"},
		"not when what is to be started is down still":           {down, UnitStart, "r1", false, "", ""},
		"not when systemd has forgotten what is to be started":   {down, UnitStart, "", false, "", ""},
		"not when its run was not known and it runs":             {&Seen{Up: true}, UnitRestart, "r2", true, "", ""},
		"not when what ran and is to be started has ended again": {up, UnitStart, "r1", false, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, c.seen.Outdated(c.verb, c.run, c.up, c.job))
		})
	}
}
