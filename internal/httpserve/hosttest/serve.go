package hosttest

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/recoveryd/recoveryd/internal/httpserve"
	"github.com/recoveryd/recoveryd/internal/httpserve/live"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

// Serve tells a story up to now and answers for it on a control socket, as the daemon does, until the test ends.
func Serve(t *testing.T, story func(testing.TB, time.Time, func(incident.Record)) *Host) (h *Host, socket string) {
	t.Helper()
	p, err := incident.NewPolicy(Options(t))
	require.NoError(t, err)
	feed := live.New(live.Options{Target: p.Target})
	h = story(t, time.Now(), feed.Decided)
	dir, err := os.MkdirTemp("", "rd") // the path of a socket must be short
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket = filepath.Join(dir, "s")
	s, err := httpserve.New(httpserve.Options{Daemon: h, Gatherer: prometheus.NewRegistry(), Logger: zap.NewNop(), Socket: socket, Feed: feed})
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		require.NoError(t, s.Stop(ctx))
	})
	return h, socket
}
