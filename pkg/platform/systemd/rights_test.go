package systemd

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/strategy"
)

func TestRightsAreThoseThatTheAdapterUses(t *testing.T) {
	for _, c := range []struct {
		name string
		verb strategy.Verb
		args map[string]string
		want []string
	}{
		{"a start", strategy.UnitStart, nil, []string{"start"}},
		{"a start that clears the start limit", strategy.UnitStart, map[string]string{strategy.ArgReset: "yes"}, []string{"start", "reset-failed"}},
		{"a start has nothing to stop", strategy.UnitStart, map[string]string{strategy.ArgStopGrace: "5s"}, []string{"start"}},
		{"a restart with a grace kills what does not stop", strategy.UnitRestart, map[string]string{strategy.ArgStopGrace: "5s"}, []string{"restart", "kill"}},
		{"both", strategy.UnitRestart, map[string]string{strategy.ArgStopGrace: "5s", strategy.ArgReset: "yes"}, []string{"restart", "kill", "reset-failed"}},
		{"a stop", strategy.UnitStop, nil, []string{"stop"}},
		{"a kill", strategy.UnitKill, nil, []string{"kill"}},
		{"a memory limit", strategy.UnitSetMemoryMax, nil, []string{"set-property"}},
		{"a variable is written into a file of our own", strategy.UnitSetEnv, nil, nil},
		{"sessions are PostgreSQL's business", strategy.PGTerminateIdle, nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := Rights(strategy.Action{Verb: c.verb, Args: c.args})
			require.Equal(t, c.want, got)
			require.Subset(t, AllRights(), got)
		})
	}
}
