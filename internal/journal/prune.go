package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// pruneBatch is how many rows go in one transaction, so that an Append waits a few milliseconds
// at most.
const pruneBatch = 500

// Prune removes what is too old or too much: observations and evidence over their share, then
// what is older than KeepFor, then, while the file is over MaxBytes, the oldest tenth of the
// entries; the incidents of a target that has most of them, evidence and observations follow when that
// is not enough. It never removes a waiting notice, an open incident, or an entry that a replay from
// the older of the two snapshots needs. The journal calls it every minute.
func (j *Journal) Prune(ctx context.Context, now time.Time) error {
	err := errors.Join(
		j.pruneShare(ctx, tableObservations, j.opts.ObservationBytes),
		j.pruneShare(ctx, tableEvidence, j.opts.EvidenceBytes),
		j.pruneBefore(ctx, now.Add(-j.opts.KeepFor)),
	)
	for err == nil {
		var used, after int64
		if used, err = j.used(ctx); err != nil || used <= j.opts.MaxBytes {
			break
		}
		if err = j.pruneOldest(ctx); err != nil {
			break
		}
		if after, err = j.used(ctx); err == nil && after >= used {
			err = fmt.Errorf("the journal has %d bytes, over its limit of %d, and nothing in it may go: raise the limit or close incidents", used, j.opts.MaxBytes)
		}
	}
	if err = errors.Join(err, j.shrink(ctx)); err != nil {
		return fmt.Errorf("prune journal %s: %w", j.path, err)
	}
	return nil
}

// pruneOldest makes the history a tenth shorter. What is only helpful is halved if that frees nothing.
// Incidents that have ended stay: what one target writes must not push out what is known of the
// others. Only when nothing else frees anything do the oldest go, of the target that has most.
func (j *Journal) pruneOldest(ctx context.Context) error {
	before, err := j.used(ctx)
	for _, free := range []func(context.Context) error{j.pruneTenth, j.relieve, j.pruneMost} {
		if err != nil {
			return err
		}
		if err = free(ctx); err != nil {
			return err
		}
		var after int64
		if after, err = j.used(ctx); err == nil && after < before {
			return nil
		}
	}
	return err
}

// pruneTenth removes the oldest tenth of the entries.
func (j *Journal) pruneTenth(ctx context.Context) error {
	var entries, cutoff int64
	if err := j.scalar(ctx, &entries, "SELECT count(*) FROM entries"); err != nil || entries == 0 {
		return err
	}
	if err := j.scalar(ctx, &cutoff, "SELECT at FROM entries ORDER BY seq LIMIT 1 OFFSET ?", entries/10); err != nil {
		return err
	}
	return j.pruneEntries(ctx, fromNanos(cutoff+1), false)
}

// pruneMost removes the older half of the incidents that have ended of the target whose incidents take
// the most room, with what was delivered of them.
func (j *Journal) pruneMost(ctx context.Context) error {
	const most = "(SELECT target FROM incidents WHERE closed <> 0 GROUP BY target ORDER BY sum(length(body)) DESC, target LIMIT 1)"
	var cutoff int64
	err := j.scalar(ctx, &cutoff, `SELECT coalesce(max(closed), 0) FROM (SELECT closed FROM incidents WHERE closed <> 0 AND target = `+most+`
		ORDER BY closed LIMIT (SELECT (count(*) + 1) / 2 FROM incidents WHERE closed <> 0 AND target = `+most+`))`)
	if err != nil || cutoff == 0 {
		return err
	}
	var target string
	if err := j.read(ctx, func(tx *sql.Tx) error { return classify(tx.QueryRowContext(ctx, "SELECT "+most).Scan(&target)) }); err != nil {
		return err
	}
	const old = "SELECT id FROM incidents WHERE closed <> 0 AND closed <= ? AND target = ?"
	return errors.Join(
		j.deleteAll(ctx, "outbox", "seq", "state <> 'waiting' AND incident IN ("+old+")", cutoff, target),
		j.deleteAll(ctx, "incidents", "rowid", "closed <> 0 AND closed <= ? AND target = ?", cutoff, target),
	)
}

// relieve gives up half of the observations and of the evidence.
func (j *Journal) relieve(ctx context.Context) error {
	for _, t := range []table{tableObservations, tableEvidence} {
		var size int64
		if err := j.scalar(ctx, &size, "SELECT coalesce(sum(length(body)), 0) FROM "+t.name); err != nil {
			return err
		}
		if err := j.pruneShare(ctx, t, size/2); err != nil {
			return err
		}
	}
	return nil
}

// pruneShare removes the oldest rows of a table until their bodies fit.
func (j *Journal) pruneShare(ctx context.Context, t table, limit int64) error {
	var upTo int64
	err := j.scalar(ctx, &upTo, "SELECT coalesce(max(id), 0) FROM (SELECT id, sum(length(body)) OVER (ORDER BY id DESC) AS total FROM "+
		t.name+") WHERE total > ?", limit)
	if err != nil || upTo == 0 {
		return err
	}
	return j.deleteAll(ctx, t.name, "id", "id <= ?", upTo)
}

// pruneBefore removes what is older than a time, and spares the entries of open
// incidents and all that come after them.
func (j *Journal) pruneBefore(ctx context.Context, cutoff time.Time) error {
	if err := j.pruneEntries(ctx, cutoff, true); err != nil {
		return err
	}
	t := nanos(cutoff)
	const open = "SELECT id FROM incidents WHERE closed = 0"
	return errors.Join(
		j.deleteAll(ctx, "incidents", "rowid", "closed <> 0 AND closed < ?", t),
		j.deleteAll(ctx, "evidence", "id", "at < ? AND incident NOT IN ("+open+")", t),
		j.deleteAll(ctx, "outbox", "seq", "state <> 'waiting' AND at < ? AND incident NOT IN ("+open+")", t),
		j.deleteAll(ctx, "outbox_keys", "", "open = 0 AND at < ? AND NOT EXISTS (SELECT 1 FROM outbox WHERE state = 'waiting' AND outbox.channel = outbox_keys.channel AND json_extract(outbox.body, '$.key') = outbox_keys.key)", t),
	)
}

// pruneEntries removes the first entries and moves the anchor of the chain behind them.
func (j *Journal) pruneEntries(ctx context.Context, cutoff time.Time, keep bool) error {
	var upTo int64
	err := j.scalar(ctx, &upTo, `SELECT min(
		(SELECT coalesce(min(seq), 0) FROM snapshots),
		coalesce((SELECT seq - 1 FROM entries WHERE at >= ?1 ORDER BY seq LIMIT 1), (SELECT max(seq) FROM entries), 0),
		CASE WHEN ?2 THEN coalesce((SELECT min((SELECT min(seq) - 1 FROM entries WHERE incident = i.id AND incident <> ''))
			FROM incidents i WHERE closed = 0), 9223372036854775807) ELSE 9223372036854775807 END)`, nanos(cutoff), keep)
	if err != nil {
		return err
	}
	for more := true; more; {
		err := j.write(ctx, func(ctx context.Context, w *writer) error {
			var seq int64
			var sum []byte
			err := w.get(ctx, []any{&seq, &sum}, `SELECT seq, sum FROM (SELECT seq, sum FROM entries WHERE seq <= ? ORDER BY seq LIMIT ?)
				ORDER BY seq DESC LIMIT 1`, upTo, pruneBatch)
			if errors.Is(err, sql.ErrNoRows) {
				more = false
				return nil
			}
			if err != nil {
				return err
			}
			for _, del := range []string{"DELETE FROM entries WHERE seq <= ?", "DELETE FROM gaps WHERE before_seq <= ?"} {
				if _, err := w.exec(ctx, del, seq); err != nil {
					return err
				}
			}
			return putLink(ctx, w, anchorID, link{seq: uint64(seq), sum: sum})
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// deleteAll removes the rows of a table that match, in batches by its row id; rowid "" is for a
// small table without one, which is done at once.
func (j *Journal) deleteAll(ctx context.Context, name, rowid, where string, args ...any) error {
	query := "DELETE FROM " + name + " WHERE " + where
	if rowid != "" {
		query = fmt.Sprintf("DELETE FROM %s WHERE %s IN (SELECT %s FROM %s WHERE %s ORDER BY %s LIMIT %d)",
			name, rowid, rowid, name, where, rowid, pruneBatch)
	}
	// Look first without the writer's turn: most of the time there is nothing to do.
	var any int64
	if err := j.scalar(ctx, &any, "SELECT EXISTS (SELECT 1 FROM "+name+" WHERE "+where+")", args...); err != nil || any == 0 {
		return err
	}
	for n := int64(1); n > 0; {
		err := j.write(ctx, func(ctx context.Context, w *writer) error {
			res, err := w.exec(ctx, query, args...)
			if err != nil {
				return err
			}
			n, err = res.RowsAffected()
			return err
		})
		if err != nil {
			return err
		}
		if rowid == "" {
			return nil
		}
	}
	return nil
}

// used is the size of what is alive in the file.
func (j *Journal) used(ctx context.Context) (int64, error) {
	pages, free, size, err := j.pages(ctx)
	return (pages - free) * size, err
}

func (j *Journal) pages(ctx context.Context) (pages, free, size int64, err error) {
	err = j.read(ctx, func(tx *sql.Tx) error {
		return classify(errors.Join(
			tx.QueryRowContext(ctx, "PRAGMA page_count").Scan(&pages),
			tx.QueryRowContext(ctx, "PRAGMA freelist_count").Scan(&free),
			tx.QueryRowContext(ctx, "PRAGMA page_size").Scan(&size),
		))
	})
	return pages, free, size, err
}

// shrink gives free pages back to the file system when they are more than a quarter of the file
// and 4 MiB.
func (j *Journal) shrink(ctx context.Context) error {
	for {
		pages, free, _, err := j.pages(ctx)
		if err != nil || free < 1024 || free < pages/4 {
			return err
		}
		err = j.withTurn(ctx, func(ctx context.Context) error {
			_, err := j.w.conn.ExecContext(ctx, fmt.Sprintf("PRAGMA incremental_vacuum(%d)", pruneBatch))
			return classify(err)
		})
		if err != nil {
			return err
		}
		if _, now, _, err := j.pages(ctx); err != nil || now >= free {
			return err
		}
	}
}

func (j *Journal) scalar(ctx context.Context, into *int64, query string, args ...any) error {
	return j.read(ctx, func(tx *sql.Tx) error {
		return classify(tx.QueryRowContext(ctx, query, args...).Scan(into))
	})
}
