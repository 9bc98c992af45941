package incident

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// BenchmarkALook is what one good look costs the core among so many targets.
func BenchmarkALook(b *testing.B) {
	for _, n := range []int{100, 1000, 5000, 20000} {
		b.Run(fmt.Sprintf("targets=%d", n), func(b *testing.B) {
			set, err := strategy.NewSet(strategy.Builtin()...)
			require.NoError(b, err)
			o := Options{Strategies: set}
			for i := range n {
				o.Targets = append(o.Targets, detect.Target{Name: fmt.Sprintf("t%05d", i), Kind: detect.KindService, Platform: "systemd", Object: fmt.Sprintf("t%05d.service", i)})
			}
			p, err := NewPolicy(o)
			require.NoError(b, err)
			s, now, facts := NewState(), time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC), well("r1")
			look := func(i int) {
				now = now.Add(time.Millisecond)
				name := o.Targets[i%n].Name
				s, _ = p.Step(s, now, Event{Kind: Observed, Target: name, Observation: &detect.Observation{Target: name, At: now, Facts: facts}})
			}
			for i := range n {
				s.Targets[o.Targets[i].Name] = &TargetState{Name: o.Targets[i].Name, Phase: Watching, Since: now}
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				look(i)
			}
		})
	}
}
