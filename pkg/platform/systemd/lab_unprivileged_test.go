package systemd

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/platform"
	"github.com/recoveryd/recoveryd/pkg/strategy"
	"github.com/recoveryd/recoveryd/test/lab"
)

// asRecoveryd performs an action inside the lab as the unprivileged user recoveryd.
func asRecoveryd(t *testing.T, l *lab.Lab, a strategy.Action) (out outcomeInside) {
	t.Helper()
	job, err := json.Marshal(a)
	require.NoError(t, err)
	r, err := l.ExecAs(t.Context(), "recoveryd", "/usr/bin/env", insideVariable+"="+string(job), lab.BinDir+"/systemd.test")
	require.NoError(t, err)
	require.Zero(t, r.Code, r.Stderr)
	require.NoError(t, decodeInside(r.Stdout, &out))
	t.Logf("%s: %+v", a, out)
	return out
}

func TestLabPolkitDecides(t *testing.T) {
	l := labFor(t)
	up(t, l, "sleep@allowed.service")
	up(t, l, "sleep@denied.service")
	tests := []struct {
		name    string
		action  strategy.Action
		allowed bool
	}{
		{"restart of a unit that the rule names", strategy.Action{Verb: strategy.Restart, Object: "sleep@allowed.service"}, true},
		{"start after a refused reset-failed", strategy.Action{Verb: strategy.Start, Object: "sleep@allowed.service",
			Args: map[string]string{strategy.ArgReset: "yes"}}, true},
		{"restart of another unit", strategy.Action{Verb: strategy.Restart, Object: "sleep@denied.service"}, false},
		{"stop of another unit", strategy.Action{Verb: strategy.Stop, Object: "sleep@denied.service"}, false},
		{"a verb that the rule does not name: kill", strategy.Action{Verb: strategy.Kill, Object: "sleep@allowed.service"}, false},
		{"a verb that the rule does not name: reset-failed", strategy.Action{Verb: strategy.ResetFailed, Object: "sleep@allowed.service"}, false},
		{"a verb that the rule does not name: set-property", strategy.Action{Verb: strategy.SetMemory, Object: "sleep@allowed.service",
			Args: map[string]string{strategy.ArgBytes: "67108864"}}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.action.Timeout = 20 * time.Second
			before := map[string]string{}
			for _, u := range []string{"sleep@allowed.service", "sleep@denied.service"} {
				before[u], _ = l.Show(t.Context(), u, "InvocationID")
			}
			out := asRecoveryd(t, l, tt.action)
			if tt.allowed {
				require.Equal(t, platform.Done, out.Result)
				require.Empty(t, out.Fact)
				return
			}
			require.Equal(t, platform.Failed, out.Result)
			require.True(t, out.Permission, "the error says that a permission is missing: %s", out.Err)
			require.Contains(t, out.Err, fmt.Sprintf("%q", polkitVerb(tt.action.Verb)), "and which one")
			require.NotEmpty(t, out.Fact, "Inspect tells of it")
			require.Less(t, out.Took, 5*time.Second)
			for u, id := range before {
				after, err := l.Show(t.Context(), u, "InvocationID")
				require.NoError(t, err)
				require.Equal(t, id, after, "%s was touched", u)
			}
		})
	}
	t.Run("a stop grace whose kill is refused", func(t *testing.T) {
		up(t, l, "stubborn@allowed.service")
		out := asRecoveryd(t, l, strategy.Action{Verb: strategy.Restart, Object: "stubborn@allowed.service", Timeout: 2 * time.Second,
			Args: map[string]string{strategy.ArgStopGrace: "200ms"}})
		require.Equal(t, platform.TimedOut, out.Result)
		require.Contains(t, out.Detail, "may not kill")
		require.True(t, out.Permission)
		ctl(t, l, "kill", "-s", "KILL", "stubborn@allowed.service")
	})
	t.Run("a start limit that may not be cleared", func(t *testing.T) {
		a := newAdapter(t, l)
		w := watch(t, a, "limit@allowed.service")
		up(t, l, "limit@allowed.service")
		w.until("the start limit", func(f detect.Facts) bool {
			return f.Text(detect.WorkloadDeparture) == detect.DepartureLimit && f.Text(detect.WorkloadPending) == ""
		})
		out := asRecoveryd(t, l, strategy.Action{Verb: strategy.Start, Object: "limit@allowed.service", Timeout: 20 * time.Second,
			Args: map[string]string{strategy.ArgReset: "yes"}})
		require.Equal(t, platform.Failed, out.Result)
		require.Contains(t, out.Detail, "start limit")
		require.Contains(t, out.Detail, "reset-failed was refused")
		require.True(t, out.Permission)
	})
}

// The lock of apt and dpkg must be seen by a user who may not even open the lock file.
func TestLabMaintenanceIsSeenByAnyUser(t *testing.T) {
	l := labFor(t)
	type answer struct {
		UID         int    `json:"uid"`
		Maintenance string `json:"maintenance"`
		MayOpen     bool   `json:"mayOpen"`
	}
	look := func(user string) (out answer) {
		argv := []string{"/usr/bin/env", insideVariable + "=maintenance", lab.BinDir + "/systemd.test"}
		if user == "sandboxed" { // as the daemon's own unit
			user = "root"
			argv = append([]string{"systemd-run", "--pipe", "--wait", "--quiet", "--uid=recoveryd", "-pProtectProc=invisible", "-pProtectSystem=strict",
				"-pPrivateTmp=yes", "-pPrivateDevices=yes", "-pPrivateUsers=yes", "-pNoNewPrivileges=yes", "-pCapabilityBoundingSet="}, argv...)
		}
		r, err := l.ExecAs(t.Context(), user, argv...)
		require.NoError(t, err)
		require.Zero(t, r.Code, r.Stderr)
		require.NoError(t, decodeInside(r.Stdout, &out))
		return out
	}
	require.NoError(t, os.MkdirAll(l.Path("/var/lib/dpkg"), 0o755))
	require.Empty(t, look("root").Maintenance)
	require.Empty(t, look("recoveryd").Maintenance)

	cmd := l.Command(t.Context(), "root", "/usr/bin/env", insideVariable+"=hold-lock", lab.BinDir+"/systemd.test")
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "held\n", line)

	root := look("root")
	require.Contains(t, root.Maintenance, "package-upgrade: ")
	require.True(t, root.MayOpen)
	user := look("recoveryd")
	t.Logf("root sees %q, recoveryd sees %q", root.Maintenance, user.Maintenance)
	require.NotZero(t, user.UID)
	require.False(t, user.MayOpen, "the lock file is root's, or this test shows nothing")
	require.Contains(t, user.Maintenance, "package-upgrade: ")
	sandboxed := look("sandboxed")
	t.Logf("recoveryd under its sandbox sees %q", sandboxed.Maintenance)
	require.NotZero(t, sandboxed.UID)
	require.Contains(t, sandboxed.Maintenance, "package-upgrade: ")

	require.NoError(t, in.Close())
	require.NoError(t, cmd.Wait())
	require.Empty(t, look("recoveryd").Maintenance)
}
