package journal

import (
	"context"

	"go.uber.org/zap"
)

// provenBroken is how many times in a row writing has to fail, ten seconds apart, until the journal is
// said to be broken. A lock that somebody else holds for a moment (SQLITE_BUSY, after five seconds) must
// wake nobody; a disk that is full or read-only is known after half a minute.
const provenBroken = 3

// proof is what the maintenance knows of whether the journal can be written. It is used by the one
// goroutine of the maintenance.
type proof struct {
	j      *Journal
	failed int    // times in a row
	said   string // the failure that was logged last
}

// Broken tells why the journal cannot be written, as found by the maintenance while nobody had to write
// a decision: within about two minutes, and again for as long as it lasts. It never tells of a failure
// that passed. It holds one value, so that nobody is waited for.
func (j *Journal) Broken() <-chan error { return j.broken }

// settle tries a write of its own after something has failed: only that shows whether it was the writing.
func (p *proof) settle(ctx context.Context) error {
	if p.failed == 0 {
		return nil
	}
	err := p.j.Writable(ctx)
	if err == nil {
		if p.failed >= provenBroken {
			p.j.log.Info("journal can be written again")
		}
		p.failed, p.said = 0, ""
		select {
		case <-p.j.broken: // nobody has heard it yet, and it is no longer true
		default:
		}
		return nil
	}
	if p.failed++; p.failed >= provenBroken && ctx.Err() == nil {
		select {
		case p.j.broken <- err:
		default:
		}
	}
	return err
}

// note takes what came of a turn of the maintenance. The same failure is logged once.
func (p *proof) note(err error) {
	if err == nil {
		return
	}
	p.failed = max(p.failed, 1)
	if said := err.Error(); said != p.said {
		p.said = said
		p.j.log.Warn("journal maintenance failed", zap.Error(err))
	}
}

// proveIdle writes something when nothing else was written since the last time: on a disk that nobody
// writes to, nobody notices that it cannot be written.
func (j *Journal) proveIdle(ctx context.Context) error {
	if j.wrote.Swap(false) {
		return nil
	}
	err := j.Writable(ctx)
	j.wrote.Store(false) // this write says nothing of the next minute
	return err
}
