package app

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/internal/config"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

func TestTheConfigurationAllowsNoDrillButWhatItNames(t *testing.T) {
	const file = `
version: 1
targets:
  - {name: db, kind: postgres, unit: postgresql@15-main.service, postgres: {dsn: host=/run/postgresql}}
  - {name: other, kind: postgres, unit: postgresql@16-main.service, postgres: {dsn: host=/run/postgresql}}
`
	load := func(drills string) *config.Config {
		c, err := config.Parse("t.yaml", []byte(file+drills), Known())
		require.NoError(t, err)
		return c
	}
	const on = `drills: {targets: [db], faults: [kill, freeze], timeout: 1m, windows: [{start: "10:00", duration: 2h, days: [tue], timezone: UTC}]}`
	tuesday := time.Date(2026, 11, 24, 11, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		drills, target string
		fault          incident.Fault
		length         time.Duration
		at             time.Time
		why            string
	}{
		"all as it should be":        {on, "db", incident.FaultFreeze, time.Minute, tuesday, ""},
		"no section":                 {"", "db", incident.FaultKill, time.Minute, tuesday, "drills are off"},
		"another target":             {on, "other", incident.FaultKill, time.Minute, tuesday, `target "other" may not be drilled (drills.targets: db)`},
		"another fault":              {on, "db", incident.FaultStop, time.Minute, tuesday, `fault "stop" is not allowed (drills.faults: kill, freeze)`},
		"longer than allowed":        {on, "db", incident.FaultKill, 2 * time.Minute, tuesday, "may last 1m0s"},
		"before the window":          {on, "db", incident.FaultKill, time.Minute, tuesday.Add(-2 * time.Hour), "no drill window is open now (drills.windows: tue 10:00 for 2h UTC)"},
		"on another day":             {on, "db", incident.FaultKill, time.Minute, tuesday.Add(24 * time.Hour), "no drill window is open now"},
		"at the end of the window":   {on, "db", incident.FaultKill, time.Minute, tuesday.Add(time.Hour), "no drill window is open now"},
		"at the start of the window": {on, "db", incident.FaultKill, time.Minute, tuesday.Add(-time.Hour), ""},
	} {
		t.Run(name, func(t *testing.T) {
			err := drillAllowed(load(c.drills), c.target, c.fault, c.length, c.at)
			if c.why == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.why)
		})
	}
}
