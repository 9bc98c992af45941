package outbox

import (
	"context"
	"errors"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/internal/journal"
	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
	"github.com/recoveryd/recoveryd/pkg/escalate/queue"
)

// openJournal opens a real one inside a bubble; the files are outside of it.
func openJournal(t *testing.T, dir string) *journal.Journal {
	t.Helper()
	j, err := journal.Open(context.Background(), journal.Options{Dir: dir, BallastBytes: -1})
	require.NoError(t, err)
	require.Nil(t, j.Salvaged())
	return j
}

// TestTwoHoursWithoutAnyVendor is the promise of the outbox in one story: both endpoints are down
// for two hours, the daemon is restarted three times meanwhile, and in the end everything that
// still matters is delivered once and in order, and nothing that is over pages anybody.
func TestTwoHoursWithoutAnyVendor(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		outage := func() bool {
			d := time.Since(begun)
			return d >= time.Minute && d < time.Minute+2*time.Hour
		}
		pager := &vendor{fail: func(ctx context.Context, d notice.Delivery) error {
			if outage() {
				return refused
			}
			return nil
		}}
		// The chat's load balancer takes connections and never answers: nobody knows what arrived.
		chat := &vendor{fail: func(ctx context.Context, d notice.Delivery) error {
			if outage() {
				<-ctx.Done()
				return &notice.RetryError{Reason: notice.ReasonTimeout, Err: ctx.Err()}
			}
			return nil
		}}
		notifiers := map[string]notice.Notifier{"pager": pager, "chat": chat}
		j := openJournal(t, dir)
		o := options(j, notifiers)
		o.Rules.Rates = map[string]queue.SendRate{"pager": queue.DefaultRate("pagerduty"), "chat": queue.DefaultRate("slack")}
		out := start(t, o)
		emit := func(id, key string, kind notice.Kind) {
			t.Helper()
			c := journal.Commit{Queue: queued(id, key, kind, "pager", "chat")}
			require.NoError(t, j.Append(context.Background(), c))
			out.Wake(c.Queue...)
			synctest.Wait()
		}
		at := func(d time.Duration) { time.Sleep(time.Until(begun.Add(d))) }
		restart := func() {
			t.Helper()
			require.NoError(t, out.stop())
			require.NoError(t, j.Close())
			time.Sleep(time.Minute) // the daemon is away for a while
			j = openJournal(t, dir)
			o.Store = j
			out = start(t, o)
		}

		emit("a-trigger", "a", notice.Trigger) // told before the outage, changes and ends within it
		at(2 * time.Minute)
		emit("b-trigger", "b", notice.Trigger) // begins within it and goes on
		emit("a-update1", "a", notice.Update)
		at(20 * time.Minute)
		restart()
		emit("c-trigger", "c", notice.Trigger) // begins and ends within it
		emit("a-update2", "a", notice.Update)
		at(55 * time.Minute)
		restart()
		emit("c-resolve", "c", notice.Resolve)
		emit("a-resolve", "a", notice.Resolve)
		emit("d-trigger", "d", notice.Trigger) // begins, ends and begins again within it
		time.Sleep(time.Minute)                // so that it was tried
		emit("d-resolve", "d", notice.Resolve)
		emit("d-again", "d", notice.Trigger)
		emit("e-cure", "e", notice.Change)
		at(100 * time.Minute)
		restart()
		emit("b-update", "b", notice.Update)
		at(2*time.Hour + 30*time.Minute)
		synctest.Wait()
		emit("b-resolve", "b", notice.Resolve)
		at(3 * time.Hour)
		synctest.Wait()

		perKey := func(v *vendor) map[string][]string {
			out := map[string][]string{}
			for _, d := range v.deliveries() {
				if d.Notice.Class != "channel" {
					out[d.Notice.Key] = append(out[d.Notice.Key], d.Notice.ID)
				}
			}
			return out
		}
		require.Equal(t, map[string][]string{
			"a": {"a-trigger", "a-update2", "a-resolve"},
			"b": {"b-trigger", "b-update", "b-resolve"},
			"d": {"d-again"},
			"e": {"e-cure"},
		}, perKey(pager), "nothing reached the pager, so what was over is left out")
		require.Equal(t, map[string][]string{
			"a": {"a-trigger", "a-update2", "a-resolve"},
			"b": {"b-trigger", "b-update", "b-resolve"},
			"c": {"c-resolve"},
			"d": {"d-resolve", "d-again"},
			"e": {"e-cure"},
		}, perKey(chat), "the chat may have got the triggers, so their ends are told")
		recovered := begun.Add(time.Minute + 2*time.Hour)
		for _, v := range []*vendor{pager, chat} {
			for i, when := range v.at {
				require.True(t, when.Before(begun.Add(time.Minute)) || !when.Before(recovered))
				require.LessOrEqual(t, when.Sub(recovered), 30*time.Minute, "%s", v.deliveries()[i].Notice.ID)
				if v.deliveries()[i].Notice.ID == "b-trigger" {
					require.LessOrEqual(t, when.Sub(recovered), rules().BackoffCap+15*time.Second, "within the longest backoff")
				}
			}
		}

		// What was never seen is visible in the incident.
		notices, err := j.Notices(context.Background(), "c")
		require.NoError(t, err)
		states := map[string]string{}
		for _, q := range notices {
			states[q.Channel+" "+q.ID] = string(q.State) + ": " + q.Why
		}
		require.Equal(t, map[string]string{
			"pager c-trigger": "collapsed: " + queue.WhyNeverSeen,
			"pager c-resolve": "collapsed: " + queue.WhyNeverSeen,
			"chat c-trigger":  "collapsed: " + queue.WhyOver,
			"chat c-resolve":  "delivered: ",
		}, states)

		// Each channel was told of the other's trouble at most once, although the daemon was
		// started four times, and that it is over.
		for name, v := range map[string]*vendor{"pager": pager, "chat": chat} {
			told := v.told("channel")
			require.LessOrEqual(t, len(told), 2, "%s: %v", name, told)
		}
		for _, ch := range out.Stats().Channels {
			require.Zero(t, ch.Queued)
			require.Empty(t, ch.Trouble)
		}
		require.NoError(t, out.stop())
		require.NoError(t, j.Verify(context.Background()))
		require.NoError(t, j.Close())
	})
	require.FileExists(t, dir+"/recoveryd.db")
	_, err := os.Stat(dir + "/recoveryd.db-wal")
	require.ErrorIs(t, err, os.ErrNotExist, "closed cleanly")
}

// mortal is a store whose process dies: from then on nothing is stored.
type mortal struct {
	Store
	dead chan struct{}
}

func (m mortal) SaveOutbox(ctx context.Context, e queue.Edits) error {
	select {
	case <-m.dead:
		return errors.New("the process is dead")
	default:
		return m.Store.SaveOutbox(ctx, e)
	}
}

func TestADaemonThatDiesBehindAnAcceptedNoticeRepeatsItUnderTheSameID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, dead := newMemory(), make(chan struct{})
		pager := &vendor{fail: func(_ context.Context, d notice.Delivery) error {
			if d.Attempt == 1 {
				close(dead) // the vendor has it, we never hear of it
			}
			return nil
		}}
		out := start(t, options(mortal{store, dead}, map[string]notice.Notifier{"pager": pager}))
		out.Wake(store.append(queued("t", "k", notice.Trigger, "pager")...)...)
		synctest.Wait()
		require.ErrorContains(t, out.stop(), "the process is dead")
		require.True(t, store.row("pager", "t").Sending)

		out = start(t, options(store, map[string]notice.Notifier{"pager": pager}))
		synctest.Wait()
		require.Equal(t, []string{"t", "t"}, pager.ids(), "at least once")
		require.Equal(t, "k", pager.deliveries()[1].Notice.Key)
		require.Equal(t, 2, pager.deliveries()[1].Attempt)
		require.NoError(t, out.stop())
	})
}

func TestADaemonThatDiesBehindAnAcceptedPageStillResolvesIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, dead := newMemory(), make(chan struct{})
		pager := &vendor{fail: func(_ context.Context, d notice.Delivery) error {
			if d.Attempt == 1 && d.Notice.Kind == notice.Trigger {
				close(dead)
			}
			return nil
		}}
		out := start(t, options(mortal{store, dead}, map[string]notice.Notifier{"pager": pager}))
		out.Wake(store.append(queued("t", "k", notice.Trigger, "pager")...)...)
		synctest.Wait()
		require.Error(t, out.stop())
		store.append(queued("r", "k", notice.Resolve, "pager")...) // it was over before the next start

		out = start(t, options(store, map[string]notice.Notifier{"pager": pager}))
		synctest.Wait()
		require.Equal(t, []string{"t", "r"}, pager.ids(), "no second page, and no page that stays open")
		require.NoError(t, out.stop())
	})
}

// slow is a store on a disk that takes its time.
type slow struct{ *memory }

func (s slow) SaveOutbox(ctx context.Context, e queue.Edits) error {
	time.Sleep(100 * time.Millisecond)
	return s.memory.SaveOutbox(ctx, e)
}

// What the process knows dies with it: that the vendor may have the page must be stored by then.
func TestThatAPageMayHaveArrivedIsStoredBeforeItLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, atCall := slow{newMemory()}, newMemory()
		pager := &vendor{}
		pager.fail = func(_ context.Context, d notice.Delivery) error {
			if d.Notice.Kind == notice.Trigger {
				atCall.append(store.row("pager", "t")) // all that is left when the host dies now
			}
			return nil
		}
		out := start(t, options(store, map[string]notice.Notifier{"pager": pager}))
		out.Wake(store.append(queued("t", "k", notice.Trigger, "pager")...)...)
		time.Sleep(time.Second)
		require.Equal(t, []string{"t"}, pager.ids())
		require.NoError(t, out.stop())
		require.True(t, atCall.row("pager", "t").Sending)

		atCall.append(queued("r", "k", notice.Resolve, "pager")...) // it was over before the next start
		out = start(t, options(atCall, map[string]notice.Notifier{"pager": pager}))
		synctest.Wait()
		require.Equal(t, []string{"t", "r"}, pager.ids(), "no page stays open for ever")
		require.NoError(t, out.stop())
	})
}

// A connection that breaks after the request was written proves nothing.
func TestAResolveIsLeftOutOnlyWhenItsPageCannotHaveArrived(t *testing.T) {
	for cause, want := range map[error][]string{
		&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}: nil,
		&net.DNSError{Err: "no such host", Name: "vendor"}:  nil,
		&net.OpError{Op: "read", Err: syscall.ECONNRESET}:   {"r"},
		&net.OpError{Op: "write", Err: syscall.EPIPE}:       {"r"},
	} {
		t.Run(cause.Error(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := newMemory()
				pager := &vendor{fail: func(_ context.Context, d notice.Delivery) error {
					if d.Notice.Kind == notice.Trigger {
						return &notice.RetryError{Reason: notice.ReasonNetwork, Err: cause}
					}
					return nil
				}}
				out := start(t, options(store, map[string]notice.Notifier{"pager": pager}))
				out.Wake(store.append(queued("t", "k", notice.Trigger, "pager")...)...)
				synctest.Wait()
				out.Wake(store.append(queued("r", "k", notice.Resolve, "pager")...)...)
				time.Sleep(time.Hour)
				synctest.Wait()
				require.Equal(t, want, pager.ids())
				require.NoError(t, out.stop())
			})
		})
	}
}

func TestStoppingDeliversWhatIsDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemory()
		pager := &vendor{fail: func(ctx context.Context, d notice.Delivery) error {
			select {
			case <-time.After(3 * time.Second):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}}
		out := start(t, options(store, map[string]notice.Notifier{"pager": pager}))
		out.Wake(store.append(queued("first", "k1", notice.Trigger, "pager")...)...)
		synctest.Wait()
		store.append(queued("last", "k2", notice.Trigger, "pager")...) // stored, but nobody called Wake
		begun := time.Now()
		require.NoError(t, out.stop())
		require.Equal(t, 6*time.Second, time.Since(begun))
		require.Equal(t, []string{"first", "last"}, pager.ids())
		require.Equal(t, queue.Delivered, store.row("pager", "last").State)
	})
}

func TestStoppingIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, release := newMemory(), make(chan struct{})
		hangs := &vendor{fail: func(context.Context, notice.Delivery) error { <-release; return nil }}
		slow := &vendor{fail: func(ctx context.Context, _ notice.Delivery) error { <-ctx.Done(); return context.Cause(ctx) }}
		down := &vendor{fail: func(context.Context, notice.Delivery) error { return refused }}
		out := start(t, options(store, map[string]notice.Notifier{"hangs": hangs, "slow": slow, "down": down}))
		out.Wake(store.append(queued("t", "k", notice.Trigger, "hangs", "slow", "down")...)...)
		synctest.Wait()
		begun := time.Now()
		require.ErrorContains(t, out.stop(), "a call to hangs did not end and was left behind")
		require.Equal(t, 11*time.Second, time.Since(begun))
		require.True(t, store.row("hangs", "t").Sending, "it may have arrived")
		require.True(t, store.row("slow", "t").Touched)
		require.Equal(t, notice.ReasonTimeout, store.row("slow", "t").Reason)
		require.False(t, store.row("down", "t").Touched)
		close(release)
	})
}
