package app

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/recoveryd/recoveryd/internal/config"
	"github.com/recoveryd/recoveryd/internal/journal"
	"github.com/recoveryd/recoveryd/internal/metrics"
	"github.com/recoveryd/recoveryd/internal/outbox"
	"github.com/recoveryd/recoveryd/internal/report"
	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
	"github.com/recoveryd/recoveryd/pkg/escalate/queue"
)

// channelStub is a vendor in memory.
type channelStub struct {
	mu  sync.Mutex
	err error
	got []notice.Notice
}

func (c *channelStub) Notify(_ context.Context, d notice.Delivery) (notice.Receipt, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.got = append(c.got, d.Notice)
	}
	return nil, c.err
}

func (c *channelStub) fail(err error) { c.mu.Lock(); defer c.mu.Unlock(); c.err = err }

// first is the first notice that was accepted.
func (c *channelStub) first() notice.Notice { c.mu.Lock(); defer c.mu.Unlock(); return c.got[0] }

// kinds lists what was accepted: "trigger canary test", "resolve channel".
func (c *channelStub) kinds() (out []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, n := range c.got {
		s := string(n.Kind) + " " + n.Class
		if n.Test {
			s += " test"
		}
		out = append(out, s)
	}
	return out
}

// cage is a canary with a real journal and a real outbox in a bubble of simulated time.
type cage struct {
	*canary
	t        *testing.T
	dir      string
	cfg      *config.Config
	pd, chat *channelStub
	j        *journal.Journal
	out      *outbox.Outbox
	stop     func()
	mu       sync.Mutex // guards what follows
	open     bool       // a real incident is open
	accepted map[string]time.Time
	counted  map[string]int
}

func (c *cage) Canary(channel, result string, at time.Time) {
	c.mu.Lock()
	c.counted[channel+" "+result]++
	c.mu.Unlock()
	if result == metrics.CanaryAccepted {
		c.CanaryAccepted(channel, at)
	}
}

func (c *cage) CanaryAccepted(channel string, at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.accepted[channel] = at
}

// acceptedAt is when a channel last accepted a canary.
func (c *cage) acceptedAt(channel string) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.accepted[channel]
}

func (c *cage) count(what string) int { c.mu.Lock(); defer c.mu.Unlock(); return c.counted[what] }

// caged opens the cage; the canary comes every hour through pd and chat.
func caged(t *testing.T, dir string) *cage {
	c := &cage{t: t, dir: dir, pd: &channelStub{}, chat: &channelStub{}, accepted: map[string]time.Time{}, counted: map[string]int{},
		cfg: &config.Config{Host: "db1", Canary: config.Canary{Every: time.Hour},
			Notifiers: []config.Notifier{{Name: "pd", Type: "pagerduty"}, {Name: "chat", Type: "slack"}, {Name: "page", Type: "statuspage"}}}}
	c.start()
	t.Cleanup(func() { c.stop() })
	return c
}

// start starts a process: journal, outbox, canary.
func (c *cage) start() {
	var err error
	c.j, err = journal.Open(context.Background(), journal.Options{Dir: c.dir, BallastBytes: -1})
	require.NoError(c.t, err)
	rules := rulesOf(c.cfg)
	require.Equal(c.t, []queue.Trait{{Channel: "pd", Vendor: "pagerduty"}, {Channel: "chat", Reach: queue.Waits, Vendor: "slack"},
		{Channel: "page", Vendor: "statuspage"}}, rules.Traits)
	c.out, err = outbox.New(outbox.Options{Store: c.j, Notifiers: map[string]notice.Notifier{"pd": c.pd, "chat": c.chat, "page": &channelStub{err: errors.New("the public is not told of tests")}}, Rules: rules})
	require.NoError(c.t, err)
	c.canary = &canary{config: func() *config.Config { return c.cfg }, journal: c.j, wake: func() { c.out.Wake() }, ready: func() bool { return true },
		busy:   func() bool { c.mu.Lock(); defer c.mu.Unlock(); return c.open },
		outbox: c.out.Stats, meter: c, log: zap.NewNop()}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = c.run(ctx) })
	wg.Go(func() { _ = c.out.Run(ctx) })
	c.stop = func() {
		cancel()
		wg.Wait()
		require.NoError(c.t, c.j.Close())
		c.stop = func() {}
	}
	synctest.Wait()
}

func (c *cage) restart(away time.Duration) {
	c.stop()
	time.Sleep(away)
	c.start()
}

func TestACanaryGoesTheWholeWayMarkedAsATestAndIsTakenBack(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		c := caged(t, dir)
		pass(time.Minute)
		want := []string{"trigger canary test", "resolve canary test"}
		require.Equal(t, want, c.pd.kinds())
		require.Equal(t, want, c.chat.kinds())
		first := c.pd.first()
		require.Equal(t, []any{notice.Info, "P4"}, []any{first.Severity, first.Priority}, "nobody is woken for it")
		require.Contains(t, first.Summary, "nothing is wrong")
		require.Equal(t, 1, c.count("pd accepted"))
		require.WithinDuration(t, time.Now(), c.acceptedAt("chat"), time.Minute)
		st := c.status.Load()
		require.Empty(t, st.Running)
		require.Len(t, st.Channels, 2, "the public page is left out")
		require.False(t, st.Channels[0].Accepted.IsZero())

		pass(3 * time.Hour)
		require.Len(t, c.pd.kinds(), 8, "once an interval")
		h := &History{c.j}
		list, err := h.Incidents(t.Context(), false, 10)
		require.NoError(t, err)
		require.Len(t, list, 4)
		require.Equal(t, report.ClassCanary, list[0].Class)
		require.False(t, list[0].Open())
		r, err := h.Report(t.Context(), list[0].ID, nil, time.Now(), "")
		require.NoError(t, err)
		require.Len(t, r.Told, 4, "trigger and all-clear on both channels, with their delivery")
		s, err := h.Stats(t.Context(), time.Now().Add(-10*time.Hour), time.Now(), report.NoDrills)
		require.NoError(t, err)
		require.Zero(t, s.All.Incidents, "a test is no incident in the figures")
	})
}

func TestARestartNeitherRepeatsACanaryNorLeavesOneOpen(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		c := caged(t, dir)
		pass(time.Minute)
		for range 3 {
			c.restart(time.Minute)
			pass(time.Minute)
		}
		require.Len(t, c.pd.kinds(), 2, "the next one is due an interval after the first, whoever asks")
		require.False(t, c.acceptedAt("pd").IsZero())
		require.False(t, c.status.Load().Channels[0].Accepted.IsZero(), "what was accepted before the restart is still shown")

		c.chat.fail(&notice.RetryError{Reason: notice.ReasonNetwork, Err: errors.New("down")})
		pass(time.Until(c.status.Load().Next.Add(10 * time.Second))) // the next one has begun, and waits for chat
		require.NotEmpty(t, c.running())
		c.restart(30 * time.Minute)
		require.NotEmpty(t, c.running(), "found open in the journal")
		c.chat.fail(nil)
		pass(10 * time.Minute)
		require.Equal(t, []string{"trigger canary test", "resolve canary test", "trigger canary test", "resolve canary test"}, withoutChannel(c.chat.kinds()))
		require.Empty(t, c.running())
	})
}

func (c *cage) running() string { return c.status.Load().Running }

// withoutChannel leaves out what is about other channels.
func withoutChannel(kinds []string) []string {
	return slices.DeleteFunc(kinds, func(s string) bool { return s == "trigger channel" || s == "resolve channel" || s == "update channel" })
}

func TestAChannelThatDoesNotAcceptACanaryIsPagedThroughTheOthersOnceUntilItWorksAgain(t *testing.T) {
	for name, err := range map[string]error{
		"the vendor refuses it for good": &notice.FinalError{Reason: notice.ReasonAuth, Err: errors.New("invalid token")},
		"the vendor is down":             &notice.RetryError{Reason: notice.ReasonNetwork, Err: errors.New("connection refused")},
		"the vendor asks to wait":        &notice.RetryError{Reason: notice.ReasonRateLimited, After: 9 * time.Minute, Err: errors.New("too fast")},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				c := caged(t, dir)
				pass(30 * time.Minute)
				c.chat.fail(err)
				pass(55 * time.Minute)
				about := func() (out []string) {
					for _, k := range c.pd.kinds() {
						if k == "trigger channel" || k == "resolve channel" {
							out = append(out, k)
						}
					}
					return out
				}
				require.Equal(t, []string{"trigger channel"}, about(), "one page, by the outbox or by the canary, not by both")
				require.Equal(t, 1, c.count("chat failed"))
				require.NotEmpty(t, c.status.Load().Channels[1].Failed)
				require.Equal(t, 2, c.count("pd accepted"), "the others are not kept waiting")
				c.chat.fail(nil)
				pass(65 * time.Minute)
				require.Equal(t, []string{"trigger channel", "resolve channel"}, about(), "and one all-clear")
				require.Equal(t, 2, c.count("chat accepted"))
				require.Empty(t, c.status.Load().Channels[1].Failed)
			})
		})
	}
}

func TestACanaryWaitsWhileARealIncidentIsOpenButNotForEver(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		c := caged(t, dir)
		pass(30 * time.Minute)
		c.mu.Lock()
		c.open = true
		c.mu.Unlock()
		pass(80 * time.Minute)
		require.Len(t, c.pd.kinds(), 2, "people have enough to read, and the channels are used in earnest")
		pass(15 * time.Minute)
		require.Len(t, c.pd.kinds(), 4, "an incident that never ends must not hide a dead channel")
	})
}

func TestACanaryThatIsTurnedOffByAReloadEndsAndNoMoreCome(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		c := caged(t, dir)
		pass(time.Minute)
		off := *c.cfg
		off.Canary.Every = 0
		c.stop()
		c.cfg = &off
		c.start()
		pass(3 * time.Hour)
		require.Len(t, c.pd.kinds(), 2)
		require.Nil(t, c.status.Load())
	})
}

func TestACanaryIsNotSentWhenItCannotBeWrittenDown(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		c := caged(t, dir)
		pass(time.Minute)
		full := brokenJournal{c.j, errors.New("disk full")}
		c.stop()
		sent := len(c.pd.kinds())
		broken := &canary{config: c.config, journal: &full, wake: c.wake, ready: c.ready, busy: c.busy, outbox: c.outbox, meter: c, log: zap.NewNop(), loaded: true}
		_, err := broken.turn(context.Background(), time.Now())
		require.ErrorContains(t, err, "disk full")
		require.Len(t, c.pd.kinds(), sent)
		require.Empty(t, broken.past, "it is tried again")
	})
}

// brokenJournal refuses to write.
type brokenJournal struct {
	*journal.Journal
	err error
}

func (b *brokenJournal) Append(context.Context, journal.Commit) error { return b.err }

func TestDurationsInTheStatusAreBrief(t *testing.T) {
	for d, want := range map[time.Duration]string{30 * time.Second: "30s", time.Minute: "1m", 90 * time.Second: "1m30s", time.Hour: "1h", 24 * time.Hour: "24h", 10 * time.Minute: "10m", 90 * time.Minute: "1h30m"} {
		require.Equal(t, want, Brief(d))
	}
}
