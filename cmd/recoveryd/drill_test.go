package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/internal/console"
	"github.com/recoveryd/recoveryd/internal/drill"
	"github.com/recoveryd/recoveryd/internal/drill/onhost"
)

func TestMendingADrillThatLeftNothingSaysSoAndDoesNotSucceed(t *testing.T) {
	dir := t.TempDir()
	store := onhost.Store{Dir: dir}
	require.NoError(t, store.SaveReport(drill.Report{ID: "20261122-031000-kill-mcp"}))
	for says, args := range map[string][]string{
		"nothing is left of any drill in " + dir: nil,
		"there is no drill \"20261122-031000-kill-mpc\" in " + dir + ", did you mean 20261122-031000-kill-mcp?": {"20261122-031000-kill-mpc"},
		"nothing is left of drill 20261122-031000-kill-mcp: it put everything back":                             {"20261122-031000-kill-mcp"},
	} {
		out, errOut, code := say(t, append([]string{"drill", "mend", "--dir", dir}, args...)...)
		require.Equal(t, console.NotHealthy, code, says)
		require.Empty(t, out)
		require.Contains(t, errOut, says)
		_, errOut, code = say(t, append([]string{"drill", "mend", "--if-left", "--dir", dir}, args...)...) // as its guard does
		require.Zero(t, code, errOut)
	}
}
