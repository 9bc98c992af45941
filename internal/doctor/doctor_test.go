package doctor

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/internal/config"
	"github.com/recoveryd/recoveryd/internal/setup"
)

// allows answers as a polkit rule would.
type allows map[string][]string

func (a allows) may(_ context.Context, unit, verb string) (bool, error) {
	if slices.Contains(a[unit], "lost") {
		return false, errNotLoaded
	}
	return slices.Contains(a[unit], verb), nil
}

func options(units ...setup.UnitRights) Options {
	return Options{Config: &config.Config{Targets: []config.Target{{Name: "web", Platform: "systemd", Object: "web.service"}, {Name: "gpu", Platform: "none"}}},
		Wanted: setup.Wanted{Units: units}}
}

func TestRightsAreNeitherMoreNorLessThanNeeded(t *testing.T) {
	needs := setup.UnitRights{Unit: "web.service", Verbs: []string{"restart", "start"}}
	verbs := []string{"start", "stop", "restart"}
	for _, c := range []struct {
		name   string
		needs  []setup.UnitRights
		rule   allows
		status Status
		says   []string
	}{
		{"exactly these", []setup.UnitRights{needs}, allows{"web.service": {"start", "restart"}}, OK, []string{"lets start, restart through, and nothing else", "start, stop, restart: refused"}},
		{"one is missing", []setup.UnitRights{needs}, allows{"web.service": {"start"}}, Fail, []string{"refuses restart, which", "refused"}},
		{"one too many", []setup.UnitRights{needs}, allows{"web.service": {"start", "stop", "restart"}}, Warn, []string{"lets stop through, which", "refused"}},
		{"a rule for everything", []setup.UnitRights{needs}, allows{"web.service": {"start", "restart"}, foreign: {"start"}}, Fail, []string{"and nothing else", "start is let through on a unit that nobody has named"}},
		{"only watched", nil, allows{}, OK, []string{"refused, and not needed", "refused"}},
		{"only watched, and yet", nil, allows{"web.service": {"stop"}}, Warn, []string{"lets stop through", "refused"}},
		{"it cannot be told", nil, allows{"web.service": {"lost"}}, Warn, []string{"start: cannot be told", "stop: cannot be told", "restart: cannot be told", "refused", "refused"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := &notes{}
			options(c.needs...).rights(t.Context(), n, "polkit", c.rule, verbs)
			require.Equal(t, c.status, Report{Findings: n.list}.Worst(), n.list)
			require.Len(t, n.list, len(c.says))
			for i, s := range c.says {
				require.Contains(t, n.list[i].Detail, s)
				require.Equal(t, n.list[i].Status != OK, n.list[i].Mend != "", "what is not well says how to mend it")
			}
		})
	}
}

func TestARefusalBySystemdItselfProvesThatPolkitLetItThrough(t *testing.T) {
	for _, c := range []struct {
		err  error
		yes  bool
		told bool
	}{
		{nil, true, true},
		{dbus.Error{Name: "org.freedesktop.DBus.Error.AccessDenied"}, false, true},
		{dbus.Error{Name: "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired"}, false, true},
		{dbus.Error{Name: "org.freedesktop.DBus.Error.InvalidArgs"}, true, true},
		{dbus.Error{Name: "org.freedesktop.systemd1.NoSuchProcess"}, true, true},
		{dbus.Error{Name: "org.freedesktop.systemd1.NoSuchUnit"}, false, false},
		{dbus.Error{Name: "org.freedesktop.DBus.Error.NoReply"}, false, false},
		{context.DeadlineExceeded, false, false},
		{errors.New("closed"), false, false},
	} {
		yes, err := answered(c.err)
		require.Equal(t, c.yes, yes, "%v", c.err)
		require.Equal(t, c.told, err == nil, "%v", c.err)
	}
}

func TestAUnitThatRunsTrueIsNotTheProgramItStandsFor(t *testing.T) {
	exec := func(path string) map[string]dbus.Variant {
		return map[string]dbus.Variant{"ExecStart": dbus.MakeVariant([][]any{{path, []string{path}}}),
			"EnvironmentFiles": dbus.MakeVariant([][]any{{"/run/recoveryd/env/web.env", true}})}
	}
	require.True(t, runsTrue(exec("/bin/true")))
	require.False(t, runsTrue(exec("/usr/bin/pg_ctlcluster")))
	require.False(t, runsTrue(nil))
	require.Equal(t, []string{"/run/recoveryd/env/web.env"}, environmentFiles(exec("/bin/true")))
}

func TestDirectoriesAreTriedByWriting(t *testing.T) {
	dir := t.TempDir()
	o := options()
	o.Config.StateDir, o.Config.RuntimeDir = dir, filepath.Join(dir, "run")
	o.Config.Targets[0].Pool.EnvFile = filepath.Join(dir, "run/env/web.env")
	n := &notes{}
	o.directories(n)
	require.Equal(t, OK, n.list[0].Status)
	last := n.list[len(n.list)-1]
	require.Equal(t, Fail, last.Status, "there is no %s/env", o.Config.RuntimeDir)
	require.Contains(t, last.Mend, "recoveryd setup")
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left, "nothing is left behind")
}

func TestADaemonThatDoesNotRunIsAWarning(t *testing.T) {
	o := options()
	o.Config.RuntimeDir = t.TempDir()
	n := &notes{}
	o.socket(t.Context(), n)
	require.Equal(t, Warn, n.list[0].Status)
	require.Contains(t, n.list[0].Mend, "systemctl start recoveryd")
}

func TestAClockBeforeThisProgramIsWrong(t *testing.T) {
	n := &notes{}
	clock(t.Context(), n, time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC))
	require.Equal(t, Fail, n.list[0].Status)
}

func TestTheMemoryControllerIsLookedFor(t *testing.T) {
	for _, c := range []struct {
		controllers string
		want        Status
	}{{"cpu io memory pids", OK}, {"cpu io pids", Warn}, {"", Warn}} {
		root := t.TempDir() + "/"
		require.NoError(t, os.MkdirAll(root+"sys/fs/cgroup", 0o755))
		if c.controllers != "" {
			require.NoError(t, os.WriteFile(root+"sys/fs/cgroup/cgroup.controllers", []byte(c.controllers+"\n"), 0o644))
		}
		n := &notes{}
		cgroups(n, root)
		require.Equal(t, c.want, n.list[0].Status, c.controllers)
	}
}
