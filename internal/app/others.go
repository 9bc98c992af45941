package app

import (
	"context"

	"go.uber.org/zap"

	"github.com/recoveryd/recoveryd/internal/config"
	"github.com/recoveryd/recoveryd/pkg/platform"
)

// addOthers adds the adapters that are no service managers: SQL and the host's own actions.
func addOthers(_ context.Context, _ *config.Config, _ *zap.Logger, _ map[string]platform.Adapter) error {
	return nil
}
