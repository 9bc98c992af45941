package app

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/recoveryd/recoveryd/internal/config"
	"github.com/recoveryd/recoveryd/internal/journal"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

func TestAfterASalvageThatLostTheNewestRecordTheNextOneIsWritten(t *testing.T) {
	dir := t.TempDir()
	open := func() *journal.Journal {
		j, err := journal.Open(t.Context(), journal.Options{Dir: dir, BallastBytes: -1})
		require.NoError(t, err)
		return j
	}
	j := open()
	for seq := range uint64(5) {
		body, err := json.Marshal(incident.Record{Seq: seq + 1})
		require.NoError(t, err)
		require.NoError(t, j.Append(t.Context(), journal.Commit{Entries: []journal.Entry{{Seq: seq + 1, At: time.Now(), Body: body}}}))
	}
	require.NoError(t, j.Close())
	db, err := sql.Open("sqlite", filepath.Join(dir, "recoveryd.db"))
	require.NoError(t, err)
	_, err = db.ExecContext(t.Context(), "UPDATE entries SET reason = 'x' WHERE seq = 5")
	require.NoError(t, err)
	require.NoError(t, db.Close())

	j = open()
	defer func() { require.NoError(t, j.Close()) }()
	require.NotNil(t, j.Salvaged())
	state, err := restore(t.Context(), j, time.Now(), zap.NewNop())
	require.NoError(t, err)
	require.Equal(t, uint64(5), state.Seq, "the number of the record that was lost is not given again")
	require.NoError(t, ledger{j, func(err error) { require.NoError(t, err) }}.Append(t.Context(), incident.Record{Seq: state.Seq + 1}, nil), fmt.Sprint(j.Salvaged()))
}

func TestADaemonStartsWhateverItsOwnRecordsSay(t *testing.T) {
	record := func(t *testing.T, seq uint64, body string) journal.Commit {
		t.Helper()
		if body == "" {
			b, err := json.Marshal(incident.Record{Seq: seq, Host: &incident.Host{Pause: &incident.Standing{By: "ann"}}})
			require.NoError(t, err)
			body = string(b)
		}
		return journal.Commit{Entries: []journal.Entry{{Seq: seq, At: time.Now(), Body: json.RawMessage(body)}}}
	}
	for name, c := range map[string]struct{ record, snapshot, forgotten string }{
		"a record with a phase that does not exist":     {record: `{"to":"asleep"}`, forgotten: "holds, pauses"},
		"a record of another type":                      {record: `{"host":[]}`, forgotten: "holds, pauses"},
		"a record that is no object":                    {record: `"a word"`, forgotten: "holds, pauses"},
		"a snapshot of another type":                    {snapshot: `{"targets":[1,2]}`, forgotten: "holds, pauses"},
		"a snapshot with a time that does not exist":    {snapshot: `{"targets":{"a":{"since":"2026-13-45"}}}`, forgotten: "holds, pauses"},
		"a snapshot that is not even JSON":              {snapshot: `{"targets":`, forgotten: "holds, pauses"},
		"a snapshot with a verdict that does not exist": {snapshot: `{"targets":{"a":{"diagnosis":{"verdict":"fine"}}}}`, forgotten: "holds, pauses"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			j, err := journal.Open(t.Context(), journal.Options{Dir: dir, BallastBytes: -1})
			require.NoError(t, err)
			require.NoError(t, j.Append(t.Context(), record(t, 1, "")))
			if c.record != "" {
				require.NoError(t, j.Append(t.Context(), record(t, 2, c.record)))
			}
			if c.snapshot != "" {
				require.NoError(t, j.SaveSnapshot(t.Context(), 1, []byte(c.snapshot)))
			}
			require.NoError(t, j.Close())

			j, err = journal.Open(t.Context(), journal.Options{Dir: dir, BallastBytes: -1, Readable: readable})
			require.NoError(t, err)
			defer func() { require.NoError(t, j.Close()) }()
			require.NotNil(t, j.Salvaged())
			state, err := restore(t.Context(), j, time.Now(), zap.NewNop())
			require.NoError(t, err)
			require.NotNil(t, state.Host.Pause, "what can be read is known")
			n := salvaged(&config.Config{Host: "web-1"}, j.Salvaged(), time.Now())
			require.Contains(t, n.Next, c.forgotten)
			require.Contains(t, n.Evidence[0], "cannot be read")
			require.NoError(t, ledger{j, func(err error) { require.NoError(t, err) }}.Append(t.Context(), incident.Record{Seq: state.Seq + 1}, nil))
		})
	}
}
