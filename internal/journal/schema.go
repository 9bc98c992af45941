package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
)

// applicationID marks the file as ours ("rcvd" in ASCII), so that no other database is ever
// taken for a damaged journal.
const applicationID = 0x72637664

// A migration takes the schema from one version to the next, inside one transaction.
type migration string

// migrations are applied in order; the version of the schema is their number. Append to the
// list, never change what was released.
func migrations() []migration {
	return []migration{schemaV1}
}

// Times are unix nanoseconds, 0 for none. Every table ends with sum, the checksum of the other
// columns of the row (chain.go). The views are for people with the sqlite3 shell.
const schemaV1 migration = `
CREATE TABLE entries (
	seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, target TEXT NOT NULL, incident TEXT NOT NULL,
	phase_from TEXT NOT NULL, phase_to TEXT NOT NULL, reason TEXT NOT NULL, body TEXT NOT NULL,
	prev BLOB NOT NULL, sum BLOB NOT NULL
) STRICT;
CREATE INDEX entries_incident ON entries (incident, seq) WHERE incident <> '';

-- id 1: the last entry; id 0: the last entry that retention removed
CREATE TABLE chain (id INTEGER PRIMARY KEY, seq INTEGER NOT NULL, link BLOB NOT NULL, sum BLOB NOT NULL) STRICT;

-- entries that a salvage could not carry over: between after_seq and before_seq, both exclusive
CREATE TABLE gaps (before_seq INTEGER PRIMARY KEY, after_seq INTEGER NOT NULL, at INTEGER NOT NULL, why TEXT NOT NULL, sum BLOB NOT NULL) STRICT;

CREATE TABLE snapshots (seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, body BLOB NOT NULL, sum BLOB NOT NULL) STRICT;

CREATE TABLE incidents (
	id TEXT PRIMARY KEY, target TEXT NOT NULL, class TEXT NOT NULL, severity TEXT NOT NULL, phase TEXT NOT NULL,
	summary TEXT NOT NULL, opened INTEGER NOT NULL, closed INTEGER NOT NULL, body TEXT NOT NULL, sum BLOB NOT NULL
) STRICT;
CREATE INDEX incidents_opened ON incidents (opened);

CREATE TABLE outbox (
	seq INTEGER PRIMARY KEY AUTOINCREMENT, channel TEXT NOT NULL, id TEXT NOT NULL, incident TEXT NOT NULL,
	state TEXT NOT NULL, at INTEGER NOT NULL, body TEXT NOT NULL, sum BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX outbox_id ON outbox (id, channel);
CREATE INDEX outbox_waiting ON outbox (seq) WHERE state = 'waiting';
CREATE INDEX outbox_incident ON outbox (incident, seq) WHERE incident <> '';

CREATE TABLE outbox_keys (
	channel TEXT NOT NULL, key TEXT NOT NULL, open INTEGER NOT NULL, at INTEGER NOT NULL, body TEXT NOT NULL, sum BLOB NOT NULL,
	PRIMARY KEY (channel, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE outbox_channels (channel TEXT PRIMARY KEY, body TEXT NOT NULL, sum BLOB NOT NULL) STRICT, WITHOUT ROWID;

-- one row per flush: the observations of all targets of some seconds, compressed
CREATE TABLE observations (id INTEGER PRIMARY KEY, first_at INTEGER NOT NULL, last_at INTEGER NOT NULL, body BLOB NOT NULL, sum BLOB NOT NULL) STRICT;

CREATE TABLE evidence (
	id INTEGER PRIMARY KEY, incident TEXT NOT NULL, name TEXT NOT NULL, at INTEGER NOT NULL, body BLOB NOT NULL, sum BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX evidence_name ON evidence (incident, name);

-- written by the durable write of readiness and heartbeat
CREATE TABLE heartbeat (id INTEGER PRIMARY KEY, at INTEGER NOT NULL, sum BLOB NOT NULL) STRICT;

CREATE VIEW history AS SELECT seq, strftime('%Y-%m-%d %H:%M:%f', at/1e9, 'unixepoch') AS utc, target, incident,
	phase_from || ' -> ' || phase_to AS phase, reason FROM entries;
CREATE VIEW notices AS SELECT seq, strftime('%Y-%m-%d %H:%M:%f', at/1e9, 'unixepoch') AS utc, channel, state,
	json_extract(body, '$.kind') AS kind, json_extract(body, '$.attempts') AS attempts,
	json_extract(body, '$.notice.summary') AS summary, json_extract(body, '$.last_error') AS last_error FROM outbox;
`

// table names the columns of a table in the order in which they are hashed and written; sum is
// always the last.
type table struct {
	name string
	cols string
}

// tables are those that a salvage carries over, most important first. Entries are last but for
// the bulk, because they are the most.
func tables() []table {
	return []table{
		tableSnapshots, tableOutbox, tableKeys, tableChannels, tableIncidents, tableGaps, tableEntries,
		tableEvidence, tableObservations,
	}
}

var (
	tableEntries      = table{"entries", "seq, at, target, incident, phase_from, phase_to, reason, body, prev, sum"}
	tableChain        = table{"chain", "id, seq, link, sum"}
	tableGaps         = table{"gaps", "before_seq, after_seq, at, why, sum"}
	tableSnapshots    = table{"snapshots", "seq, at, body, sum"}
	tableIncidents    = table{"incidents", "id, target, class, severity, phase, summary, opened, closed, body, sum"}
	tableOutbox       = table{"outbox", "seq, channel, id, incident, state, at, body, sum"}
	tableKeys         = table{"outbox_keys", "channel, key, open, at, body, sum"}
	tableChannels     = table{"outbox_channels", "channel, body, sum"}
	tableObservations = table{"observations", "id, first_at, last_at, body, sum"}
	tableEvidence     = table{"evidence", "id, incident, name, at, body, sum"}
	tableHeartbeat    = table{"heartbeat", "id, at, sum"}
)

// insert is the statement that writes a row; verb is "INSERT" or "INSERT OR REPLACE".
func (t table) insert(verb string) string {
	marks := strings.Repeat("?, ", strings.Count(t.cols, ",")) + "?"
	return fmt.Sprintf("%s INTO %s (%s) VALUES (%s)", verb, t.name, t.cols, marks)
}

// checkVersion says whether the file is ours and whether its schema is known. It changes nothing.
func checkVersion(ctx context.Context, c *sql.Conn, known int) (version int, err error) {
	var app, objects int
	for query, into := range map[string]*int{
		"PRAGMA application_id": &app, "PRAGMA user_version": &version, "SELECT count(*) FROM sqlite_schema": &objects,
	} {
		if err := c.QueryRowContext(ctx, query).Scan(into); err != nil {
			return 0, classify(err)
		}
	}
	switch {
	case app == 0 && version == 0 && objects == 0: // new
		return 0, nil
	case app == applicationID && version == 0:
		return 0, fmt.Errorf("%w: its header has lost the version of the schema", ErrCorrupt)
	case app != applicationID:
		return 0, fmt.Errorf("%w (application id %#x): move it away or choose another state directory", ErrForeign, app)
	case version > known:
		return version, fmt.Errorf("%w: its schema is %d and this one knows up to %d: upgrade recoveryd, or move the file aside to start anew",
			ErrNewer, version, known)
	}
	return version, nil
}

// sameSchema checks that the tables and indexes are those of the migrations, to the letter: a row that is
// read by another definition is another row. What an operator added is left alone.
func sameSchema(ctx context.Context, q queryer) (err error) {
	db, err := openDB("file::memory:", 1)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	c, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	if err := migrate(ctx, c, 0, migrations()); err != nil {
		return err
	}
	want, err := schemaOf(ctx, c)
	if err != nil {
		return err
	}
	is, err := schemaOf(ctx, q)
	if err != nil {
		return err
	}
	for name, text := range want {
		if is[name] != text {
			return fmt.Errorf("%w: the definition of %s is not as it was written", ErrCorrupt, name)
		}
	}
	return nil
}

func schemaOf(ctx context.Context, q queryer) (map[string]string, error) {
	rows, err := q.QueryContext(ctx, "SELECT name, type || coalesce(tbl_name, '') || coalesce(sql, '') FROM sqlite_schema")
	if err != nil {
		return nil, classify(err)
	}
	defer rows.Close() //nolint:errcheck // Err tells
	out := map[string]string{}
	for rows.Next() {
		var name, text string
		if err := rows.Scan(&name, &text); err != nil {
			return nil, fmt.Errorf("%w: its schema: %w", ErrCorrupt, err)
		}
		out[name] = text
	}
	return out, classify(rows.Err())
}

// migrate brings the schema up to date in one transaction, so that a crash leaves the old one.
func migrate(ctx context.Context, c *sql.Conn, from int, steps []migration) (err error) {
	if from == len(steps) {
		return nil
	}
	if _, err := c.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return classify(err)
	}
	defer func() {
		if err != nil {
			_, undo := c.ExecContext(ctx, "ROLLBACK")
			err = errors.Join(err, undo)
		}
	}()
	for i, step := range steps[from:] {
		if _, err := c.ExecContext(ctx, string(step)); err != nil {
			return fmt.Errorf("schema %d: %w", from+i+1, classify(err))
		}
	}
	for _, pragma := range []string{
		fmt.Sprintf("PRAGMA application_id = %d", applicationID),
		fmt.Sprintf("PRAGMA user_version = %d", len(steps)),
		"COMMIT",
	} {
		if _, err := c.ExecContext(ctx, pragma); err != nil {
			return classify(err)
		}
	}
	return nil
}
