package app

import (
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"go.uber.org/zap"

	"github.com/recoveryd/recoveryd/internal/engine"
)

// cycles tells now and then that the decision loop has turned. It has no time of its own: what lives on
// it starves when the loop stands still, and an idle daemon is not woken for it.
type cycles struct {
	engine.Meter
	watchdog bool          // the service manager wants to hear of us
	turn     time.Duration // the loop must turn at least this often
	every    time.Duration
	last     time.Time     // of the loop's goroutine alone
	beats    chan struct{} // capacity 1
}

// shortestWatchdog is the least that the service manager has to wait for us: the loop is not made to turn
// more than once a second when nothing happens, and one turn may be late.
const shortestWatchdog = 3 * time.Second

// newCycles listens to the turns that a meter is told of.
func newCycles(m engine.Meter, log *zap.Logger) *cycles {
	interval, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		log.Warn("the watchdog of the service manager is not used", zap.Error(err))
	}
	p := &cycles{Meter: m, turn: engine.IdleTurn, every: 2 * time.Second, beats: make(chan struct{}, 1)}
	if interval > 0 && interval < shortestWatchdog {
		log.Warn("WatchdogSec is too short for recoveryd, which would be killed while it works: set 3s or more (the packaged unit has 30s)",
			zap.Duration("watchdog", interval))
	}
	if interval > 0 {
		p.watchdog, p.every = true, min(p.every, interval/3)
		p.turn = max(min(p.turn, interval/3), time.Second)
	}
	return p
}

// Cycle implements engine.Meter.
func (p *cycles) Cycle(at time.Time) {
	p.Meter.Cycle(at)
	if at.Sub(p.last) < p.every {
		return
	}
	p.last = at
	select {
	case p.beats <- struct{}{}:
	default: // nobody has taken the one before yet
	}
}
