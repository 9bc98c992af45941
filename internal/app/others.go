package app

import (
	"context"
	"fmt"
	"slices"
	"strings"

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
	platformChecks   = "checks"
)

// addOthers adds the adapters that are no service managers: SQL and the host's own actions.
func addOthers(_ context.Context, c *config.Config, log *zap.Logger, out map[string]platform.Adapter) error {
	if err := addPostgres(c, out); err != nil {
		return err
	}
	ad, err := host.New(allowedOnHost(c, log))
	if err != nil {
		return fmt.Errorf("what may be done on this host: %w", err)
	}
	out[platformHost], out[platformChecks] = ad, checks{c}
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
func allowedOnHost(c *config.Config, log *zap.Logger) (o host.Options) {
	hidden := secretWords(c)
	o.Said = func(name string, output []byte) {
		log.Info("a command of a playbook has ended", zap.String("command", name), zap.String("output", hidden.Replace(string(output))))
	}
	for _, b := range c.Playbooks {
		for i, s := range b.Steps {
			for _, d := range s.Directories {
				if !slices.Contains(o.CacheDirs, d) {
					o.CacheDirs = append(o.CacheDirs, d)
				}
			}
			if s.Do == config.DoCommand {
				o.Commands = append(o.Commands, commandOf(stepID(b.Name, i), s))
			}
		}
	}
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

// commandOf translates the command of a step.
func commandOf(id string, s config.PlaybookStep) host.Command {
	timeout := s.Timeout
	if timeout <= 0 {
		timeout = commandStepTimeout
	}
	c := host.Command{Timeout: timeout, Name: id, Argv: s.Command, Dir: s.Dir, Unit: s.AsUnit(), Properties: s.Properties, Keep: int(s.Output)}
	for _, v := range s.Env {
		c.Env = append(c.Env, v.Name+"="+v.Value.Reveal())
	}
	return c
}

// secretWords replaces what the environment of commands holds, in what they print.
func secretWords(c *config.Config) *strings.Replacer {
	var pairs []string
	for _, b := range c.Playbooks {
		for _, s := range b.Steps {
			for _, v := range s.Env {
				if x := v.Value.Reveal(); len(x) >= 4 {
					pairs = append(pairs, x, "(secret)")
				}
			}
		}
	}
	return strings.NewReplacer(pairs...)
}
