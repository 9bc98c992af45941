package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	"modernc.org/sqlite"
)

// Names in the state directory.
const (
	fileName    = "recoveryd.db"
	lockName    = "recoveryd.lock"
	ballastName = "recoveryd.ballast"
)

// fileMode keeps the journal from other users: it holds log lines and process lists.
const fileMode = 0o640

// writerDSN opens the one connection that writes. synchronous=FULL syncs the log at every
// commit; the automatic checkpoint of 1000 pages bounds it at about 4 MiB. The page cache is 1 MiB,
// which holds the inner pages of a journal of the default size many times over.
func writerDSN(path string) string {
	return dsn(path, url.Values{
		"_busy_timeout": {"5000"}, // a reader's checkpoint lock, an operator's sqlite3 shell
		"_auto_vacuum":  {"INCREMENTAL"},
		"_journal_mode": {"WAL"},
		"_synchronous":  {"FULL"},
		"_dqs":          {"0"},
		"_error_rc":     {"1"},
		"_pragma": {
			"wal_autocheckpoint(1000)", "journal_size_limit(8388608)", "cache_size(-1000)", "temp_store(MEMORY)",
			"cell_size_check(1)", "trusted_schema(0)",
		},
	})
}

func readerDSN(path string) string {
	return dsn(path, url.Values{
		"mode": {"ro"}, "_busy_timeout": {"5000"}, "_dqs": {"0"}, "_error_rc": {"1"},
		"_pragma": {"cache_size(-500)", "temp_store(MEMORY)", "cell_size_check(1)", "trusted_schema(0)"},
	})
}

// damagedDSN reads what it can of a damaged file. With writable_schema SQLite accepts a file that
// is shorter than its header says; nothing is written.
func damagedDSN(path string) string {
	return dsn(path, url.Values{
		"mode": {"ro"}, "_busy_timeout": {"5000"}, "_dqs": {"0"}, "_error_rc": {"1"},
		"_pragma": {"writable_schema(ON)", "temp_store(MEMORY)", "trusted_schema(0)"},
	})
}

// immutableDSN reads a file whose directory cannot be written and that nobody has open.
func immutableDSN(path string) string {
	return dsn(path, url.Values{"mode": {"ro"}, "immutable": {"1"}, "_dqs": {"0"}, "_error_rc": {"1"}})
}

func dsn(path string, params url.Values) string {
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + params.Encode()
}

// openDB returns a pool of at most n connections.
func openDB(dsn string, n int) (*sql.DB, error) {
	connector, err := sqlite.NewConnector(dsn)
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(n)
	return db, nil
}

// writer is the one connection that writes, with its statements prepared once.
type writer struct {
	db      *sql.DB
	conn    *sql.Conn
	stmts   map[string]*sql.Stmt
	changed bool // a row, in the last transaction: without that nothing of it went to the disk
}

func openWriter(ctx context.Context, path string) (*writer, error) {
	db, err := openDB(writerDSN(path), 1)
	if err != nil {
		return nil, err
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, errors.Join(classify(err), db.Close())
	}
	return &writer{db: db, conn: conn, stmts: map[string]*sql.Stmt{}}, nil
}

func (w *writer) close() error {
	var errs []error
	for _, s := range w.stmts {
		errs = append(errs, s.Close())
	}
	return errors.Join(append(errs, w.conn.Close(), w.db.Close())...)
}

// exec runs a statement, prepared on its first use.
func (w *writer) exec(ctx context.Context, query string, args ...any) (sql.Result, error) {
	s, err := w.prepare(ctx, query)
	if err != nil {
		return nil, err
	}
	res, err := s.ExecContext(ctx, args...)
	if err != nil {
		return res, classify(err)
	}
	if n, err := res.RowsAffected(); err == nil && n > 0 {
		w.changed = true
	}
	return res, nil
}

// get scans the one row of a query, prepared on its first use. Without a row the error is
// sql.ErrNoRows.
func (w *writer) get(ctx context.Context, into []any, query string, args ...any) error {
	s, err := w.prepare(ctx, query)
	if err != nil {
		return err
	}
	return classify(s.QueryRowContext(ctx, args...).Scan(into...))
}

func (w *writer) prepare(ctx context.Context, query string) (*sql.Stmt, error) {
	if s, ok := w.stmts[query]; ok {
		return s, nil
	}
	s, err := w.conn.PrepareContext(ctx, query)
	if err != nil {
		return nil, classify(err)
	}
	w.stmts[query] = s
	return s, nil
}

// tx runs fn in one transaction. When it returns nil the transaction is on the disk; otherwise
// nothing of it is, except that after a failed sync of the disk the outcome is not known.
func (w *writer) tx(ctx context.Context, fn func(*writer) error) (err error) {
	if _, err := w.exec(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	defer func() {
		if err == nil {
			return
		}
		// After some errors (a full disk) SQLite has rolled back by itself; then this one fails
		// with "no transaction is active", which is what we want.
		_, _ = w.conn.ExecContext(ctx, "ROLLBACK")
	}()
	w.changed = false // SQLite says of BEGIN what the statement before it changed
	if err := fn(w); err != nil {
		return err
	}
	changed := w.changed
	_, err = w.exec(ctx, "COMMIT")
	w.changed = changed && err == nil
	return err
}

// createFile makes the empty database file, so that it and its log get our mode whatever the
// umask, and syncs the directory entry, which SQLite does not do for the main file.
func createFile(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, fileMode)
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	if err != nil {
		return classify(err)
	}
	if err := errors.Join(f.Chmod(fileMode), f.Sync(), f.Close()); err != nil {
		return classify(err)
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("sync directory %s: %w", dir, err)
	}
	return nil
}
