package app

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/recoveryd/recoveryd/internal/config"
	"github.com/recoveryd/recoveryd/internal/metrics"
	"github.com/recoveryd/recoveryd/internal/strictyaml"
)

// pulse is a heartbeat whose daemon and whose service can be made to fail.
type pulse struct {
	*heartbeat
	mu      sync.Mutex // guards what follows
	cfg     config.Heartbeat
	broken  error
	refused error
	hang    time.Duration // how long a call takes
	sent    []time.Duration
	counted map[string]int
	logs    *observer.ObservedLogs
}

// beating runs a heartbeat in a bubble for the length of the test.
func beating(t *testing.T, setup ...func(*pulse)) *pulse {
	core, logs := observer.New(zapcore.InfoLevel)
	began := time.Now()
	p := &pulse{cfg: config.Heartbeat{URL: strictyaml.NewSecret("http://dms.example/ping/abc"), Interval: time.Minute, Timeout: 10 * time.Second},
		counted: map[string]int{}, logs: logs}
	p.heartbeat = &heartbeat{log: zap.New(core), reloaded: make(chan struct{}, 1),
		config: func() (c config.Heartbeat) { p.with(func() { c = p.cfg }); return c },
		broken: func(context.Context, time.Time) (err error) { p.with(func() { err = p.broken }); return err },
		send: func(ctx context.Context, c config.Heartbeat) (err error) {
			select {
			case <-time.After(p.hang):
			case <-ctx.Done():
				return context.Cause(ctx)
			}
			p.with(func() {
				if err = p.refused; err == nil {
					p.sent = append(p.sent, time.Since(began))
				}
			})
			return err
		},
		count: func(result string, _ time.Time) { p.with(func() { p.counted[result]++ }) }}
	for _, f := range setup {
		f(p)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
	synctest.Wait()
	return p
}

func (p *pulse) with(f func()) { p.mu.Lock(); defer p.mu.Unlock(); f() }

func (p *pulse) times() (out []time.Duration) {
	p.with(func() { out = slices.Clone(p.sent) })
	return out
}

func (p *pulse) got(result string) (n int) { p.with(func() { n = p.counted[result] }); return n }

// pass lets simulated time go by.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestAHeartbeatComesEveryIntervalWhileEverythingWorks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := beating(t, func(p *pulse) { p.hang = 2 * time.Second })
		pass(5*time.Minute + 30*time.Second)
		require.Equal(t, []time.Duration{0, 1, 2, 3, 4, 5}, minutes(p.times()), "the time that a call takes is no drift")
		require.Empty(t, p.logs.All())
		require.Equal(t, 6, p.got(metrics.BeatSent))
		require.Empty(t, p.status.Load().Trouble)
	})
}

func minutes(list []time.Duration) (out []time.Duration) {
	for _, d := range list {
		out = append(out, d/time.Minute)
	}
	return out
}

func TestNoHeartbeatIsSentWhileRecoverydDoesNotWorkCompletely(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := beating(t)
		pass(30 * time.Second)
		require.Len(t, p.times(), 1)
		p.with(func() { p.broken = errors.New("target svc has not been looked at for 61s") })
		pass(time.Hour)
		require.Len(t, p.times(), 1, "silence is the message")
		require.Greater(t, p.got(metrics.BeatWithheld), 100)
		require.Contains(t, p.status.Load().Trouble, "withheld: target svc")
		p.with(func() { p.broken = nil })
		pass(time.Minute)
		require.GreaterOrEqual(t, len(p.times()), 2, "and it goes on by itself")
		require.Empty(t, p.status.Load().Trouble)
	})
}

func TestAHeartbeatThatDoesNotArriveIsTriedAgainSoonAndLoggedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := beating(t, func(p *pulse) { p.refused = errors.New("connection refused after 12 ms") })
		pass(30 * time.Second)
		p.with(func() { p.refused = errors.New("connection refused after 13 ms") })
		pass(10 * time.Minute)
		require.Equal(t, 1, p.logs.FilterMessageSnippet("no heartbeat").Len(), "a changed number is no change")
		require.Equal(t, 43, p.got(metrics.BeatFailed), "every quarter of the interval")
		p.with(func() { p.refused = errors.New("HTTP 500") })
		pass(time.Minute)
		require.Equal(t, 2, p.logs.FilterMessageSnippet("no heartbeat").Len(), "another reason is a change")
		p.with(func() { p.refused = nil })
		pass(time.Minute)
		require.Equal(t, 1, p.logs.FilterMessageSnippet("sent again").Len())
	})
}

func TestAServiceThatHangsCostsOneTimeoutAndNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := beating(t, func(p *pulse) { p.hang = time.Hour })
		pass(10 * time.Minute)
		require.Empty(t, p.times())
		require.Equal(t, 40, p.got(metrics.BeatFailed), "each call ended after its timeout")
	})
}

func TestADaemonThatIsStillLookingAroundDoesNotComplainYet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := beating(t, func(p *pulse) { p.broken = errors.New("not every target has been looked at yet") })
		pass(20 * time.Second)
		require.Empty(t, p.logs.All())
		require.Positive(t, p.got(metrics.BeatWithheld), "it is silent all the same")
		pass(time.Minute)
		require.Equal(t, 1, p.logs.Len(), "but not for ever")
	})
}

func TestAHeartbeatFollowsAReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := beating(t)
		url := p.cfg.URL
		p.with(func() { p.cfg.URL = strictyaml.Secret{} })
		pass(10 * time.Minute)
		require.LessOrEqual(t, len(p.times()), 1, "none is configured any more")
		require.Nil(t, p.status.Load())
		p.with(func() { p.cfg.URL = url })
		p.follow()
		pass(time.Second)
		require.NotNil(t, p.status.Load(), "a new address is called at once")
	})
}

func TestTheCallCarriesWhatIsConfiguredAndNoErrorHoldsTheAddress(t *testing.T) {
	var got []string
	answer := http.StatusOK
	words := "OK"
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = append(got, r.Method+" "+r.URL.Path+" "+string(body))
		w.WriteHeader(answer)
		_, _ = io.WriteString(w, words)
	}))
	defer srv.Close()
	b := &beater{line: func() string { return "watching 3 targets" }}
	c := config.Heartbeat{URL: strictyaml.NewSecret(srv.URL + "/ping/5ecre7-uuid"), Method: http.MethodGet, Timeout: time.Second}
	require.NoError(t, b.send(t.Context(), c))
	c.Method = http.MethodPost
	require.NoError(t, b.send(t.Context(), c))
	require.Equal(t, []string{"GET /ping/5ecre7-uuid ", "POST /ping/5ecre7-uuid watching 3 targets\n"}, got)
	words = "OK (not found): /ping/5ecre7-uuid"
	err := b.send(t.Context(), c)
	require.ErrorContains(t, err, "OK (not found)", "the service's own words say why")
	require.NotContains(t, err.Error(), "5ecre7")
	c.Accept = "found"
	require.NoError(t, b.send(t.Context(), c), "unless somebody says that this means yes")
	for _, code := range []int{http.StatusFound, http.StatusNotFound, http.StatusInternalServerError} {
		answer = code
		err := b.send(t.Context(), c)
		require.Error(t, err)
		require.NotContains(t, err.Error(), "5ecre7")
	}
	srv.Close()
	err = b.send(t.Context(), c)
	require.Error(t, err)
	require.NotContains(t, err.Error(), "5ecre7")
	require.NotContains(t, strings.ToLower(err.Error()), "ping")
}
