package systemd

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/platform"
)

func TestNamesThatSystemdDoesNotTakeAreRefused(t *testing.T) {
	long := strings.Repeat("a", maxUnitName-len(".service"))
	for name, c := range map[string]struct{ unit, says string }{
		"too long":              {long + "a.service", "longer than 255"},
		"an instance too long":  {"a@" + long + ".service", "longer than 255"},
		"nothing before the at": {"@main.service", "nothing before the @"},
		"a template":            {"postgresql-custom@.service", "is a template"},
		"a slice":               {"-.slice", "is not a service unit"},
		"a mount":               {"-.mount", "is not a service unit"},
		"a target":              {"multi-user.target", "is not a service unit"},
	} {
		t.Run(name, func(t *testing.T) {
			_, wrong := judge(platform.Target{}, &Keys{Unit: c.unit})
			require.Len(t, wrong, 1)
			require.False(t, wrong[0].Risk)
			require.Contains(t, wrong[0].What, c.says)
		})
	}
	for _, unit := range []string{"", ".service", "a b.service", "a/b.service", "../a.service", "a*.service", "[a-z].service", "a?.service", "a\n.service", "a\x00.service", "ä.service",
		"codebase-mcp", "a.service ", `a".service`, "a'.service", "$(id).service", "a%i.service", "a;b.service", "-.service\u202e"} {
		require.False(t, isUnit(unit), "%q", unit)
	}
	for _, unit := range []string{long + ".service", "-.service", `dev-disk-by\x2did.service`, "a:b_c-d.e.service", "postgresql@15-main.service", `a@b\x2fc.service`, "a@b@c.service", "__proto__.service"} {
		require.True(t, isUnit(unit), unit)
		_, wrong := judge(platform.Target{}, &Keys{Unit: unit})
		require.Empty(t, wrong, unit)
		require.NoError(t, checkUnit(unit))
	}
}

func TestServicesThatTheHostItselfNeedsAreWarnedOf(t *testing.T) {
	for _, unit := range []string{"dbus.service", "dbus-broker.service", "systemd-logind.service", "systemd-journald.service", "polkit.service", "ssh.service", "sshd.service",
		"NetworkManager.service", "getty@tty1.service", "user@1000.service", "recoveryd-procview.service"} {
		_, wrong := judge(platform.Target{}, &Keys{Unit: unit})
		require.Len(t, wrong, 1, unit)
		require.True(t, wrong[0].Risk, unit)
		require.Contains(t, wrong[0].Hint, "mode: observe")
	}
	for _, unit := range []string{"mydbus.service", "dbus-monitor.service", "sshd-proxy.service", "codebase-mcp.service"} {
		_, wrong := judge(platform.Target{}, &Keys{Unit: unit})
		require.Empty(t, wrong, unit)
	}
}
