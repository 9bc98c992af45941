package httpserve_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap/zaptest"

	"github.com/recoveryd/recoveryd/internal/httpserve"
	"github.com/recoveryd/recoveryd/internal/httpserve/hosttest"
	"github.com/recoveryd/recoveryd/internal/httpserve/live"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

// server serves a host on a free port.
func server(t *testing.T, h *hosttest.Host, feed *live.Feed) (*httpserve.Server, string) {
	t.Helper()
	s, err := httpserve.New(httpserve.Options{Daemon: h, Feed: feed, Gatherer: prometheus.NewRegistry(), Logger: zaptest.NewLogger(t), Listen: "127.0.0.1:0"})
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		require.NoError(t, s.Stop(ctx), "the server waits for a stream")
		require.NoError(t, <-served)
	})
	return s, "http://" + s.Addr().String()
}

// sse is one server-sent event.
type sse struct{ name, data string }

// read returns the next event of a stream.
func read(t *testing.T, b *bufio.Reader) sse {
	t.Helper()
	var e sse
	for {
		l, err := b.ReadString('\n')
		require.NoError(t, err)
		switch k, v, _ := strings.Cut(strings.TrimSuffix(l, "\n"), ": "); k {
		case "event":
			e.name = v
		case "data":
			e.data += v
		case "":
			return e
		}
	}
}

func TestEventsAreStreamedAndEndWithTheServer(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	p, err := incident.NewPolicy(hosttest.Options(t))
	require.NoError(t, err)
	feed := live.New(live.Options{Target: p.Target})
	h := hosttest.New(t, time.Now().Add(-time.Hour), hosttest.Options(t))
	h.Told = feed.Decided
	t.Run("while it runs", func(t *testing.T) {
		_, url := server(t, h, feed)
		resp, err := http.Get(url + "/api/v1/events")
		require.NoError(t, err)
		defer resp.Body.Close()
		b := bufio.NewReader(resp.Body)
		e := read(t, b)
		require.Equal(t, "hello", e.name)
		var hello httpserve.Hello
		require.NoError(t, json.Unmarshal([]byte(e.data), &hello))
		require.Equal(t, "v0.9-test", hello.Version)

		h.Run(4 * time.Second) // every target is looked at once
		for range 6 {
			e = read(t, b)
			require.Equal(t, "look", e.name)
			var ev live.Event
			require.NoError(t, json.Unmarshal([]byte(e.data), &ev))
			require.NotNil(t, ev.Look)
		}
		h.Facts["workflow-mcp"] = hosttest.Crashed("run-1")
		h.Run(6 * time.Second)
		var did []string
		for len(did) < 1 {
			if e = read(t, b); e.name == "decision" {
				var ev live.Event
				require.NoError(t, json.Unmarshal([]byte(e.data), &ev))
				require.Equal(t, "workflow-mcp", ev.Target)
				require.NotEmpty(t, ev.Decision.Sentence)
				if ev.Decision.Action != "" {
					did = append(did, ev.Decision.Action)
				}
			}
		}
		require.Equal(t, []string{"start workflow-mcp.service (reset=yes)"}, did)

		var st httpserve.Status
		fetch(t, url+"/api/v1/status", &st)
		for _, x := range st.Targets {
			require.Equal(t, x.Name == "workflow-mcp", x.Next != "", "%s: %q", x.Name, x.Next)
		}
		var hist []httpserve.TargetHistory
		fetch(t, url+"/api/v1/history?span=24h", &hist)
		require.Len(t, hist, 6)
		require.Len(t, hist[0].Slots, 96)
		r, err := http.Get(url + "/api/v1/history?span=1y")
		require.NoError(t, err)
		require.NoError(t, r.Body.Close())
		require.Equal(t, http.StatusBadRequest, r.StatusCode)
	})
	http.DefaultClient.CloseIdleConnections()
}

func fetch(t *testing.T, url string, v any) {
	t.Helper()
	r, err := http.Get(url)
	require.NoError(t, err)
	defer r.Body.Close()
	require.Equal(t, 200, r.StatusCode)
	require.NoError(t, json.NewDecoder(r.Body).Decode(v))
}

func TestTooManyStreamsAreRefusedWithARemedy(t *testing.T) {
	p, err := incident.NewPolicy(hosttest.Options(t))
	require.NoError(t, err)
	feed := live.New(live.Options{Target: p.Target})
	h := hosttest.New(t, time.Now(), hosttest.Options(t))
	_, url := server(t, h, feed)
	for {
		if _, err := feed.Follow(); err != nil {
			break
		}
	}
	r, err := http.Get(url + "/api/v1/events")
	require.NoError(t, err)
	defer r.Body.Close()
	require.Equal(t, http.StatusServiceUnavailable, r.StatusCode)
	require.Equal(t, "10", r.Header.Get("Retry-After"))
	var e struct{ Error string }
	require.NoError(t, json.NewDecoder(r.Body).Decode(&e))
	require.Contains(t, e.Error, "close some pages", fmt.Sprint(e))
}
