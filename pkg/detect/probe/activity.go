package probe

import (
	"strconv"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

// activityQuery asks everything in one statement, so that one round trip is enough and all
// figures are of the same moment. Each row is (name, value, text); a NULL value was not visible.
//
// Without pg_monitor the state and the times of other roles' sessions read NULL, but the sessions
// themselves and their application_name are visible, so they are still counted. Our own sessions
// are left out everywhere, also those of earlier looks that are still going away.
const activityQuery = `
WITH me AS MATERIALIZED (
  SELECT pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') AS sees_all
), s AS MATERIALIZED (
  SELECT pid, state, application_name, xact_start, wait_event_type, backend_type
  FROM pg_stat_activity
  WHERE datid IS NOT NULL AND usesysid IS NOT NULL
    AND pid <> pg_backend_pid() AND application_name IS DISTINCT FROM current_setting('application_name')
    AND (backend_type IS NULL OR backend_type = 'client backend')
), apps AS (
  SELECT application_name AS app, count(*) AS n, count(*) FILTER (WHERE state = 'idle') AS idle
  FROM s WHERE application_name <> '' GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 32
), blocked AS MATERIALIZED (
  SELECT pid, pg_blocking_pids(pid) AS by FROM s WHERE wait_event_type = 'Lock'
), blocker AS (
  SELECT b.pid, coalesce(nullif(a.application_name, ''), 'unnamed') AS app, count(*) AS n
  FROM blocked, unnest(blocked.by) AS b(pid) LEFT JOIN pg_stat_activity a ON a.pid = b.pid
  WHERE b.pid NOT IN (SELECT pid FROM blocked) GROUP BY 1, 2 ORDER BY 3 DESC, 1 LIMIT 1
)
SELECT 'sees_all', sees_all::int::float8, NULL FROM me
UNION ALL SELECT 'max', current_setting('max_connections')::float8, NULL
UNION ALL SELECT 'reserved', current_setting('superuser_reserved_connections')::float8
    + coalesce(current_setting('reserved_connections', true)::float8, 0), NULL
UNION ALL SELECT 'used', count(*), NULL FROM s
UNION ALL SELECT 'active', count(*) FILTER (WHERE state IN ('active', 'fastpath function call')), NULL FROM s
UNION ALL SELECT 'idle', count(*) FILTER (WHERE state = 'idle'), NULL FROM s
UNION ALL SELECT 'idle_in_tx', count(*) FILTER (WHERE state LIKE 'idle in transaction%'), NULL FROM s
UNION ALL SELECT 'longest_tx', greatest(0, coalesce(extract(epoch FROM max(clock_timestamp() - xact_start)), 0)::float8), NULL FROM s
UNION ALL SELECT 'blocked', count(*), NULL FROM blocked
UNION ALL SELECT 'blocker', pid, app FROM blocker
UNION ALL SELECT 'in_recovery', pg_is_in_recovery()::int::float8, NULL
UNION ALL SELECT 'lag', CASE
    WHEN NOT pg_is_in_recovery() THEN (SELECT extract(epoch FROM max(replay_lag))::float8 FROM pg_stat_replication)
    WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0
    ELSE greatest(0, extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())::float8) END, NULL
UNION ALL SELECT 'app', n, app FROM apps
UNION ALL SELECT 'app_idle', idle, app FROM apps`

// restricted names the facts that need pg_monitor, by their row.
var restricted = map[string]string{
	"active": detect.SQLActive, "idle": detect.SQLIdle, "idle_in_tx": detect.SQLIdleInTx,
	"longest_tx": detect.SQLLongestTx, "blocked": detect.SQLBlocked,
}

// open names the facts that every role may see.
var open = map[string]string{
	"max": detect.SQLMax, "reserved": detect.SQLReserved, "used": detect.SQLUsed, "in_recovery": detect.SQLRecovery, "lag": detect.SQLReplicaLag,
}

// readActivity turns the rows of activityQuery into facts.
func readActivity(rows [][][]byte, f detect.Facts) {
	seesAll := false
	for _, row := range rows {
		if len(row) != 3 {
			continue
		}
		name := string(row[0])
		v, err := strconv.ParseFloat(string(row[1]), 64)
		if row[1] == nil || err != nil || v < 0 {
			continue // NULL: there is no transaction, no replica
		}
		text := clean(string(row[2]), 63) // NAMEDATALEN - 1
		switch fact, unrestricted := open[name]; {
		case name == "sees_all":
			seesAll = v == 1
		case unrestricted:
			f[fact] = detect.Num(v)
		case name == "app" && text != "":
			f[detect.SQLAppSessions+text] = detect.Num(v)
		case !seesAll:
			if fact, ok := restricted[name]; ok {
				f[fact] = detect.NotMeasured("the role of recoveryd lacks pg_monitor: GRANT pg_monitor TO it")
			} else if name == "app_idle" && text != "" {
				f[detect.SQLAppIdle+text] = detect.NotMeasured("the role of recoveryd lacks pg_monitor: GRANT pg_monitor TO it")
			}
		case name == "app_idle" && text != "":
			f[detect.SQLAppIdle+text] = detect.Num(v)
		case name == "blocker":
			f[detect.SQLBlocker] = detect.Word("pid " + strconv.FormatFloat(v, 'f', 0, 64) + " (" + text + ")")
		default:
			if fact, ok := restricted[name]; ok {
				f[fact] = detect.Num(v)
			}
		}
	}
	if free, ok := freeConnections(f); ok {
		f[detect.SQLFree] = detect.Num(free)
	}
}

// freeConnections is what an ordinary role can still open. A login that may use the reserved
// connections gets in when nobody else does, so that it got in says nothing about the others.
func freeConnections(f detect.Facts) (float64, bool) {
	most, okM := f.Num(detect.SQLMax)
	reserved, okR := f.Num(detect.SQLReserved)
	used, okU := f.Num(detect.SQLUsed)
	return max(0, most-reserved-used), okM && okR && okU
}
