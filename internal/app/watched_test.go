package app

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/escalate/escalatetest"
)

// healthyServer answers as a healthy service does, and counts calls of /ping.
func healthyServer(t *testing.T) (url string, pings *atomic.Int64) {
	pings = new(atomic.Int64)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/ping") {
			pings.Add(1)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"status":"healthy","database_status":"connected","connection_pool":{"size":2,"min_size":2,"max_size":10,"free":2},"uptime_seconds":"1.5","details":null}`)
	}))
	t.Cleanup(srv.Close)
	return srv.URL, pings
}

func TestARunningDaemonBeatsAndProvesItsChannels(t *testing.T) {
	url, pings := healthyServer(t)
	pd := escalatetest.NewPagerDuty(escalatetest.PagerDutyOptions{Keys: []string{routingKey}})
	a, log, _ := running(t, fmt.Sprintf(`
targets: [{name: svc, kind: service, platform: none, interval: 30s, health: [{url: %q, timeout: 20s}]}]
notifiers: [{name: pd, type: pagerduty, routing_key: %s, endpoint: %q}]
heartbeat: {url: "%s/ping/5ecre7", interval: 1s, timeout: 1s}
canary: {every: 1h}
`, url, routingKey, escalatetest.Serve(t, pd), url))
	require.Eventually(t, func() bool { return pings.Load() >= 2 }, time.Minute, 20*time.Millisecond)
	require.Eventually(t, func() bool { return len(pd.Alerts()) == 1 && pd.Alerts()[0].Status == "resolved" }, time.Minute, 50*time.Millisecond)
	require.Eventually(t, func() bool { s := a.canary.status.Load(); return s != nil && s.Running == "" && !s.Last.IsZero() }, time.Minute, 50*time.Millisecond)
	_, status := fetch(t, a, "/api/v1/status")
	require.Contains(t, status, `"accepted"`)
	require.Contains(t, status, `"heartbeat"`)
	_, metrics := fetch(t, a, "/metrics")
	require.Contains(t, metrics, `recoveryd_canary_last_accepted_timestamp_seconds{channel="pd"} 1.`)
	require.Contains(t, metrics, `recoveryd_heartbeats_total{result="sent"}`)
	require.NotContains(t, metrics, "recoveryd_heartbeat_last_success_timestamp_seconds 0\n")
	require.NotContains(t, log.String()+status+metrics, "5ecre7", "whoever knows the address can keep the service quiet")
}

func TestADaemonThatCanTellNobodySaysSoByItsSilence(t *testing.T) {
	url, pings := healthyServer(t)
	refuses := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "invalid", http.StatusForbidden) }))
	defer refuses.Close()
	a, _, _ := running(t, fmt.Sprintf(`
targets: [{name: svc, kind: service, platform: none, interval: 30s, health: [{url: %q, timeout: 20s}]}]
notifiers: [{name: pd, type: pagerduty, routing_key: %s, endpoint: %q}, {name: log, type: log}]
heartbeat: {url: "%s/ping/5ecre7", interval: 1s, timeout: 1s}
canary: {every: 1h}
`, url, routingKey, refuses.URL, url))
	require.Eventually(t, func() bool {
		s := a.beats.status.Load()
		return s != nil && strings.Contains(s.Trouble, "nobody can be told")
	}, time.Minute, 50*time.Millisecond, "the canary was refused, and there is no other channel by which a person learns anything")
	before := pings.Load()
	require.Never(t, func() bool { return pings.Load() > before }, 2*time.Second, 100*time.Millisecond)
}
