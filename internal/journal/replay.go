package journal

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"time"
)

// Replay yields the entries after a Seq, oldest first, as they were when it began. An entry that
// is damaged, or before which some are missing, comes with a *[ChainError]; a damaged one is
// empty but for its Seq. The consumer decides whether to go on. Any other error is the last.
func (j *Journal) Replay(ctx context.Context, afterSeq uint64) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		err := j.read(ctx, func(tx *sql.Tx) error {
			_, err := walk(ctx, tx, afterSeq, yield)
			return err
		})
		if err != nil && !errors.Is(err, errStopped) {
			yield(Entry{}, fmt.Errorf("replay journal %s: %w", j.path, err))
		}
	}
}

// errStopped says that the consumer of an iterator has had enough.
var errStopped = errors.New("stopped")

// Verify checks the whole file: its structure, every checksum and the chain. It reads everything
// and may take a second per 100 MB; it does not hold up the writer.
func (j *Journal) Verify(ctx context.Context) error {
	err := j.read(ctx, func(tx *sql.Tx) error {
		if err := quickCheck(ctx, tx); err != nil {
			return err
		}
		for _, t := range tables() {
			if t.name == tableEntries.name {
				continue // the chain covers them
			}
			if err := checkTable(ctx, tx, t, "", j.opts.Readable); err != nil {
				return err
			}
		}
		return walkStrictly(ctx, tx, 0, j.opts.Readable)
	})
	if err != nil {
		return fmt.Errorf("verify journal %s: %w", j.path, err)
	}
	return nil
}

// read runs fn over one unchanging view of the journal.
func (j *Journal) read(ctx context.Context, fn func(*sql.Tx) error) error {
	tx, err := j.readers.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return classify(err)
	}
	err = fn(tx)
	if undo := tx.Rollback(); err == nil && undo != nil && !errors.Is(undo, sql.ErrTxDone) {
		err = undo
	}
	return err
}

// walk reads the entries after a Seq and checks that they form a chain up to the stored head.
func walk(ctx context.Context, q queryer, afterSeq uint64, yield func(Entry, error) bool) (last link, err error) {
	w, err := startWalk(ctx, q, afterSeq)
	if err != nil {
		return link{}, err
	}
	head, err := readLink(ctx, q, headID)
	if err != nil && !yield(Entry{}, err) {
		return link{}, errStopped
	}
	rows, err := q.QueryContext(ctx, "SELECT "+tableEntries.cols+" FROM entries WHERE seq > ? ORDER BY seq", int64(afterSeq))
	if err != nil {
		return link{}, classify(err)
	}
	defer rows.Close()
	scan := newScan(len(tableEntries.columns()))
	for rows.Next() {
		if err := rows.Scan(scan.into...); err != nil {
			return link{}, classify(err)
		}
		sound, broken := w.next(scan.vals)
		e := Entry{Seq: w.last.seq}
		if sound {
			e = entryOf(scan.vals)
		}
		if !yield(e, broken) {
			return link{}, errStopped
		}
	}
	if err := rows.Err(); err != nil {
		return link{}, classify(err)
	}
	if head.seq > w.last.seq && head.seq > afterSeq {
		if after, gap := w.gaps[head.seq+1]; !gap || w.last.seq < after {
			missing := &ChainError{Seq: head.seq, What: fmt.Sprintf("the last %d entries are missing", head.seq-w.last.seq)}
			if !yield(Entry{Seq: head.seq}, missing) {
				return link{}, errStopped
			}
		}
	}
	return head, nil
}

// walkStrictly walks and returns the first thing that is wrong.
func walkStrictly(ctx context.Context, q queryer, afterSeq uint64, read reader) error {
	var broken error
	_, err := walk(ctx, q, afterSeq, func(e Entry, err error) bool {
		if broken = err; err == nil && read != nil {
			if err := read(KindEntry, e.Body); err != nil {
				broken = &ChainError{Seq: e.Seq, What: "cannot be read: " + err.Error()}
			}
		}
		return broken == nil
	})
	if broken != nil {
		return broken
	}
	return err
}

func startWalk(ctx context.Context, q queryer, afterSeq uint64) (*chainWalk, error) {
	w := &chainWalk{gaps: map[uint64]uint64{}}
	rows, err := q.QueryContext(ctx, "SELECT before_seq, after_seq FROM gaps")
	if err != nil {
		return nil, classify(err)
	}
	defer rows.Close()
	for rows.Next() {
		var before, after int64
		if err := rows.Scan(&before, &after); err != nil {
			return nil, classify(err)
		}
		w.gaps[uint64(before)] = uint64(after)
	}
	if err := rows.Err(); err != nil {
		return nil, classify(err)
	}
	anchor, err := readLink(ctx, q, anchorID)
	if err != nil {
		return nil, err
	}
	if afterSeq <= anchor.seq {
		w.last, w.known = anchor, true
		return w, nil
	}
	var sum []byte
	err = q.QueryRowContext(ctx, "SELECT sum FROM entries WHERE seq = ?", int64(afterSeq)).Scan(&sum)
	switch {
	case errors.Is(err, sql.ErrNoRows): // beyond the end, or in a gap
		w.last.seq = afterSeq
	case err != nil:
		return nil, classify(err)
	default:
		w.last, w.known = link{seq: afterSeq, sum: sum}, true
	}
	return w, nil
}

func entryOf(vals []any) Entry {
	return Entry{
		Seq:      uint64(vals[0].(int64)),
		At:       fromNanos(vals[1].(int64)),
		Target:   vals[2].(string),
		Incident: vals[3].(string),
		From:     vals[4].(string),
		To:       vals[5].(string),
		Reason:   vals[6].(string),
		Body:     json.RawMessage(vals[7].(string)),
	}
}

// Entries returns the entries of one incident, oldest first. A damaged one is left out and
// reported by the error, together with the good ones.
func (j *Journal) Entries(ctx context.Context, incident string) ([]Entry, error) {
	var out []Entry
	err := j.read(ctx, func(tx *sql.Tx) error {
		return eachRow(ctx, tx, tableEntries, "WHERE incident = ? AND incident <> '' ORDER BY seq", []any{incident}, func(vals []any) error {
			out = append(out, entryOf(vals))
			return nil
		})
	})
	return out, err
}

// SaveSnapshot stores the state of the caller after the entry seq, from which a replay can
// start. The one before it is kept as well, in case this one is damaged.
func (j *Journal) SaveSnapshot(ctx context.Context, seq uint64, body []byte) error {
	err := j.write(ctx, func(ctx context.Context, w *writer) error {
		if seq > j.head.seq {
			return fmt.Errorf("%w: snapshot of %d, the last entry is %d", ErrSequence, seq, j.head.seq)
		}
		if _, err := w.exec(ctx, tableSnapshots.insert("INSERT OR REPLACE"),
			withSum(tableSnapshots, int64(seq), time.Now().UnixNano(), notNil(body))...); err != nil {
			return err
		}
		_, err := w.exec(ctx, "DELETE FROM snapshots WHERE seq NOT IN (SELECT seq FROM snapshots ORDER BY seq DESC LIMIT 2)")
		return err
	})
	if err != nil {
		return fmt.Errorf("save snapshot in journal %s: %w", j.path, err)
	}
	return nil
}

// Snapshot returns the latest snapshot that is undamaged, and the Seq to replay after. Without
// one it returns 0 and nil.
func (j *Journal) Snapshot(ctx context.Context) (seq uint64, body []byte, err error) {
	err = j.read(ctx, func(tx *sql.Tx) error {
		err := eachRow(ctx, tx, tableSnapshots, "ORDER BY seq DESC", nil, func(vals []any) error {
			seq, body = uint64(vals[0].(int64)), vals[2].([]byte)
			return errStopped
		})
		if errors.Is(err, errStopped) {
			return nil
		}
		return err
	})
	if err != nil {
		return 0, nil, fmt.Errorf("read snapshot of journal %s: %w", j.path, err)
	}
	return seq, body, nil
}

func notNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
