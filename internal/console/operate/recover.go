package operate

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/recoveryd/recoveryd/internal/console"
	"github.com/recoveryd/recoveryd/internal/httpserve"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

// recoverCmd asks for a recovery now.
func (c *cli) recoverCmd() *cobra.Command {
	cmd := httpserve.Command{Verb: incident.CmdRecover}
	cc := &cobra.Command{Use: "recover TARGET", Short: "Recover a target now, by its ladder or by one strategy, whatever its mode", Args: cobra.ExactArgs(1),
		Long: `Asks the daemon to recover a target that it sees to be unhealthy: by its ladder from the beginning,
or by one strategy. It is looked at first: what that look shows decides. You take the place of the target's mode and of the looks that would still
confirm the problem. Every other guard is asked as always: holds, windows, budgets, backoff, the
second witness before what disrupts. A guard that applies refuses, and nothing is kept for later.

--dry-run says what would be done and which guard would stop it, and changes nothing.
Exit code 1: it was refused, or would be.`,
		RunE: func(run *cobra.Command, args []string) error {
			cmd.Target = args[0]
			var a httpserve.Answer
			if err := c.Call(run.Context(), http.MethodPost, "/api/v1/command", cmd, &a); err != nil {
				return err
			}
			a.Refused = a.Refused || !a.Done
			if !cmd.DryRun || c.Output == "json" {
				return c.answered(a)
			}
			c.printRehearsal(a)
			if a.Refused {
				return console.Exit(console.NotHealthy, errors.New("it would be refused: see the sentence above"))
			}
			return nil
		}}
	cc.Flags().StringVar(&cmd.Strategy, "strategy", "", "this strategy instead of the ladder")
	cc.Flags().BoolVar(&cmd.DryRun, "dry-run", false, "say what would be done and what would stop it; do nothing")
	console.WhoSays(cc.Flags(), &cmd.By)
	cc.Flags().StringVar(&cmd.Why, "why", "", "the reason, for the record; --reason is the same")
	return cc
}

func (c *cli) printRehearsal(a httpserve.Answer) {
	fmt.Fprintln(c.Out, "dry run, nothing is done:", a.Sentence)
	for n, r := range a.Rungs {
		what := "does not apply: " + r.Not
		if r.Not == "" {
			what = strings.Join(r.Actions, ", then ")
			if r.Disrupts {
				what += " (disrupts)"
			}
		}
		fmt.Fprintf(c.Out, "  %d  %-18s  %s\n", n+1, r.Strategy, what)
	}
}
