package detect

import (
	"fmt"
	"strings"
	"time"
)

// refusingCondition: the database answers, and lets nobody in. No restart is tried on that: a full disk, damaged
// data and a full pooler are not cured by one, and the first two may get worse. A person is told at once.
var refusingCondition = Condition{
	Class: ClassRefusing, Kinds: []Kind{KindPostgres}, Severity: P1,
	Looks: 3, For: 5 * time.Second, Clear: 5 * time.Second,
	Summary: "PostgreSQL, or a pooler before it, answers and lets nobody in; it is never restarted for that",
	Match: func(o Observation, b Background) Finding {
		f := o.Facts
		what, advice := refusal(f)
		if what == "" {
			return Finding{}
		}
		fd := Finding{Verdict: Unhealthy, Witnesses: []Witness{BySQL}, Because: "PostgreSQL " + what, Advice: advice}
		if f.Text(SQLOutcome) == SQLPoolerFull || f.Text(SQLOutcome) == SQLPoolerOnly {
			fd.Because = "the database " + what
		}
		if who := starved(o, b); len(who) > 0 {
			fd.Witnesses = append(fd.Witnesses, ByDependents)
			fd.Because += fmt.Sprintf("; %s cannot use it either", join(who))
		}
		return fd
	},
}

// PoolerSilent is the sql.error of a pooler that let us in and kept the query waiting for a server connection.
const PoolerSilent = "a pooler let us in, and the query was not answered in time"

// refusal says why a database that answers lets nobody in, and what to do; "" when it lets people in, or
// when it could not be asked.
func refusal(f Facts) (what, advice string) {
	said := sqlSaid(f)
	switch f.Text(SQLOutcome) {
	case SQLPoolerFull:
		// PgBouncer says, and does, the same when it reaches no server.
		if said := f.Text(SQLError); strings.Contains(said, "query_wait_timeout") || said == PoolerSilent {
			return "cannot be reached through its pooler, which had no server connection free in time (" + said + "): they are used up, or it reaches no server",
				"ask the pooler (SHOW POOLS, SHOW SERVERS), and look at PostgreSQL behind it; let the dsn of recoveryd lead to PostgreSQL itself, so that it can tell which of the two it is"
		}
		return "cannot be reached through its pooler, whose connections are used up (" + said + "): saturated, not dead",
			"ask the pooler (SHOW POOLS, SHOW CLIENTS) who holds the connections, or raise max_client_conn or the pool size there; let the dsn of recoveryd lead to PostgreSQL itself, so that it can look behind the pooler"
	case SQLPoolerOnly:
		return "cannot be reached through its pooler, which answers and finds no server (" + said + ")",
			"look at PostgreSQL behind the pooler and at the pooler's log; let the dsn of recoveryd lead to PostgreSQL itself, so that it can tell which of the two it is"
	case SQLDiskFull:
		return "lets nobody in: it is out of disk, or its disk fails (" + said + ")",
			"make room on the file system of its data directory (never delete from pg_wal), and look at the kernel's log for disk errors; no restart helps before that"
	case SQLCorrupt:
		return "lets nobody in: it reports damaged data (" + said + ")",
			"do not restart it and write nothing: copy the data directory, look at the disk and the memory of this host, and restore from a backup"
	case SQLRefusing:
		return "answers, and lets nobody in (" + said + ")",
			"look at its log; a restart is not tried on this"
	}
	return "", ""
}

// sqlSaid quotes the answer of PostgreSQL: "SQLSTATE 53100: could not write ...".
func sqlSaid(f Facts) string {
	state, text := f.Text(SQLState), f.Text(SQLError)
	switch {
	case state == "" && text == "":
		return "no reason given"
	case text == "":
		return "SQLSTATE " + state
	case state == "":
		return text
	}
	return "SQLSTATE " + state + ": " + text
}
