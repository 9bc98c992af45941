package lab_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-systemd/v22/dbus"
	godbus "github.com/godbus/dbus/v5"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/test/lab"
	"github.com/recoveryd/recoveryd/test/lab/labtest"
)

func TestTwoLabsAtOnceDoNotSeeEachOther(t *testing.T) {
	for _, name := range []string{"first", "second"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := labtest.Start(t, lab.Options{})
			require.Equal(t, "running", l.State)
			for addr, limit := range map[string]int{lab.CodebaseAddr: 30, lab.WorkflowAddr: 10} {
				h, err := l.Health(t.Context(), addr)
				require.NoError(t, err)
				require.NotEqual(t, "disconnected", h.Database)
				require.Equal(t, limit, h.Pool.Max, "the same ports in both labs")
			}
			sessions, err := l.SQL(t.Context(), "postgres",
				"SELECT application_name, count(*) FROM pg_stat_activity WHERE application_name LIKE '%-mcp' GROUP BY 1 ORDER BY 1")
			require.NoError(t, err)
			require.Equal(t, "codebase-mcp|20\nworkflow-mcp|5", sessions)
		})
	}
}

func TestCommandsInALab(t *testing.T) {
	t.Parallel()
	l := labtest.Start(t, lab.Options{Bare: true, Files: map[string]lab.File{
		"/etc/lab-secret": {Content: "for recoveryd\n", Mode: 0o600, UID: lab.UIDRecoveryd, GID: lab.UIDRecoveryd},
		"/etc/systemd/system/early.service": {
			Content: "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/cat /etc/lab-secret\n",
		},
		"/etc/systemd/system/lab-bare.target.wants/early.service": {Symlink: "/etc/systemd/system/early.service"},
	}})
	ctx := t.Context()

	r, err := l.Exec(ctx, "sh", "-c", "echo out; echo err >&2; exit 7")
	require.NoError(t, err)
	require.Equal(t, lab.Result{Stdout: "out\n", Stderr: "err\n", Code: 7}, r)

	r, err = l.ExecAs(ctx, "recoveryd", "sh", "-c", "id -un; cat /etc/lab-secret; stat -c %a /etc/lab-secret")
	require.NoError(t, err)
	require.Equal(t, "recoveryd\nfor recoveryd\n600\n", r.Stdout, r.Stderr)
	r, err = l.ExecAs(ctx, "mcp", "cat", "/etc/lab-secret")
	require.NoError(t, err)
	require.NotZero(t, r.Code)
	require.Contains(t, r.Stderr, "Permission denied")

	active, err := l.Show(ctx, "early.service", "ActiveState")
	require.NoError(t, err)
	require.Equal(t, "active", active, "a unit file from outside is loaded, and started, at boot")
	text, err := l.Journal(ctx, "-u", "early.service", "-o", "cat")
	require.NoError(t, err)
	require.Contains(t, text, "for recoveryd")

	down, err := l.Show(ctx, lab.CodebaseUnit, "ActiveState")
	require.NoError(t, err)
	require.Equal(t, "inactive", down, "a bare lab starts no servers")
}

func TestTheHostReachesTheLab(t *testing.T) {
	t.Parallel()
	l := labtest.Start(t, lab.Options{Bare: true})
	ctx := t.Context()

	conn, err := dbus.NewConnection(func() (*godbus.Conn, error) {
		c, err := godbus.Dial(l.BusAddress())
		if err != nil {
			return nil, err
		}
		return c, errors.Join(c.Auth(nil), c.Hello())
	})
	require.NoError(t, err)
	defer conn.Close()
	done := make(chan string, 1)
	_, err = conn.StartUnitContext(ctx, "victim@8100.service", "replace", done)
	require.NoError(t, err)
	require.Equal(t, "done", <-done)
	require.NoError(t, l.WaitHealthy(ctx, "127.0.0.1:8100"))

	victim := l.Control("unix:/run/victim-8100.sock")
	require.NoError(t, victim.Set(ctx, "status", "value=recovering"))
	h, err := l.Health(ctx, "127.0.0.1:8100")
	require.NoError(t, err)
	require.Equal(t, "recovering", h.Status)

	r, err := l.RunHost(ctx, "bash", "-c", `exec 3<>/dev/tcp/127.0.0.1/8100 && echo "$DBUS_SYSTEM_BUS_ADDRESS"`)
	require.NoError(t, err)
	require.Equal(t, l.BusAddress()+"\n", r.Stdout, r.Stderr)
}

func TestTheLabReachesAFakeServedByTheTest(t *testing.T) {
	t.Parallel()
	l := labtest.Start(t, lab.Options{Bare: true})
	listener, err := l.Listen(t.Context(), "tcp", "127.0.0.1:7000")
	require.NoError(t, err)
	fake := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte("hello " + r.URL.Path))
	})}
	served := make(chan error, 1)
	go func() { served <- fake.Serve(listener) }()
	r, err := l.Exec(t.Context(), "curl", "-sS", "http://127.0.0.1:7000/lab")
	require.NoError(t, err)
	require.Equal(t, "hello /lab", r.Stdout, r.Stderr)
	require.NoError(t, fake.Close())
	require.ErrorIs(t, <-served, http.ErrServerClosed)
}

// TestFailuresLookAsMeasured walks one lab through the failures of the two servers and their
// database, and compares what health says with the measurements on the real server.
func TestFailuresLookAsMeasured(t *testing.T) {
	t.Parallel()
	l := labtest.Start(t, lab.Options{})
	ctx := t.Context()
	postgres, err := l.PostgresUnit()
	require.NoError(t, err)
	health := func(t *testing.T) lab.Health {
		t.Helper()
		h, err := l.Health(ctx, lab.CodebaseAddr)
		require.NoError(t, err)
		return h
	}
	// A server that dies at once is restarted with --no-block: systemd looks at the end of a process before
	// it looks at whether that process was executed (Type=exec), so on a busy machine, where it finds both at
	// once, it calls the job failed, and otherwise done.
	systemctl := func(t *testing.T, args ...string) {
		t.Helper()
		r, err := l.Systemctl(ctx, args...)
		require.NoError(t, err)
		require.Zero(t, r.Code, r.Stderr)
	}

	t.Run("a full pool is reported as a lost database after one second", func(t *testing.T) {
		codebase := l.Control(lab.CodebaseControl)
		require.NoError(t, codebase.Set(ctx, "pool-leak", "count=30", "mode=in-tx"))
		h := health(t)
		require.Equal(t, "disconnected", h.Database)
		require.Equal(t, 30, h.Pool.Size)
		require.Equal(t, 0, h.Pool.Free)
		require.GreaterOrEqual(t, h.Took, time.Second)
		other, err := l.Health(ctx, lab.WorkflowAddr)
		require.NoError(t, err)
		require.NotEqual(t, "disconnected", other.Database, "the other server has its own pool")
		require.NoError(t, codebase.Clear(ctx, "pool-leak"))
		require.NoError(t, l.WaitHealthy(ctx, lab.CodebaseAddr))
	})
	t.Run("a frozen database makes health hang, and both recover by themselves", func(t *testing.T) {
		require.NoError(t, l.Signal(ctx, postgres, "STOP"))
		for _, addr := range []string{lab.CodebaseAddr, lab.WorkflowAddr} {
			_, err := l.Health(ctx, addr)
			require.ErrorIs(t, err, context.DeadlineExceeded)
		}
		require.NoError(t, l.Signal(ctx, postgres, "CONT"))
		require.NoError(t, l.WaitHealthy(ctx, lab.CodebaseAddr))
		require.NoError(t, l.WaitHealthy(ctx, lab.WorkflowAddr))
	})
	t.Run("a stopped database is disconnected with an empty pool, at once", func(t *testing.T) {
		systemctl(t, "stop", postgres)
		require.Equal(t, "disconnected", health(t).Database)
		h := health(t)
		require.Equal(t, "unhealthy", h.Status)
		require.Equal(t, 0, h.Pool.Size)
		require.Less(t, h.Took, 500*time.Millisecond, "at once, not after the guard of one second")
	})
	t.Run("a server that is restarted meanwhile dies at start", func(t *testing.T) {
		systemctl(t, "restart", "--no-block", lab.WorkflowUnit)
		require.Eventually(t, func() bool {
			result, err := l.Show(ctx, lab.WorkflowUnit, "Result")
			return err == nil && result == "exit-code"
		}, 10*time.Second, 50*time.Millisecond)
	})
	t.Run("the database back, the other reconnects at the first read", func(t *testing.T) {
		systemctl(t, "start", postgres)
		h := health(t)
		require.NotEqual(t, "disconnected", h.Database)
		require.Equal(t, 1, h.Pool.Size)
		systemctl(t, "restart", lab.WorkflowUnit)
		require.NoError(t, l.WaitHealthy(ctx, lab.WorkflowAddr))
	})
	t.Run("a killed server is failed by signal, and stays down", func(t *testing.T) {
		require.NoError(t, l.SignalMain(ctx, lab.WorkflowUnit, "KILL"))
		require.Eventually(t, func() bool {
			result, err := l.Show(ctx, lab.WorkflowUnit, "Result")
			return err == nil && result == "signal"
		}, 10*time.Second, 20*time.Millisecond)
		_, err := l.Health(ctx, lab.WorkflowAddr)
		require.ErrorContains(t, err, "connection refused")
	})
	t.Run("the pool follows the environment file of recoveryd", func(t *testing.T) {
		require.NoError(t, l.WriteFile(lab.EnvDir+"/"+lab.WorkflowUnit+".env", lab.File{
			Content: "DB_POOL_SIZE=8\n", Mode: 0o600, UID: lab.UIDRecoveryd, GID: lab.UIDRecoveryd,
		}))
		systemctl(t, "restart", lab.WorkflowUnit)
		require.NoError(t, l.WaitHealthy(ctx, lab.WorkflowAddr))
		h, err := l.Health(ctx, lab.WorkflowAddr)
		require.NoError(t, err)
		require.Equal(t, 8, h.Pool.Min)
	})
	t.Run("a faults file is obeyed at every start", func(t *testing.T) {
		faults := "/run/lab/faults/" + lab.WorkflowUnit
		require.NoError(t, l.WriteFile(faults, lab.File{Content: "crash?how=exit&code=9"}))
		require.NoError(t, l.DropIn(ctx, lab.WorkflowUnit, "restart", "[Service]\nRestart=on-failure\nRestartSec=100ms\n[Unit]\nStartLimitBurst=3\nStartLimitIntervalSec=60\n"))
		systemctl(t, "reset-failed", lab.WorkflowUnit)
		systemctl(t, "restart", "--no-block", lab.WorkflowUnit)
		require.Eventually(t, func() bool {
			restarts, err := l.Show(ctx, lab.WorkflowUnit, "NRestarts")
			return err == nil && restarts == "3"
		}, 15*time.Second, 50*time.Millisecond)
		status, err := l.Show(ctx, lab.WorkflowUnit, "ExecMainStatus")
		require.NoError(t, err)
		require.Equal(t, "9", status)
	})
}

func TestTheRoleRecoverydMayLookAndTerminate(t *testing.T) {
	t.Parallel()
	l := labtest.Start(t, lab.Options{})
	cfg, err := pgx.ParseConfig(lab.RecoverydDSN)
	require.NoError(t, err)
	cfg.DialFunc = l.DialContext
	conn, err := pgx.ConnectConfig(t.Context(), cfg)
	require.NoError(t, err)
	defer conn.Close(t.Context())
	var ended int
	require.NoError(t, conn.QueryRow(t.Context(), `SELECT count(*) FILTER (WHERE pg_terminate_backend(pid))
		FROM pg_stat_activity WHERE application_name = 'workflow-mcp' AND state = 'idle'`).Scan(&ended))
	require.Equal(t, 5, ended)

	r, err := l.ExecAs(t.Context(), "recoveryd", "psql", "-At", "host=/run/postgresql user=recoveryd dbname=postgres", "-c", "SELECT current_user")
	require.NoError(t, err)
	require.Equal(t, "recoveryd\n", r.Stdout, r.Stderr)
	r, err = l.ExecAs(t.Context(), "recoveryd", "systemctl", "--no-ask-password", "restart", lab.WorkflowUnit)
	require.NoError(t, err)
	require.NotZero(t, r.Code, "polkit refuses without a rule")
	require.Contains(t, strings.ToLower(r.Stderr), "auth")
}

// TestMemoryLimits proves that a unit in a lab can be killed for its memory, where the kernel can.
func TestMemoryLimits(t *testing.T) {
	t.Parallel()
	labtest.Require(t)
	memory := lab.Probe().Memory
	want := map[lab.Memory]string{lab.MemoryV1: "signal", lab.MemoryV2: "oom-kill"}[memory]
	if want == "" {
		t.Skip("needs the memory controller of cgroup v1 or v2, and this host has none")
	}
	l := labtest.Start(t, lab.Options{Bare: true, V1Memory: true})
	ctx := t.Context()
	require.NoError(t, l.DropIn(ctx, "victim@8100.service", "memory", "[Service]\nMemoryMax=64M\nMemorySwapMax=0\n"))
	r, err := l.Systemctl(ctx, "start", "victim@8100.service")
	require.NoError(t, err)
	require.Zero(t, r.Code, r.Stderr)
	require.NoError(t, l.WaitHealthy(ctx, "127.0.0.1:8100"))
	current, err := l.Show(ctx, "victim@8100.service", "MemoryCurrent")
	require.NoError(t, err)
	require.Regexp(t, `^[1-9][0-9]+$`, current, "measured, not [not set]")
	require.NoError(t, l.Control("unix:/run/victim-8100.sock").Set(ctx, "memory-leak", "rate=200", "limit=300"))
	require.Eventually(t, func() bool {
		result, err := l.Show(ctx, "victim@8100.service", "Result")
		return err == nil && result == want
	}, 20*time.Second, 50*time.Millisecond)
}
