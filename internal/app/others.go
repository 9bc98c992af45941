package app

import (
	"context"

	"go.uber.org/zap"

	"github.com/recoveryd/recoveryd/internal/config"
	"github.com/recoveryd/recoveryd/pkg/platform"
	"github.com/recoveryd/recoveryd/pkg/platform/postgres"
)

// Names of the adapters that are no service managers. Strategies put them into the platform
// argument of their actions.
const platformPostgres = "postgres"

// addOthers adds the adapters that are no service managers: SQL and the host's own actions.
func addOthers(_ context.Context, c *config.Config, _ *zap.Logger, out map[string]platform.Adapter) error {
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
