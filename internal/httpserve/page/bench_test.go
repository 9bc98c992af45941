package page

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/recoveryd/recoveryd/internal/httpserve/hosttest"
	"github.com/recoveryd/recoveryd/internal/httpserve/live"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

// BenchmarkUpdate is what one change costs while somebody looks at the page: the overview of six
// targets, and of a hundred.
func BenchmarkUpdate(b *testing.B) {
	for _, n := range []int{6, 100} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			o := hosttest.Options(b)
			for i := len(o.Targets); i < n; i++ {
				t := o.Targets[3]
				t.Name = fmt.Sprintf("server-%d", i)
				t.DependsOn = []string{"postgres"}
				o.Targets = append(o.Targets, t)
			}
			policy, err := incident.NewPolicy(o)
			require.NoError(b, err)
			feed := live.New(live.Options{Target: policy.Target})
			h := hosttest.New(b, time.Now().Add(-70*time.Minute), o)
			h.Told = feed.Decided
			h.Run(70 * time.Minute)
			p, err := New(Options{Daemon: h, Feed: feed, Logger: zap.NewNop()})
			require.NoError(b, err)
			board := p.overviewBoard(live.Hour)
			for b.Loop() {
				_, _, err := board(b.Context(), time.Now())
				require.NoError(b, err)
			}
		})
	}
}
