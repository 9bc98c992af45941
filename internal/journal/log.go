package journal

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"
)

// LogFilter selects entries. The zero value selects all.
type LogFilter struct {
	After    uint64    // those after this Seq
	Since    time.Time // at or after it
	Target   string    // of this target
	Incident string    // of this incident
	Limit    int       // at most this many, the latest; 0: no limit
}

// Log returns the entries that match, oldest first. Damaged ones are left out and reported by the
// error, together with the good ones.
func (j *Journal) Log(ctx context.Context, f LogFilter) ([]Entry, error) {
	where, args := []string{"seq > ?1"}, []any{int64(f.After)}
	add := func(condition string, arg any) {
		args = append(args, arg)
		where = append(where, fmt.Sprintf(condition, len(args)))
	}
	if !f.Since.IsZero() {
		add("at >= ?%d", nanos(f.Since))
	}
	if f.Target != "" {
		add("target = ?%d", f.Target)
	}
	if f.Incident != "" {
		add("incident = ?%d", f.Incident)
	}
	tail := "WHERE " + strings.Join(where, " AND ") + " ORDER BY seq DESC"
	if f.Limit > 0 {
		tail += fmt.Sprintf(" LIMIT %d", f.Limit)
	}
	var out []Entry
	err := j.read(ctx, func(tx *sql.Tx) error {
		return eachRow(ctx, tx, tableEntries, tail, args, func(vals []any) error {
			out = append(out, entryOf(vals))
			return nil
		})
	})
	slices.Reverse(out)
	if err != nil {
		return out, fmt.Errorf("read journal %s: %w", j.path, err)
	}
	return out, nil
}
