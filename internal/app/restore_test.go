package app

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

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
	state, err := restore(t.Context(), j)
	require.NoError(t, err)
	require.Equal(t, uint64(5), state.Seq, "the number of the record that was lost is not given again")
	require.NoError(t, ledger{j, func(err error) { require.NoError(t, err) }}.Append(t.Context(), incident.Record{Seq: state.Seq + 1}, nil), fmt.Sprint(j.Salvaged()))
}
