package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/recoveryd/recoveryd/pkg/platform"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// question is what an action looks for.
type question struct {
	idle        bool // idle sessions; otherwise sessions in a long transaction
	application string
	older       time.Duration
	limit       int
}

// session is one session that was found. Its start tells it from a later one with the same pid.
type session struct {
	pid   int32
	began time.Time
	age   time.Duration // how long it has been idle, or its transaction open
}

// whose is the part of the conditions that says whose sessions may be ended: client sessions of
// one application (or of any, when it is ”), no superuser's and none of recoveryd's own.
const whose = `a.backend_type = 'client backend' AND a.pid <> pg_backend_pid()
  AND ($1 = '' OR a.application_name = $1) AND a.application_name NOT LIKE 'recoveryd%'
  AND NOT r.rolsuper`

// Conditions on the state, and the moment from which the age counts. A transaction that has failed
// and was not ended has no xact_start any more, but still holds its session.
const (
	idleSince  = `a.state_change`
	idleState  = `a.state = 'idle' AND clock_timestamp() - a.state_change >= $2`
	longSince  = `coalesce(a.xact_start, a.state_change)`
	longState  = `a.state <> 'idle' AND clock_timestamp() - coalesce(a.xact_start, a.state_change) >= $2`
	activities = `pg_stat_activity a JOIN pg_roles r ON r.oid = a.usesysid`
)

func (q question) state() string {
	if q.idle {
		return idleState
	}
	return longState
}

func (q question) since() string {
	if q.idle {
		return idleSince
	}
	return longSince
}

func (q question) what() string {
	w := "session in a transaction"
	if q.idle {
		w = "idle session"
	}
	if q.application != "" {
		w += " of " + q.application
	}
	return w
}

// find returns the sessions, oldest first.
func (q question) find(ctx context.Context, conn *pgx.Conn) ([]session, error) {
	rows, err := conn.Query(ctx, `SELECT a.pid, a.backend_start, extract(epoch FROM clock_timestamp() - `+q.since()+`)::float8
FROM `+activities+` WHERE `+whose+` AND `+q.state()+` ORDER BY `+q.since()+` LIMIT $3`, q.application, q.older, q.limit)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (s session, err error) {
		var seconds float64
		err = row.Scan(&s.pid, &s.began, &seconds)
		s.age = time.Duration(seconds * float64(time.Second))
		return s, err
	})
}

// hidden counts the sessions of the application whose state this role may not see.
func (q question) hidden(ctx context.Context, conn *pgx.Conn) (n int, err error) {
	err = conn.QueryRow(ctx, `SELECT count(*) FROM `+activities+`
WHERE ($1 = '' OR a.application_name = $1) AND NOT r.rolsuper AND a.backend_type IS NULL`, q.application).Scan(&n)
	return n, err
}

// end tells each session to end, if it still is what was found. It returns those that were told.
func (q question) end(ctx context.Context, conn *pgx.Conn, found []session) (told []session, err error) {
	for _, s := range found {
		var sent bool
		err := conn.QueryRow(ctx, `SELECT pg_terminate_backend(a.pid) FROM `+activities+`
WHERE a.pid = $3 AND a.backend_start = $4 AND `+whose+` AND `+q.state(), q.application, q.older, s.pid, s.began).Scan(&sent)
		switch {
		case errors.Is(err, pgx.ErrNoRows): // it ended, or went to work
			continue
		case err != nil:
			return told, err
		}
		if sent {
			told = append(told, s)
		}
	}
	return told, nil
}

const (
	// goneWait is how long the ends of sessions are awaited. A session that waits for its client
	// ends at once; one in the middle of something ends at its next check for interrupts.
	goneWait = 2 * time.Second
	goneLook = 20 * time.Millisecond
)

// awaitGone waits until the sessions are gone and returns how many are not.
func (q question) awaitGone(ctx context.Context, conn *pgx.Conn, told []session) (left int, err error) {
	pids := make([]int32, len(told))
	began := make([]time.Time, len(told))
	for i, s := range told {
		pids[i], began[i] = s.pid, s.began
	}
	end := time.NewTimer(goneWait)
	defer end.Stop()
	look := time.NewTicker(goneLook)
	defer look.Stop()
	for {
		err := conn.QueryRow(ctx, `SELECT count(*) FROM pg_stat_activity a
JOIN unnest($1::int[], $2::timestamptz[]) AS t(pid, began) ON a.pid = t.pid AND a.backend_start = t.began`, pids, began).Scan(&left)
		if err != nil || left == 0 {
			return left, err
		}
		select {
		case <-look.C:
		case <-end.C:
			return left, nil
		case <-ctx.Done():
			return left, ctx.Err()
		}
	}
}

// report says how many sessions ended, which, and how old they were.
func (q question) report(act strategy.Action, told []session, left int) (platform.Report, error) {
	const most = 5 // process numbers in the sentence
	var names []string
	for _, s := range told[:min(len(told), most)] {
		names = append(names, fmt.Sprintf("%d (%s)", s.pid, s.age.Round(time.Millisecond)))
	}
	list := strings.Join(names, ", ")
	if len(told) > most {
		list += fmt.Sprintf(" and %d more", len(told)-most)
	}
	oldest := slices.MaxFunc(told, func(a, b session) int { return int(a.age - b.age) })
	detail := fmt.Sprintf("ended %d of %d: %s, oldest %s; pids %s", len(told)-left, len(told), plural(q.what(), len(told)), oldest.age.Round(time.Second), list)
	if len(told) == q.limit {
		detail += fmt.Sprintf("; stopped at the limit of %d an action", q.limit)
	}
	if left == len(told) {
		return platform.Report{Result: platform.TimedOut, Detail: detail}, fmt.Errorf("%s: the sessions were told to end and have not ended within %s", act, goneWait)
	}
	return platform.Report{Result: platform.Done, Detail: detail}, nil
}

func plural(what string, n int) string {
	if n == 1 {
		return what
	}
	return strings.Replace(what, "session", "sessions", 1)
}
