package journal

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
)

// sumSize is how much of the SHA-256 is kept. The checksum guards against damage and careless
// editing, not against somebody who can write the file and compute checksums too.
const sumSize = 16

// rowSum is the checksum of a row: its table and its columns in order, without sum. A value is an
// int64, a string or a []byte, each with its type and length, so that no two rows look alike.
func rowSum(t table, vals ...any) []byte {
	h := sha256.New()
	field(h, 's', []byte(t.name))
	for _, v := range vals {
		switch v := v.(type) {
		case int64:
			field(h, 'i', binary.BigEndian.AppendUint64(nil, uint64(v)))
		case string:
			hashString(h, v)
		case []byte:
			field(h, 'b', v)
		default:
			panic(fmt.Sprintf("journal: column of type %T in %s", v, t.name)) // a broken invariant: our own call
		}
	}
	return h.Sum(nil)[:sumSize]
}

func field(h hash.Hash, kind byte, v []byte) {
	var head [9]byte
	head[0] = kind
	binary.BigEndian.PutUint64(head[1:], uint64(len(v)))
	h.Write(head[:])
	h.Write(v)
}

func hashString(h hash.Hash, s string) {
	var head [9]byte
	head[0] = 's'
	binary.BigEndian.PutUint64(head[1:], uint64(len(s)))
	h.Write(head[:])
	_, _ = io.WriteString(h, s) // a hash never fails
}

// withSum returns the values of a row followed by their checksum.
func withSum(t table, vals ...any) []any {
	return append(vals, rowSum(t, vals...))
}

// sumMatches reports whether a scanned row, sum last, is as it was written.
func sumMatches(t table, vals []any) bool {
	n := len(vals) - 1
	sum, ok := vals[n].([]byte)
	if !ok {
		return false
	}
	for _, v := range vals[:n] {
		switch v.(type) {
		case int64, string, []byte:
		default:
			return false
		}
	}
	return bytes.Equal(sum, rowSum(t, vals[:n]...))
}

// link is one end of the chain of entries.
type link struct {
	seq uint64
	sum []byte // nil before the first entry
}

const (
	anchorID = 0 // the last entry that retention removed
	headID   = 1 // the last entry
	countID  = 2 // seq is the number of commits (mark.go)
	talesID  = 3 // link is what a salvage found, until somebody was told (salvage.go)
)

// readLink returns one end of the chain; the zero link when nothing was written yet.
func readLink(ctx context.Context, q queryer, id int64) (link, error) {
	var seq int64
	var sum, check []byte
	err := q.QueryRowContext(ctx, "SELECT seq, link, sum FROM chain WHERE id = ?", id).Scan(&seq, &sum, &check)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return link{}, nil
	case err != nil:
		return link{}, classify(err)
	case !bytes.Equal(check, rowSum(tableChain, id, seq, sum)):
		return link{}, &ChainError{Seq: uint64(seq), What: "the end of the chain does not match its checksum"}
	}
	return link{seq: uint64(seq), sum: sum}, nil
}

// queryer is a connection or a transaction.
type queryer interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// chainWalk checks entries in order of Seq.
type chainWalk struct {
	last  link
	known bool              // last is where the next entry must join
	gaps  map[uint64]uint64 // first entry after a known gap -> last one before it
}

// next checks one scanned row, sum last, and moves on to it. Sound tells whether the row itself is
// as it was written; the error tells of that and of its place in the chain.
func (w *chainWalk) next(vals []any) (sound bool, err error) {
	seq := uint64(vals[0].(int64))
	before := w.last
	known := w.known
	prev, _ := vals[len(vals)-2].([]byte)
	sum, _ := vals[len(vals)-1].([]byte)
	w.last, w.known = link{seq: seq, sum: sum}, true
	sound = sumMatches(tableEntries, vals)
	after, gap := w.gaps[seq]
	switch {
	case !sound:
		return false, &ChainError{Seq: seq, What: "was changed or damaged: it does not match its checksum"}
	case !known:
		return true, nil
	case gap && before.seq <= after: // a salvage said so
		return true, nil
	case seq != before.seq+1:
		return true, &ChainError{Seq: seq, What: fmt.Sprintf("%d entries before it are missing", seq-before.seq-1)}
	case !bytes.Equal(prev, before.sum):
		return true, &ChainError{Seq: seq, What: "does not follow the entry before it"}
	}
	return true, nil
}
