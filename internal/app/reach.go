package app

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/recoveryd/recoveryd/internal/config"
	"github.com/recoveryd/recoveryd/internal/setup"
	"github.com/recoveryd/recoveryd/internal/setup/host"
)

// reach is what keeps recoveryd from those whom its configuration names: a vendor that was added after
// "recoveryd setup" is refused by the kernel, and would be missed only when somebody must be told.
type reach struct{ blocked atomic.Pointer[string] }

// reachLimit bounds the questions to systemd and the look-ups of names.
const reachLimit = 15 * time.Second

// warnings are what status shows.
func (r *reach) warnings() []string {
	if w := r.blocked.Load(); w != nil {
		return []string{*w}
	}
	return nil
}

// look compares the configuration with what the unit of this process may reach, at the start and after
// every reload, and logs what is new. What cannot be told is no warning.
func (r *reach) look(ctx context.Context, c *config.Config, log *zap.Logger, own func(context.Context) (setup.Sandbox, error)) {
	ctx, cancel := context.WithTimeout(ctx, reachLimit)
	defer cancel()
	s, err := own(ctx)
	if err != nil {
		if !errors.Is(err, host.ErrNoService) {
			log.Debug("whom the unit may reach cannot be told", zap.Error(err))
		}
		return
	}
	blocked := s.Blocked(Peers(c), host.Addresses(ctx))
	if len(blocked) == 0 {
		if r.blocked.Swap(nil) != nil {
			log.Info("the unit keeps recoveryd from nobody any more", zap.String("unit", s.Unit))
		}
		return
	}
	w := s.Unit + " keeps recoveryd from " + strings.Join(blocked, ", ") + ". To mend it: " + setup.Mend
	if old := r.blocked.Swap(&w); old != nil && *old == w {
		return
	}
	log.Warn("the unit does not let recoveryd reach all whom its configuration names", zap.String("unit", s.Unit),
		zap.Strings("blocked", blocked), zap.String("mend", setup.Mend))
}
