package evidence

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/recoveryd/recoveryd/pkg/egress"
)

const (
	// shownSessions is how many sessions are listed of a cluster.
	shownSessions = 60
	// queryShown is how much of a query is shown. More is fetched, so that a secret in it is
	// recognised before it is cut.
	queryShown = 80
)

// summaryQuery counts the sessions; sessionsQuery lists those that matter first: the oldest open
// transactions, then what works, then what idles. Without pg_monitor, states and queries of other
// roles read NULL. Our own sessions are left out.
const (
	summaryQuery = `SELECT coalesce(nullif(application_name, ''), '(unnamed)'), coalesce(state, '?'), count(*)
FROM pg_stat_activity WHERE datid IS NOT NULL AND pid <> pg_backend_pid() AND application_name IS DISTINCT FROM 'recoveryd'
GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2 LIMIT 40`
	sessionsQuery = `SELECT pid, coalesce(nullif(application_name, ''), '(unnamed)'), coalesce(state, '?'),
  coalesce(wait_event_type || ':' || wait_event, '-'),
  coalesce(extract(epoch FROM clock_timestamp() - xact_start)::numeric(20,1)::text, '-'),
  coalesce(extract(epoch FROM clock_timestamp() - state_change)::numeric(20,1)::text, '-'),
  left(regexp_replace(coalesce(query, ''), '\s+', ' ', 'g'), 600)
FROM pg_stat_activity WHERE datid IS NOT NULL AND pid <> pg_backend_pid() AND application_name IS DISTINCT FROM 'recoveryd'
ORDER BY xact_start NULLS LAST, state = 'active' DESC, state_change LIMIT 60`
)

// gatherSessions samples the sessions of the target's databases.
func gatherSessions(ctx context.Context, k *scene, p *page) error {
	var errs []error
	for _, db := range k.Databases {
		p.line("sessions of %s:", db.Name)
		if err := sessionsOf(ctx, db, k.redact, p); err != nil {
			errs = append(errs, fmt.Errorf("%s could not be asked: %w", db.Name, err))
		}
	}
	return errors.Join(errs...)
}

func sessionsOf(ctx context.Context, db Database, redact Redactor, p *page) error {
	cfg, err := pgconn.ParseConfig(string(db.DSN))
	if err != nil {
		return errors.New("its DSN cannot be parsed")
	}
	cfg.DialFunc = egress.Dial
	cfg.RuntimeParams["application_name"] = "recoveryd"
	cfg.RuntimeParams["default_transaction_read_only"] = "on"
	cfg.RuntimeParams["statement_timeout"] = "1000" // ms; ours is shorter, this one outlives us
	conn, err := pgconn.ConnectConfig(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() {
		bye, cancel := context.WithTimeout(context.WithoutCancel(ctx), 100*time.Millisecond)
		defer cancel()
		_ = conn.Close(bye) // the server ends the session anyway
	}()
	results, err := conn.Exec(ctx, summaryQuery+";"+sessionsQuery).ReadAll()
	if err != nil {
		return err
	}
	if len(results) != 2 {
		return fmt.Errorf("it gave %d answers to 2 questions", len(results))
	}
	for _, row := range results[0].Rows {
		p.line("  %6s  %-28s %s", row[2], redact.Short(string(row[0]), 28), row[1])
	}
	p.line("  %8s %-24s %-20s %-22s %9s %9s  %s", "PID", "APPLICATION", "STATE", "WAIT", "TX AGE s", "STATE s", "QUERY")
	for _, row := range results[1].Rows {
		p.line("  %8s %-24s %-20s %-22s %9s %9s  %s", row[0], redact.Short(string(row[1]), 24), row[2], row[3], row[4], row[5],
			redact.Short(string(row[6]), queryShown))
	}
	if len(results[1].Rows) == shownSessions {
		p.line("  (the first %d)", shownSessions)
	}
	return nil
}
