package outbox

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
)

// TestAnySeedKeepsThePromises runs the whole outbox against vendors and a store that fail at
// random, with restarts at random, and checks at the end what must hold whatever happened. The
// rules alone are checked harder, in package escalate; this is about the shell around them.
func TestAnySeedKeepsThePromises(t *testing.T) {
	for seed := range uint64(25) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { runSeed(t, rand.New(rand.NewPCG(seed, 1))) })
		})
	}
}

// fault is one of the ways in which a call can fail.
func fault(ctx context.Context, r *rand.Rand) error {
	switch r.IntN(6) {
	case 0:
		return refused
	case 1:
		return &notice.RetryError{Reason: notice.ReasonRateLimited, After: time.Duration(r.IntN(90)) * time.Second, Err: errors.New("429")}
	case 2:
		return &notice.RetryError{Reason: notice.ReasonServer, Err: errors.New("503")}
	case 3:
		<-ctx.Done()
		return ctx.Err()
	case 4:
		return errAnswerLost
	default:
		return &notice.FinalError{Reason: notice.ReasonAuth, Err: errors.New("401")}
	}
}

func runSeed(t *testing.T, r *rand.Rand) {
	var healed atomic.Bool
	faults := func(r *rand.Rand) func(context.Context, notice.Delivery) error {
		return func(ctx context.Context, _ notice.Delivery) error {
			if healed.Load() || r.IntN(3) == 0 {
				return nil
			}
			return fault(ctx, r)
		}
	}
	vendors := map[string]*vendor{}
	notifiers := map[string]notice.Notifier{}
	for _, name := range []string{"pager", "chat"} { // one call at a time, so that each may have its own dice
		vendors[name] = &vendor{fail: faults(rand.New(rand.NewPCG(r.Uint64(), 2)))}
		notifiers[name] = vendors[name]
	}
	store := newMemory()
	o := options(store, notifiers)
	o.Rules.StormOver = 0
	out := start(t, o)

	alive := map[string]bool{}
	order := map[string]int{} // id -> order of queueing
	broken := false
	for range 120 {
		time.Sleep(time.Duration(r.IntN(120)) * time.Second)
		switch r.IntN(10) {
		case 0:
			broken = !broken
			store.breaks(nil)
			if broken {
				store.breaks(errors.New("disk is full"))
			}
		case 1:
			// The journal of a daemon that starts works, or it would not start.
			broken = false
			store.breaks(nil)
			time.Sleep(2 * storeWaitMax)
			require.NoError(t, out.stop())
			out = start(t, o)
			synctest.Wait() // so that it has read what waits
		default:
			key := fmt.Sprint("k", r.IntN(5))
			kind := notice.Trigger
			if alive[key] {
				kind = []notice.Kind{notice.Update, notice.Resolve, notice.Trigger}[r.IntN(3)]
			}
			alive[key] = kind != notice.Resolve
			id := fmt.Sprintf("%s-%d-%s", key, len(order), kind)
			order[id] = len(order)
			rows := queued(id, key, kind, "pager", "chat")
			if broken { // as the engine does when the journal refuses
				out.Submit(rows...)
			} else {
				out.Wake(store.append(rows...)...)
			}
		}
	}
	healed.Store(true)
	store.breaks(nil)
	time.Sleep(3 * time.Hour)
	synctest.Wait()
	for _, ch := range out.Stats().Channels {
		require.Zero(t, ch.Queued, "%s is empty", ch.Channel)
		require.Empty(t, ch.Trouble)
	}
	require.NoError(t, out.stop())

	for name, v := range vendors {
		last := map[string]int{}
		open := map[string]bool{}
		for i, d := range v.deliveries() {
			n := d.Notice
			if n.Class == "channel" {
				open[n.Key] = n.Kind != notice.Resolve
				continue
			}
			require.GreaterOrEqual(t, order[n.ID], last[n.Key], "%s: %s overtook another", name, n.ID)
			if i > 0 && order[n.ID] == last[n.Key] && order[n.ID] > 0 {
				require.Greater(t, d.Attempt, 1, "%s: %s was repeated without an unclear outcome", name, n.ID)
			}
			last[n.Key] = order[n.ID]
			open[n.Key] = n.Kind != notice.Resolve
		}
		for key, is := range open {
			require.Equal(t, alive[key], is, "%s: %s", name, key)
		}
		for key, is := range alive {
			if is {
				require.True(t, open[key], "%s: nobody was told of %s", name, key)
			}
		}
	}
}
