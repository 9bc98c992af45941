package operate

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/recoveryd/recoveryd/internal/console"
	"github.com/recoveryd/recoveryd/internal/httpserve"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

// operatorCmds are a person's words to the running daemon. Each is recorded with who said it.
func (c *cli) operatorCmds() []*cobra.Command {
	type word struct {
		verb        incident.CommandVerb
		use, short  string
		arg         string // "target", "incident" or ""
		why, forHow bool
	}
	var out []*cobra.Command
	for _, x := range []word{
		{incident.CmdHold, "hold TARGET", "Leave a target alone: watch and page, but do not act", "target", true, true},
		{incident.CmdRelease, "release TARGET", "End the hold of a target", "target", true, false},
		{incident.CmdPause, "pause", "Act on nothing until resumed", "", true, true},
		{incident.CmdResume, "resume", "End the pause", "", true, false},
		{incident.CmdAck, "ack INCIDENT", "Say that somebody is on it: no further tier is told meanwhile", "incident", true, true},
		{incident.CmdClose, "close INCIDENT", "Say that an incident is over, whatever is seen; the reason is wanted", "incident", true, false},
		{incident.CmdApprove, "approve INCIDENT", "Allow what was proposed for an incident", "incident", true, false},
		{incident.CmdForget, "forget TARGET", "Forget what was learned about a target: strategies not tried, promotions, demotions", "target", true, false},
		{incident.CmdRetry, "retry TARGET", "Begin the ladder of a target's incident anew", "target", true, false},
	} {
		cmd := httpserve.Command{Verb: x.verb}
		cc := &cobra.Command{Use: x.use, Short: x.short, Args: argsFor(x.arg)}
		switch x.arg {
		case "target":
			cc.ValidArgsFunction = console.First(c.CompleteTargets)
		case "incident":
			cc.ValidArgsFunction = console.First(c.CompleteOpenIncidents)
		}
		console.WhoSays(cc.Flags(), &cmd.By)
		if x.why {
			cc.Flags().StringVar(&cmd.Why, "why", "", "the reason, for the record; --reason is the same")
		}
		if x.forHow {
			cc.Flags().StringVar(&cmd.For, "for", "", "how long, such as 30m or 2h (default: until taken back)")
		}
		if x.verb == incident.CmdForget {
			cc.Flags().StringVar(&cmd.Strategy, "strategy", "", "only what was learned about this strategy")
		}
		cc.RunE = func(run *cobra.Command, args []string) error {
			if d, err := time.ParseDuration(cmd.For); cmd.For != "" && (err != nil || d <= 0) {
				return console.Exit(console.Usage, fmt.Errorf("--for %q is no positive duration (want one such as 30m or 2h)", cmd.For))
			}
			switch x.arg {
			case "target":
				cmd.Target = args[0]
			case "incident":
				cmd.Incident = args[0]
			}
			var a httpserve.Answer
			if err := c.Call(run.Context(), http.MethodPost, "/api/v1/command", cmd, &a); err != nil {
				return err
			}
			return c.answered(a)
		}
		out = append(out, cc)
	}
	return out
}

// answered prints what became of a person's word. One that led to nothing has not succeeded.
func (c *cli) answered(a httpserve.Answer) error {
	if c.Output == "json" {
		if err := c.JSON(a); err != nil {
			return err
		}
		if a.Refused {
			return console.Exit(console.NotHealthy, nil)
		}
		return nil
	}
	if a.Refused {
		return console.Exit(console.NotHealthy, errors.New(a.Sentence))
	}
	_, err := fmt.Fprintln(c.Out, a.Sentence)
	return err
}

// argsFor wants one argument when the command has an object, and none otherwise.
func argsFor(object string) cobra.PositionalArgs {
	if object == "" {
		return cobra.NoArgs
	}
	return cobra.ExactArgs(1)
}
