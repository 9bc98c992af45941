package httpserve_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zaptest"

	"github.com/recoveryd/recoveryd/internal/httpserve"
	"github.com/recoveryd/recoveryd/internal/httpserve/hosttest"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

// drilled serves a host on a control socket and returns a function that gives orders.
func drilled(t *testing.T, h *hosttest.Host, allow error) func(httpserve.DrillOrder) (int, httpserve.DrillAnswer, string) {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "control.sock")
	s, err := httpserve.New(httpserve.Options{Daemon: h, Gatherer: prometheus.NewRegistry(), Logger: zaptest.NewLogger(t), Socket: socket,
		Drills: func(string, incident.Fault, time.Duration, time.Time) error { return allow }})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Stop(context.Background())) })
	tr := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}
	t.Cleanup(tr.CloseIdleConnections)
	return func(o httpserve.DrillOrder) (int, httpserve.DrillAnswer, string) {
		b, err := json.Marshal(o)
		require.NoError(t, err)
		resp, err := (&http.Client{Transport: tr}).Post("http://recoveryd/api/v1/drill", "application/json", bytes.NewReader(b))
		require.NoError(t, err)
		defer resp.Body.Close()
		var a struct {
			httpserve.DrillAnswer
			Error string
		}
		require.NoError(t, json.NewDecoder(resp.Body).Decode(&a))
		return resp.StatusCode, a.DrillAnswer, a.Error
	}
}

func TestADrillIsAnnouncedOverTheControlSocketAndEnded(t *testing.T) {
	h := hosttest.New(t, time.Now(), hosttest.Options(t))
	h.Run(20 * time.Second)
	order := drilled(t, h, nil)
	code, a, _ := order(httpserve.DrillOrder{ID: "d1", Target: "task-mcp", Fault: incident.FaultKill, For: "1m", By: "ann"})
	require.Equal(t, http.StatusOK, code)
	require.Contains(t, a.Sentence, "drill d1 (kill) by ann (uid ")
	require.WithinDuration(t, time.Now().Add(time.Minute+incident.DrillGrace), a.Until, 30*time.Second)
	require.Equal(t, "d1", h.State().Targets["task-mcp"].Drill.ID)

	code, _, why := order(httpserve.DrillOrder{ID: "d2", Target: "redis", Fault: incident.FaultKill, For: "1m", By: "ann"})
	require.Equal(t, http.StatusConflict, code)
	require.Equal(t, "drill d1 of task-mcp is under way", why)

	code, a, _ = order(httpserve.DrillOrder{ID: "d1", Target: "task-mcp", By: "ann", Over: true, Why: "passed"})
	require.Equal(t, http.StatusOK, code)
	require.Contains(t, a.Sentence, "passed")
	require.False(t, h.State().Targets["task-mcp"].Drill.Ended.IsZero())
}

func TestADrillOrderThatMakesNoSenseIsRefused(t *testing.T) {
	h := hosttest.New(t, time.Now(), hosttest.Options(t))
	h.Run(20 * time.Second)
	good := httpserve.DrillOrder{ID: "d1", Target: "task-mcp", Fault: incident.FaultKill, For: "1m", By: "ann"}
	for name, c := range map[string]struct {
		spoil func(*httpserve.DrillOrder)
		allow error
		code  int
		why   string
	}{
		"no such target":                 {func(o *httpserve.DrillOrder) { o.Target = "x" }, nil, http.StatusBadRequest, "no target"},
		"no such fault":                  {func(o *httpserve.DrillOrder) { o.Fault = "burn" }, nil, http.StatusBadRequest, "unknown fault"},
		"an id that is no file name":     {func(o *httpserve.DrillOrder) { o.ID = "../x" }, nil, http.StatusBadRequest, "needs an id"},
		"nobody gives it":                {func(o *httpserve.DrillOrder) { o.By = "" }, nil, http.StatusBadRequest, "who gives it"},
		"no length":                      {func(o *httpserve.DrillOrder) { o.For = "" }, nil, http.StatusBadRequest, "positive duration"},
		"the configuration forbids it":   {func(*httpserve.DrillOrder) {}, errors.New("drills are off"), http.StatusConflict, "drills are off"},
		"the core refuses a host abroad": {func(o *httpserve.DrillOrder) { o.Target = "ollama" }, nil, http.StatusConflict, "another host"},
	} {
		t.Run(name, func(t *testing.T) {
			o := good
			c.spoil(&o)
			code, _, why := drilled(t, h, c.allow)(o)
			require.Equal(t, c.code, code)
			require.Contains(t, why, c.why)
		})
	}
}
