package outbox

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/internal/journal"
	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
)

// fading ends every alert that is not repeated within an hour, as Alertmanager does, and asks to be
// told after twenty minutes.
type fading struct {
	vendor
	known sync.Mutex // guards what follows
	ends  map[string]time.Time
}

// end is when an alert ends unless it is repeated.
func (f *fading) end(key string) time.Time {
	f.known.Lock()
	defer f.known.Unlock()
	return f.ends[key]
}

func (f *fading) Notify(ctx context.Context, d notice.Delivery) (notice.Receipt, error) {
	if _, err := f.vendor.Notify(ctx, d); err != nil {
		return nil, err
	}
	f.known.Lock()
	defer f.known.Unlock()
	if d.Notice.Kind == notice.Resolve {
		f.ends[d.Notice.Key] = time.Now()
		return notice.Receipt{}, nil
	}
	f.ends[d.Notice.Key] = time.Now().Add(time.Hour)
	return notice.Receipt{notice.ReceiptResend: time.Now().Add(20 * time.Minute).Format(time.RFC3339)}, nil
}

func TestAnOpenAlertIsRepeatedBeforeItWouldEndAlsoByALaterDaemon(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		am := &fading{ends: map[string]time.Time{}}
		plain := &vendor{}
		j := openJournal(t, dir)
		o := options(j, map[string]notice.Notifier{"alertmanager": am, "pager": plain})
		out := start(t, o)
		c := journal.Commit{Queue: queued("a-trigger", "a", notice.Trigger, "alertmanager", "pager")}
		require.NoError(t, j.Append(t.Context(), c))
		out.Wake(c.Queue...)
		fires := func(d time.Duration) {
			t.Helper()
			for range int(d / time.Minute) {
				time.Sleep(time.Minute)
				synctest.Wait()
				require.True(t, am.end("a").After(time.Now()), "it ended by itself at %s", am.end("a"))
			}
		}
		fires(2 * time.Hour)
		require.NoError(t, out.stop())
		require.NoError(t, j.Close())
		time.Sleep(30 * time.Minute)
		j = openJournal(t, dir)
		o.Store = j
		out = start(t, o)
		fires(2 * time.Hour)

		sent := len(am.deliveries())
		require.InDelta(t, 1+12, sent, 1, "every twenty minutes of four hours")
		for _, d := range am.deliveries()[1:] {
			require.Equal(t, notice.Update, d.Notice.Kind)
			require.Equal(t, am.deliveries()[0].Notice.Summary, d.Notice.Summary)
		}
		require.Len(t, plain.deliveries(), 1, "who asks for nothing is told once")

		c = journal.Commit{Queue: queued("a-resolve", "a", notice.Resolve, "alertmanager", "pager")}
		require.NoError(t, j.Append(t.Context(), c))
		out.Wake(c.Queue...)
		time.Sleep(5 * time.Hour)
		synctest.Wait()
		require.Len(t, am.deliveries(), sent+1, "what is over is not repeated")
		require.NoError(t, out.stop())
		require.NoError(t, j.Close())
	})
}
