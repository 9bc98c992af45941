package journal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"go.uber.org/zap"
)

func (j *Journal) openWriting(ctx context.Context) (err error) {
	if err := os.MkdirAll(j.opts.Dir, 0o750); err != nil {
		return notWritable(j.opts.Dir, err)
	}
	if err := regular(j.opts.Dir, false); err != nil {
		return err
	}
	j.ballast.Store(true) // perhaps; giving it up says
	if j.lockFile, err = lockDir(j.opts.Dir); err != nil && mayBeFull(err) && j.giveUpBallast() {
		j.lockFile, err = lockDir(j.opts.Dir)
	}
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, j.lockFile.Close())
		}
	}()
	if j.markFile, j.mark, err = openMark(j.opts.Dir); err != nil && mayBeFull(err) && j.giveUpBallast() {
		j.markFile, j.mark, err = openMark(j.opts.Dir)
	}
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, j.markFile.Close())
		}
	}()
	finished, err := finishSalvage(j.path)
	if err != nil {
		return err
	}
	err = j.openChecked(ctx)
	if err != nil && mayBeFull(err) && j.giveUpBallast() {
		err = j.openChecked(ctx)
	}
	if errors.Is(err, ErrCorrupt) {
		j.log.Error("journal is damaged, salvaging it", zap.String("file", j.path), zap.Error(err))
		cause := err
		if j.salvaged, err = salvage(ctx, j.path, j.mark, j.opts.Readable, cause, time.Now()); err != nil && mayBeFull(err) && j.giveUpBallast() {
			j.salvaged, err = salvage(ctx, j.path, j.mark, j.opts.Readable, cause, time.Now())
		}
		if err != nil {
			return err
		}
		j.log.Error("journal was salvaged", zap.Stringer("result", j.salvaged))
		j.mark.head = link{} // what was written last need not be in the new file, and it was said
		err = j.openChecked(ctx)
	}
	if err != nil {
		return err
	}
	if j.salvaged == nil {
		if j.salvaged, err = untold(ctx, j.w.conn); err != nil {
			return errors.Join(err, j.w.close())
		}
		if j.salvaged != nil && finished != "" {
			j.salvaged.MovedTo = finished
		}
	}
	if j.readers, err = openDB(readerDSN(j.path), 2); err != nil {
		return errors.Join(err, j.w.close())
	}
	j.readers.SetConnMaxIdleTime(time.Minute) // the page caches of idle readers are given back
	j.startMaintenance(ctx)
	return nil
}

// openChecked opens the writing connection and leaves it closed on any error. It looks at the
// file through a reading connection first: closing a writing one would move the log into a file
// that may be damaged.
func (j *Journal) openChecked(ctx context.Context) (err error) {
	if err := emptied(j.path, j.mark); err != nil {
		return err
	}
	if err := createFile(j.path); err != nil {
		return err
	}
	if err := inspect(ctx, j.path, j.mark, j.opts.Readable); err != nil {
		return err
	}
	w, err := openWriter(ctx, j.path)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.close())
		}
	}()
	steps := migrations()
	version, err := checkVersion(ctx, w.conn, len(steps))
	if err != nil {
		return err
	}
	if err := migrate(ctx, w.conn, version, steps); err != nil {
		return err
	}
	head, err := readLink(ctx, w.conn, headID)
	if version < len(steps) && err == nil {
		head, err = check(ctx, w.conn, j.opts.Readable)
	}
	if err != nil {
		return err
	}
	count, err := readLink(ctx, w.conn, countID)
	if err != nil {
		return err
	}
	j.w, j.head, j.writes = w, head, max(count.seq, j.mark.writes)
	j.lastSeq.Store(head.seq)
	// A file that can be read and not written is damaged too; better now than at the first decision.
	if err := j.commit(ctx, func(w *writer) error { return beat(ctx, w) }); err != nil {
		return err
	}
	j.wrote.Store(false) // it says nothing of the next minute
	j.remark()
	return nil
}

// emptied notices that a file is gone in which something was written. SQLite would take it for a new one
// and remove its log.
func emptied(path string, m mark) error {
	size := func(path string) int64 {
		info, err := os.Stat(path)
		if err != nil {
			return 0
		}
		return info.Size()
	}
	if size(path) > 0 || m.writes == 0 && size(path+"-wal") == 0 {
		return nil
	}
	return fmt.Errorf("%w: %s is gone or empty, and there were %d writes in it", ErrCorrupt, path, m.writes)
}

// inspect checks the structure of a file without changing it.
func inspect(ctx context.Context, path string, m mark, read reader) (err error) {
	db, err := openDB(readerDSN(path), 1)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	c, err := db.Conn(ctx)
	if err != nil {
		return classify(err)
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	known := len(migrations())
	version, err := checkVersion(ctx, c, known)
	switch {
	case m.writes > 0 && (errors.Is(err, ErrForeign) || version > known+255 || err == nil && version < m.schema): // no 255 versions were missed: flipped bits
		return errors.Join(fmt.Errorf("%w: its header or its write-ahead log (-wal) is not as it was written: schema %d, and it was %d", ErrCorrupt, version, m.schema), err)
	case err != nil:
		return err
	case version < known: // new, or checked once it is upgraded
		return quickCheck(ctx, c)
	}
	if err := sameSchema(ctx, c); err != nil {
		return err
	}
	if _, err = check(ctx, c, read); err != nil {
		return err
	}
	return m.lost(ctx, c)
}

func (j *Journal) openReading(ctx context.Context) (err error) {
	if err := regular(j.opts.Dir, true); err != nil {
		return err
	}
	if _, err := os.Stat(j.path); err != nil {
		return err
	}
	defer func() {
		if err != nil && j.readers != nil {
			err = errors.Join(err, j.readers.Close())
		}
	}()
	for _, dsn := range []string{readerDSN(j.path), immutableDSN(j.path)} {
		if j.readers, err = openDB(dsn, 2); err != nil {
			return err
		}
		if err = j.checkReadable(ctx); err == nil {
			return nil
		}
		// Without a daemon there may be no log to share, and no right to make one. A log that
		// is there may hold the latest entries, so then the file alone is not the truth.
		if _, statErr := os.Stat(j.path + "-wal"); statErr == nil || errors.Is(err, ErrNewer) || errors.Is(err, ErrForeign) {
			return err
		}
		_ = j.readers.Close()
	}
	return err
}

func (j *Journal) checkReadable(ctx context.Context) error {
	c, err := j.readers.Conn(ctx)
	if err != nil {
		return classify(err)
	}
	defer c.Close()
	known := len(migrations())
	version, err := checkVersion(ctx, c, known)
	if err != nil {
		return err
	}
	if version < known {
		return fmt.Errorf("its schema is %d and this one reads %d: start the recoveryd daemon once to upgrade it", version, known)
	}
	return nil
}
