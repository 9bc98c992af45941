package outbox

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
	"github.com/recoveryd/recoveryd/pkg/escalate/queue"
)

var errFull = errors.New("disk is full")

// A store that fails is asked less and less often, and each failure of its own begins at a second.
func TestAStoreThatWorkedInBetweenIsAskedAgainSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, pager := newMemory(), &vendor{}
		out := start(t, options(store, map[string]notice.Notifier{"pager": pager}))
		store.breaks(errFull)
		out.Submit(queued("first", "k1", notice.Trigger, "pager")...)
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		require.Equal(t, errFull.Error(), out.Stats().StoreError)
		store.breaks(nil)
		time.Sleep(storeWaitMax)
		synctest.Wait()
		require.Empty(t, out.Stats().StoreError)

		store.breaks(errFull)
		out.Submit(queued("second", "k2", notice.Trigger, "pager")...)
		synctest.Wait()
		store.breaks(nil)
		time.Sleep(2 * storeWaitMin)
		synctest.Wait()
		require.Empty(t, out.Stats().StoreError)
		require.Zero(t, out.Stats().Unstored)
		require.NoError(t, out.stop())
	})
}

func TestAStoreThatCanBeReadAgainIsNotSaidToFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemory()
		store.breaks(errFull)
		out := start(t, options(store, map[string]notice.Notifier{"pager": &vendor{}}))
		synctest.Wait()
		require.Equal(t, errFull.Error(), out.Stats().StoreError)
		store.breaks(nil)
		time.Sleep(storeWaitMax) // there is nothing to be saved meanwhile
		synctest.Wait()
		require.Empty(t, out.Stats().StoreError)
		require.NoError(t, out.stop())
	})
}

func TestAStoppingDaemonStoresWhatItKnowsWithoutWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, pager := newMemory(), &vendor{}
		out := start(t, options(store, map[string]notice.Notifier{"pager": pager}))
		synctest.Wait()
		store.breaks(errFull)
		out.Submit(queued("t", "k", notice.Trigger, "pager")...)
		time.Sleep(10*time.Minute + 10*time.Second) // by now it is asked once in a minute, and next in 53 s: longer than a stop may take
		synctest.Wait()
		require.Equal(t, []string{"t"}, pager.ids())
		store.breaks(nil)
		require.NoError(t, out.stop())
		require.Equal(t, queue.Delivered, store.row("pager", "t").State, "else the next daemon would not know whom to tell of the end")
	})
}

func TestARelapseWithinAWeekGoesToTheSameThread(t *testing.T) {
	for days, want := range map[int]notice.Receipt{5: {"last": "r"}, 8: nil} {
		synctest.Test(t, func(t *testing.T) {
			store, pager := newMemory(), &vendor{}
			out := start(t, options(store, map[string]notice.Notifier{"pager": pager}))
			out.Submit(queued("t", "k", notice.Trigger, "pager")...)
			synctest.Wait()
			out.Submit(queued("r", "k", notice.Resolve, "pager")...)
			time.Sleep(time.Duration(days) * 24 * time.Hour)
			out.Submit(queued("other", "o", notice.Change, "pager")...) // what is old is forgotten when something happens
			time.Sleep(time.Hour)
			out.Submit(queued("again", "k", notice.Trigger, "pager")...)
			time.Sleep(time.Hour)
			sent := pager.deliveries()
			require.Equal(t, "again", sent[len(sent)-1].Notice.ID)
			require.Equal(t, want, sent[len(sent)-1].Prior, "after %d days", days)
			require.NoError(t, out.stop())
		})
	}
}

func TestWhatTheStoreKnewOfAChannelIsAddedToWhatHappenedBeforeItCouldBeRead(t *testing.T) {
	stored := queue.ChannelState{Channel: "pager", Episodes: 3, Failures: 7, Trouble: &queue.Trouble{}, Storms: []queue.Storm{{}}}
	require.Equal(t, stored, merge(stored, queue.ChannelState{Channel: "pager"}), "nothing has happened")

	here := queue.ChannelState{Channel: "pager", Episodes: 1, LastSuccess: time.Unix(1e9, 0), Storms: []queue.Storm{{}}}
	got := merge(stored, here)
	require.Equal(t, 4, got.Episodes, "no key of an episode is used twice")
	require.Len(t, got.Storms, 2)
	require.Same(t, stored.Trouble, got.Trouble, "who was told of the trouble is told of its end")
	require.Zero(t, got.Failures, "it works")

	here.Trouble = &queue.Trouble{}
	require.Same(t, here.Trouble, merge(stored, here).Trouble)
	require.Same(t, stored.Trouble, merge(stored, queue.ChannelState{LastFailure: time.Unix(1e9, 0)}).Trouble)
}
