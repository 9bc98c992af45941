package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/recoveryd/recoveryd/internal/app"
	"github.com/recoveryd/recoveryd/internal/config"
	"github.com/recoveryd/recoveryd/internal/journal"
	"github.com/recoveryd/recoveryd/internal/replay"
	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

// storyConfig is a small host: one server and its database.
const storyConfig = `
version: 1
host: here
probation: 10s
targets:
  - name: mcp
    kind: service
    unit: mcp.service
    depends_on: [db]
    health: [{url: "http://127.0.0.1:8000/health"}]
  - name: db
    kind: postgres
    unit: postgresql@15-main.service
    postgres: {dsn: "host=/run/postgresql user=recoveryd dbname=postgres"}
rules:
  - {name: slow-pool, when: "http.latency > 2 and workload.restarts > 5 and workload.state == 'running'", for: 1m}
notifiers:
  - {name: hook, type: webhook, url: "https://hooks.example/x"}
`

// happening is one event, so long after the story began.
type happening struct {
	after time.Duration
	ev    incident.Event
}

func seen(target string, f detect.Facts) incident.Event {
	return incident.Event{Kind: incident.Observed, Target: target, Observation: &detect.Observation{Target: target, Cause: "poll", Facts: f}}
}

var (
	dbWell = detect.Facts{detect.WorkloadState: detect.Word(detect.StateRunning), detect.WorkloadWords: detect.Word("unit active/running"), detect.SQLOutcome: detect.Word(detect.SQLOK)}
	well   = detect.Facts{detect.WorkloadState: detect.Word(detect.StateRunning), detect.WorkloadWords: detect.Word("unit active/running"), detect.WorkloadRun: detect.Word("run1"),
		detect.WorkloadRestarts: detect.Num(0), detect.HTTPOutcome: detect.Word(detect.OutcomeReply), detect.HealthStatus: detect.Word("healthy"), detect.HTTPLatency: detect.Num(0.01)}
	silent = detect.Facts{detect.WorkloadState: detect.Word(detect.StateRunning), detect.WorkloadWords: detect.Word("unit active/running"), detect.WorkloadRun: detect.Word("run1"),
		detect.WorkloadRestarts: detect.Num(0), detect.HTTPOutcome: detect.Word(detect.OutcomeNoReply), detect.HTTPLatency: detect.Num(3)}
	anew = detect.Facts{detect.WorkloadState: detect.Word(detect.StateRunning), detect.WorkloadWords: detect.Word("unit active/running"), detect.WorkloadRun: detect.Word("run2"),
		detect.WorkloadRestarts: detect.Num(0), detect.HTTPOutcome: detect.Word(detect.OutcomeReply), detect.HealthStatus: detect.Word("healthy"), detect.HTTPLatency: detect.Num(0.01)}
)

// hungStory is a server that hangs, is restarted and stays well.
func hungStory() []happening {
	return []happening{
		{0, seen("db", dbWell)}, {time.Second, seen("mcp", well)},
		{5 * time.Second, seen("mcp", silent)}, {6 * time.Second, seen("db", dbWell)}, {8 * time.Second, seen("mcp", silent)},
		{10 * time.Second, incident.Event{Kind: incident.Ended, Target: "mcp", ActionID: "mcp-20261122-031508/a1", Result: incident.ResultDone, Detail: "job done"}},
		{11 * time.Second, seen("mcp", anew)}, {12 * time.Second, seen("mcp", anew)}, {14 * time.Second, seen("mcp", anew)},
		{30 * time.Second, seen("mcp", anew)},
	}
}

// storyBegan is when every story begins.
var storyBegan = time.Date(2026, 11, 22, 3, 15, 0, 0, time.UTC)

// told runs a story through the policy of a configuration and writes it into a journal, with its
// recording, as the daemon does. It returns the state directory and the file of the configuration.
func told(t *testing.T, text string, story []happening) (dir, file string) {
	t.Helper()
	dir = t.TempDir()
	file = filepath.Join(dir, "recoveryd.yaml")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	cfg, err := config.Load(file, app.Known())
	require.NoError(t, err)
	p, err := app.PolicyOf(cfg)
	require.NoError(t, err)
	j, err := journal.Open(t.Context(), journal.Options{Dir: dir})
	require.NoError(t, err)
	rec, err := replay.New(replay.Options{Policy: func() *incident.Policy { return p }, Config: func() string { return app.Fingerprint(cfg) }, Logger: zap.NewNop(),
		Save: func(ctx context.Context, id, name string, at time.Time, body []byte) error {
			return j.SaveEvidence(ctx, journal.EvidenceRow{Incident: id, Name: name, At: at, Body: body})
		}})
	require.NoError(t, err)
	tell(t, p, j, rec, story)
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // it writes down what it was told, and ends
	require.NoError(t, rec.Run(ctx))
	require.NoError(t, j.SaveEvidence(t.Context(), journal.EvidenceRow{Incident: "mcp-20261122-031508", Name: "20261122T031508.000Z/log",
		At: storyBegan.Add(8 * time.Second), Body: []byte("last words of the old process\n")}))
	require.NoError(t, j.SaveEvidence(t.Context(), journal.EvidenceRow{Incident: "mcp-20261122-031508", Name: "20261122T031508.000Z/sockets",
		At: storyBegan.Add(8 * time.Second), Body: []byte("listening: nobody")}))
	require.NoError(t, j.Close())
	return dir, file
}

// tell puts the events of a story to the core.
func tell(t *testing.T, p *incident.Policy, j *journal.Journal, tape *replay.Recorder, story []happening) {
	t.Helper()
	s := incident.NewState()
	for _, h := range story {
		now := storyBegan.Add(h.after)
		if h.ev.Observation != nil {
			o := *h.ev.Observation
			o.At = now
			h.ev.Observation = &o
		}
		next, rec := p.Step(s, now, h.ev)
		if rec.Durable() {
			append1(t, j, rec)
		}
		tape.Stepped(s, now, h.ev, rec, next)
		s = next
	}
}

func append1(t *testing.T, j *journal.Journal, rec incident.Record) {
	t.Helper()
	body, err := json.Marshal(rec)
	require.NoError(t, err)
	e := journal.Entry{Seq: rec.Seq, At: rec.At, Target: rec.Target, From: rec.From.String(), To: rec.To.String(), Reason: string(rec.Reason), Body: body}
	c := journal.Commit{}
	if i := rec.Incident; i != nil {
		e.Incident = i.ID
		ib, err := json.Marshal(i)
		require.NoError(t, err)
		c.Incidents = []journal.IncidentRow{{ID: i.ID, Target: i.Target, Class: string(i.Class), Severity: i.Severity.String(), Phase: rec.To.String(), Opened: i.Opened, Closed: i.Closed, Body: ib}}
	}
	c.Entries = []journal.Entry{e}
	require.NoError(t, j.Append(t.Context(), c))
}

// goOn writes the rest of a story into the journal of its beginning, as a daemon that was started
// again would: the state is folded from the journal.
func goOn(t *testing.T, dir, file string, story []happening) {
	t.Helper()
	cfg, err := config.Load(file, app.Known())
	require.NoError(t, err)
	p, err := app.PolicyOf(cfg)
	require.NoError(t, err)
	j, err := journal.Open(t.Context(), journal.Options{Dir: dir})
	require.NoError(t, err)
	s := incident.NewState()
	for e, err := range j.Replay(t.Context(), 0) {
		require.NoError(t, err)
		var r incident.Record
		require.NoError(t, json.Unmarshal(e.Body, &r))
		s = incident.Fold(s, r)
	}
	for _, h := range story {
		now := storyBegan.Add(h.after)
		if h.ev.Observation != nil {
			o := *h.ev.Observation
			o.At = now
			h.ev.Observation = &o
		}
		next, rec := p.Step(s, now, h.ev)
		if rec.Durable() {
			append1(t, j, rec)
		}
		s = next
	}
	require.NoError(t, j.Close())
}
