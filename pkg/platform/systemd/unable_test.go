package systemd

import (
	"testing"

	"github.com/godbus/dbus/v5"
	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

func TestAProgramThatNeverRanIsToldByTheStatusThatSystemdGave(t *testing.T) {
	props := func(status int32, ran uint64) unitProps {
		var p unitProps
		p.apply(map[string]dbus.Variant{
			"ExecStart":    dbus.MakeVariant([][]any{{"/usr/local/bin/codebase-mcp", []string{"codebase-mcp"}}}),
			"ExecMainCode": dbus.MakeVariant(int32(1)), "ExecMainStatus": dbus.MakeVariant(status),
			"ExecMainStartTimestampMonotonic": dbus.MakeVariant(uint64(1e9)), "ExecMainExitTimestampMonotonic": dbus.MakeVariant(1e9 + ran),
		})
		return p
	}
	unable := func(p unitProps) string { return unitFacts(p, "").Text(detect.WorkloadUnable) }
	require.Equal(t, "the program /usr/local/bin/codebase-mcp does not exist or cannot be executed (its file, its interpreter or its permissions): status 203", unable(props(203, 900)))
	require.Equal(t, "its user does not exist or cannot be taken (User=): status 217", unable(props(217, 900)))
	require.Contains(t, unable(props(200, 900)), "WorkingDirectory=")
	require.Contains(t, unable(props(226, 900)), "view of the file system")
	require.Contains(t, unable(props(243, 900)), "credentials")
	require.Empty(t, unable(props(1, 900)), "its own status")
	require.Empty(t, unable(props(204, 900)), "memory may be there again")
	require.Empty(t, unable(props(203, 60e6)), "it ran for a minute: the status is its own")
	p := props(203, 900)
	p.mainPID = 7
	require.Empty(t, unable(p), "it runs again")
	p = props(9, 900)
	p.exitCode = 2
	require.Empty(t, unable(p), "killed")
}
