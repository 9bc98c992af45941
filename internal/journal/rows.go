package journal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/recoveryd/recoveryd/pkg/escalate/queue"
)

func (t table) columns() []string { return strings.Split(t.cols, ", ") }

// scan holds one row of any table.
type scan struct {
	vals []any
	into []any
}

func newScan(n int) *scan {
	s := &scan{vals: make([]any, n), into: make([]any, n)}
	for i := range s.vals {
		s.into[i] = &s.vals[i]
	}
	return s
}

// eachRow calls fn with every undamaged row of a query on a table. Damaged rows are left out and
// reported by the error after all others. Tail is what follows the FROM clause.
func eachRow(ctx context.Context, q queryer, t table, tail string, args []any, fn func(vals []any) error) error {
	rows, err := q.QueryContext(ctx, "SELECT "+t.cols+" FROM "+t.name+" "+tail, args...)
	if err != nil {
		return classify(err)
	}
	defer rows.Close()
	var damaged []error
	s := newScan(len(t.columns()))
	for rows.Next() {
		if err := rows.Scan(s.into...); err != nil {
			return classify(err)
		}
		if !sumMatches(t, s.vals) {
			damaged = append(damaged, fmt.Errorf("%w: a row of %s (%v) does not match its checksum", ErrCorrupt, t.name, s.vals[0]))
			continue
		}
		if err := fn(s.vals); err != nil {
			return err
		}
	}
	return errors.Join(append(damaged, classify(rows.Err()))...)
}

// checkTable reads a table and returns what is damaged in it.
func checkTable(ctx context.Context, q queryer, t table, where string, read reader) error {
	return eachRow(ctx, q, t, where, nil, func(vals []any) error { return read.row(t, vals) })
}

// reader says why a body cannot be read, see [Options.Readable].
type reader func(Kind, []byte) error

// row says why the text of a row that matches its checksum cannot be read: somebody wrote it who can compute
// checksums, or a broken program of ours.
func (r reader) row(t table, vals []any) (err error) {
	body := func(column int) []byte {
		switch v := vals[column].(type) {
		case string:
			return []byte(v)
		case []byte:
			return v
		}
		return nil
	}
	ask := func(kind Kind, body []byte) error {
		if r == nil {
			return nil
		}
		return r(kind, body)
	}
	switch t.name {
	case tableEntries.name:
		err = ask(KindEntry, body(7))
	case tableIncidents.name:
		err = ask(KindIncident, body(8))
	case tableSnapshots.name:
		err = ask(KindSnapshot, body(2))
	case tableOutbox.name:
		err = json.Unmarshal(body(6), &queue.Queued{})
	case tableKeys.name:
		err = json.Unmarshal(body(4), &queue.KeyState{})
	case tableChannels.name:
		err = json.Unmarshal(body(1), &queue.ChannelState{})
	}
	if err != nil {
		err = fmt.Errorf("%w: a row of %s (%v) cannot be read: %w", ErrCorrupt, t.name, vals[0], err)
	}
	return err
}

// quickCheck lets SQLite check the structure of the file.
func quickCheck(ctx context.Context, q queryer) error {
	return verdict(ctx, q, "PRAGMA quick_check(1)")
}

func verdict(ctx context.Context, q queryer, pragma string) error {
	var verdict string
	if err := q.QueryRowContext(ctx, pragma).Scan(&verdict); err != nil {
		return classify(err)
	}
	if verdict != "ok" {
		return fmt.Errorf("%w: %s", ErrCorrupt, strings.ReplaceAll(verdict, "\n", " "))
	}
	return nil
}

// check is what Open requires before it trusts the file: its structure, the entries that will be
// replayed, and the rows whose loss would be a lost page or a repeated action. It returns the end
// of the chain.
func check(ctx context.Context, q queryer, read reader) (link, error) {
	if err := quickCheck(ctx, q); err != nil {
		return link{}, err
	}
	// An index that misses a row, or has one too many, loses a notice or sends it twice.
	for _, t := range []table{tableOutbox, tableIncidents} {
		if err := verdict(ctx, q, "PRAGMA integrity_check("+t.name+")"); err != nil {
			return link{}, err
		}
	}
	for _, c := range []struct {
		t     table
		where string
	}{
		{tableSnapshots, ""}, {tableOutbox, "WHERE state = 'waiting'"}, {tableKeys, ""}, {tableChannels, ""},
		{tableIncidents, "WHERE closed = 0"}, {tableGaps, ""},
	} {
		if err := checkTable(ctx, q, c.t, c.where, read); err != nil {
			return link{}, err
		}
	}
	var from int64
	if err := q.QueryRowContext(ctx, "SELECT coalesce(max(seq), 0) FROM snapshots").Scan(&from); err != nil {
		return link{}, classify(err)
	}
	if err := walkStrictly(ctx, q, uint64(from), read); err != nil {
		return link{}, err
	}
	return readLink(ctx, q, headID)
}
