package main

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/recoveryd/recoveryd/internal/app"
	"github.com/recoveryd/recoveryd/internal/config"
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
			cfg, err := c.load()
			if err != nil {
				return err
			}
			log, err := app.NewLogger(cfg.Log)
			if err != nil {
				return &exitError{exitUsage, err}
			}
			defer func() { _ = log.Sync() }() // standard error cannot be synced everywhere
			residency.Memory("/")
			a, err := app.New(cmd.Context(), app.Options{ConfigPath: c.config, Config: cfg, Logger: log, Version: version, Commit: commit, DryRun: dryRun,
				Configured: func(cfg *config.Config) {
					residency.Processors(len(cfg.Targets))
					residency.Heap(len(cfg.Targets))
				}})
			if err != nil {
				if bad := new(app.ConfigError); errors.As(err, &bad) {
					return &exitError{exitUsage, err}
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
