package app

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/escalate/escalatetest"
	"github.com/recoveryd/recoveryd/pkg/incident"
	"github.com/recoveryd/recoveryd/test/disktest"
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

// A broken disk is read-only from one moment to the next, for files that are open too.
func TestADaemonWhoseDiskTurnsReadOnlySaysSoByItsSilenceAndToPeople(t *testing.T) {
	disk := disktest.New(t, "the heartbeat on a disk that turns read-only")
	url, pings := healthyServer(t)
	pd := escalatetest.NewPagerDuty(escalatetest.PagerDutyOptions{})
	state := filepath.Join(disk.Dir, "state")
	body := fmt.Sprintf(`
targets: [{name: svc, kind: service, platform: none, interval: 1s, health: [{url: %q, timeout: 900ms}]}]
notifiers: [{name: pd, type: pagerduty, routing_key: %s, endpoint: %q}]
heartbeat: {url: "%s/ping/5ecre7", interval: 1s, timeout: 1s}
`, url, routingKey, escalatetest.Serve(t, pd), url)
	a, _, _, stop := runningIn(t, state, body)
	require.Eventually(t, func() bool { return pings.Load() >= 2 }, time.Minute, 20*time.Millisecond)

	disk.Break()
	withheld := func() string {
		s := a.beats.status.Load()
		if s == nil {
			return ""
		}
		return s.Trouble
	}
	require.Eventually(t, func() bool { return strings.HasPrefix(withheld(), "withheld: ") }, time.Minute, 20*time.Millisecond)
	require.Contains(t, withheld(), "has become read-only")
	require.NotContains(t, withheld(), "full", "nobody should look for what to delete")
	before := pings.Load()
	require.Never(t, func() bool { return pings.Load() > before }, 2500*time.Millisecond, 100*time.Millisecond, "two beats and more are missing")
	_, err := a.engine.Ask(t.Context(), incident.Event{Kind: incident.Operator, Target: "svc",
		Command: &incident.Command{Verb: incident.CmdHold, By: "ann", Why: "something to write down", Until: time.Now().Add(time.Hour)}})
	require.Error(t, err, "nothing is promised that cannot be kept")
	require.Eventually(t, func() bool {
		return slices.ContainsFunc(pd.Alerts(), func(x escalatetest.Alert) bool { return strings.Contains(x.Summary, "journal") })
	}, time.Minute, 50*time.Millisecond, "people are told, although it cannot be written down")
	require.Error(t, stop(), "what could not be stored is not hidden")

	disk.Repair()
	before = pings.Load()
	_, _, _, stop = runningIn(t, state, body)
	require.Eventually(t, func() bool { return pings.Load() >= before+2 }, time.Minute, 20*time.Millisecond, "mended, it beats again")
	require.NoError(t, stop())
}
