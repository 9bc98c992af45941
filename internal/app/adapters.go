package app

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"

	"go.uber.org/zap"

	"github.com/recoveryd/recoveryd/internal/config"
	"github.com/recoveryd/recoveryd/pkg/platform"
)

// adaptersOf builds the platform adapters that a configuration needs, by the name that an
// action's platform argument uses.
func adaptersOf(ctx context.Context, c *config.Config, drivers []platform.Driver, log *zap.Logger) (map[string]platform.Adapter, error) {
	out := map[string]platform.Adapter{}
	for _, d := range drivers {
		o := platform.Options{EnvDir: filepath.Join(c.RuntimeDir, "env"), EnvKeys: envKeys(c), Logger: log}
		for _, t := range c.Targets {
			if t.Platform == d.Name && !t.External {
				o.Targets = append(o.Targets, platform.Target{Name: t.Name, Kind: t.Kind, Object: t.Object, Keys: t.Own})
			}
		}
		if d.Open == nil || len(o.Targets) == 0 {
			continue
		}
		ad, err := d.Open(ctx, o)
		if err != nil {
			return nil, fmt.Errorf("platform %s: %w", d.Name, err)
		}
		out[d.Name] = ad
	}
	return out, addOthers(ctx, c, log, out)
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
