package journal

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"go.uber.org/zap"
)

// markName is the second place that tells what was written last. SQLite ends its write-ahead log at the
// first frame that does not match, and goes on without a log that is gone: what was committed since the
// last checkpoint is missing then, and nothing in the file says so.
const markName = "recoveryd.mark"

// markSize is less than a sector, which a disk writes as a whole.
const markSize = 160

// mark is what the daemon wrote last. It is written after the commit that it tells of, and not synced:
// so it is never ahead of a journal that lost nothing, and costs one system call. After a power cut it may
// be older than the journal, by what the kernel had not written yet (half a minute), which says nothing.
type mark struct {
	schema int    // version of the schema
	writes uint64 // commits, as counted in the journal; 0 = nothing is known
	head   link   // the last entry
}

func (m mark) text() []byte {
	body := fmt.Sprintf("recoveryd journal: schema %d, writes %d, entry %d %s\n", m.schema, m.writes, m.head.seq, hex.EncodeToString(m.head.sum)+"-")
	sum := sha256.Sum256([]byte(body))
	return fmt.Appendf(nil, "%-*s", markSize, body+hex.EncodeToString(sum[:sumSize])+"\n")
}

// parseMark returns the zero mark for what is none.
func parseMark(text []byte) (m mark) {
	var sum string
	if _, err := fmt.Sscanf(string(text), "recoveryd journal: schema %d, writes %d, entry %d %s\n", &m.schema, &m.writes, &m.head.seq, &sum); err != nil {
		return mark{}
	}
	raw, err := hex.DecodeString(strings.TrimSuffix(sum, "-"))
	if err != nil {
		return mark{}
	}
	m.head.sum = raw
	if !bytes.Equal(m.text(), text) {
		return mark{}
	}
	return m
}

// openMark opens the file of the mark, making it if there is none, and reads it.
func openMark(dir string) (*os.File, mark, error) {
	path := filepath.Join(dir, markName)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		if f, err = os.OpenFile(path, os.O_CREATE|os.O_RDWR, fileMode); err == nil {
			err = syncDir(dir)
		}
	}
	if err != nil {
		return nil, mark{}, classify(err)
	}
	text := make([]byte, markSize)
	n, _ := f.ReadAt(text, 0) // what cannot be read tells nothing
	return f, parseMark(text[:n]), nil
}

// lost says what of the marked writes a journal does not have; nil when it has all.
func (m mark) lost(ctx context.Context, q queryer) error {
	if m.writes == 0 {
		return nil
	}
	count, err := readLink(ctx, q, countID)
	if err != nil {
		return err
	}
	head, err := readLink(ctx, q, headID)
	if err != nil {
		return err
	}
	var sum []byte
	err = q.QueryRowContext(ctx, "SELECT sum FROM entries WHERE seq = ?", int64(m.head.seq)).Scan(&sum)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return classify(err)
	}
	switch {
	case count.seq == 0 && head.seq >= m.head.seq: // written by a recoveryd that did not count, in between
	case count.seq < m.writes:
		return fmt.Errorf("%w: its last %d writes are gone, and with them %d entries and what was known of notices since: its write-ahead log (-wal) was damaged or removed, or an older copy was put in place",
			ErrCorrupt, m.writes-count.seq, max(m.head.seq, head.seq)-head.seq)
	}
	if err == nil && !bytes.Equal(sum, m.head.sum) {
		return &ChainError{Seq: m.head.seq, What: "is not the one that was written last: the file or its write-ahead log (-wal) is of another journal"}
	}
	return nil
}

// remark tells the second place of the last commit; the caller has the turn.
func (j *Journal) remark() {
	if j.mark.writes == j.writes && j.mark.head.seq == j.head.seq {
		return
	}
	j.mark = mark{schema: len(migrations()), writes: j.writes, head: j.head}
	if _, err := j.markFile.WriteAt(j.mark.text(), 0); err != nil && !j.unmarked {
		j.unmarked = true
		j.log.Warn("damage to the write-ahead log of the journal would not be noticed", zap.Error(err))
	}
}
