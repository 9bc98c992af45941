package app

import (
	"reflect"
	"sync"

	"go.uber.org/zap"

	"github.com/recoveryd/recoveryd/internal/config"
	"github.com/recoveryd/recoveryd/internal/engine"
	"github.com/recoveryd/recoveryd/pkg/detect/probe"
)

// lookersOf lists the lookers of subjects by target. Subjects whose lookers are wrapped already are
// left out.
func lookersOf(subjects []engine.Subject) map[string]*probe.Looker {
	out := make(map[string]*probe.Looker, len(subjects))
	for _, s := range subjects {
		if l, ok := s.Looker.(*probe.Looker); ok {
			out[s.Name] = l
		}
	}
	return out
}

// handOver gives new lookers what the old ones have learnt about the same process, since a reload that
// changes something else must not make a slow leak begin anew, and the silence that servers have asked
// for, since a rate limit knows nothing of our configuration.
func handOver(before, after *config.Config, from, to map[string]*probe.Looker) {
	for name, l := range to {
		old := from[name]
		if old == nil {
			continue
		}
		l.InheritPauses(old)
		was, known := before.Target(name)
		is, _ := after.Target(name)
		if known && samePlace(was, is) {
			l.Inherit(old)
		}
	}
}

// samePlace reports whether two entries look at the same process in the same way.
func samePlace(a, b config.Target) bool {
	return a.Kind == b.Kind && a.Platform == b.Platform && a.Object == b.Object && reflect.DeepEqual(a.Health, b.Health)
}

// endSessions ends what lookers keep between looks, all at the same time: a server that does not
// answer costs its own goodbye only.
func endSessions(lookers map[string]*probe.Looker, log *zap.Logger) {
	var wg sync.WaitGroup
	for name, l := range lookers {
		wg.Go(func() {
			if err := l.Close(); err != nil { // it is down, or was restarted: nothing is left there either
				log.Debug("a session could not be ended", zap.String("target", name), zap.Error(err))
			}
		})
	}
	wg.Wait()
}
