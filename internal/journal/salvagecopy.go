package journal

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"
)

// copyTable copies the rows that match their checksum. When it meets a part of the file that
// cannot be read, it comes from the other end and takes what lies beyond.
func (s *Salvage) copyTable(ctx context.Context, src *sql.DB, w *writer, t table) error {
	forward := s.copyRows(ctx, src, w, t, "ASC")
	if forward == nil {
		return nil
	}
	if errors.Is(forward, errWriting) {
		return forward
	}
	s.Unreadable = append(s.Unreadable, t.name)
	if err := s.copyRows(ctx, src, w, t, "DESC"); errors.Is(err, errWriting) {
		return err
	}
	return nil // whatever the other end says, this is all that could be read
}

// errWriting marks errors of the new file, as opposed to the damaged one.
var errWriting = errors.New("write the salvaged journal")

func (s *Salvage) copyRows(ctx context.Context, src *sql.DB, w *writer, t table, order string) error {
	key := strings.Join(t.primaryKey(), " "+order+", ") + " " + order
	rows, err := src.QueryContext(ctx, "SELECT "+t.cols+" FROM "+t.name+" ORDER BY "+key)
	if err != nil {
		return classify(err)
	}
	defer rows.Close()
	row := newScan(len(t.columns()))
	for rows.Next() {
		if err := rows.Scan(row.into...); err != nil {
			return classify(err)
		}
		if !sumMatches(t, row.vals) || s.read.row(t, row.vals) != nil {
			if order == "ASC" {
				s.Dropped[t.name]++
			}
			continue
		}
		for i, v := range row.vals {
			if b, blob := v.([]byte); blob {
				row.vals[i] = notNil(b) // the driver would store NULL
			}
		}
		res, err := w.exec(ctx, t.insert("INSERT")+" ON CONFLICT DO NOTHING", row.vals...)
		if err != nil {
			return fmt.Errorf("%w: %w", errWriting, err)
		}
		n, err := res.RowsAffected()
		if err != nil {
			return fmt.Errorf("%w: %w", errWriting, err)
		}
		s.Kept[t.name] += int(n)
		if n == 0 && order == "DESC" {
			return nil // met the part that was copied from the front
		}
	}
	return classify(rows.Err())
}

func (t table) primaryKey() []string {
	if t.name == tableKeys.name {
		return t.columns()[:2]
	}
	return t.columns()[:1]
}

// relink finds the gaps among the entries that were carried over, records them, and sets the
// ends of the chain so that no Seq is ever given twice.
func (s *Salvage) relink(ctx context.Context, src *sql.DB, w *writer, m mark, now time.Time) error {
	anchor, anchorErr := readLink(ctx, src, anchorID)
	head, headErr := readLink(ctx, src, headID)
	count, countErr := readLink(ctx, src, countID)
	if countErr != nil {
		count = link{}
	}
	if anchorErr != nil {
		anchor = link{}
	}
	if headErr != nil {
		head = link{}
	}
	walk, err := startWalk(ctx, w.conn, 0)
	if err != nil {
		return err
	}
	walk.last, walk.known = anchor, anchorErr == nil
	last := anchor
	err = eachRow(ctx, w.conn, tableEntries, "ORDER BY seq", nil, func(vals []any) error {
		// Every row here matches its checksum, so what breaks the chain is what is missing.
		if _, err := walk.next(vals); err != nil || (anchorErr != nil && last.seq == 0 && walk.last.seq > 1) {
			s.Gaps = append(s.Gaps, Gap{After: last.seq, Before: walk.last.seq})
		}
		last = link{seq: walk.last.seq, sum: bytes.Clone(walk.last.sum)}
		return nil
	})
	if err != nil {
		return err
	}
	var snapshot int64
	if err := w.get(ctx, []any{&snapshot}, "SELECT coalesce(max(seq), 0) FROM snapshots"); err != nil {
		return err
	}
	end := last
	if top := max(head.seq, uint64(snapshot), m.head.seq); top > last.seq {
		s.Gaps = append(s.Gaps, Gap{After: last.seq, Before: top + 1})
		end.seq = top
	}
	for _, g := range s.Gaps {
		row := withSum(tableGaps, int64(g.Before), int64(g.After), now.UnixNano(), s.Cause.Error())
		if _, err := w.exec(ctx, tableGaps.insert("INSERT OR REPLACE"), row...); err != nil {
			return fmt.Errorf("%w: %w", errWriting, err)
		}
	}
	if countErr == nil && m.writes > count.seq {
		s.Writes = m.writes - count.seq
	}
	count.seq = max(count.seq, m.writes) + 1
	for id, l := range map[int64]link{anchorID: anchor, headID: end, countID: count} {
		if l.seq == 0 {
			continue
		}
		if err := putLink(ctx, w, id, link{seq: l.seq, sum: notNil(l.sum)}); err != nil {
			return fmt.Errorf("%w: %w", errWriting, err)
		}
	}
	return nil
}
