package journal

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// rewrite replaces the body of rows, with the checksum that belongs to it: what a broken program of ours, or
// somebody who can compute checksums, would leave. Entries are chained anew.
func rewrite(t *testing.T, dir string, tb table, column string, change func(key any, body string) string) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(dir, fileName))
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	cols := tb.columns()
	at, prev := slices.Index(cols, column), slices.Index(cols, "prev")
	rows, err := db.QueryContext(t.Context(), "SELECT "+tb.cols+" FROM "+tb.name+" ORDER BY 1")
	require.NoError(t, err)
	var all [][]any
	for rows.Next() {
		s := newScan(len(cols))
		require.NoError(t, rows.Scan(s.into...))
		all = append(all, slices.Clone(s.vals))
	}
	require.NoError(t, rows.Err())
	require.NoError(t, rows.Close())
	var last []byte
	for _, vals := range all {
		if prev >= 0 && last != nil {
			vals[prev] = last
		}
		if b, blob := vals[at].([]byte); blob {
			vals[at] = []byte(change(vals[0], string(b)))
		} else {
			vals[at] = change(vals[0], vals[at].(string))
		}
		for i, v := range vals {
			if b, blob := v.([]byte); blob {
				vals[i] = notNil(b)
			}
		}
		row := withSum(tb, vals[:len(vals)-1]...)
		last = row[len(row)-1].([]byte)
		_, err := db.ExecContext(t.Context(), tb.insert("INSERT OR REPLACE"), row...)
		require.NoError(t, err)
	}
	if prev >= 0 {
		seq := all[len(all)-1][0]
		row := withSum(tableChain, int64(headID), seq, last)
		_, err := db.ExecContext(t.Context(), tableChain.insert("INSERT OR REPLACE"), row...)
		require.NoError(t, err)
	}
}

// strict reads bodies as the daemon does: their members have types.
func strict(_ Kind, body []byte) error {
	return json.Unmarshal(body, &struct {
		N int `json:"n"`
	}{})
}

func TestABodyThatCannotBeReadIsDamageLikeAnyOther(t *testing.T) {
	only := func(key any, with string) func(any, string) string {
		return func(k any, body string) string {
			if fmt.Sprint(k) == fmt.Sprint(key) {
				return with
			}
			return body
		}
	}
	for name, c := range map[string]struct {
		table   table
		change  func(any, string) string
		dropped string
		gaps    []Gap
	}{
		"a record that is no JSON":             {tableEntries, only(7, "{"), "entries", []Gap{{6, 8}}},
		"a record with another type in it":     {tableEntries, only(10, `{"n":"ten"}`), "entries", []Gap{{9, 11}}},
		"an empty record":                      {tableEntries, only(1, ""), "entries", []Gap{{0, 2}}},
		"an incident with another type in it":  {tableIncidents, only("inc-1", `{"n":[]}`), "incidents", nil},
		"a waiting notice that is no JSON":     {tableOutbox, only(1, "garbage"), "outbox", nil},
		"a key with another type in it":        {tableKeys, only("pager", `{"open":"yes"}`), "outbox_keys", nil},
		"a channel that is no JSON":            {tableChannels, only("pager", "\x00"), "outbox_channels", nil},
		"a snapshot that is no JSON":           {tableSnapshots, only(0, "{"), "snapshots", nil},
		"a snapshot with another type in it":   {tableSnapshots, only(0, `{"n":{}}`), "snapshots", nil},
		"a snapshot that is cut in the middle": {tableSnapshots, only(0, strings.Repeat("[", 100)), "snapshots", nil},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			all := filled(t, dir, 10)
			j, err := Open(t.Context(), optionsFor(dir))
			require.NoError(t, err)
			require.NoError(t, j.SaveSnapshot(t.Context(), 0, []byte(`{"n":0}`)))
			require.NoError(t, j.Close())
			column := "body"
			rewrite(t, dir, c.table, column, c.change)

			j, err = Open(t.Context(), optionsFor(dir, func(o *Options) { o.Readable = strict }))
			require.NoError(t, err, "it starts")
			s := j.Salvaged()
			require.NotNil(t, s, "and says so")
			require.ErrorIs(t, s.Cause, ErrCorrupt)
			require.ErrorContains(t, s.Cause, "cannot be read")
			require.Equal(t, map[string]int{c.dropped: 1}, s.Dropped)
			require.Equal(t, c.gaps, s.Gaps)
			require.FileExists(t, s.MovedTo)
			require.NotContains(t, s.Forgotten(), "were all carried over")
			require.Len(t, replayAll(t, j, 0), s.Kept["entries"])
			require.GreaterOrEqual(t, s.Kept["entries"], len(all)-1)
			_, _, _, err = j.LoadOutbox(t.Context(), 0)
			require.NoError(t, err)
			es := []Entry{entry(1)}
			require.NoError(t, j.Append(t.Context(), Commit{Entries: es}))
			require.Equal(t, uint64(11), es[0].Seq)
			require.NoError(t, j.Close())
			j, err = Open(t.Context(), optionsFor(dir, func(o *Options) { o.Readable = strict }))
			require.NoError(t, err, "it starts again")
			require.Equal(t, s.String(), j.Salvaged().String(), "and it is still to be told")
			require.NoError(t, j.Close())
		})
	}
}

func TestAnOlderSnapshotServesWhenTheNewestCannotBeRead(t *testing.T) {
	dir := t.TempDir()
	filled(t, dir, 10)
	j, err := Open(t.Context(), optionsFor(dir))
	require.NoError(t, err)
	require.NoError(t, j.SaveSnapshot(t.Context(), 4, []byte(`{"n":4}`)))
	require.NoError(t, j.SaveSnapshot(t.Context(), 9, []byte(`{"n":9}`)))
	require.NoError(t, j.Close())
	rewrite(t, dir, tableSnapshots, "body", func(key any, body string) string {
		if key == int64(9) {
			return `{"n":"nine"}`
		}
		return body
	})
	j, err = Open(t.Context(), optionsFor(dir, func(o *Options) { o.Readable = strict }))
	require.NoError(t, err)
	seq, body, err := j.Snapshot(t.Context())
	require.NoError(t, err)
	require.Equal(t, uint64(4), seq)
	require.JSONEq(t, `{"n":4}`, string(body))
	require.Len(t, replayAll(t, j, seq), 6, "nothing is lost")
	require.NoError(t, j.Close())
}
