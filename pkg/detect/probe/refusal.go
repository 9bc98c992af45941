package probe

import (
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

// What poolers say, in lower case. They stand in for the server and use few SQLSTATEs for many things
// (PgBouncer 08P01, pgcat 58000, Odyssey 08P01 and 53300, Supavisor XX000), so their words decide.
var (
	// ours: the login, or what the dsn asks for.
	poolerOurs = regexp.MustCompile(`no such (?:user|database|pool)|unsupported startup parameter|auth(?:entication)? (?:failed|error|query failed)|password authentication failed|` +
		`(?:ssl|tls) (?:is )?required|tenant or user not found|incorrect database name|not allowed to connect|bouncer config error|no authentication method|wrong password|` +
		`(?:role|database) .* (?:does not exist|is not permitted)|no pg_hba.conf entry|route for .* (?:is )?not found|invalid (?:pool name|username)|no tenant identifier|for role `)
	poolerFull = regexp.MustCompile(`no more connections allowed|(?:client|server|db|user|database)\w* connections exceeded|max(?:imum)?[ _]?clients?|max client conn|query_wait_timeout|` +
		`too many (?:tcp |client |server )?(?:connections|clients|servers)|(?:unable|failed) to (?:check ?out|get|checkout) (?:a )?(?:server )?connection|pool (?:is )?(?:full|exhausted|timeout)|` +
		`route limit|connection limit|emaxconn|echeckouttimeout|no memory for pool|bouncer resources exhaustion`)
	poolerOnly = regexp.MustCompile(`cannot connect to server|server login (?:has been )?fail(?:ing|ed)|allserversdown|all servers (?:are )?down|server conn(?:ection)? crashed|` +
		`could not get connection from the pool|connect(?:ion)? (?:to (?:the )?(?:server|database) )?(?:failed|timeout)|failed to (?:connect to|find) (?:remote )?server|` +
		`database .{0,80}\bis (?:paused|disabled)|does not allow connections|econnrefused|edbhandlerexited|server_login_retry|no (?:working|available) (?:server|node)s?|dns (?:lookup )?failed`)
)

// judgeState maps what a server said to an outcome. Whoever answers is alive; whether it lets anybody in is the
// question. entered: it let us in before it said this, so that only an end of the session (FATAL) or what
// is wrong with its disk or data concerns others.
func judgeState(pg *pgconn.PgError, entered bool) string {
	code, text := pg.Code, strings.ToLower(pg.Message)
	switch {
	case code == "53100", code == "58030": // disk_full, io_error
		return detect.SQLDiskFull
	case code == "XX001", code == "XX002": // data_corrupted, index_corrupted
		return detect.SQLCorrupt
	case entered && pg.SeverityUnlocalized != "FATAL" && pg.SeverityUnlocalized != "PANIC" && pg.Severity != "FATAL":
		return detect.SQLFailed
	case code == "57P03", code == "57P01", code == "57P02", serverStarting.MatchString(text): // cannot_connect_now, admin_shutdown, crash_shutdown
		return detect.SQLStarting
	case strings.HasPrefix(code, "28"), // invalid authorization
		code == "3D000", // no such database
		code == "42501", // no privilege to connect
		poolerOurs.MatchString(text):
		return detect.SQLDenied
	case code == "53300" && !poolerFull.MatchString(text),
		serverFull.MatchString(text): // too_many_connections, of the server itself, also in a pooler's mouth
		return detect.SQLSaturated
	case poolerFull.MatchString(text):
		return detect.SQLPoolerFull
	case poolerOnly.MatchString(text):
		return detect.SQLPoolerOnly
	}
	return detect.SQLRefusing
}

// What PostgreSQL itself says while it starts and stops, and for 53300, in English; in another language none
// of a pooler's words match. PgBouncer repeats the server's words under its own 08P01.
var serverStarting = regexp.MustCompile(`the database system is (?:starting up|shutting down|in recovery mode|not (?:yet )?accepting connections)`)

var serverFull = regexp.MustCompile(`too many clients already|remaining connection slots|too many connections for database|number of requested standby connections`)
