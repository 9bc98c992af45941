package app

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/recoveryd/recoveryd/internal/engine"
	"github.com/recoveryd/recoveryd/pkg/detect"
)

type fixedLook detect.Facts

func (f fixedLook) Look(context.Context, string) detect.Observation {
	return detect.Observation{Facts: detect.Facts(f)}
}

func TestThatAServerHasNoHealthResourceIsSaidOnce(t *testing.T) {
	core, logs := observer.New(zapcore.InfoLevel)
	subjects := withWord([]engine.Subject{
		{Name: "without", Looker: fixedLook{detect.HealthInstead: detect.Word("it has no resource health://status")}},
		{Name: "with", Looker: fixedLook{detect.HealthStatus: detect.Word("healthy")}},
	}, zap.New(core))
	for range 3 {
		for _, s := range subjects {
			require.NotEmpty(t, s.Looker.Look(t.Context(), "poll").Facts)
		}
	}
	require.Equal(t, 1, logs.Len())
	require.Contains(t, logs.All()[0].Message, "no resource health://status")
	require.Equal(t, "without", logs.All()[0].ContextMap()["target"])
}
