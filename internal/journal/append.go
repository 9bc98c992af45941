package journal

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/recoveryd/recoveryd/pkg/escalate/queue"
)

// Entry is one decision, as a line of history. Body is the full record as JSON.
type Entry struct {
	Seq      uint64 // 1, 2, 3 ...; 0 in Append lets the journal number it
	At       time.Time
	Target   string
	Incident string // "" when it belongs to none
	From, To string
	Reason   string
	Body     json.RawMessage
}

// IncidentRow is the present state of one incident. Closed is zero while it is open.
type IncidentRow struct {
	ID, Target, Class, Severity, Phase, Summary string

	Opened, Closed time.Time
	Body           json.RawMessage
}

// Commit is what one decision leaves behind, stored as a whole.
type Commit struct {
	Entries   []Entry
	Incidents []IncidentRow  // inserted or replaced
	Queue     []queue.Queued // notices; one whose ID and Channel are stored already is left as it is
}

// Append stores a commit in one transaction. When it returns nil everything in it is on the disk
// and the entries have their Seq, and so have the notices, but for those that were stored before,
// whose Seq is 0. When it returns an error nothing of it counts, and the caller must not act on
// it. Entries that carry a Seq must continue the journal without a gap, else ErrSequence.
//
// A failed sync is the one case in which the commit may still turn up after a crash.
func (j *Journal) Append(ctx context.Context, c Commit) error {
	err := j.withTurn(ctx, func(ctx context.Context) error {
		var head link
		var queued []uint64
		err := j.commit(ctx, func(w *writer) (err error) {
			head, queued, err = appendTx(ctx, w, j.head, c)
			return err
		})
		if err != nil {
			return err
		}
		for i := range c.Entries {
			c.Entries[i].Seq = j.head.seq + uint64(i) + 1
		}
		for i := range c.Queue {
			c.Queue[i].Seq = queued[i]
		}
		j.head = head
		j.lastSeq.Store(head.seq)
		return nil
	})
	if err != nil {
		return fmt.Errorf("append to journal %s: %w", j.path, err)
	}
	return nil
}

func appendTx(ctx context.Context, w *writer, head link, c Commit) (_ link, queued []uint64, err error) {
	for _, e := range c.Entries {
		if head, err = insertEntry(ctx, w, head, e); err != nil {
			return head, nil, err
		}
	}
	if len(c.Entries) > 0 {
		if err := putLink(ctx, w, headID, head); err != nil {
			return head, nil, err
		}
	}
	for _, r := range c.Incidents {
		if err := putIncident(ctx, w, r); err != nil {
			return head, nil, err
		}
	}
	queued, err = insertQueued(ctx, w, c.Queue)
	return head, queued, err
}

// insertEntry adds an entry behind head and returns the new head.
func insertEntry(ctx context.Context, w *writer, head link, e Entry) (link, error) {
	next := head.seq + 1
	if e.Seq != 0 && e.Seq != next {
		return head, fmt.Errorf("%w: entry %d cannot follow %d", ErrSequence, e.Seq, head.seq)
	}
	body, err := jsonText(e.Body)
	if err != nil {
		return head, fmt.Errorf("entry %d: %w", next, err)
	}
	prev := head.sum
	if prev == nil {
		prev = []byte{}
	}
	row := withSum(tableEntries, int64(next), nanos(e.At), e.Target, e.Incident, e.From, e.To, e.Reason, body, prev)
	if _, err := w.exec(ctx, tableEntries.insert("INSERT"), row...); err != nil {
		return head, fmt.Errorf("entry %d: %w", next, err)
	}
	return link{seq: next, sum: row[len(row)-1].([]byte)}, nil
}

func putLink(ctx context.Context, w *writer, id int64, l link) error {
	_, err := w.exec(ctx, tableChain.insert("INSERT OR REPLACE"), withSum(tableChain, id, int64(l.seq), l.sum)...)
	return err
}

func putIncident(ctx context.Context, w *writer, r IncidentRow) error {
	body, err := jsonText(r.Body)
	if err != nil {
		return fmt.Errorf("incident %s: %w", r.ID, err)
	}
	_, err = w.exec(ctx, tableIncidents.insert("INSERT OR REPLACE"), withSum(tableIncidents,
		r.ID, r.Target, r.Class, r.Severity, r.Phase, r.Summary, nanos(r.Opened), nanos(r.Closed), body)...)
	if err != nil {
		return fmt.Errorf("incident %s: %w", r.ID, err)
	}
	return nil
}

// jsonText checks that a body is JSON, so that a reader years from now can rely on it. No body
// is null.
func jsonText(raw json.RawMessage) (string, error) {
	if len(raw) == 0 {
		return "null", nil
	}
	if !json.Valid(raw) {
		return "", fmt.Errorf("its body is not JSON: %.40q", raw)
	}
	return string(raw), nil
}

// nanos stores a time; the zero time is 0.
func nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func fromNanos(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}
