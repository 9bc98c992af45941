package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/recoveryd/recoveryd/pkg/escalate/queue"
)

// Options of [Open]. Only Dir is required.
type Options struct {
	Dir              string        // the state directory; made if it is missing
	ReadOnly         bool          // look on while a daemon writes: no lock, no repair, no writes
	Logger           *zap.Logger   // nil: none
	MaxBytes         int64         // live size of the whole file; default 256 MiB
	KeepFor          time.Duration // age up to which closed incidents and their entries are kept; default 90 days
	EvidenceBytes    int64         // share of evidence; default 64 MiB
	ObservationBytes int64         // share of observations; default 32 MiB
	BallastBytes     int64         // default 8 MiB, some hundred commits; negative: none
	Tidied           func()        // called once a minute, when the maintenance is over; nil: nothing is
	// Readable says why the caller cannot read what it once wrote: the body of an [Entry], of an
	// [IncidentRow] or of a snapshot. Such a row is damage as any other, whatever its checksum says. It may be
	// called from Open only; nil: every body can be read.
	Readable func(Kind, []byte) error
}

// Kind says what a body is of.
type Kind string

// The kinds of bodies that the caller of this package reads.
const (
	KindEntry    Kind = "entries"
	KindIncident Kind = "incidents"
	KindSnapshot Kind = "snapshots"
)

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = zap.NewNop()
	}
	for _, d := range []struct {
		v   *int64
		def int64
	}{{&o.MaxBytes, 256 << 20}, {&o.EvidenceBytes, 64 << 20}, {&o.ObservationBytes, 32 << 20}, {&o.BallastBytes, 8 << 20}} {
		if *d.v == 0 {
			*d.v = d.def
		}
	}
	if o.KeepFor == 0 {
		o.KeepFor = 90 * 24 * time.Hour
	}
	return o
}

// Journal is an open journal. All methods are safe for concurrent use.
type Journal struct {
	opts     Options
	path     string
	log      *zap.Logger
	lockFile *os.File
	salvaged *Salvage

	turn     chan struct{} // holds one token: whoever takes it may use what follows, down to closed
	w        *writer       // nil when read-only
	head     link
	writes   uint64 // commits, ever
	mark     mark   // as it was written last
	markFile *os.File
	unmarked bool // it could not be written, and that was said
	closed   bool

	readers *sql.DB
	lastSeq atomic.Uint64 // head.seq, for those who have no turn

	pending  pendingObservations
	ballast  atomic.Bool // the ballast is there
	wrote    atomic.Bool // since the maintenance asked last
	broken   chan error  // see Broken
	maintain chan struct{}
	stop     context.CancelFunc
	done     sync.WaitGroup
}

// Open opens the journal of a state directory, creating or upgrading it, and checks it: the
// structure of the file, the chain of entries since the last snapshot, and every notice that
// waits. What it finds damaged it salvages; see [Journal.Salvaged].
//
// It returns a *[LockedError] when another daemon is running, and errors that wrap [ErrNewer],
// [ErrForeign] or [ErrFull]. In each of these cases nothing was changed.
func Open(ctx context.Context, opts Options) (*Journal, error) {
	opts = opts.withDefaults()
	j := &Journal{
		opts: opts, path: filepath.Join(opts.Dir, fileName), log: opts.Logger,
		turn: make(chan struct{}, 1), maintain: make(chan struct{}, 1), broken: make(chan error, 1),
	}
	j.turn <- struct{}{}
	open := j.openWriting
	if opts.ReadOnly {
		open = j.openReading
	}
	if err := open(ctx); err != nil {
		return nil, fmt.Errorf("open journal %s: %w", j.path, err)
	}
	return j, nil
}

// Salvaged tells what Open found damaged and carried over, or nil. The caller pages it, by
// [Journal.TellSalvage]; until it does so, every Open tells it again.
func (j *Journal) Salvaged() *Salvage { return j.salvaged }

// LastSeq is the Seq of the last entry, 0 when there is none. On a read-only journal it is 0.
func (j *Journal) LastSeq() uint64 { return j.lastSeq.Load() }

// Close flushes what is buffered and closes the journal. Appends that wait for their turn fail
// with [ErrClosed].
func (j *Journal) Close() error {
	if j.opts.ReadOnly {
		return j.readers.Close()
	}
	j.stop()
	j.done.Wait()
	flushed := j.flushObservations(context.Background())
	<-j.turn
	if j.closed {
		j.turn <- struct{}{}
		return nil
	}
	j.closed = true
	j.turn <- struct{}{}
	return errors.Join(flushed, j.readers.Close(), j.w.close(), j.markFile.Close(), j.lockFile.Close())
}

// withTurn runs fn while nobody else writes. Once it has the turn it does not stop half-way for a
// cancelled ctx.
func (j *Journal) withTurn(ctx context.Context, fn func(context.Context) error) error {
	if j.opts.ReadOnly {
		return ErrReadOnly
	}
	select {
	case <-j.turn:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { j.turn <- struct{}{} }()
	if j.closed {
		return ErrClosed
	}
	defer j.remark()
	return fn(context.WithoutCancel(ctx))
}

// commit makes a change in one transaction; the caller has the turn. On a full disk it gives up the
// ballast and tries once more.
func (j *Journal) commit(ctx context.Context, change func(*writer) error) error {
	fn := func(w *writer) error {
		if err := change(w); err != nil || !w.changed {
			return err
		}
		return putLink(ctx, w, countID, link{seq: j.writes + 1, sum: []byte{}})
	}
	err := j.w.tx(ctx, fn)
	if err != nil && mayBeFull(err) {
		if broken := readOnly(j.opts.Dir, err); broken != nil {
			return broken // room would not help
		}
		if j.giveUpBallast() {
			err = j.w.tx(ctx, fn)
		}
	}
	if err == nil && j.w.changed {
		j.wrote.Store(true)
		j.writes++
	}
	return err
}

// write is one transaction in its turn.
func (j *Journal) write(ctx context.Context, fn func(context.Context, *writer) error) error {
	return j.withTurn(ctx, func(ctx context.Context) error {
		return j.commit(ctx, func(w *writer) error { return fn(ctx, w) })
	})
}

// giveUpBallast reports whether it made room.
func (j *Journal) giveUpBallast() bool {
	if !j.ballast.Swap(false) || !dropBallast(j.opts.Dir) {
		return false
	}
	j.log.Error("disk is full, gave up the ballast of the journal", zap.String("dir", j.opts.Dir))
	j.wakeMaintenance()
	return true
}

// TellSalvage stores the notices about a salvage, and does not tell of it again. They have their Seq then.
func (j *Journal) TellSalvage(ctx context.Context, rows []queue.Queued) error {
	err := j.write(ctx, func(ctx context.Context, w *writer) error {
		seqs, err := insertQueued(ctx, w, rows)
		if err != nil {
			return err
		}
		for i := range rows {
			rows[i].Seq = seqs[i]
		}
		_, err = w.exec(ctx, "DELETE FROM chain WHERE id = ?", int64(talesID))
		return err
	})
	if err != nil {
		return fmt.Errorf("tell of the damage to journal %s: %w", j.path, err)
	}
	return nil
}

// Writable makes a durable write and returns what came of it. Readiness and heartbeat use it.
func (j *Journal) Writable(ctx context.Context) error {
	err := j.write(ctx, func(ctx context.Context, w *writer) error {
		return beat(ctx, w)
	})
	if err != nil {
		return fmt.Errorf("write to journal %s: %w", j.path, err)
	}
	return nil
}

func beat(ctx context.Context, w *writer) error {
	_, err := w.exec(ctx, tableHeartbeat.insert("INSERT OR REPLACE"), withSum(tableHeartbeat, int64(1), time.Now().UnixNano())...)
	return err
}

// Health is what metrics and status show of the journal.
type Health struct {
	Bytes               int64 // size of the file and its log
	LastSeq             uint64
	Ballast             bool   // false: the disk was full, or has no room for it
	DroppedObservations uint64 // since Open
}

// Health looks at the files; it is cheap and never blocks for long.
func (j *Journal) Health() Health {
	h := Health{LastSeq: j.LastSeq(), Ballast: j.ballast.Load(), DroppedObservations: j.pending.dropped.Load()}
	for _, p := range []string{j.path, j.path + "-wal"} {
		if fi, err := os.Stat(p); err == nil {
			h.Bytes += fi.Size()
		}
	}
	return h
}
