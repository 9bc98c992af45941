package probe

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/test/pgtest"
)

// TestPostgresOnARealServer starts one private cluster and treats it worse and worse.
func TestPostgresOnARealServer(t *testing.T) {
	c := cluster(t)
	for _, step := range []struct {
		name string
		run  func(*testing.T, *pgtest.Cluster)
	}{
		{"counts what runs", postgresCounts},
		{"refuses wrong logins and is alive", postgresLogins},
		{"saturated is not dead", postgresSaturated},
		{"frozen in the query", postgresFrozenInTheQuery},
		{"frozen, stopped, killed and back", postgresFrozenStoppedKilled},
		{"frozen until its backlog is full", postgresFrozenForLong},
		{"shutting down", postgresShuttingDown},
	} {
		require.Eventually(t, func() bool { // the sessions of the step before are gone
			used, ok := sqlLook(t, c.DSN("postgres", "postgres")).Num(detect.SQLUsed)
			return ok && used == 0
		}, waitFor, tick)
		t.Run(step.name, func(t *testing.T) { step.run(t, c) })
	}
}

// maxSessions is max_connections; 3 of them are reserved for superusers.
const maxSessions = 12

func cluster(t *testing.T) *pgtest.Cluster {
	c, err := pgtest.StartCluster("", "max_connections="+strconv.Itoa(maxSessions))
	if err != nil && strings.Contains(err.Error(), pgtest.ErrNoPostgres.Error()) {
		t.Skip("SKIPPED: " + err.Error())
	}
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	require.NoError(t, c.Exec(t.Context(), "postgres", `
		CREATE ROLE plain LOGIN; CREATE ROLE watch LOGIN; GRANT pg_monitor TO watch;
		CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1); GRANT ALL ON t TO plain`))
	return c
}

// sqlLook takes a look that is meant to be answered, and sqlGlance one that is not.
func sqlLook(t testing.TB, dsn string) detect.Facts { return sqlLookWithin(t, dsn, patient) }

func sqlGlance(t testing.TB, dsn string) detect.Facts { return sqlLookWithin(t, dsn, time.Second) }

func sqlLookWithin(t testing.TB, dsn string, limit time.Duration) detect.Facts {
	p, err := NewPostgres(PostgresConfig{DSN: Secret(dsn), ConnectTimeout: limit, StatementTimeout: limit})
	require.NoError(t, err)
	return p.Look(t.Context(), nil)
}

// session opens a connection of an application and runs a statement on it.
func session(t *testing.T, c *pgtest.Cluster, user, app, sql string) *pgx.Conn {
	conn, err := pgx.Connect(t.Context(), c.DSN(user, "postgres")+"&application_name="+app)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	if sql != "" {
		_, err = conn.Exec(t.Context(), sql)
		require.NoError(t, err)
	}
	return conn
}

// fill opens n sessions. A place may still be held for a moment by a session that is going away.
func fill(t *testing.T, c *pgtest.Cluster, user string, n int) {
	require.Eventually(t, func() bool {
		conn, err := pgx.Connect(t.Context(), c.DSN(user, "postgres"))
		if err != nil { // not require: this runs in a goroutine of Eventually
			if !strings.Contains(err.Error(), "SQLSTATE 53300") {
				t.Error(err)
			}
			return t.Failed()
		}
		t.Cleanup(func() { _ = conn.Close(context.Background()) })
		n--
		return n == 0
	}, waitFor, tick)
}

func postgresCounts(t *testing.T, c *pgtest.Cluster) {
	f := sqlLook(t, c.DSN("watch", "postgres"))
	require.Equal(t, detect.SQLOK, f.Text(detect.SQLOutcome), "%v", f)
	for name, want := range map[string]float64{
		detect.SQLMax: maxSessions, detect.SQLUsed: 0, detect.SQLActive: 0, detect.SQLIdle: 0, detect.SQLIdleInTx: 0,
		detect.SQLBlocked: 0, detect.SQLRecovery: 0, detect.SQLLongestTx: 0,
		detect.SQLReserved: 3, detect.SQLFree: maxSessions - 3,
	} {
		got, ok := f.Num(name)
		require.True(t, ok, name)
		require.Equal(t, want, got, name)
	}
	_, replica := f[detect.SQLReplicaLag]
	require.False(t, replica, "a primary without replicas has no lag")

	session(t, c, "plain", "codebase-mcp", "")
	session(t, c, "plain", "codebase-mcp", "")
	began := time.Now()
	holder := session(t, c, "plain", "batch-job", "BEGIN; UPDATE t SET id = 1")
	waiter := session(t, c, "plain", "codebase-mcp", "")
	blocked := make(chan error, 1)
	go func() {
		_, err := waiter.Exec(t.Context(), "UPDATE t SET id = 1")
		blocked <- err
	}()
	require.Eventually(t, func() bool {
		f = sqlLook(t, c.DSN("watch", "postgres"))
		n, _ := f.Num(detect.SQLBlocked)
		return n == 1
	}, waitFor, tick)
	for name, want := range map[string]float64{
		detect.SQLUsed: 4, detect.SQLFree: maxSessions - 3 - 4, detect.SQLActive: 1, detect.SQLIdle: 2, detect.SQLIdleInTx: 1,
		detect.SQLAppSessions + "codebase-mcp": 3, detect.SQLAppIdle + "codebase-mcp": 2,
		detect.SQLAppSessions + "batch-job": 1, detect.SQLAppIdle + "batch-job": 0,
	} {
		got, _ := f.Num(name)
		require.Equal(t, want, got, name)
	}
	longest, ok := f.Num(detect.SQLLongestTx)
	require.True(t, ok)
	require.Greater(t, longest, 0.0)
	require.LessOrEqual(t, longest, time.Since(began).Seconds())
	require.Equal(t, fmt.Sprintf("pid %d (batch-job)", holder.PgConn().PID()), f.Text(detect.SQLBlocker))
	require.NotContains(t, f.Names(), detect.SQLAppSessions+"recoveryd", "our own session is left out")

	// A role without pg_monitor sees that sessions are there, and not what they do.
	f = sqlLook(t, c.DSN("plain", "postgres"))
	used, _ := f.Num(detect.SQLUsed)
	require.EqualValues(t, 4, used)
	other := session(t, c, "watch", "elsewhere", "")
	defer other.Close(context.Background()) //nolint:errcheck // end of the test
	f = sqlLook(t, c.DSN("plain", "postgres"))
	used, _ = f.Num(detect.SQLUsed)
	require.EqualValues(t, 5, used, "%v", f)
	apps, _ := f.Num(detect.SQLAppSessions + "codebase-mcp")
	require.EqualValues(t, 3, apps)
	for _, name := range []string{detect.SQLIdle, detect.SQLActive, detect.SQLIdleInTx, detect.SQLLongestTx, detect.SQLBlocked, detect.SQLAppIdle + "codebase-mcp"} {
		require.Contains(t, f[name].Err, "pg_monitor", name)
	}
	require.NoError(t, holder.Close(t.Context()))
	require.NoError(t, <-blocked)
}

func postgresSaturated(t *testing.T, c *pgtest.Cluster) {
	fill(t, c, "plain", maxSessions-3) // without the reserved ones
	f := sqlLook(t, c.DSN("watch", "postgres"))
	require.Equal(t, detect.SQLSaturated, f.Text(detect.SQLOutcome), "%v", f)
	require.Equal(t, "53300", f.Text(detect.SQLState))
	require.Contains(t, f.Text(detect.SQLError), "reserved")

	f = sqlLook(t, c.DSN("postgres", "postgres"))
	require.Equal(t, detect.SQLOK, f.Text(detect.SQLOutcome), "a reserved connection still sees it: %v", f)
	used, _ := f.Num(detect.SQLUsed)
	limit, _ := f.Num(detect.SQLMax)
	require.EqualValues(t, maxSessions-3, used)
	require.EqualValues(t, maxSessions, limit)
	free, ok := f.Num(detect.SQLFree)
	require.True(t, ok)
	require.Zero(t, free, "ordinary roles find no connection, although we did")
	target := detect.Target{Name: "main", Kind: detect.KindPostgres}
	d := detect.Diagnose(detect.Observation{Target: "main", At: time.Now(), Facts: f}, detect.Background{Target: target})
	require.Equal(t, detect.Unhealthy, d.Verdict, "%v", f)
	require.Equal(t, detect.ClassPool, d.Class)
	require.Contains(t, d.Because, "reserved")

	fill(t, c, "postgres", 3)
	f = sqlLook(t, c.DSN("postgres", "postgres"))
	require.Equal(t, detect.SQLSaturated, f.Text(detect.SQLOutcome), "%v", f)
	require.Contains(t, f.Text(detect.SQLError), "too many clients")
}

func postgresFrozenStoppedKilled(t *testing.T, c *pgtest.Cluster) {
	byTCP, bySocket := c.DSN("watch", "postgres"), fmt.Sprintf("host=%s port=%d user=watch dbname=postgres", c.SocketDir(), c.Port())
	for _, dsn := range []string{byTCP, bySocket} {
		require.Equal(t, detect.SQLOK, sqlLook(t, dsn).Text(detect.SQLOutcome))
	}
	require.NoError(t, c.Freeze())
	for _, dsn := range []string{byTCP, bySocket} {
		f := sqlGlance(t, dsn)
		require.Equal(t, detect.SQLFrozen, f.Text(detect.SQLOutcome), "%v", f)
		took, _ := f.Duration(detect.SQLLatency)
		require.GreaterOrEqual(t, took, time.Second)
	}
	// A deadline of somebody else that leaves no time proves nothing.
	p, err := NewPostgres(PostgresConfig{DSN: Secret(byTCP)})
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), brief)
	defer cancel()
	f := p.Look(ctx, nil)
	require.Contains(t, f[detect.SQLOutcome].Err, "were left for the request")
	ctx, off := context.WithCancel(t.Context())
	stop := time.AfterFunc(brief, off)
	defer stop.Stop()
	f = p.Look(ctx, nil)
	require.Equal(t, "the look was called off", f[detect.SQLOutcome].Err)
	c.Thaw()
	require.Equal(t, detect.SQLOK, sqlLook(t, byTCP).Text(detect.SQLOutcome))

	require.NoError(t, c.Stop())
	for _, dsn := range []string{byTCP, bySocket} {
		f := sqlLook(t, dsn)
		require.Equal(t, detect.SQLRefused, f.Text(detect.SQLOutcome), "%v", f)
	}
	require.NoError(t, c.Start())
	require.Equal(t, detect.SQLOK, sqlLook(t, byTCP).Text(detect.SQLOutcome))
	require.NoError(t, c.Kill())
	f = sqlLook(t, byTCP)
	require.Equal(t, detect.SQLRefused, f.Text(detect.SQLOutcome), "%v", f)
	f = sqlLook(t, bySocket) // the socket file is still there
	require.Equal(t, detect.SQLRefused, f.Text(detect.SQLOutcome), "%v", f)
	require.NoError(t, c.Start())
}

// A connection that is frozen after the login, in the query.
func postgresFrozenInTheQuery(t *testing.T, c *pgtest.Cluster) {
	addr := raw(t, func(front *net.TCPConn) {
		back, err := net.Dial("tcp", c.Addr())
		if err != nil {
			return
		}
		defer back.Close() //nolint:errcheck // a test server
		go func() { _, _ = io.Copy(front, back) }()
		buf := make([]byte, 4096)
		n, _ := front.Read(buf) // the startup message passes, the query does not
		_, _ = back.Write(buf[:n])
		silence(front)
	})
	f := sqlGlance(t, "postgres://watch@"+hostPort(addr)+"/postgres?sslmode=disable")
	require.Equal(t, detect.SQLFrozen, f.Text(detect.SQLOutcome), "%v", f)
}

func postgresShuttingDown(t *testing.T, c *pgtest.Cluster) {
	session(t, c, "plain", "app", "")
	pid := c.PID()
	require.NoError(t, syscall.Kill(pid, syscall.SIGTERM)) // smart shutdown waits for the session
	var f detect.Facts
	require.Eventually(t, func() bool {
		f = sqlLook(t, c.DSN("watch", "postgres"))
		return f.Text(detect.SQLOutcome) == detect.SQLStarting
	}, waitFor, tick, "%v", f)
	require.Equal(t, "57P03", f.Text(detect.SQLState))
	require.Contains(t, f.Text(detect.SQLError), "shutting down")
}

func postgresLogins(t *testing.T, c *pgtest.Cluster) {
	for _, x := range []struct{ name, user, db, state string }{
		{"no such role", "nobody", "postgres", "28000"},
		{"no such database", "watch", "nowhere", "3D000"},
	} {
		t.Run(x.name, func(t *testing.T) {
			f := sqlLook(t, c.DSN(x.user, x.db))
			require.Equal(t, detect.SQLDenied, f.Text(detect.SQLOutcome), "%v", f)
			require.Equal(t, x.state, f.Text(detect.SQLState))
		})
	}
	require.NoError(t, c.Exec(t.Context(), "postgres", "CREATE DATABASE closed"))
	require.NoError(t, c.Exec(t.Context(), "postgres", "REVOKE CONNECT ON DATABASE closed FROM public"))
	f := sqlLook(t, c.DSN("plain", "closed"))
	require.Equal(t, detect.SQLDenied, f.Text(detect.SQLOutcome), "%v", f)
	require.Equal(t, "42501", f.Text(detect.SQLState))
}

func TestPostgresWhereThereIsNone(t *testing.T) {
	for _, c := range []struct{ name, dsn, outcome, says string }{
		{"nothing listens", "postgres://u:hunter2@" + closedPort(t) + "/db?sslmode=disable", detect.SQLRefused, "refused"},
		{"no socket file", "host=" + t.TempDir() + " user=u password=hunter2", detect.SQLRefused, "no socket"},
		{"no such name", "postgres://u:hunter2@no-such-host.invalid/db", detect.SQLNoConnect, "could not be resolved"},
		{"something else answers", "postgres://u:hunter2@" + hostPort(raw(t, request1(func(c *net.TCPConn) {
			_, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n")
		}))) + "/db?sslmode=disable", detect.SQLNoConnect, ""},
		{"closes at once", "postgres://u:hunter2@" + hostPort(raw(t, func(*net.TCPConn) {})) + "/db?sslmode=disable", detect.SQLClosed, "the connection was"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := sqlLook(t, c.dsn)
			require.Equal(t, c.outcome, f.Text(detect.SQLOutcome), "%v", f)
			require.Contains(t, f.Text(detect.SQLError), c.says)
			for _, r := range f {
				require.NotContains(t, r.Text+r.Err, "hunter2")
			}
		})
	}
	_, err := NewPostgres(PostgresConfig{DSN: "postgres://u:hunter2@h:port/db"})
	require.ErrorContains(t, err, "cannot be parsed")
	require.NotContains(t, err.Error(), "hunter2")
	_, err = NewPostgres(PostgresConfig{DSN: "host=h password=hunter2 sslmode=odd"})
	require.ErrorContains(t, err, "cannot be parsed")
	require.NotContains(t, err.Error(), "hunter2")
}

// A server that is stopped by SIGSTOP while its unix socket's backlog is full must not look as
// if nothing listened.
func postgresFrozenForLong(t *testing.T, c *pgtest.Cluster) {
	dsn := fmt.Sprintf("host=%s port=%d user=watch dbname=postgres", c.SocketDir(), c.Port())
	require.NoError(t, c.Freeze())
	defer c.Thaw()
	path := fmt.Sprintf("%s/.s.PGSQL.%d", c.SocketDir(), c.Port())
	for {
		conn, err := net.DialTimeout("unix", path, time.Second)
		if err != nil {
			require.ErrorIs(t, err, syscall.EAGAIN)
			break
		}
		defer conn.Close() //nolint:errcheck // end of the test
	}
	f := sqlGlance(t, dsn)
	require.Equal(t, detect.SQLFrozen, f.Text(detect.SQLOutcome), "%v", f)
	_, err := os.Stat(path)
	require.NoError(t, err)
}
