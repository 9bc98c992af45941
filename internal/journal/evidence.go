package journal

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// EvidenceRow is one piece of what was found before a cure changed it: the tail of a log, a
// list of processes. Name is unique within the incident; saving it again replaces it.
type EvidenceRow struct {
	Incident, Name string
	At             time.Time
	Body           []byte
}

// maxEvidence bounds one piece. Collectors cut what they collect; this is the last line.
const maxEvidence = 1 << 20

// SaveEvidence stores one piece, durably. All pieces share [Options].EvidenceBytes; the oldest go
// first.
func (j *Journal) SaveEvidence(ctx context.Context, e EvidenceRow) error {
	if len(e.Body) > maxEvidence {
		return fmt.Errorf("evidence %s of incident %s has %d bytes, at most %d are kept: cut it", e.Name, e.Incident, len(e.Body), maxEvidence)
	}
	err := j.write(ctx, func(ctx context.Context, w *writer) error {
		var id int64
		if err := w.get(ctx, []any{&id}, "SELECT coalesce(max(id), 0) + 1 FROM evidence"); err != nil {
			return err
		}
		_, err := w.exec(ctx, tableEvidence.insert("INSERT OR REPLACE"),
			withSum(tableEvidence, id, e.Incident, e.Name, nanos(e.At), notNil(e.Body))...)
		return err
	})
	if err != nil {
		return fmt.Errorf("save evidence in journal %s: %w", j.path, err)
	}
	return nil
}

// Evidence returns the pieces of an incident in the order in which they were saved.
func (j *Journal) Evidence(ctx context.Context, incident string) ([]EvidenceRow, error) {
	var out []EvidenceRow
	err := j.read(ctx, func(tx *sql.Tx) error {
		return eachRow(ctx, tx, tableEvidence, "WHERE incident = ? ORDER BY id", []any{incident}, func(v []any) error {
			out = append(out, EvidenceRow{
				Incident: v[1].(string), Name: v[2].(string), At: fromNanos(v[3].(int64)), Body: v[4].([]byte),
			})
			return nil
		})
	})
	if err != nil {
		return out, fmt.Errorf("read evidence of journal %s: %w", j.path, err)
	}
	return out, nil
}
