package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/recoveryd/recoveryd/internal/app"
	"github.com/recoveryd/recoveryd/internal/config"
	"github.com/recoveryd/recoveryd/internal/console"
	"github.com/recoveryd/recoveryd/internal/residency"
)

func (c *cli) runCmd() *cobra.Command {
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run the daemon (what the systemd unit starts)",
		Long: `Run the daemon in the foreground. SIGHUP reloads the configuration, all or nothing; SIGTERM
stops it after the action in flight and a last delivery of notices.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := config.Load(c.Config, app.Known())
			if err != nil {
				return console.Exit(console.Usage, err)
			}
			log, err := app.NewLogger(cfg.Log)
			if err != nil {
				return console.Exit(console.Usage, err)
			}
			defer func() { _ = log.Sync() }() // standard error cannot be synced everywhere
			residency.Memory("/")
			a, err := started(cmd.Context(), app.Options{ConfigPath: c.Config, Config: cfg, Logger: log, Version: version, Commit: commit, DryRun: dryRun,
				Configured: func(cfg *config.Config) {
					residency.Processors(len(cfg.Targets))
					residency.Heap(len(cfg.Targets))
				}})
			if err != nil {
				if bad := new(app.ConfigError); errors.As(err, &bad) {
					return console.Exit(console.Usage, err)
				}
				return err
			}
			hup := make(chan os.Signal, 1)
			signal.Notify(hup, syscall.SIGHUP)
			defer signal.Stop(hup)
			if err := a.Run(cmd.Context(), hup); err != nil {
				return fmt.Errorf("run: %w", err)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "observe and page, but act on nothing")
	return cmd
}

// patience is how long the parts of a daemon that does not run yet get to undo what they began, after they
// were told to stop. It is well below what systemd waits (TimeoutStopSec=) before it kills.
const patience = 10 * time.Second

// started is app.New that ends when it is told to: opening a file or asking a bus can wait for ever where no
// context reaches. Nothing acts before New has returned.
func started(ctx context.Context, o app.Options) (*app.App, error) {
	type result struct {
		app *app.App
		err error
	}
	done := make(chan result, 1)
	go func() {
		a, err := app.New(ctx, o)
		done <- result{a, err}
	}()
	select {
	case r := <-done:
		return r.app, r.err
	case <-ctx.Done():
	}
	select {
	case r := <-done:
		return r.app, r.err
	case <-time.After(patience):
		return nil, fmt.Errorf("told to stop during the start, which hangs: look at the disk of state_dir (%s) and at D-Bus", o.Config.StateDir)
	}
}
