package app

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zaptest"

	"github.com/recoveryd/recoveryd/internal/config"
	"github.com/recoveryd/recoveryd/internal/httpserve"
)

// The page is served, and the curves of the last hours outlive the daemon.
func TestTheStatusPageRemembersAcrossARestart(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	dir := t.TempDir()
	path := filepath.Join(dir, "recoveryd.yaml")
	looks := func(a *App) (n uint32) {
		code, body := fetch(t, a, "/api/v1/history?span=24h")
		require.Equal(t, 200, code)
		var h []httpserve.TargetHistory
		require.NoError(t, json.Unmarshal([]byte(body), &h))
		for _, s := range h[0].Slots {
			n += s.Healthy
		}
		return n
	}
	// The second process looks once and not again for an hour: the rest it can only remember.
	for _, interval := range []string{"200ms", "1h"} {
		require.NoError(t, os.WriteFile(path, fmt.Appendf(nil, `version: 1
host: db7
state_dir: %q
runtime_dir: %q
http: {listen: "127.0.0.1:0"}
targets: [{name: redis, kind: plain, external: true, interval: %s, check: {type: tcp, address: %q, timeout: 150ms}}]
`, dir+"/state", dir+"/run", interval, l.Addr()), 0o600))
		c, err := config.Load(path, Known())
		require.NoError(t, err)
		a, err := New(t.Context(), Options{ConfigPath: path, Config: c, Logger: zaptest.NewLogger(t), Version: "test", Commit: "none"})
		require.NoError(t, err)
		ctx, stop := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- a.Run(ctx, nil) }()
		require.Eventually(t, func() bool { return looks(a) >= 9 }, time.Minute, 50*time.Millisecond, "interval %s: what was seen before is forgotten", interval)
		code, body := fetch(t, a, "/")
		require.Equal(t, 200, code)
		require.Contains(t, body, `id="t-redis"`)
		require.Contains(t, body, "on db7")
		stop()
		require.NoError(t, <-done)
	}
}
