package app

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/internal/journal"
	"github.com/recoveryd/recoveryd/internal/report"
	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
	"github.com/recoveryd/recoveryd/pkg/escalate/queue"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

// journaled writes one incident through the ledger, as the engine does: confirmed and paged, ten
// seconds later clear, a minute later closed.
func journaled(t *testing.T, dir string, began time.Time) {
	t.Helper()
	j, err := journal.Open(t.Context(), journal.Options{Dir: dir})
	require.NoError(t, err)
	l := ledger{j: j}
	i := incident.Incident{ID: "svc-1", Target: "svc", Class: detect.ClassDown, Severity: detect.P1, Since: began, Opened: began.Add(time.Second),
		Paged: began.Add(time.Second), Diagnosis: detect.Diagnosis{Because: "no process", Witnesses: []detect.Witness{detect.ByPlatform, detect.BySocket}}}
	step := func(after time.Duration, from, to incident.Phase, why incident.Reason, notices ...notice.Notice) {
		rec := incident.Record{Seq: j.LastSeq() + 1, At: began.Add(after), Target: "svc", From: from, To: to, Reason: why, Sentence: "it is " + to.String(),
			After: &incident.TargetState{Name: "svc", Incident: i.ID}, Incident: new(i)}
		var rows []queue.Queued
		for _, n := range notices {
			rows = append(rows, queue.NewQueued(n.At, n, "pagerduty", "slack")...)
		}
		require.NoError(t, l.Append(t.Context(), rec, rows))
	}
	step(time.Second, incident.Watching, incident.Escalated, incident.PageFirst,
		notice.Notice{ID: "n1", Key: "svc-1/t0", Kind: notice.Trigger, At: began.Add(time.Second), Incident: i.ID, Summary: "svc is down", Host: "db1"})
	step(11*time.Second, incident.Escalated, incident.Probation, incident.Mended)
	i.Closed, i.Outcome = began.Add(71*time.Second), incident.Closed
	step(71*time.Second, incident.Probation, incident.Watching, incident.Closed)
	require.NoError(t, j.SaveEvidence(t.Context(), journal.EvidenceRow{Incident: i.ID, Name: "log", At: began, Body: []byte("segfault")}))
	require.NoError(t, j.SaveEvidence(t.Context(), journal.EvidenceRow{Incident: i.ID, Name: "core", At: began, Body: []byte{0xff, 0xfe}}))
	require.NoError(t, j.Close())
}

func TestAReportIsMadeFromTheJournalAloneWithoutADaemon(t *testing.T) {
	dir, began := t.TempDir(), time.Now().Add(-time.Hour).UTC()
	journaled(t, dir, began)
	h, err := OpenHistory(t.Context(), dir)
	require.NoError(t, err)
	defer h.Close()
	r, err := h.Report(t.Context(), "svc-1", nil, time.Now(), "1.0")
	require.NoError(t, err)
	require.Equal(t, report.Finished, r.State)
	require.Equal(t, 11*time.Second, r.Duration)
	require.Equal(t, "db1", r.Host, "the notices know it")
	require.Len(t, r.Told, 2)
	require.Equal(t, queue.Waiting, r.Told[0].State, "nobody has delivered it yet, and the report says so")
	require.Equal(t, "segfault", r.Evidence[0].Text)
	require.Equal(t, "(not text: 2 bytes)", r.Evidence[1].Text)
	_, err = h.Report(t.Context(), "nothing", nil, time.Now(), "1.0")
	require.ErrorIs(t, err, journal.ErrNotFound)
	require.ErrorContains(t, err, "recoveryd incidents")
}

func TestFiguresCountFromTheFirstBadLookToTheProofThatItIsClear(t *testing.T) {
	dir, began := t.TempDir(), time.Now().Add(-time.Hour)
	journaled(t, dir, began)
	h, err := OpenHistory(t.Context(), dir)
	require.NoError(t, err)
	defer h.Close()
	s, err := h.Stats(t.Context(), began.Add(-time.Hour), time.Now(), report.NoDrills)
	require.NoError(t, err)
	require.Equal(t, 1, s.All.Incidents)
	require.Equal(t, 1, s.All.Paged)
	require.InDelta(t, 1, s.All.Detect.Mean, 1e-6)
	require.InDelta(t, 11, s.All.Repair.Mean, 1e-6, "not 71, when it was closed")
	s, err = h.Stats(context.Background(), began.Add(time.Minute), time.Now(), report.NoDrills)
	require.NoError(t, err)
	require.Zero(t, s.All.Incidents, "it was opened before")
}
