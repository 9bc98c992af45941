package app

import (
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/recoveryd/recoveryd/internal/metrics"
)

func TestWhatLivesOnCompletedCyclesStarvesWithoutThem(t *testing.T) {
	t.Setenv("WATCHDOG_USEC", "3000000")
	t.Setenv("WATCHDOG_PID", "1")
	c := newCycles(metrics.New("test", "none"), zap.NewNop())
	require.False(t, c.watchdog, "a watchdog of another process is not ours to feed")
	t.Setenv("WATCHDOG_PID", strconv.Itoa(os.Getpid()))
	c = newCycles(metrics.New("test", "none"), zap.NewNop())
	require.True(t, c.watchdog)
	require.Equal(t, time.Second, c.turn, "three chances to be fed")
	core, logs := observer.New(zapcore.WarnLevel)
	t.Setenv("WATCHDOG_USEC", "1000000")
	newCycles(metrics.New("test", "none"), zap.New(core))
	require.Equal(t, 1, logs.FilterMessageSnippet("WatchdogSec is too short").Len(), "the loop turns once a second at the most")

	now := time.Unix(1000, 0)
	beat := func() bool {
		select {
		case <-c.beats:
			return true
		default:
			return false
		}
	}
	require.False(t, beat(), "the loop has not turned")
	c.Cycle(now)
	require.True(t, beat())
	c.Cycle(now.Add(900 * time.Millisecond))
	require.False(t, beat(), "sooner than a third of the 3 s that the service manager waits")
	c.Cycle(now.Add(time.Second))
	c.Cycle(now.Add(2 * time.Second))
	require.True(t, beat())
	require.False(t, beat(), "two turns that nobody took are one beat")
}
