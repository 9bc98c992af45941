package trial

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/recoveryd/recoveryd/internal/app"
	"github.com/recoveryd/recoveryd/internal/config"
	"github.com/recoveryd/recoveryd/internal/console"
	"github.com/recoveryd/recoveryd/internal/strictyaml"
)

func (c *cli) validateCmd() *cobra.Command {
	var show, noSecrets bool
	cmd := &cobra.Command{
		Use:   "validate [FILE]",
		Short: "Check a configuration completely and report every problem at once",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 1 {
				c.Config = args[0]
			}
			return c.validate(show, noSecrets)
		},
	}
	cmd.Flags().BoolVar(&show, "print", false, "print the configuration with every default filled in and every secret hidden")
	cmd.Flags().BoolVar(&noSecrets, "no-secrets", false, "do not look at secret files, variables and credentials: for checking on another machine")
	return cmd
}

// ProblemList is what validate prints with -o json.
type ProblemList struct {
	File     string               `json:"file"`
	Valid    bool                 `json:"valid"`
	Problems []strictyaml.Problem `json:"problems"`
	Warnings []strictyaml.Problem `json:"warnings"`
}

func (c *cli) validate(show, noSecrets bool) error {
	known := app.Known()
	known.WithoutSecrets = noSecrets
	cfg, err := config.Load(c.Config, known)
	if err == nil {
		err = app.CheckParts(cfg)
	}
	if err == nil && !noSecrets {
		err = app.CheckPage(cfg)
	}
	warnings := []strictyaml.Problem{}
	if cfg != nil {
		warnings = append(warnings, app.Warnings(cfg, time.Now())...)
	} else if bad := (*strictyaml.ProblemsError)(nil); errors.As(err, &bad) {
		warnings = append(warnings, bad.Warnings...) // often why there is an error: a variable that nobody filled in
	}
	if c.Output == "json" {
		out := ProblemList{File: c.Config, Valid: err == nil, Problems: strictyaml.Problems(err), Warnings: warnings}
		if e := c.JSON(out); e != nil {
			return e
		}
		if err != nil {
			return console.Exit(console.Usage, nil)
		}
		return nil
	}
	for _, w := range warnings {
		fmt.Fprintln(c.Err, "warning:", w)
	}
	if err != nil {
		return console.Exit(console.Usage, err)
	}
	if show {
		_, err := fmt.Fprint(c.Out, cfg.Redacted())
		return err
	}
	_, err = fmt.Fprintf(c.Out, "%s: valid: %d targets, %d notifiers, mode %s\n", c.Config, len(cfg.Targets), len(cfg.Notifiers), cfg.Mode)
	return err
}
