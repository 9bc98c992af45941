package drills

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/internal/config"
)

func TestADrillIsNamedByFaultAndTargetOrByItsPlan(t *testing.T) {
	steps := []config.DrillStep{{Fault: "kill", Target: "a"}, {Fault: "stop", Target: "b"}}
	cfg := &config.Config{Drills: config.Drills{Plans: []config.DrillPlan{{Name: "monthly", Pause: time.Minute, Steps: steps}}}}
	got, pause, err := drillSteps(cfg, "monthly", "", nil)
	require.NoError(t, err)
	require.Equal(t, steps, got)
	require.Equal(t, time.Minute, pause)
	got, pause, err = drillSteps(cfg, "", "a", []string{"freeze"})
	require.NoError(t, err)
	require.Equal(t, []config.DrillStep{{Fault: "freeze", Target: "a"}}, got)
	require.Zero(t, pause)
	for why, c := range map[string]struct {
		plan, target string
		args         []string
	}{
		"name a fault and --target":                            {"", "a", nil},
		"name a fault and --target, or --plan":                 {"", "", []string{"kill"}},
		"--plan names its own faults":                          {"monthly", "a", nil},
		"leave out FAULT":                                      {"monthly", "", []string{"kill"}},
		`no plan "daily" in drills.plans (there are: monthly)`: {"daily", "", nil},
		`unknown fault "burn" (want one of [kill stop freeze fill-pool fill-memory])`: {"", "a", []string{"burn"}},
	} {
		_, _, err := drillSteps(cfg, c.plan, c.target, c.args)
		require.ErrorContains(t, err, why)
	}
}

func TestTheNameOfADrillFitsIntoTheNameOfAUnit(t *testing.T) {
	require.Equal(t, "my-db-1", slug("My_db@1"))
	require.Equal(t, "a", slug("a-"))
	require.Len(t, slug("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"), 40)
}
