package app

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"

	"go.uber.org/zap"

	"github.com/recoveryd/recoveryd/internal/config"
	"github.com/recoveryd/recoveryd/pkg/platform"
	"github.com/recoveryd/recoveryd/pkg/platform/systemd"
)

// adaptersOf builds the platform adapters that a configuration needs, by the name that an
// action's platform argument uses.
func adaptersOf(ctx context.Context, c *config.Config, log *zap.Logger) (map[string]platform.Adapter, error) {
	out := map[string]platform.Adapter{}
	if uses(c, platformSystemd) {
		ad, err := systemd.New(ctx, systemd.Options{EnvDir: filepath.Join(c.RuntimeDir, "env"), EnvKeys: envKeys(c), Logger: log})
		if err != nil {
			return nil, fmt.Errorf("platform systemd: %w", err)
		}
		out[platformSystemd] = ad
	}
	return out, addOthers(ctx, c, log, out)
}

func uses(c *config.Config, platformName string) bool {
	return slices.ContainsFunc(c.Targets, func(t config.Target) bool { return t.Platform == platformName })
}

// envKeys lists the variables that may be set in the units' environment files.
func envKeys(c *config.Config) (keys []string) {
	for _, t := range c.Targets {
		if t.Pool.EnvFile != "" && !slices.Contains(keys, t.Pool.EnvKey) {
			keys = append(keys, t.Pool.EnvKey)
		}
	}
	return keys
}
