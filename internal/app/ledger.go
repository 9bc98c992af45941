package app

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/recoveryd/recoveryd/internal/journal"
	"github.com/recoveryd/recoveryd/pkg/escalate/queue"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

// ledger writes the core's records into the journal, together with the notices that they ask
// for, in one transaction.
type ledger struct {
	j *journal.Journal
	// corrupt is told when the journal turns out to be damaged while running. Only a new start
	// sets a damaged file aside, so the daemon must end, after the page about it has left.
	corrupt func(error)
}

// Append makes a record and its notices durable.
func (l ledger) Append(ctx context.Context, rec incident.Record, notices []queue.Queued) error {
	body, err := json.Marshal(rec)
	if err != nil {
		return fmt.Errorf("encode record %d: %w", rec.Seq, err)
	}
	e := journal.Entry{Seq: rec.Seq, At: rec.At, Target: rec.Target, From: rec.From.String(), To: rec.To.String(), Reason: string(rec.Reason), Body: body}
	c := journal.Commit{}
	if i := rec.Incident; i != nil {
		e.Incident = i.ID
		ib, err := json.Marshal(i)
		if err != nil {
			return fmt.Errorf("encode incident %s: %w", i.ID, err)
		}
		c.Incidents = []journal.IncidentRow{{ID: i.ID, Target: i.Target, Class: string(i.Class), Severity: i.Severity.String(),
			Phase: rec.To.String(), Summary: i.Diagnosis.Because, Opened: i.Opened, Closed: i.Closed, Body: ib}}
	} else if rec.After != nil {
		e.Incident = rec.After.Incident
	} else if r := rec.Run; r != nil { // its own story, or a part of the incident whose rung it is
		e.Incident = cmp.Or(r.Incident, r.ID)
	} else {
		for _, eff := range rec.Effects {
			if eff.Notice != nil && eff.Notice.Case != nil { // who was told of a failed run later on
				e.Incident = eff.Notice.Case.ID
			}
		}
	}
	c.Entries = []journal.Entry{e}
	c.Queue = notices
	err = l.j.Append(ctx, c)
	if errors.Is(err, journal.ErrCorrupt) {
		l.corrupt(err)
	}
	return err
}

// snapshot is the state as it is stored from time to time, so that replay stays short.
type snapshot struct {
	Targets   map[string]*incident.TargetState `json:"targets"`
	Incidents map[string]*incident.Incident    `json:"incidents"`
	Host      incident.Host                    `json:"host"`
}

// readable says why a later process could not go on from what the journal holds.
func readable(kind journal.Kind, body []byte) error {
	switch kind {
	case journal.KindEntry:
		return json.Unmarshal(body, &incident.Record{})
	case journal.KindIncident:
		return json.Unmarshal(body, &incident.Incident{})
	case journal.KindSnapshot:
		return json.Unmarshal(body, &snapshot{})
	}
	return nil
}

// restore folds the journal into the state in which an earlier process left it.
func restore(ctx context.Context, j *journal.Journal, now time.Time, log *zap.Logger) (incident.State, error) {
	s := incident.NewState()
	seq, body, err := j.Snapshot(ctx)
	if err != nil {
		return s, fmt.Errorf("read the snapshot: %w", err)
	}
	if len(body) > 0 {
		var snap snapshot
		if err := json.Unmarshal(body, &snap); err != nil {
			return s, fmt.Errorf("read the snapshot at record %d: %w", seq, err)
		}
		s.Seq, s.Host = seq, snap.Host
		for k, v := range snap.Targets {
			s.Targets[k] = v
		}
		for k, v := range snap.Incidents {
			s.Incidents[k] = v
		}
	}
	var newest time.Time
	for e, err := range j.Replay(ctx, min(seq, max(j.LastSeq(), 1)-1)) {
		if err != nil {
			return s, fmt.Errorf("replay: %w", err)
		}
		if newest = e.At; e.Seq <= seq {
			continue // only its time is asked for
		}
		var rec incident.Record
		if err := json.Unmarshal(e.Body, &rec); err != nil {
			return s, fmt.Errorf("replay record %d: %w", e.Seq, err)
		}
		s = incident.Fold(s, rec)
	}
	// The journal gives the numbers. After a salvage its last one may be of an entry that was lost.
	s.Seq = max(s.Seq, j.LastSeq())
	if moved := onThisClock(&s, newest, now); moved != 0 {
		log.Warn("the clock was set back since the newest record; what waits for a time moves with it", zap.Duration("back", -moved), zap.Time("newest_record", newest))
		if err := saveSnapshot(ctx, j, s); err != nil {
			return s, err
		}
	}
	return s, nil
}

// saveSnapshot stores the present state.
func saveSnapshot(ctx context.Context, j *journal.Journal, s incident.State) error {
	body, err := json.Marshal(snapshot{s.Targets, s.Incidents, s.Host})
	if err != nil {
		return fmt.Errorf("encode the snapshot: %w", err)
	}
	return j.SaveSnapshot(ctx, s.Seq, body)
}
