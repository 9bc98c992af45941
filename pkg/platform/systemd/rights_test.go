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
		{"a start", strategy.Start, nil, []string{"start"}},
		{"a start that clears the start limit", strategy.Start, map[string]string{strategy.ArgReset: "yes"}, []string{"start", "reset-failed"}},
		{"a start has nothing to stop", strategy.Start, map[string]string{strategy.ArgStopGrace: "5s"}, []string{"start"}},
		{"a restart with a grace kills what does not stop", strategy.Restart, map[string]string{strategy.ArgStopGrace: "5s"}, []string{"restart", "kill"}},
		{"both", strategy.Restart, map[string]string{strategy.ArgStopGrace: "5s", strategy.ArgReset: "yes"}, []string{"restart", "kill", "reset-failed"}},
		{"a stop", strategy.Stop, nil, []string{"stop"}},
		{"a kill", strategy.Kill, nil, []string{"kill"}},
		{"a memory limit", strategy.SetMemory, nil, []string{"set-property"}},
		{"a variable is written into a file of our own", strategy.SetEnv, nil, nil},
		{"sessions are PostgreSQL's business", strategy.PGTerminateIdle, nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := Rights(strategy.Action{Verb: c.verb, Args: c.args})
			require.Equal(t, c.want, got)
			require.Subset(t, AllRights(), got)
		})
	}
}
