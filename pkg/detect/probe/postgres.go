package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/egress"
)

// PostgresConfig says how to log in.
type PostgresConfig struct {
	// DSN is a URL or key=value string. What it leaves out is taken as libpq does, from PG*
	// variables and the password file. With sslmode=prefer a server without TLS is asked twice,
	// so a local one is best given sslmode=disable.
	DSN Secret
	// ConnectTimeout bounds the connection and login; StatementTimeout the one query, on the
	// server and here. Two seconds each when 0, so that both fit into one look.
	ConnectTimeout, StatementTimeout time.Duration
}

// sqlTimeout is the default for the login and for the query.
const sqlTimeout = 2 * time.Second

// Postgres asks a PostgreSQL cluster on one short-lived connection for each look: an independent
// witness of what services say about their database.
//
// The login should be a role with pg_monitor, and one that may use the reserved connections
// (superuser, or pg_use_reserved_connections since version 16), so that it still sees a cluster
// whose ordinary connections are used up. Without either it says so.
type Postgres struct {
	config    *pgconn.Config
	connect   time.Duration
	statement time.Duration
}

var _ Witness = (*Postgres)(nil)

// NewPostgres makes the witness. An error never shows the DSN.
func NewPostgres(c PostgresConfig) (*Postgres, error) {
	config, err := pgconn.ParseConfig(string(c.DSN))
	if err != nil {
		return nil, errors.New("the PostgreSQL DSN cannot be parsed: " + clean(bare(err), maxSentence))
	}
	p := &Postgres{config: config, connect: c.ConnectTimeout, statement: c.StatementTimeout}
	if p.connect <= 0 {
		p.connect = sqlTimeout
	}
	if p.statement <= 0 {
		p.statement = sqlTimeout
	}
	// A greeting of another protocol, read as the header of a message, announces a gigabyte that never comes. An
	// answer to our own question is far below this.
	config.MaxProtocolMessageBodyLen = 1 << 20
	config.ConnectTimeout = 0 // the context's deadline decides, for all addresses together
	set := func(name, value string) {
		if _, given := config.RuntimeParams[name]; !given {
			config.RuntimeParams[name] = value
		}
	}
	set("application_name", "recoveryd")
	set("statement_timeout", strconv.FormatInt(p.statement.Milliseconds(), 10))
	set("lock_timeout", strconv.FormatInt(p.statement.Milliseconds(), 10))
	set("default_transaction_read_only", "on")
	return p, nil
}

// Addr is the host and port that it connects to first; "" for a socket in the file system.
func (p *Postgres) Addr() string {
	if strings.HasPrefix(p.config.Host, "/") || strings.HasPrefix(p.config.Host, "@") || p.config.Host == "" {
		return ""
	}
	return net.JoinHostPort(p.config.Host, strconv.Itoa(int(p.config.Port)))
}

// Name is "postgres".
func (p *Postgres) Name() string { return "postgres" }

// Leads names the fact that says whether it could look.
func (p *Postgres) Leads() string { return detect.SQLOutcome }

// Look logs in, asks one query, and logs out.
func (p *Postgres) Look(ctx context.Context, _ detect.Facts) detect.Facts {
	f := detect.Facts{}
	start := time.Now()
	conn, err := p.login(ctx)
	if err == nil {
		defer p.logout(ctx, conn)
		if err = p.ask(ctx, conn, f); err != nil {
			err = enteredError{err, conn.PID() > maxPID}
		}
	}
	f[detect.SQLLatency] = detect.Num(time.Since(start).Seconds())
	outcome, why := judgeSQL(ctx, err)
	if outcome == "" {
		f[detect.SQLOutcome] = detect.NotMeasured(why)
		return f
	}
	f[detect.SQLOutcome] = detect.Word(outcome)
	if why != "" {
		f[detect.SQLError] = detect.Word(why)
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.Code != "" {
		f[detect.SQLState] = detect.Word(clean(pg.Code, 5))
	}
	return f
}

// acceptedError marks what went wrong after the server's kernel had accepted the connection.
type acceptedError struct{ error }

func (e acceptedError) Unwrap() error { return e.error }

// strangerError names a server of another protocol, with its first words.
type strangerError string

func (e strangerError) Error() string { return string(e) }

// maxPID is the highest process id of Linux (PID_MAX_LIMIT). A pooler stands in for the server and gives its
// clients random numbers of 32 bits, of which one in a thousand is not above it.
const maxPID = 1 << 22

// enteredError marks what went wrong after the server had let us in.
type enteredError struct {
	error
	pooler bool // it was a pooler that did: the process that it named cannot exist
}

func (e enteredError) Unwrap() error { return e.error }

func (p *Postgres) login(ctx context.Context) (*pgconn.PgConn, error) {
	ctx, cancel, hurried := within(ctx, p.connect)
	defer cancel()
	var accepted atomic.Bool
	var heard hearing
	config := p.config.Copy()
	config.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := egress.Dial(ctx, network, addr)
		accepted.Store(err == nil)
		if err != nil {
			return nil, err
		}
		return heard.listen(conn), nil
	}
	conn, err := pgconn.ConnectConfig(ctx, config)
	switch {
	case err == nil:
		return conn, nil
	case hurried != nil && isTimeout(err):
		return nil, hurried
	case heard.firstWords() != "":
		return nil, acceptedError{strangerError(heard.firstWords())}
	case accepted.Load():
		return nil, acceptedError{err}
	}
	return nil, err
}

// logout says goodbye, so that the server logs no lost connection, but does not wait for long.
func (p *Postgres) logout(ctx context.Context, conn *pgconn.PgConn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 250*time.Millisecond)
	defer cancel()
	_ = conn.Close(ctx)
}

// judgeSQL names the outcome of a look. It is empty when nothing was learnt about the server.
func judgeSQL(ctx context.Context, err error) (outcome, why string) {
	if err == nil {
		return detect.SQLOK, ""
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return "", "the look was called off"
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		_, entered := errors.AsType[enteredError](err)
		return judgeState(pg, entered), clean(pg.Message, maxSentence)
	}
	if who, ok := errors.AsType[strangerError](err); ok {
		return detect.SQLNoConnect, "what answers is no PostgreSQL, but " + string(who)
	}
	kind, why := classify(err)
	_, accepted := errors.AsType[acceptedError](err)
	switch kind {
	case failOurs:
		return "", why
	case failRefused:
		return detect.SQLRefused, why
	case failNoReply, failConnectTime:
		if entered, ok := errors.AsType[enteredError](err); ok && entered.pooler {
			return detect.SQLPoolerFull, detect.PoolerSilent
		}
		if accepted || kind == failNoReply {
			return detect.SQLFrozen, "PostgreSQL accepted the connection and did not answer in time"
		}
		return detect.SQLNoConnect, why
	case failReset:
		if accepted {
			return detect.SQLClosed, why
		}
	case failProtocol:
		return detect.SQLFailed, why
	case failOther:
		if accepted { // it said something, and it was no PostgreSQL error
			return detect.SQLNoConnect, "what answers is not PostgreSQL, or refuses TLS: " + why
		}
	}
	return detect.SQLNoConnect, why
}

// ask runs the query and adds its facts.
func (p *Postgres) ask(ctx context.Context, conn *pgconn.PgConn, f detect.Facts) error {
	// The server cancels the statement by itself; half a second later we do.
	ctx, cancel, hurried := within(ctx, p.statement+500*time.Millisecond)
	defer cancel()
	results, err := conn.Exec(ctx, activityQuery).ReadAll()
	if err != nil && hurried != nil && isTimeout(err) {
		return hurried
	}
	if err != nil {
		return acceptedError{err}
	}
	if len(results) != 1 || len(results[0].Rows) == 0 {
		return acceptedError{protocolError(fmt.Sprintf("%d results", len(results)))}
	}
	readActivity(results[0].Rows, f)
	return nil
}
