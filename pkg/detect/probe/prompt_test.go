package probe

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

// prompt is a witness made of two functions: what it begins with, and what is left.
type prompt struct {
	fake
	begin func(ctx context.Context, by time.Time) detect.Facts
	rest  func(ctx context.Context) detect.Facts // nil: nothing is left
}

func (p prompt) Begin(ctx context.Context, by time.Time, _ detect.Facts) (detect.Facts, func(context.Context) detect.Facts) {
	return p.begin(ctx, by), p.rest
}

func TestAPromptWitnessBeginsAndWhatIsLeftEndsWithTheLook(t *testing.T) {
	begun := detect.Facts{"p.outcome": detect.Word("begun")}
	t.Run("nothing is left: what it began with is all", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			l := newLooker(t, LookerConfig{Deadline: 3 * time.Second, Witnesses: []Witness{prompt{begin: func(_ context.Context, by time.Time) detect.Facts {
				require.Equal(t, start.Add(3*time.Second), by, "it is told until when")
				return begun
			}}}})
			require.Equal(t, begun, l.Look(t.Context(), "poll").Facts)
		})
	})
	t.Run("what is left hangs: the look ends all the same, and it is not begun again", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			release, times := make(chan struct{}), 0
			p := prompt{fake: fake{name: "p", look: func(context.Context, detect.Facts) detect.Facts { return begun }},
				begin: func(context.Context, time.Time) detect.Facts { times++; return begun },
				rest:  func(context.Context) detect.Facts { <-release; return begun }}
			l := newLooker(t, LookerConfig{Deadline: 3 * time.Second, Witnesses: []Witness{p}})
			o := l.Look(t.Context(), "poll")
			require.Equal(t, 3.25, o.Took)
			require.Contains(t, o.Facts["p.outcome"].Err, "did not come back in time")
			o = l.Look(t.Context(), "poll")
			require.Contains(t, o.Facts["p.outcome"].Err, "busy with an earlier look")
			require.Equal(t, 1, times)
			close(release)
			synctest.Wait()
			p.rest = nil
			l.Look(t.Context(), "poll")
			require.Equal(t, 2, times, "its seat is free again")
		})
	})
	t.Run("a newer look calls it off while it begins", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := newLooker(t, LookerConfig{Witnesses: []Witness{prompt{fake: after("p", 0, begun), begin: func(ctx context.Context, _ time.Time) detect.Facts {
				<-ctx.Done() // as a connection does that is cut
				return detect.Facts{"p.outcome": detect.NotMeasured(context.Cause(ctx).Error())}
			}}}})
			first := make(chan detect.Observation, 1)
			go func() { first <- l.Look(t.Context(), "poll") }()
			time.Sleep(time.Second)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			l.Look(ctx, "signal")
			o := <-first
			require.Equal(t, 1.0, o.Took)
			require.Equal(t, errNewerLook.Error(), o.Facts["p.outcome"].Err)
		})
	})
	t.Run("a fault in it is a fact", func(t *testing.T) {
		l := newLooker(t, LookerConfig{Witnesses: []Witness{prompt{fake: fake{name: "p"}, begin: func(context.Context, time.Time) detect.Facts { panic("index out of range") }}}})
		for range 2 {
			require.Equal(t, "the p witness failed: index out of range", l.Look(t.Context(), "poll").Facts["p.outcome"].Err)
		}
	})
	t.Run("beside another witness it looks as that one does", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := prompt{fake: after("p", time.Second, begun), begin: func(context.Context, time.Time) detect.Facts { panic("not alone") }}
			o := newLooker(t, LookerConfig{Witnesses: []Witness{p, after("a", time.Second, nil)}}).Look(t.Context(), "poll")
			require.Equal(t, begun, o.Facts)
			require.Equal(t, 1.0, o.Took, "together")
		})
	})
}

// A server that accepts and says nothing must not hold a look for longer than it has, though the look
// has no timer of its own while it waits for a connection.
func TestAnAloneHealthCheckEndsByTheDeadlineOfItsLook(t *testing.T) {
	h := newHTTP(t, Endpoint{URL: raw(t, silenceTCP), Timeout: time.Hour})
	o := newLooker(t, LookerConfig{Deadline: brief, Witnesses: []Witness{h}}).Look(t.Context(), "poll")
	require.Contains(t, o.Facts[detect.HTTPOutcome].Err, "were left for the request")
	require.GreaterOrEqual(t, o.Took, brief.Seconds())
}
