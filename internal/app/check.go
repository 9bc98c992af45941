package app

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/exporter-toolkit/web"
	"go.uber.org/zap"

	"github.com/recoveryd/recoveryd/internal/config"
	"github.com/recoveryd/recoveryd/internal/evidence"
	"github.com/recoveryd/recoveryd/internal/strictyaml"
	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

// Check looks once at every target, all at the same time, and says what it sees and would do. It
// acts on nothing.
func Check(ctx context.Context, c *config.Config) ([]incident.Glimpse, error) {
	g, err := newGeneration(ctx, c, driversOr(nil), nil, zap.NewNop())
	if err != nil {
		return nil, err
	}
	defer g.close()
	subjects := discreetly(g.subjects, evidence.NewRedactor(c.Secrets()))
	looks := make([]detect.Observation, len(subjects))
	var wg sync.WaitGroup
	for i, s := range subjects {
		wg.Go(func() { looks[i] = s.Looker.Look(ctx, "asked") })
	}
	wg.Wait()
	return g.policy.Glance(looks, time.Now()), nil
}

// CheckParts builds everything that a configuration asks for and throws it away: what only the
// built parts can find wrong (a ladder, a rule, a notifier's own keys) is found here too.
func CheckParts(c *config.Config) error {
	if _, err := PolicyOf(c); err != nil {
		if _, placed := errors.AsType[*strictyaml.ProblemsError](err); placed { // it names the file and the line
			return err
		}
		return fmt.Errorf("%s: %w", c.File(), err)
	}
	if _, err := notifiersOf(c, zap.NewNop()); err != nil {
		return err
	}
	if _, err := subjectsOf(c, nil); err != nil {
		return fmt.Errorf("%s: %w", c.File(), err)
	}
	return nil
}

// CheckPage finds out whether the status page can be served with the TLS and the passwords that its file names. It
// reads that file and the certificate and key in it, so ask it on the configuration's own host only.
func CheckPage(c *config.Config) error {
	if err := web.Validate(c.HTTP.WebConfigFile); err != nil {
		return fmt.Errorf("%s: http.web_config_file %s cannot be used: %w", c.File(), c.HTTP.WebConfigFile, err)
	}
	return nil
}
