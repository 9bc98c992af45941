package journal

import (
	"bytes"
	"compress/gzip"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/recoveryd/recoveryd/internal/residency"
)

// ObservationRow is what was seen of one target at one time. Body is JSON.
type ObservationRow struct {
	Target string          `json:"target"`
	At     time.Time       `json:"at"`
	Body   json.RawMessage `json:"body"`
}

const (
	// pendingBytes bounds what waits in memory for the next flush; beyond it the oldest go.
	pendingBytes = 4 << 20
	// flushBytes is the size that does not wait for the next tick of the maintenance.
	flushBytes = 1 << 20
	// packBytes is the size from which a batch is compressed. Below it the compressor's own
	// memory (about 1 MB) would cost more than the disk.
	packBytes = 64 << 10
)

// pendingObservations is the buffer in front of the table.
type pendingObservations struct {
	mu      sync.Mutex
	rows    []ObservationRow
	bytes   int
	dropped atomic.Uint64
}

// any reports whether something waits.
func (p *pendingObservations) any() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.rows) > 0
}

// SaveObservations buffers what was seen. It is cheap and never waits for the disk: the rows are
// stored together every few seconds, so a crash loses the last of them. All targets share one
// ring whose size is [Options].ObservationBytes.
func (j *Journal) SaveObservations(_ context.Context, rows []ObservationRow) error {
	if j.opts.ReadOnly {
		return ErrReadOnly
	}
	for _, r := range rows {
		if !json.Valid(r.Body) {
			return fmt.Errorf("observation of %s: its body is not JSON: %.40q", r.Target, r.Body)
		}
	}
	p := &j.pending
	p.mu.Lock()
	p.rows = append(p.rows, rows...)
	for _, r := range rows {
		p.bytes += len(r.Body)
	}
	drop := 0
	for p.bytes > pendingBytes && drop < len(p.rows) {
		p.bytes -= len(p.rows[drop].Body)
		drop++
	}
	p.rows = slices.Delete(p.rows, 0, drop)
	p.dropped.Add(uint64(drop))
	soon := p.bytes > flushBytes
	p.mu.Unlock()
	if soon {
		j.wakeMaintenance()
	}
	return nil
}

// flushObservations stores the buffer. On an error the rows are kept for the next time, as far
// as the bound of the buffer allows.
func (j *Journal) flushObservations(ctx context.Context) error {
	p := &j.pending
	p.mu.Lock()
	rows, size := p.rows, p.bytes
	p.rows, p.bytes = nil, 0
	p.mu.Unlock()
	if len(rows) == 0 {
		return nil
	}
	residency.GrowStack()
	body, err := pack(rows, size)
	if err == nil {
		first, last := rows[0].At, rows[0].At
		for _, r := range rows {
			first, last = minTime(first, r.At), maxTime(last, r.At)
		}
		err = j.write(ctx, func(ctx context.Context, w *writer) error {
			var id int64
			if err := w.get(ctx, []any{&id}, "SELECT coalesce(max(id), 0) + 1 FROM observations"); err != nil {
				return err
			}
			_, err := w.exec(ctx, tableObservations.insert("INSERT"), withSum(tableObservations, id, nanos(first), nanos(last), body)...)
			return err
		})
	}
	if err != nil {
		p.mu.Lock()
		p.rows = append(rows, p.rows...)
		p.bytes += size
		p.mu.Unlock()
		return fmt.Errorf("save observations in journal %s: %w", j.path, err)
	}
	return nil
}

// Observations returns what was seen of a target since a time, oldest first, at most the latest
// limit (0: all).
func (j *Journal) Observations(ctx context.Context, target string, since time.Time, limit int) ([]ObservationRow, error) {
	if !j.opts.ReadOnly {
		if err := j.flushObservations(ctx); err != nil {
			return nil, err
		}
	}
	var out []ObservationRow
	err := j.read(ctx, func(tx *sql.Tx) error {
		err := eachRow(ctx, tx, tableObservations, "WHERE last_at >= ? ORDER BY id DESC", []any{nanos(since)}, func(vals []any) error {
			rows, err := unpack(vals[3].([]byte))
			if err != nil {
				return err
			}
			for _, r := range slices.Backward(rows) {
				if r.Target != target || r.At.Before(since) {
					continue
				}
				if limit > 0 && len(out) == limit {
					return errStopped
				}
				out = append(out, r)
			}
			return nil
		})
		if errors.Is(err, errStopped) {
			return nil
		}
		return err
	})
	slices.Reverse(out)
	if err != nil {
		return out, fmt.Errorf("read observations of journal %s: %w", j.path, err)
	}
	return out, nil
}

// pack is a batch as JSON, compressed when it is large.
func pack(rows []ObservationRow, size int) ([]byte, error) {
	var buf bytes.Buffer
	var to io.Writer = &buf
	var zip *gzip.Writer
	if size >= packBytes {
		zip, _ = gzip.NewWriterLevel(&buf, gzip.BestSpeed) // the level is valid
		to = zip
	}
	// By hand, because the encoder would parse and copy every body once more, and this is on the
	// path of every probe.
	item := []byte("[")
	for _, r := range rows {
		name, err := json.Marshal(r.Target)
		if err != nil {
			return nil, err
		}
		item = append(append(item, `{"target":`...), name...)
		item = r.At.AppendFormat(append(item, `,"at":"`...), time.RFC3339Nano)
		item = append(append(append(item, `","body":`...), r.Body...), '}')
		if _, err := to.Write(item); err != nil {
			return nil, err
		}
		item = append(item[:0], ',')
	}
	if _, err := to.Write([]byte("]")); err != nil {
		return nil, err
	}
	if zip != nil {
		if err := zip.Close(); err != nil {
			return nil, err
		}
	}
	return buf.Bytes(), nil
}

func unpack(body []byte) (rows []ObservationRow, err error) {
	var from io.Reader = bytes.NewReader(body)
	if bytes.HasPrefix(body, []byte{0x1f, 0x8b}) { // gzip; JSON begins with [
		if from, err = gzip.NewReader(from); err != nil {
			return nil, err
		}
	}
	err = json.NewDecoder(from).Decode(&rows)
	return rows, err
}

func minTime(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func maxTime(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
