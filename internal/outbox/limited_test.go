package outbox

import (
	"github.com/recoveryd/recoveryd/pkg/escalate/queue"

	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/internal/journal"
	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
)

// TestAFullHourOf429: a vendor answers everything with 429 for an hour, and asks for waits between nothing and
// hours. It is asked seldom, the other channel tells in time, and what still matters leaves once when it is over.
func TestAFullHourOf429(t *testing.T) {
	for name, after := range map[string]time.Duration{"no Retry-After": 0, "one second": time.Second, "half a minute": 30 * time.Second, "three hours": 3 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				begun := time.Now()
				over := begun.Add(time.Hour)
				pager := &vendor{fail: func(context.Context, notice.Delivery) error {
					if time.Now().Before(over) {
						return &notice.RetryError{Reason: notice.ReasonRateLimited, After: after, Err: errors.New("429")}
					}
					return nil
				}}
				chat := &vendor{}
				j := openJournal(t, dir)
				o := options(j, map[string]notice.Notifier{"pager": pager, "chat": chat})
				o.Rules.RetryAfterCap = 5 * time.Minute // http.retry_after_cap
				o.Rules.Rates = map[string]queue.SendRate{"pager": queue.DefaultRate("pagerduty"), "chat": queue.DefaultRate("slack")}
				out := start(t, o)
				emit := func(id, key string, kind notice.Kind) {
					c := journal.Commit{Queue: queued(id, key, kind, "pager")}
					require.NoError(t, j.Append(context.Background(), c))
					out.Wake(c.Queue...)
					synctest.Wait()
				}
				emit("lasts", "lasts", notice.Trigger)
				emit("ends", "ends", notice.Trigger)
				time.Sleep(20 * time.Minute)
				emit("ends-over", "ends", notice.Resolve)
				time.Sleep(time.Until(over.Add(11 * time.Minute)))
				synctest.Wait()
				var got []string
				for _, d := range pager.deliveries() {
					if d.Notice.Class != "channel" {
						got = append(got, d.Notice.ID)
					}
				}
				require.Equal(t, []string{"lasts"}, got, "once, and nobody is woken for what is over")
				require.LessOrEqual(t, pager.at[0].Sub(over), 6*time.Minute, "no wait lasts longer than the cap")
				asked := len(slices.DeleteFunc(slices.Clone(pager.calls), func(at time.Time) bool { return !at.Before(over) }))
				require.Less(t, asked, 60, "it is not hammered")
				if after >= 30*time.Second {
					require.Less(t, asked, 2*int(time.Hour/min(after, 5*time.Minute))+2, "and not before the wait is over")
				}
				require.True(t, slices.ContainsFunc(chat.deliveries(), func(d notice.Delivery) bool { return d.Notice.Class == "channel" }), "the other channel says so")
				require.LessOrEqual(t, chat.at[0].Sub(begun), 5*time.Minute)
				require.NoError(t, out.stop())
				require.NoError(t, j.Close())
			})
		})
	}
}
