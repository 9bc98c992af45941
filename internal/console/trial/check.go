package trial

import (
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/recoveryd/recoveryd/internal/app"
	"github.com/recoveryd/recoveryd/internal/console"
	"github.com/recoveryd/recoveryd/pkg/detect"
)

func (c *cli) checkCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "check",
		Short: "Look once at every target: verdict, evidence, what it would do",
		Long:  `Look once at every target of the configuration, act on nothing. Exits 0 when all are healthy or degraded, 1 when one is not, 2 when one could not be told.`,
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := c.Load()
			if err != nil {
				return err
			}
			list, err := app.Check(cmd.Context(), cfg)
			if err != nil {
				return console.Exit(console.Usage, err)
			}
			if c.Output == "json" {
				err = c.JSON(list)
			} else {
				w := tabwriter.NewWriter(c.Out, 0, 0, 2, ' ', 0)
				fmt.Fprintln(w, "TARGET\tVERDICT\tCLASS\tCULPRIT\tBECAUSE\tWOULD")
				for _, g := range list {
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", g.Target, g.Diagnosis.Verdict, console.Dash(string(g.Diagnosis.Class)), console.Dash(g.Diagnosis.Culprit), g.Diagnosis.Because, g.Would)
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
					return console.Exit(console.NotHealthy, nil)
				case g.Diagnosis.Verdict == detect.Unknown:
					code = console.Usage
				}
			}
			if code != 0 {
				return console.Exit(code, nil)
			}
			return nil
		},
	}
}
