package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/recoveryd/recoveryd/internal/app"
	"github.com/recoveryd/recoveryd/internal/config"
)

func (c *cli) validateCmd() *cobra.Command {
	var show, noSecrets bool
	cmd := &cobra.Command{
		Use:   "validate [FILE]",
		Short: "Check a configuration completely and report every problem at once",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 1 {
				c.config = args[0]
			}
			return c.validate(show, noSecrets)
		},
	}
	cmd.Flags().BoolVar(&show, "print", false, "print the configuration with every default filled in and every secret hidden")
	cmd.Flags().BoolVar(&noSecrets, "no-secrets", false, "do not look at secret files, variables and credentials: for checking on another machine")
	return cmd
}

// problemList is what validate prints with -o json.
type problemList struct {
	File     string           `json:"file"`
	Valid    bool             `json:"valid"`
	Problems []config.Problem `json:"problems"`
	Warnings []config.Problem `json:"warnings"`
}

func (c *cli) validate(show, noSecrets bool) error {
	known := app.Known()
	known.WithoutSecrets = noSecrets
	cfg, err := config.Load(c.config, known)
	if err == nil {
		err = app.CheckParts(cfg)
	}
	warnings := []config.Problem{}
	if cfg != nil {
		warnings = append(warnings, app.Warnings(cfg, time.Now())...)
	} else if bad := (*config.ProblemsError)(nil); errors.As(err, &bad) {
		warnings = append(warnings, bad.Warnings...) // often why there is an error: a variable that nobody filled in
	}
	if c.output == "json" {
		out := problemList{File: c.config, Valid: err == nil, Problems: config.Problems(err), Warnings: warnings}
		if e := c.json(out); e != nil {
			return e
		}
		if err != nil {
			return &exitError{code: exitUsage}
		}
		return nil
	}
	for _, w := range warnings {
		fmt.Fprintln(c.err, "warning:", w)
	}
	if err != nil {
		return &exitError{exitUsage, err}
	}
	if show {
		_, err := fmt.Fprint(c.out, cfg.Redacted())
		return err
	}
	_, err = fmt.Fprintf(c.out, "%s: valid: %d targets, %d notifiers, mode %s\n", c.config, len(cfg.Targets), len(cfg.Notifiers), cfg.Mode)
	return err
}
