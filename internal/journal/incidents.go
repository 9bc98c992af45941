package journal

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Filter selects incidents. The zero value selects all.
type Filter struct {
	Open   bool      // only those that are open
	Since  time.Time // opened or closed at or after it, or still open
	Target string    // of this target only
	Limit  int       // at most this many, the latest; 0: no limit
}

// Incidents returns the incidents that match, the latest first. Damaged rows are left out and
// reported by the error, together with the good ones.
func (j *Journal) Incidents(ctx context.Context, f Filter) ([]IncidentRow, error) {
	var where []string
	var args []any
	if f.Open {
		where = append(where, "closed = 0")
	}
	if !f.Since.IsZero() {
		where = append(where, "(opened >= ?1 OR closed >= ?1 OR closed = 0)")
		args = append(args, nanos(f.Since))
	}
	if f.Target != "" {
		args = append(args, f.Target)
		where = append(where, fmt.Sprintf("target = ?%d", len(args)))
	}
	tail := ""
	if len(where) > 0 {
		tail = "WHERE " + strings.Join(where, " AND ")
	}
	tail += " ORDER BY opened DESC, id DESC"
	if f.Limit > 0 {
		tail += fmt.Sprintf(" LIMIT %d", f.Limit)
	}
	return j.incidents(ctx, tail, args)
}

// Incident returns one incident, or an error that wraps [ErrNotFound].
func (j *Journal) Incident(ctx context.Context, id string) (IncidentRow, error) {
	rows, err := j.incidents(ctx, "WHERE id = ?", []any{id})
	if err != nil {
		return IncidentRow{}, err
	}
	if len(rows) == 0 {
		return IncidentRow{}, fmt.Errorf("incident %s: %w", id, ErrNotFound)
	}
	return rows[0], nil
}

func (j *Journal) incidents(ctx context.Context, tail string, args []any) ([]IncidentRow, error) {
	var out []IncidentRow
	err := j.read(ctx, func(tx *sql.Tx) error {
		return eachRow(ctx, tx, tableIncidents, tail, args, func(v []any) error {
			out = append(out, IncidentRow{
				ID: v[0].(string), Target: v[1].(string), Class: v[2].(string), Severity: v[3].(string),
				Phase: v[4].(string), Summary: v[5].(string),
				Opened: fromNanos(v[6].(int64)), Closed: fromNanos(v[7].(int64)), Body: json.RawMessage(v[8].(string)),
			})
			return nil
		})
	})
	if err != nil {
		return out, fmt.Errorf("read incidents of journal %s: %w", j.path, err)
	}
	return out, nil
}
