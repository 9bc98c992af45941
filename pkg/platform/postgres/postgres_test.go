package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/recoveryd/recoveryd/pkg/platform"
	"github.com/recoveryd/recoveryd/pkg/platform/platformtest"
	"github.com/recoveryd/recoveryd/pkg/strategy"
	"github.com/recoveryd/recoveryd/test/pgtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// cluster starts PostgreSQL with the roles of the tests: app is a service's, healer is
// recoveryd's, blind may signal but sees nothing, weak may see but not signal.
func cluster(t *testing.T, settings ...string) *pgtest.Cluster {
	t.Helper()
	c := pgtest.Start(t, settings...)
	require.NoError(t, c.Exec(t.Context(), "postgres", `CREATE ROLE app LOGIN; CREATE ROLE other LOGIN;
CREATE ROLE healer LOGIN IN ROLE pg_monitor, pg_signal_backend;
CREATE ROLE blind LOGIN IN ROLE pg_signal_backend;
CREATE ROLE weak LOGIN IN ROLE pg_monitor;
CREATE ROLE boss LOGIN SUPERUSER;
CREATE ROLE repl LOGIN REPLICATION`))
	return c
}

func adapter(t *testing.T, c *pgtest.Cluster, role string, change ...func(*Options)) *Adapter {
	t.Helper()
	opt := Options{Databases: []Database{{Name: "db", DSN: c.DSN(role, "postgres")}}}
	for _, f := range change {
		f(&opt)
	}
	a, err := New(opt)
	require.NoError(t, err)
	return a
}

// client opens a session of a service.
func client(t *testing.T, c *pgtest.Cluster, role, application string, first ...string) *pgx.Conn {
	t.Helper()
	cfg, err := pgx.ParseConfig(c.DSN(role, "postgres"))
	require.NoError(t, err)
	cfg.RuntimeParams["application_name"] = application
	conn, err := pgx.ConnectConfig(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	for _, sql := range first {
		_, err := conn.Exec(t.Context(), sql)
		require.NoError(t, err)
	}
	return conn
}

func lives(t *testing.T, conn *pgx.Conn) bool {
	t.Helper()
	return conn.Ping(t.Context()) == nil
}

func terminate(v strategy.Verb, application, older string) strategy.Action {
	return strategy.Action{Verb: v, Object: "db", Timeout: 20 * time.Second,
		Args: map[string]string{strategy.ArgApplication: application, strategy.ArgOlderThan: older}}
}

func TestConformance(t *testing.T) {
	c := cluster(t)
	platformtest.Run(t, platformtest.Harness{Object: "db", New: func(t *testing.T) platform.Adapter { return adapter(t, c, "healer") }})
}

func TestIdleSessionsOfOneApplicationAreEnded(t *testing.T) {
	c := cluster(t)
	idle := []*pgx.Conn{client(t, c, "app", "codebase-mcp"), client(t, c, "app", "codebase-mcp")}
	spared := map[string]*pgx.Conn{
		"another application":            client(t, c, "app", "workflow-mcp"),
		"a session in a transaction":     client(t, c, "app", "codebase-mcp", "BEGIN", "SELECT 1"),
		"a superuser":                    client(t, c, "boss", "codebase-mcp"),
		"recoveryd itself":               client(t, c, "healer", "recoveryd"),
		"recoveryd's probe":              client(t, c, "healer", "recoveryd-probe"),
		"an application named much like": client(t, c, "app", "codebase-mcp2"),
	}
	rep, err := adapter(t, c, "healer").Do(t.Context(), terminate(strategy.PGTerminateIdle, "codebase-mcp", "1ns"))
	require.NoError(t, err, rep.Detail)
	require.Equal(t, platform.Done, rep.Result)
	require.Contains(t, rep.Detail, "ended 2 of 2: idle sessions of codebase-mcp")
	for _, s := range idle {
		require.Contains(t, rep.Detail, fmt.Sprint(s.PgConn().PID()))
		require.False(t, lives(t, s))
	}
	for name, s := range spared {
		require.True(t, lives(t, s), name)
	}

	rep, err = adapter(t, c, "healer").Do(t.Context(), terminate(strategy.PGTerminateIdle, "codebase-mcp", "1ns"))
	require.Error(t, err, "nothing is left to end, so it cannot have helped")
	require.Equal(t, platform.Failed, rep.Result)
	require.Contains(t, rep.Detail, "no idle session of codebase-mcp")
}

func TestYoungSessionsAreSpared(t *testing.T) {
	c := cluster(t)
	young := client(t, c, "app", "svc")
	rep, err := adapter(t, c, "healer").Do(t.Context(), terminate(strategy.PGTerminateIdle, "svc", "1h"))
	require.Error(t, err)
	require.Equal(t, platform.Failed, rep.Result)
	require.True(t, lives(t, young))
}

func TestLongTransactionsOfOneApplicationAreEnded(t *testing.T) {
	c := cluster(t)
	forgotten := client(t, c, "app", "svc", "BEGIN", "SELECT 1")
	aborted := client(t, c, "app", "svc", "BEGIN")
	_, err := aborted.Exec(t.Context(), "SELECT 1/0")
	require.Error(t, err)
	busy := client(t, c, "app", "svc")
	ended := make(chan error, 1)
	var wg sync.WaitGroup
	wg.Go(func() {
		_, err := busy.Exec(context.Background(), "SELECT pg_sleep(600)")
		ended <- err
	})
	defer wg.Wait()
	idle := client(t, c, "app", "svc")
	healer := client(t, c, "healer", "test")
	require.Eventually(t, func() bool {
		var n int
		err := healer.QueryRow(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE application_name='svc' AND state='active'").Scan(&n)
		return err == nil && n == 1
	}, 10*time.Second, 10*time.Millisecond)

	rep, err := adapter(t, c, "healer").Do(t.Context(), terminate(strategy.PGTerminateLong, "svc", "1ms"))
	require.NoError(t, err, rep.Detail)
	require.Contains(t, rep.Detail, "ended 3 of 3: sessions in a transaction of svc")
	require.ErrorContains(t, <-ended, "57P01")
	require.False(t, lives(t, forgotten))
	require.False(t, lives(t, aborted))
	require.True(t, lives(t, idle), "idle sessions are the other verb's")
}

func TestOneActionEndsABoundedNumberOldestFirst(t *testing.T) {
	c := cluster(t)
	var conns []*pgx.Conn
	for range 7 {
		conns = append(conns, client(t, c, "app", "svc"))
	}
	rep, err := adapter(t, c, "healer", func(o *Options) { o.MaxSessions = 3 }).Do(t.Context(), terminate(strategy.PGTerminateIdle, "svc", "1ns"))
	require.NoError(t, err, rep.Detail)
	require.Contains(t, rep.Detail, "limit of 3")
	for i, s := range conns {
		require.Equal(t, i >= 3, lives(t, s), "session %d", i)
	}
}

func TestWithoutAnApplicationOnlyIdleSessionsAreEnded(t *testing.T) {
	c := cluster(t)
	one, two := client(t, c, "app", "a"), client(t, c, "other", "")
	ours, boss := client(t, c, "healer", "recoveryd"), client(t, c, "boss", "psql")
	rep, err := adapter(t, c, "healer").Do(t.Context(), terminate(strategy.PGTerminateIdle, "", "1ns"))
	require.NoError(t, err, rep.Detail)
	require.False(t, lives(t, one))
	require.False(t, lives(t, two))
	require.True(t, lives(t, ours))
	require.True(t, lives(t, boss))

	rep, err = adapter(t, c, "healer").Do(t.Context(), terminate(strategy.PGTerminateLong, "", "1ms"))
	require.ErrorContains(t, err, "no application is named")
	require.Equal(t, platform.Failed, rep.Result)
}

func TestReplicationIsNeverTouched(t *testing.T) {
	c := cluster(t, "wal_level=replica", "max_wal_senders=2")
	cfg, err := pgx.ParseConfig(c.DSN("repl", "postgres"))
	require.NoError(t, err)
	cfg.RuntimeParams["application_name"], cfg.RuntimeParams["replication"] = "svc", "true"
	cfg.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	walsender, err := pgx.ConnectConfig(t.Context(), cfg)
	require.NoError(t, err)
	defer walsender.Close(context.Background())
	rep, err := adapter(t, c, "healer").Do(t.Context(), terminate(strategy.PGTerminateIdle, "svc", "1ns"))
	require.Error(t, err)
	require.Equal(t, platform.Failed, rep.Result)
	_, err = walsender.Exec(t.Context(), "IDENTIFY_SYSTEM")
	require.NoError(t, err)
}

func TestMissingRightsAreNamed(t *testing.T) {
	c := cluster(t)
	s := client(t, c, "app", "svc")
	for role, grant := range map[string]string{"weak": "pg_signal_backend", "blind": "pg_monitor"} {
		rep, err := adapter(t, c, role).Do(t.Context(), terminate(strategy.PGTerminateIdle, "svc", "1ns"))
		require.ErrorIs(t, err, platform.ErrPermission, role)
		require.ErrorContains(t, err, grant)
		require.Equal(t, platform.Failed, rep.Result)
	}
	rep, err := adapter(t, c, "nobody").Do(t.Context(), terminate(strategy.PGTerminateIdle, "svc", "1ns"))
	require.ErrorIs(t, err, platform.ErrPermission, "a role that may not log in")
	require.Equal(t, platform.Failed, rep.Result)
	require.True(t, lives(t, s))
}

func TestAFullServerSaysSo(t *testing.T) {
	c := cluster(t, "max_connections=6", "superuser_reserved_connections=2")
	for {
		cfg, err := pgx.ParseConfig(c.DSN("app", "postgres"))
		require.NoError(t, err)
		conn, err := pgx.ConnectConfig(t.Context(), cfg)
		if err != nil {
			break // no slot is left
		}
		t.Cleanup(func() { _ = conn.Close(context.Background()) })
	}
	rep, err := adapter(t, c, "healer").Do(t.Context(), terminate(strategy.PGTerminateIdle, "", "1ns"))
	require.ErrorContains(t, err, "53300")
	require.Equal(t, platform.Failed, rep.Result)
	require.NotErrorIs(t, err, platform.ErrPermission)
	// A role with a reserved slot gets through.
	rep, err = adapter(t, c, "boss").Do(t.Context(), terminate(strategy.PGTerminateIdle, "", "1ns"))
	require.NoError(t, err, rep.Detail)
}

func TestAFrozenOrDeadServerIsOverInTime(t *testing.T) {
	c := cluster(t)
	a := adapter(t, c, "healer", func(o *Options) { o.ConnectTimeout = 300 * time.Millisecond })
	require.NoError(t, c.Freeze())
	began := time.Now()
	rep, err := a.Do(t.Context(), terminate(strategy.PGTerminateIdle, "svc", "1ns"))
	require.Error(t, err)
	require.Equal(t, platform.Failed, rep.Result, "nothing was done")
	require.Less(t, time.Since(began), 10*time.Second)
	c.Thaw()
	require.NoError(t, c.Kill())
	rep, err = a.Do(t.Context(), terminate(strategy.PGTerminateIdle, "svc", "1ns"))
	require.Error(t, err)
	require.Equal(t, platform.Failed, rep.Result)
}

func TestNonsenseDoesNothing(t *testing.T) {
	a, err := New(Options{Databases: []Database{{Name: "db", DSN: "postgres://u@127.0.0.1:1/db"}}})
	require.NoError(t, err)
	tests := []struct {
		name   string
		action strategy.Action
	}{
		{"no age", terminate(strategy.PGTerminateIdle, "svc", "")},
		{"no number", terminate(strategy.PGTerminateIdle, "svc", "old")},
		{"a negative age", terminate(strategy.PGTerminateIdle, "svc", "-5m")},
		{"an age of nothing", terminate(strategy.PGTerminateIdle, "svc", "0s")},
		{"recoveryd's own sessions", terminate(strategy.PGTerminateIdle, "recoveryd", "5m")},
		{"an unknown database", strategy.Action{Verb: strategy.PGTerminateIdle, Object: "nope", Args: map[string]string{strategy.ArgOlderThan: "5m"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rep, err := a.Do(t.Context(), tt.action)
			require.Error(t, err)
			require.Equal(t, platform.Failed, rep.Result)
			require.Contains(t, rep.Detail, "nothing was done")
		})
	}
}

func TestNoErrorShowsThePassword(t *testing.T) {
	const secret = "s3cr3t-passw0rd"
	for _, dsn := range []string{"postgres://u:" + secret + "@127.0.0.1:1/db?sslmode=disable", "host=127.0.0.1 port=1 user=u password=" + secret} {
		a, err := New(Options{Databases: []Database{{Name: "db", DSN: dsn}}})
		require.NoError(t, err)
		rep, err := a.Do(t.Context(), terminate(strategy.PGTerminateIdle, "svc", "5m"))
		require.Error(t, err)
		for e := err; e != nil; e = errors.Unwrap(e) {
			require.NotContains(t, e.Error(), secret)
		}
		require.NotContains(t, rep.Detail, secret)
	}
	for _, dsn := range []string{"postgres://u:" + secret + "@:::/%zz", "host='" + secret, "postgres://u:" + secret + "@h/db?sslmode=wrong"} {
		_, err := New(Options{Databases: []Database{{Name: "db", DSN: dsn}}})
		require.Error(t, err)
		require.NotContains(t, err.Error(), secret)
	}
}
