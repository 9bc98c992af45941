package app

import (
	"context"
	"fmt"
	"slices"

	"go.uber.org/zap"

	"github.com/recoveryd/recoveryd/internal/config"
	"github.com/recoveryd/recoveryd/pkg/platform"
	"github.com/recoveryd/recoveryd/pkg/platform/host"
	"github.com/recoveryd/recoveryd/pkg/platform/postgres"
)

// Names of the adapters that are no service managers. Strategies put them into the platform
// argument of their actions.
const (
	platformPostgres = "postgres"
	platformHost     = "host"
)

// addOthers adds the adapters that are no service managers: SQL and the host's own actions.
func addOthers(_ context.Context, c *config.Config, _ *zap.Logger, out map[string]platform.Adapter) error {
	if err := addPostgres(c, out); err != nil {
		return err
	}
	ad, err := host.New(allowedOnHost(c))
	if err != nil {
		return fmt.Errorf("what may be done on this host: %w", err)
	}
	out[platformHost] = ad
	return nil
}

func addPostgres(c *config.Config, out map[string]platform.Adapter) error {
	o := postgres.Options{}
	for _, t := range c.Targets {
		if t.Postgres != nil && !t.External {
			o.Databases = append(o.Databases, postgres.Database{Name: t.Name, DSN: t.Postgres.DSN.Reveal()})
		}
	}
	if len(o.Databases) == 0 {
		return nil
	}
	ad, err := postgres.New(o)
	if err != nil {
		return err
	}
	out[platformPostgres] = ad
	return nil
}

// allowedOnHost lists what the configuration allows on this host, to the letter: nothing else is
// ever cleaned, called or run, whatever a plan says.
func allowedOnHost(c *config.Config) (o host.Options) {
	for _, t := range c.Targets {
		if t.External {
			continue
		}
		if t.Pool.AdminURL != "" {
			o.Pools = append(o.Pools, host.Pool{URL: t.Pool.AdminURL})
		}
		for _, d := range t.Caches {
			if !slices.Contains(o.CacheDirs, d) {
				o.CacheDirs = append(o.CacheDirs, d)
			}
		}
	}
	return o
}
