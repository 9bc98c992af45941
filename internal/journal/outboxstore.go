package journal

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/recoveryd/recoveryd/pkg/escalate/queue"
)

// insertQueued stores new notices and returns the Seq of each. One that is there already stays as
// it is, so that a decision which is stored twice pages once; its Seq is 0.
func insertQueued(ctx context.Context, w *writer, rows []queue.Queued) ([]uint64, error) {
	seqs := make([]uint64, len(rows))
	for i, q := range rows {
		// The number is taken by hand, because it is part of the checksum. AUTOINCREMENT
		// remembers the highest one given, so that none is given twice.
		var seq int64
		const next = `SELECT max(coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'outbox'), 0),
			coalesce((SELECT max(seq) FROM outbox), 0)) + 1`
		if err := w.get(ctx, []any{&seq}, next); err != nil {
			return nil, err
		}
		vals, err := queuedVals(seq, q)
		if err != nil {
			return nil, err
		}
		res, err := w.exec(ctx, tableOutbox.insert("INSERT")+" ON CONFLICT (id, channel) DO NOTHING", vals...)
		if err != nil {
			return nil, fmt.Errorf("notice %s for %s: %w", q.ID, q.Channel, err)
		}
		if n, err := res.RowsAffected(); err != nil {
			return nil, err
		} else if n == 1 {
			seqs[i] = uint64(seq)
		}
	}
	return seqs, nil
}

func queuedVals(seq int64, q queue.Queued) ([]any, error) {
	body, err := json.Marshal(q)
	if err != nil {
		return nil, fmt.Errorf("notice %s for %s: %w", q.ID, q.Channel, err)
	}
	return withSum(tableOutbox, seq, q.Channel, q.ID, q.Notice.Incident, string(q.State), nanos(q.Enqueued), string(body)), nil
}

func queuedOf(v []any) (q queue.Queued, err error) {
	if err := json.Unmarshal([]byte(v[6].(string)), &q); err != nil {
		return q, fmt.Errorf("%w: notice %s for %s: %w", ErrCorrupt, v[2], v[1], err)
	}
	q.Seq = uint64(v[0].(int64))
	return q, nil
}

// keepKeys is how long an alert that is over is still loaded at start: within it a relapse goes to
// the same thread.
const keepKeys = 7 * 24 * time.Hour

// LoadOutbox returns the waiting notices after a Seq in order, what is known of their keys, and
// the state of every channel. After 0 it also returns every key that is open or was so lately.
func (j *Journal) LoadOutbox(ctx context.Context, after uint64) (rows []queue.Queued, keys []queue.KeyState, channels []queue.ChannelState, err error) {
	err = j.read(ctx, func(tx *sql.Tx) error {
		err := eachRow(ctx, tx, tableOutbox, "WHERE state = 'waiting' AND seq > ? ORDER BY seq", []any{int64(after)}, func(v []any) error {
			q, err := queuedOf(v)
			rows = append(rows, q)
			return err
		})
		if err != nil {
			return err
		}
		if keys, err = loadKeys(ctx, tx, after == 0, rows); err != nil {
			return err
		}
		return eachRow(ctx, tx, tableChannels, "ORDER BY channel", nil, func(v []any) error {
			var c queue.ChannelState
			err := json.Unmarshal([]byte(v[1].(string)), &c)
			channels = append(channels, c)
			return err
		})
	})
	if err != nil {
		err = fmt.Errorf("load outbox from journal %s: %w", j.path, err)
	}
	return rows, keys, channels, err
}

// loadKeys returns what is known of the keys of rows, and on demand of all that matter.
func loadKeys(ctx context.Context, q queryer, all bool, rows []queue.Queued) (keys []queue.KeyState, err error) {
	type pair struct{ channel, key string }
	seen := map[pair]bool{}
	take := func(v []any) error {
		var k queue.KeyState
		err := json.Unmarshal([]byte(v[4].(string)), &k)
		if p := (pair{k.Channel, k.Key}); !seen[p] {
			seen[p] = true
			keys = append(keys, k)
		}
		return err
	}
	if all {
		lately := nanos(time.Now().Add(-keepKeys))
		if err := eachRow(ctx, q, tableKeys, "WHERE open = 1 OR at >= ? ORDER BY channel, key", []any{lately}, take); err != nil {
			return nil, err
		}
	}
	for _, r := range rows {
		if seen[pair{r.Channel, r.Key}] {
			continue
		}
		if err := eachRow(ctx, q, tableKeys, "WHERE channel = ? AND key = ?", []any{r.Channel, r.Key}, take); err != nil {
			return nil, err
		}
	}
	return keys, nil
}

// SaveOutbox stores what one step of the outbox changed, as a whole and durably.
func (j *Journal) SaveOutbox(ctx context.Context, e queue.Edits) error {
	err := j.write(ctx, func(ctx context.Context, w *writer) error {
		if _, err := insertQueued(ctx, w, e.New); err != nil {
			return err
		}
		for _, q := range e.Rows {
			if err := updateQueued(ctx, w, q); err != nil {
				return fmt.Errorf("notice %s for %s: %w", q.ID, q.Channel, err)
			}
		}
		for _, k := range e.Keys {
			body, err := json.Marshal(k)
			if err != nil {
				return err
			}
			open := int64(0)
			if k.Open {
				open = 1
			}
			if _, err := w.exec(ctx, tableKeys.insert("INSERT OR REPLACE"),
				withSum(tableKeys, k.Channel, k.Key, open, nanos(k.At), string(body))...); err != nil {
				return fmt.Errorf("key %s on %s: %w", k.Key, k.Channel, err)
			}
		}
		for _, c := range e.Channels {
			body, err := json.Marshal(c)
			if err != nil {
				return err
			}
			if _, err := w.exec(ctx, tableChannels.insert("INSERT OR REPLACE"),
				withSum(tableChannels, c.Channel, string(body))...); err != nil {
				return fmt.Errorf("channel %s: %w", c.Channel, err)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("save outbox in journal %s: %w", j.path, err)
	}
	return nil
}

// updateQueued rewrites the row with the ID and Channel of q. One that retention has removed, or
// that was lost with a damaged file, stays away.
func updateQueued(ctx context.Context, w *writer, q queue.Queued) error {
	var seq int64
	err := w.get(ctx, []any{&seq}, "SELECT seq FROM outbox WHERE id = ? AND channel = ?", q.ID, q.Channel)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	vals, err := queuedVals(seq, q)
	if err != nil {
		return err
	}
	_, err = w.exec(ctx, "UPDATE outbox SET incident = ?, state = ?, at = ?, body = ?, sum = ? WHERE seq = ?",
		vals[3], vals[4], vals[5], vals[6], vals[7], seq)
	return err
}

// Notices returns every notice of an incident on every channel, oldest first: what was
// delivered, what waits and why, and what was never seen by anybody.
func (j *Journal) Notices(ctx context.Context, incident string) ([]queue.Queued, error) {
	var out []queue.Queued
	err := j.read(ctx, func(tx *sql.Tx) error {
		return eachRow(ctx, tx, tableOutbox, "WHERE incident = ? AND incident <> '' ORDER BY seq", []any{incident}, func(v []any) error {
			q, err := queuedOf(v)
			out = append(out, q)
			return err
		})
	})
	if err != nil {
		return out, fmt.Errorf("read notices of journal %s: %w", j.path, err)
	}
	return out, nil
}
