package operate

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/recoveryd/recoveryd/internal/console"
	"github.com/recoveryd/recoveryd/internal/httpserve"
	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/incident"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// playbookCmd is everything about ordered procedures over several targets.
func (c *cli) playbookCmd() *cobra.Command {
	cmd := &cobra.Command{Use: "playbook", Short: "Run an ordered procedure over several targets, and see what becomes of it"}
	cmd.AddCommand(c.playbookListCmd(), c.playbookShowCmd(), c.playbookRunCmd(), c.playbookStatusCmd(),
		c.playbookWordCmd(incident.CmdPlayApprove, "approve RUN", "Approve the step at which a run waits for a person"),
		c.playbookWordCmd(incident.CmdPlayStop, "stop RUN", "End a run, also one that has failed and keeps its targets"))
	return cmd
}

func (c *cli) playbookList(ctx context.Context) (p httpserve.Playbooks, err error) {
	return p, c.Call(ctx, http.MethodGet, "/api/v1/playbooks", nil, &p)
}

func (c *cli) playbookListCmd() *cobra.Command {
	return &cobra.Command{Use: "list", Short: "List the playbooks, and the latest runs", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		p, err := c.playbookList(cmd.Context())
		if err != nil {
			return err
		}
		if c.Output == "json" {
			return c.JSON(p)
		}
		if len(p.Playbooks) == 0 {
			fmt.Fprintln(c.Out, "no playbooks are configured (see /usr/share/doc/recoveryd/docs/playbooks.md)")
		}
		for _, b := range p.Playbooks {
			note := ""
			if b.Approval {
				note = ", needs approval"
			}
			fmt.Fprintf(c.Out, "%s  %d steps%s: %s\n", b.Name, len(b.Steps), note, b.Description)
		}
		if p.Run != nil {
			fmt.Fprintf(c.Out, "\nnow: %s\n", p.Run.Words())
		}
		for _, r := range p.Runs {
			fmt.Fprintln(c.Out, r.Words())
		}
		return nil
	}}
}

func (c *cli) playbookShowCmd() *cobra.Command {
	return &cobra.Command{Use: "show PLAYBOOK", Short: "Show the steps of a playbook", Args: cobra.ExactArgs(1), ValidArgsFunction: console.First(c.playbookNames),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := c.playbookList(cmd.Context())
			if err != nil {
				return err
			}
			var names []string
			for _, b := range p.Playbooks {
				if b.Name != args[0] {
					names = append(names, b.Name)
					continue
				}
				if c.Output == "json" {
					return c.JSON(b)
				}
				c.printPlaybook(b)
				return nil
			}
			return fmt.Errorf("there is no playbook %q%s (see: recoveryd playbook list)", args[0], detect.Meant(args[0], names))
		}}
}

func (c *cli) printPlaybook(b httpserve.PlaybookView) {
	fmt.Fprintf(c.Out, "%s: %s\n", b.Name, b.Description)
	fmt.Fprintf(c.Out, "has in hand  %s\n", console.Dash(strings.Join(b.Targets, ", ")))
	after := "its targets are treated as always"
	if b.Keep {
		after = "its targets are left as they are until a person ends the run"
	}
	fmt.Fprintf(c.Out, "at most      %s; when it fails, %s\n", b.Timeout, after)
	for i, s := range b.Steps {
		fmt.Fprintf(c.Out, "  %2d  %s%s\n", i+1, s.Name, stepNotes(s))
		if s.Action != nil {
			fmt.Fprintf(c.Out, "      %s\n", strings.ReplaceAll(s.Action.String(), "\x00", " "))
		}
	}
}

// stepNotes says what is special about a step.
func stepNotes(s strategy.Step) string {
	notes := []string{"within " + s.Timeout.String()}
	if s.Approval {
		notes = append(notes, "a person must approve it")
	}
	if s.Disrupts() {
		notes = append(notes, "disrupts")
	}
	if s.GoOn {
		notes = append(notes, "goes on when it fails")
	}
	if s.EndIfDone {
		notes = append(notes, "ends the playbook when it succeeds")
	}
	return " (" + strings.Join(notes, "; ") + ")"
}

func (c *cli) playbookRunCmd() *cobra.Command {
	cmd := httpserve.Command{Verb: incident.CmdPlay}
	detach := false
	cc := &cobra.Command{Use: "run PLAYBOOK", Short: "Run a playbook now", Args: cobra.ExactArgs(1), ValidArgsFunction: console.First(c.playbookNames),
		Long: `Asks the daemon to run a playbook, and follows it. The daemon carries it out: it goes on when this
command is ended, and survives a restart of the daemon. Holds, a pause, the stop file, windows, observe
mode and the budgets are obeyed: before it begins they refuse it, later it waits for them to end.

--dry-run says what would be done and what would refuse it, and changes nothing.
Exit code 1: it was refused (or would be), or it failed.`,
		RunE: func(run *cobra.Command, args []string) error {
			cmd.Playbook = args[0]
			var a httpserve.Answer
			if err := c.Call(run.Context(), http.MethodPost, "/api/v1/command", cmd, &a); err != nil {
				return err
			}
			if a.Refused {
				return c.answered(a)
			}
			switch {
			case c.Output == "json" && (cmd.DryRun || detach):
				return c.JSON(a)
			case cmd.DryRun:
				fmt.Fprintln(c.Out, "dry run, nothing is done; it would begin now:")
				for i, s := range a.Run.Steps {
					fmt.Fprintf(c.Out, "  %2d  %s%s\n", i+1, s.Name, stepNotes(s))
				}
				return nil
			case detach:
				fmt.Fprintln(c.Out, a.Sentence)
				return nil
			}
			return c.follow(run.Context(), a.Run.ID)
		}}
	cc.Flags().BoolVar(&cmd.DryRun, "dry-run", false, "say what would be done and what would refuse it; do nothing")
	cc.Flags().BoolVar(&detach, "detach", false, "do not wait for its end")
	console.WhoSays(cc.Flags(), &cmd.By)
	cc.Flags().StringVar(&cmd.Why, "why", "", "the reason, for the record; --reason is the same")
	return cc
}

func (c *cli) playbookStatusCmd() *cobra.Command {
	return &cobra.Command{Use: "status RUN", Short: "Show what became of the steps of a run", Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
		r, err := c.run(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		if c.Output == "json" {
			return c.JSON(r)
		}
		c.PrintRun(r)
		return nil
	}}
}

// playbookWordCmd is a person's word about a run.
func (c *cli) playbookWordCmd(verb incident.CommandVerb, use, short string) *cobra.Command {
	cmd := httpserve.Command{Verb: verb}
	cc := &cobra.Command{Use: use, Short: short, Args: cobra.ExactArgs(1), RunE: func(run *cobra.Command, args []string) error {
		cmd.Run = args[0]
		var a httpserve.Answer
		if err := c.Call(run.Context(), http.MethodPost, "/api/v1/command", cmd, &a); err != nil {
			return err
		}
		return c.answered(a)
	}}
	console.WhoSays(cc.Flags(), &cmd.By)
	return cc
}

func (c *cli) run(ctx context.Context, id string) (r incident.Run, err error) {
	return r, c.Call(ctx, http.MethodGet, "/api/v1/playbooks/runs/"+url.PathEscape(id), nil, &r)
}

// runEvery is how often a run that is followed is asked for.
const runEvery = 300 * time.Millisecond

// follow prints the steps of a run as they end, until it is over, halted, or waits for a person.
func (c *cli) follow(ctx context.Context, id string) error {
	tick := time.NewTicker(runEvery)
	defer tick.Stop()
	told, held := 0, incident.Reason("")
	for {
		r, err := c.run(ctx, id)
		if err != nil {
			return err
		}
		if c.Output != "json" {
			for ; told < len(r.Log) && r.Log[told].Result != ""; told++ {
				fmt.Fprintln(c.Out, console.LogLine(r, told))
			}
			if r.Held != held && r.Held != "" {
				fmt.Fprintf(c.Out, "waits (%s): %s\n", r.Held, r.HeldWhy)
			}
			held = r.Held
		}
		if !r.Live() || r.Stage == incident.StageApproval {
			return c.followed(r)
		}
		select {
		case <-ctx.Done():
			fmt.Fprintf(c.Err, "the run goes on: recoveryd playbook status %s\n", id)
			return nil
		case <-tick.C:
		}
	}
}

// followed tells how a run that was followed came out.
func (c *cli) followed(r incident.Run) error {
	if c.Output == "json" {
		if err := c.JSON(r); err != nil {
			return err
		}
	} else {
		fmt.Fprintln(c.Out, r.Words())
	}
	if r.Stage != incident.StageApproval && r.Outcome != incident.PlaybookDone {
		return console.Exit(console.NotHealthy, errors.New("the playbook did not succeed"))
	}
	return nil
}

// playbookNames completes the name of a playbook.
func (c *cli) playbookNames(_ *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
	var out []string
	if cfg := c.Glance(); cfg != nil {
		for _, b := range cfg.Playbooks {
			out = append(out, console.Described(b.Name, b.Description))
		}
	}
	return console.Begins(out, begun), cobra.ShellCompDirectiveNoFileComp
}
