package operate

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/recoveryd/recoveryd/internal/app"
	"github.com/recoveryd/recoveryd/internal/console"
)

// escalationCmd shows who would be told, by the configuration alone.
func (c *cli) escalationCmd() *cobra.Command {
	var severities []string
	var at string
	cmd := &cobra.Command{Use: "escalation", Short: "Show who would be told of which incidents, and when",
		Long: `Show the escalation of the configuration, without a daemon: for each severity the response time, who is told and at
which age of the incident, with whoever is on call then; which failure class has which severity on which target; what
raises and lowers a severity; and which roles nobody stands for.`,
		Example: `  recoveryd escalation
  recoveryd escalation --severity P1 --at 2026-12-24T20:00:00Z`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			now := time.Now()
			if at != "" {
				var err error
				if now, err = time.Parse(time.RFC3339, at); err != nil {
					return console.Exit(console.Usage, fmt.Errorf("--at %q is no moment (want one such as 2026-12-24T20:00:00Z)", at))
				}
			}
			for _, s := range severities {
				if !slices.Contains([]string{"P1", "P2", "P3", "P4"}, s) {
					return console.Exit(console.Usage, fmt.Errorf("--severity %q is unknown (want P1, P2, P3 or P4)", s))
				}
			}
			cfg, err := c.Load()
			if err != nil {
				return err
			}
			plan, err := app.PlanEscalation(cfg, now)
			if err != nil {
				return console.Exit(console.Usage, err)
			}
			if len(severities) > 0 {
				plan.Plans = slices.DeleteFunc(plan.Plans, func(p app.SeverityPlan) bool { return !slices.Contains(severities, p.Severity) })
				plan.Severities = slices.DeleteFunc(plan.Severities, func(s app.ClassSeverity) bool { return !slices.Contains(severities, s.Severity) })
			}
			if c.Output == "json" {
				return c.JSON(plan)
			}
			return c.printEscalation(plan)
		}}
	cmd.Flags().StringSliceVar(&severities, "severity", nil, "only this severity, P1 to P4 (may be repeated)")
	cmd.Flags().StringVar(&at, "at", "", "for incidents that begin at this moment (RFC 3339; default: now)")
	return cmd
}

func (c *cli) printEscalation(plan app.EscalationPlan) error {
	w := tabwriter.NewWriter(c.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "from %s\n", plan.Matrix)
	for _, p := range plan.Plans {
		about := strings.Join(p.Classes, ", ")
		if about == "" {
			about = "nothing begins with it"
		}
		if len(p.Targets) > 0 {
			about += "; of " + strings.Join(p.Targets, ", ")
		}
		fmt.Fprintf(w, "\n%s, somebody works on it within %s: %s\n", p.Severity, app.Brief(p.Response), about)
		for _, t := range p.Tiers {
			var to []string
			for _, r := range t.To {
				if r.Channel == r.For {
					to = append(to, r.Channel)
					continue
				}
				to = append(to, r.Channel+" ("+r.For+")")
			}
			if len(to) == 0 {
				to = []string{"nobody"}
			}
			fmt.Fprintf(w, "  %s\t%s\t%s\n", app.When(t, p.AtOnce), t.Tier, strings.Join(to, ", "))
		}
	}
	fmt.Fprintf(w, "\nTARGET\tCLASS\tSEVERITY\tWHEN\n")
	for _, s := range plan.Severities {
		sev := s.Severity
		if s.Configured {
			sev += " (configured)"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", s.Target, s.Class, sev, s.Because)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(c.Out, "\nHow bad an incident is:\n")
	for _, r := range plan.Rules {
		fmt.Fprintf(c.Out, "- %s\n", r)
	}
	for _, g := range plan.Gaps {
		word := "warning"
		if g.Note {
			word = "note"
		}
		fmt.Fprintf(c.Out, "%s: %s\n", word, g.Text)
	}
	return nil
}
