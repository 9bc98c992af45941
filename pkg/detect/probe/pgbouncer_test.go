package probe

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

// bouncer starts a real PgBouncer before a server, and returns a DSN that leads through it.
func bouncer(t *testing.T, server string, settings ...string) (dsn func(user, database string) string) {
	program, err := exec.LookPath("pgbouncer")
	if err != nil {
		t.Skip("SKIPPED: there is no pgbouncer; scripts/bootstrap installs it")
	}
	dir, err := os.MkdirTemp("", "pgbouncer-")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	require.NoError(t, os.Chmod(dir, 0o755)) //nolint:gosec // it runs as another user, and the directory holds no secret
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	_, port, _ := net.SplitHostPort(free.Addr().String())
	require.NoError(t, free.Close())
	host, serverPort, _ := net.SplitHostPort(server)
	ini := fmt.Sprintf("[databases]\npostgres = host=%s port=%s dbname=postgres\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = %s\nunix_socket_dir =\nauth_type = trust\nauth_file = %s\n%s\n",
		host, serverPort, port, filepath.Join(dir, "users"), strings.Join(settings, "\n"))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "pgbouncer.ini"), []byte(ini), 0o644))                           //nolint:gosec // see above
	require.NoError(t, os.WriteFile(filepath.Join(dir, "users"), []byte("\"postgres\" \"\"\n\"plain\" \"\"\n"), 0o644)) //nolint:gosec // see above
	args := []string{filepath.Join(dir, "pgbouncer.ini")}
	if os.Geteuid() == 0 {
		args = append([]string{"-u", "nobody"}, args...)
	}
	cmd := exec.Command(program, args...)
	var log strings.Builder
	cmd.Stderr = &log
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(log.String())
		}
	})
	require.Eventually(t, func() bool {
		conn, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	}, waitFor, tick)
	return func(user, database string) string {
		return "postgres://" + user + "@127.0.0.1:" + port + "/" + database + "?sslmode=disable"
	}
}

// ignoring lets the start-up parameters of recoveryd pass.
const ignoring = "ignore_startup_parameters = statement_timeout,lock_timeout,default_transaction_read_only,extra_float_digits"

func TestPostgresBehindARealPgBouncer(t *testing.T) {
	c := cluster(t)
	says := func(dsn, outcome, text string) {
		t.Helper()
		f := sqlLook(t, dsn)
		require.Equal(t, outcome, f.Text(detect.SQLOutcome), "%v", f)
		require.Contains(t, f.Text(detect.SQLError), text)
	}
	full := bouncer(t, c.Addr(), ignoring, "max_client_conn = 1")
	require.Eventually(t, func() bool { // the place of whoever asked whether it listens is free in a moment
		return sqlLook(t, full("postgres", "postgres")).Text(detect.SQLOutcome) == detect.SQLOK
	}, waitFor, tick)
	var held *pgx.Conn
	require.Eventually(t, func() bool { // the place of the look before is free again in a moment
		var err error
		held, err = pgx.Connect(t.Context(), full("plain", "postgres"))
		return err == nil
	}, waitFor, tick)
	says(full("postgres", "postgres"), detect.SQLPoolerFull, "no more connections allowed")
	require.NoError(t, held.Close(t.Context()))

	// What is wrong with our own login or our own parameters concerns nobody else.
	ours := bouncer(t, c.Addr(), ignoring)
	says(ours("nobody-knows", "postgres"), detect.SQLDenied, "")
	says(ours("postgres", "no-such-db"), detect.SQLDenied, "no such database")
	says(bouncer(t, c.Addr())("postgres", "postgres"), detect.SQLDenied, "unsupported startup parameter")

	// No server connection is left for us: the query waits, and is ended.
	waits := bouncer(t, c.Addr(), ignoring, "pool_mode = session", "default_pool_size = 1", "max_db_connections = 1", "query_wait_timeout = 1")
	holder, err := pgx.Connect(t.Context(), waits("postgres", "postgres"))
	require.NoError(t, err)
	_, err = holder.Exec(t.Context(), "SELECT 1")
	require.NoError(t, err)
	says(waits("postgres", "postgres"), detect.SQLPoolerFull, "query_wait_timeout")
	require.NoError(t, holder.Close(t.Context()))

	// The same for longer than we wait: the silence is the pooler's, and PostgreSQL is not frozen.
	long := bouncer(t, c.Addr(), ignoring, "pool_mode = session", "default_pool_size = 1", "max_db_connections = 1")
	busy, err := pgx.Connect(t.Context(), long("postgres", "postgres"))
	require.NoError(t, err)
	_, err = busy.Exec(t.Context(), "SELECT 1")
	require.NoError(t, err)
	require.Eventually(t, func() bool { // its number for us is random, and one in a thousand could be a process id
		f := sqlGlance(t, long("postgres", "postgres"))
		return f.Text(detect.SQLOutcome) == detect.SQLPoolerFull && f.Text(detect.SQLError) == detect.PoolerSilent
	}, waitFor, tick)
	require.NoError(t, busy.Close(t.Context()))

	// Nothing is behind it: PgBouncer 1.18 lets us in and says the same as above.
	alone := bouncer(t, closedPort(t), ignoring, "server_login_retry = 1", "query_wait_timeout = 2")
	f := sqlLook(t, alone("postgres", "postgres"))
	require.Contains(t, []string{detect.SQLPoolerOnly, detect.SQLPoolerFull}, f.Text(detect.SQLOutcome), "%v", f)
}

func TestPostgresThatClosesADatabaseOrARole(t *testing.T) {
	c := cluster(t)
	require.NoError(t, c.Exec(t.Context(), "postgres", "CREATE DATABASE shut ALLOW_CONNECTIONS false"))
	require.NoError(t, c.Exec(t.Context(), "postgres", "ALTER ROLE watch CONNECTION LIMIT 0"))
	f := sqlLook(t, c.DSN("postgres", "shut"))
	require.Equal(t, detect.SQLRefusing, f.Text(detect.SQLOutcome), "%v", f)
	require.Equal(t, "55000", f.Text(detect.SQLState))
	f = sqlLook(t, c.DSN("watch", "postgres"))
	require.Equal(t, detect.SQLDenied, f.Text(detect.SQLOutcome), "only our own role is limited: %v", f)
}

func TestWhatASQLSTATEWhileConnectingMeans(t *testing.T) {
	for _, c := range []struct{ code, text, severity, want string }{
		{"08P01", "no more connections allowed (max_client_conn)", "FATAL", detect.SQLPoolerFull},
		{"08P01", "client connections exceeded (max_db_client_connections)", "FATAL", detect.SQLPoolerFull},
		{"XX000", "(EMAXCONN) max client connections reached, limit: 200", "FATAL", detect.SQLPoolerFull},
		{"XX000", "MaxClientsInSessionMode: max clients reached - in Session mode max clients are limited to pool_size", "FATAL", detect.SQLPoolerFull},
		{"53300", "too many tcp connections (odyssey)", "FATAL", detect.SQLPoolerFull},
		{"53300", "sorry, too many clients already", "FATAL", detect.SQLSaturated},
		{"53300", "remaining connection slots are reserved for roles with the SUPERUSER attribute", "FATAL", detect.SQLSaturated},
		{"53300", "too many connections for database \"app\"", "FATAL", detect.SQLSaturated},
		{"53300", "zu viele Verbindungen", "FATAL", detect.SQLSaturated},
		{"53300", "too many connections for role \"watch\"", "FATAL", detect.SQLDenied},
		{"58000", "could not get connection from the pool - AllServersDown", "FATAL", detect.SQLPoolerOnly},
		{"08P01", "server login has been failing, cached error: connect failed (server_login_retry)", "FATAL", detect.SQLPoolerOnly},
		{"08P01", "pgbouncer cannot connect to server", "FATAL", detect.SQLPoolerOnly},
		{"08P01", "database \"app\" is paused", "FATAL", detect.SQLPoolerOnly},
		{"08P01", "SSL required", "FATAL", detect.SQLDenied},
		{"08P01", "no such user: watch", "FATAL", detect.SQLDenied},
		{"XX000", "Tenant or user not found", "FATAL", detect.SQLDenied},
		{"28P01", "password authentication failed for user \"watch\"", "FATAL", detect.SQLDenied},
		{"28000", "no pg_hba.conf entry for host \"10.0.0.1\", user \"watch\", database \"app\", no encryption", "FATAL", detect.SQLDenied},
		{"3D000", "database \"nope\" does not exist", "FATAL", detect.SQLDenied},
		// PgBouncer 1.18 repeats the server's words under its own SQLSTATE.
		{"08P01", "database \"nosuch\" does not exist", "FATAL", detect.SQLDenied},
		{"08P01", "no pg_hba.conf entry for host \"10.0.0.1\", user \"watch\"", "FATAL", detect.SQLDenied},
		{"08P01", "the database system is starting up", "FATAL", detect.SQLStarting},
		{"08P01", "sorry, too many clients already", "FATAL", detect.SQLSaturated},
		{"53100", "could not write init file: No space left on device", "FATAL", detect.SQLDiskFull},
		{"58030", "could not read file \"base/5/2601\": Input/output error", "FATAL", detect.SQLDiskFull},
		{"XX001", "invalid page in block 0 of relation global/1260", "FATAL", detect.SQLCorrupt},
		{"XX002", "index \"pg_class_oid_index\" contains unexpected zero page", "FATAL", detect.SQLCorrupt},
		{"57P03", "the database system is not yet accepting connections", "FATAL", detect.SQLStarting},
		{"57P03", "the database system is shutting down", "FATAL", detect.SQLStarting},
		{"57P01", "terminating connection due to administrator command", "FATAL", detect.SQLStarting},
		{"57P02", "terminating connection because of crash of another server process", "FATAL", detect.SQLStarting},
		{"55000", "database \"app\" is not currently accepting connections", "FATAL", detect.SQLRefusing},
		{"53200", "out of memory", "FATAL", detect.SQLRefusing},
		{"58P01", "could not open file \"global/pg_filenode.map\": No such file or directory", "FATAL", detect.SQLRefusing},
		{"F0000", "configuration file \"postgresql.conf\" contains errors", "FATAL", detect.SQLRefusing},
		{"XX000", "cache lookup failed for relation 1259", "FATAL", detect.SQLRefusing},
	} {
		require.Equal(t, c.want, judgeState(&pgconn.PgError{Code: c.code, Message: c.text, Severity: c.severity}, false), "%s %s", c.code, c.text)
	}
	for _, c := range []struct{ code, severity, want string }{
		{"57014", "ERROR", detect.SQLFailed}, {"53200", "ERROR", detect.SQLFailed}, {"XX001", "ERROR", detect.SQLCorrupt},
		{"53100", "ERROR", detect.SQLDiskFull}, {"57P01", "FATAL", detect.SQLStarting},
	} {
		require.Equal(t, c.want, judgeState(&pgconn.PgError{Code: c.code, Severity: c.severity}, true), "after the login: %s", c.code)
	}
}
