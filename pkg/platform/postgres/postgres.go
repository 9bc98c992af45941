// Package postgres performs the actions on PostgreSQL sessions: ending those of one application
// that do nothing, or whose transaction is too old.
//
// It decides nothing and never touches anything but client sessions: never its own or another
// recoveryd's, never a superuser's, never replication. One action ends a bounded number of
// sessions, oldest first, each checked once more in the very statement that ends it, since a
// session may have begun to work, or its process number may belong to another by then. It uses
// one short connection an action, with a connect and a statement timeout.
//
// Start reading at [Adapter.Do]; the statements are in sql.go.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/egress"
	"github.com/recoveryd/recoveryd/pkg/platform"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// Database is a cluster whose sessions may be ended.
type Database struct {
	Name string // of the target; actions name it as their object
	DSN  string // connection string of a role that has pg_monitor and pg_signal_backend; a secret
}

// Options configures an adapter.
type Options struct {
	Databases []Database
	// MaxSessions is the most sessions that one action ends; 0 means 20, which frees a pool without
	// emptying a server of the default size.
	MaxSessions int
	// ConnectTimeout and StatementTimeout bound the two halves of the work; 0 means 3 s each.
	ConnectTimeout, StatementTimeout time.Duration
}

// applicationName marks our own sessions, which are never ended.
const applicationName = "recoveryd"

// Adapter ends sessions. It is safe for concurrent use and keeps no connection.
type Adapter struct {
	configs     map[string]*pgx.ConnConfig
	maxSessions int
	statement   time.Duration
}

var _ platform.Adapter = (*Adapter)(nil)

// New checks the connection strings; it connects to nothing.
func New(opt Options) (*Adapter, error) {
	if opt.MaxSessions <= 0 {
		opt.MaxSessions = 20
	}
	if opt.ConnectTimeout <= 0 {
		opt.ConnectTimeout = 3 * time.Second
	}
	if opt.StatementTimeout <= 0 {
		opt.StatementTimeout = 3 * time.Second
	}
	a := &Adapter{configs: map[string]*pgx.ConnConfig{}, maxSessions: opt.MaxSessions, statement: opt.StatementTimeout}
	var problems []error
	for _, d := range opt.Databases {
		if d.Name == "" || a.configs[d.Name] != nil {
			problems = append(problems, fmt.Errorf("database %q has no name, or is there twice", d.Name))
			continue
		}
		c, err := pgx.ParseConfig(d.DSN)
		if err != nil {
			// The library's text may quote the string, which holds a password.
			problems = append(problems, fmt.Errorf("database %s: its connection string cannot be understood (want postgres://user:password@host:port/db or key=value pairs)", d.Name))
			continue
		}
		c.ConnectTimeout, c.DialFunc = opt.ConnectTimeout, egress.Dial
		c.RuntimeParams["application_name"] = applicationName
		c.RuntimeParams["statement_timeout"] = strconv.FormatInt(opt.StatementTimeout.Milliseconds(), 10)
		c.DefaultQueryExecMode = pgx.QueryExecModeExec // nothing is prepared: every statement runs once
		a.configs[d.Name] = c
	}
	if err := errors.Join(problems...); err != nil {
		return nil, fmt.Errorf("postgres platform: %w", err)
	}
	return a, nil
}

// Verbs implements [platform.Adapter].
func (a *Adapter) Verbs() []strategy.Verb {
	return []strategy.Verb{strategy.PGTerminateIdle, strategy.PGTerminateLong}
}

// Inspect implements [platform.Adapter]. There are no units here: the facts of a database are the
// probe's to measure.
func (a *Adapter) Inspect(context.Context, string) (detect.Facts, error) { return detect.Facts{}, nil }

// Do implements [platform.Adapter]. An action that finds no session to end is failed: it cannot
// have helped.
func (a *Adapter) Do(ctx context.Context, act strategy.Action) (platform.Report, error) {
	q, err := a.question(act)
	if err != nil {
		return failed("nothing was done: "+err.Error(), act, err)
	}
	if err := context.Cause(ctx); err != nil {
		return failed("nothing was done: its context had ended", act, err)
	}
	if act.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, act.Timeout, errActionTimeout)
		defer cancel()
	}
	conn, err := pgx.ConnectConfig(ctx, a.configs[act.Object])
	if err != nil {
		return a.refused(ctx, act, err, false)
	}
	defer func() {
		// The answer is known by now; closing politely must not take longer than it.
		bye, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(bye)
	}()
	found, err := q.find(ctx, conn)
	if err != nil {
		return a.refused(ctx, act, err, false)
	}
	if len(found) == 0 {
		if n, err := q.hidden(ctx, conn); err == nil && n > 0 {
			return failed("this role may not see the sessions", act,
				fmt.Errorf("%w: %d sessions are hidden from this role; grant it pg_monitor", platform.ErrPermission, n))
		}
		return failed("no "+q.what()+" is older than "+q.older.String(), act, errors.New("there is no session to end"))
	}
	ended, err := q.end(ctx, conn, found)
	if err != nil {
		return a.refused(ctx, act, err, true)
	}
	if len(ended) == 0 {
		return failed("the sessions went to work or ended meanwhile", act, errors.New("there is no session to end any more"))
	}
	left, err := q.awaitGone(ctx, conn, ended)
	if err != nil {
		return a.refused(ctx, act, err, true)
	}
	return q.report(act, ended, left)
}

var errActionTimeout = errors.New("the action's time is up")

func failed(detail string, act strategy.Action, err error) (platform.Report, error) {
	if !slices.Contains([]strategy.Verb{strategy.PGTerminateIdle, strategy.PGTerminateLong}, act.Verb) {
		err = platform.ErrUnsupported
	}
	return platform.Report{Result: platform.Failed, Detail: detail}, fmt.Errorf("%s: %w", act, err)
}

// question turns an action into what to look for.
func (a *Adapter) question(act strategy.Action) (question, error) {
	q := question{application: act.Args[strategy.ArgApplication], limit: a.maxSessions}
	switch act.Verb {
	case strategy.PGTerminateIdle:
		q.idle = true
	case strategy.PGTerminateLong:
	default:
		return q, errors.New("this platform does not know the verb")
	}
	if a.configs[act.Object] == nil {
		return q, fmt.Errorf("there is no database target %q", act.Object)
	}
	text := act.Args[strategy.ArgOlderThan]
	older, err := time.ParseDuration(text)
	if err != nil || older <= 0 {
		return q, fmt.Errorf("older_than=%q: want a duration such as 5m", text)
	}
	q.older = older
	if q.application == "" && !q.idle {
		return q, errors.New("no application is named: work in progress is never ended for all of them")
	}
	if strings.HasPrefix(q.application, applicationName) {
		return q, fmt.Errorf("application %q is recoveryd itself", q.application)
	}
	return q, nil
}

// refused turns an error of PostgreSQL, or of the way to it, into a report. sent says that
// sessions may have been ended by then.
func (a *Adapter) refused(ctx context.Context, act strategy.Action, err error, sent bool) (platform.Report, error) {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	switch {
	case ok && pg.Code == "42501":
		return failed("this role may not end the sessions", act,
			fmt.Errorf("%w: PostgreSQL says %s (SQLSTATE 42501); grant the role pg_signal_backend", platform.ErrPermission, pg.Message))
	case ok && strings.HasPrefix(pg.Code, "28"):
		return failed("this role may not log in", act,
			fmt.Errorf("%w: PostgreSQL says %s (SQLSTATE %s)", platform.ErrPermission, pg.Message, pg.Code))
	case ok && pg.Code == "53300":
		return failed("no connection slot is left, not even for recoveryd", act,
			fmt.Errorf("%s (SQLSTATE 53300): give its role one of the reserved ones (pg_use_reserved_connections, PostgreSQL 16) or leave superuser_reserved_connections to it", pg.Message))
	case ok:
		return failed(fmt.Sprintf("PostgreSQL refuses (SQLSTATE %s)", pg.Code), act, fmt.Errorf("%s (SQLSTATE %s)", pg.Message, pg.Code))
	case !sent:
		rep := platform.Report{Result: platform.Failed, Detail: "nothing was done: PostgreSQL could not be asked"}
		return rep, fmt.Errorf("%s: %w", act, safe(err))
	case context.Cause(ctx) == errActionTimeout:
		return platform.Report{Result: platform.TimedOut, Detail: "sessions were told to end; how many did is not known"}, fmt.Errorf("%s: %w", act, errActionTimeout)
	}
	return platform.Report{Result: platform.Unknown, Detail: "sessions may have been told to end; the answer was lost"}, fmt.Errorf("%s: %w", act, safe(err))
}

// safe keeps what a connection error says and leaves out the rest, which may quote parameters.
func safe(err error) error {
	if c, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return fmt.Errorf("connect to PostgreSQL: %w", c.Unwrap())
	}
	return err
}
