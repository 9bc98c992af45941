package log_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/recoveryd/recoveryd/pkg/escalate/escalatetest"
	"github.com/recoveryd/recoveryd/pkg/escalate/log"
	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
)

func build(t testing.TB) (notice.Notifier, *observer.ObservedLogs) {
	t.Helper()
	core, logs := observer.New(zapcore.DebugLevel)
	n, err := log.New(zap.New(core))(escalatetest.Decode(""))
	require.NoError(t, err)
	return n, logs
}

func TestOneLinePerNotice(t *testing.T) {
	n, logs := build(t)
	for _, kind := range []notice.Kind{notice.Trigger, notice.Update, notice.Change, notice.Resolve} {
		_, err := n.Notify(t.Context(), notice.Delivery{Notice: escalatetest.As(escalatetest.Notice("inc/t0"), kind), Attempt: 1})
		require.NoError(t, err)
	}
	var levels []zapcore.Level
	for _, e := range logs.All() {
		require.Equal(t, "notice", e.Message, "the message is constant, facts are fields")
		levels = append(levels, e.Level)
	}
	require.Equal(t, []zapcore.Level{zapcore.ErrorLevel, zapcore.InfoLevel, zapcore.InfoLevel, zapcore.InfoLevel}, levels)
	f := logs.All()[0].ContextMap()
	require.Equal(t, "[P1] Problem: codebase-mcp is down: no process serves port 8000 (web-1)", f["title"])
	require.Equal(t, "restart codebase-mcp.service: done, down again after 15 s", f["tried"])
	require.Equal(t, "inc/t0", f["key"])
}

func TestALineIsBoundedAndIsOneLine(t *testing.T) {
	n, logs := build(t)
	msg := escalatetest.Notice("inc/t0")
	long := strings.Repeat("🔥", 10_000)
	msg.Summary, msg.Next, msg.Class = long+"\n"+long, long, long
	for range 100 {
		msg.Evidence, msg.Affected, msg.Commands = append(msg.Evidence, long), append(msg.Affected, long), append(msg.Commands, long)
	}
	_, err := n.Notify(t.Context(), notice.Delivery{Notice: msg, Attempt: 1})
	require.NoError(t, err)
	line, err := zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()).EncodeEntry(logs.All()[0].Entry, logs.All()[0].Context)
	require.NoError(t, err)
	require.Less(t, line.Len(), 48<<10, "journald cuts there")
	require.Equal(t, 1, strings.Count(line.String(), "\n"))
	require.NotContains(t, line.String(), `\n`)
}

func TestAContextThatHasEnded(t *testing.T) {
	n, logs := build(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := n.Notify(ctx, notice.Delivery{Notice: escalatetest.Notice("inc/t0"), Attempt: 1})
	_, ok := errors.AsType[*notice.RetryError](err)
	require.True(t, ok, "%v", err)
	require.Empty(t, logs.All())
}

func TestPreviewWritesNothing(t *testing.T) {
	n, logs := build(t)
	b, err := n.(notice.Previewer).Preview(notice.Delivery{Notice: escalatetest.Notice("inc/t0")})
	require.NoError(t, err)
	require.Contains(t, string(b), `"priority":"P1"`)
	require.Empty(t, logs.All())
}

func TestWrongConfigurations(t *testing.T) {
	_, err := log.New(zap.NewNop())(escalatetest.Decode("level: info"))
	require.ErrorContains(t, err, "unknown field")
	_, err = log.New(nil)(escalatetest.Decode(""))
	require.ErrorContains(t, err, "without a logger")
}
