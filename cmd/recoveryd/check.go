package main

import (
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/recoveryd/recoveryd/internal/app"
	"github.com/recoveryd/recoveryd/pkg/detect"
)

func (c *cli) checkCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "check",
		Short: "Look once at every target: verdict, evidence, what it would do",
		Long:  `Look once at every target of the configuration, act on nothing. Exits 0 when all are healthy or degraded, 1 when one is not, 2 when one could not be told.`,
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := c.load()
			if err != nil {
				return err
			}
			list, err := app.Check(cmd.Context(), cfg)
			if err != nil {
				return &exitError{exitUsage, err}
			}
			if c.output == "json" {
				err = c.json(list)
			} else {
				w := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
				fmt.Fprintln(w, "TARGET\tVERDICT\tCLASS\tCULPRIT\tBECAUSE\tWOULD")
				for _, g := range list {
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", g.Target, g.Diagnosis.Verdict, dash(string(g.Diagnosis.Class)), dash(g.Diagnosis.Culprit), g.Diagnosis.Because, g.Would)
				}
				err = w.Flush()
				for _, g := range list {
					c.advise(g.Target, g.Diagnosis.Advice)
				}
			}
			if err != nil {
				return err
			}
			code := 0
			for _, g := range list {
				switch {
				case g.Diagnosis.Bad():
					return &exitError{code: exitNotHealthy}
				case g.Diagnosis.Verdict == detect.Unknown:
					code = exitUsage
				}
			}
			if code != 0 {
				return &exitError{code: code}
			}
			return nil
		},
	}
}
