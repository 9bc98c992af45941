package look

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/recoveryd/recoveryd/internal/app"
	"github.com/recoveryd/recoveryd/internal/console"
	"github.com/recoveryd/recoveryd/internal/journal"
	"github.com/recoveryd/recoveryd/internal/strictyaml"
	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

// followEvery is how often --follow asks the journal: quick for the eye, and one indexed question.
const followEvery = 500 * time.Millisecond

// logsCmd reads the journal itself, so that it works when the daemon does not, and goes on through
// its restarts.
func (c *cli) logsCmd() *cobra.Command {
	var follow bool
	var since, state string
	var lines int
	cmd := &cobra.Command{Use: "logs [TARGET|INCIDENT]", Short: "Print what recoveryd decided, did and told people, line by line",
		Long: `Print the records of the journal: what was decided about a target or in an incident (without one: about
everything), what was done and what people were told. What recoveryd logs about itself is in the systemd journal
(journalctl -u recoveryd).

-o json prints a line of JSON for each record, -o wide adds the rule that decided.`,
		Example: `  recoveryd logs codebase-mcp --since 1d
  recoveryd logs --follow
  recoveryd logs codebase-mcp-20261122-031500 -o json`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: console.First(c.CompleteIncidentsOrTargets),
		RunE: func(cmd *cobra.Command, args []string) error {
			f := journal.LogFilter{Limit: lines}
			if since != "" {
				d, err := strictyaml.ParseDuration(since)
				if err != nil || d <= 0 {
					return console.Exit(console.Usage, fmt.Errorf("--since %q is no period (want one such as 30m, 12h or 7d)", since))
				}
				f.Since = time.Now().Add(-d)
				if !cmd.Flags().Changed("lines") {
					f.Limit = 0
				}
			}
			if lines < 0 {
				return console.Exit(console.Usage, fmt.Errorf("--lines %d is less than nothing (0 prints all)", lines))
			}
			h, err := app.OpenHistory(cmd.Context(), c.StateDir(state))
			if err != nil {
				return err
			}
			defer h.Close()
			if len(args) == 1 {
				if err := c.aim(cmd.Context(), h, args[0], &f); err != nil {
					return err
				}
			}
			return c.printLog(cmd.Context(), h, f, follow)
		}}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on with what comes, until interrupted")
	cmd.Flags().StringVar(&since, "since", "", "only what is not older, such as 30m, 12h or 7d")
	cmd.Flags().IntVarP(&lines, "lines", "n", 100, "at most so many records, the latest; 0 = all (the default with --since)")
	cmd.Flags().StringVar(&state, "state-dir", "", "directory of the journal (default: state_dir of the configuration)")
	return cmd
}

// aim finds out whether a name is an incident or a target.
func (c *cli) aim(ctx context.Context, h *app.History, name string, f *journal.LogFilter) error {
	_, _, err := h.Incident(ctx, name)
	switch {
	case err == nil:
		f.Incident = name
		return nil
	case !errors.Is(err, journal.ErrNotFound):
		return err
	}
	f.Target = name
	var names []string
	if cfg := c.Glance(); cfg != nil {
		for _, t := range cfg.Targets {
			if t.Name == name {
				return nil
			}
			names = append(names, t.Name)
		}
	}
	recs, err := h.Log(ctx, journal.LogFilter{Target: name, Limit: 1})
	if err != nil || len(recs) > 0 {
		return err
	}
	return fmt.Errorf("there is no target and no incident %q%s (see: recoveryd status, recoveryd incidents)", name, detect.Meant(name, names))
}

func (c *cli) printLog(ctx context.Context, h *app.History, f journal.LogFilter, follow bool) error {
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for n := 0; ; n++ {
		recs, err := h.Log(ctx, f)
		if ctx.Err() != nil {
			return nil // interrupted: that is how it ends
		}
		if err != nil {
			return err
		}
		for _, r := range recs {
			if err := c.printRecord(r); err != nil {
				return err
			}
			f.After = r.Seq
		}
		if !follow {
			if n == 0 && len(recs) == 0 && c.Output == "text" {
				_, err = fmt.Fprintln(c.Out, "no records")
			}
			return err
		}
		f.Limit = 0
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// printRecord prints one record, and below it what it led to.
func (c *cli) printRecord(r incident.Record) error {
	if c.Output == "json" {
		return c.JSONLine(r)
	}
	name := r.Target
	if name == "" {
		name = "(host)"
	}
	fmt.Fprintf(c.Out, "%s  %-14s  %s  %s\n", c.Paint(console.Faint, r.At.Local().Format("2006-01-02 15:04:05.000")), console.Printable(name),
		c.Paint(console.PhaseHue(r.To), fmt.Sprintf("%-10s", r.To)), console.Printable(r.Sentence))
	more := func(h console.Hue, format string, args ...any) {
		fmt.Fprintf(c.Out, "%41s  %s\n", "", c.Paint(h, console.Printable(fmt.Sprintf(format, args...))))
	}
	for _, e := range r.Effects {
		switch e.Kind {
		case incident.Perform:
			more(console.Busy, "-> %s", e.Action)
		case incident.Notify:
			if e.Notice.Kind == incident.NoticeChange {
				more(console.Plain, "-> for the record: cured (%s)", e.Notice.Why)
				continue
			}
			more(console.Bad, "-> people: %s (tier %d, %s): %s", e.Notice.Kind, e.Notice.Tier, e.Notice.Why, e.Notice.Next)
		}
	}
	if c.Wide() && r.Rule != "" {
		more(console.Faint, "rule %s; true were %s", r.Rule, console.Dash(r.Seen))
	}
	return nil
}
