package main

import (
	"fmt"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/recoveryd/recoveryd/internal/app"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

// incidentsCmd reads the journal itself, so that it works when the daemon does not.
func (c *cli) incidentsCmd() *cobra.Command {
	var open bool
	var limit int
	var state string
	cmd := &cobra.Command{Use: "incidents", Aliases: []string{"history"}, Short: "List incidents, newest first", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			h, err := app.OpenHistory(cmd.Context(), c.stateDir(state))
			if err != nil {
				return err
			}
			defer h.Close()
			list, err := h.Incidents(cmd.Context(), open, limit)
			if err != nil {
				return err
			}
			if c.output == "json" {
				if list == nil {
					list = []incident.Incident{}
				}
				return c.json(list)
			}
			if len(list) == 0 {
				_, err := fmt.Fprintln(c.out, "no incidents")
				return err
			}
			w := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "INCIDENT\tSEV\tCLASS\tSINCE\tLASTED\tATTEMPTS\tPAGED\tOUTCOME")
			for _, i := range list {
				lasted, outcome, paged := "open", "open", "no"
				if !i.Open() {
					lasted, outcome = i.Closed.Sub(i.Since).Round(time.Second).String(), outcomeOf(i)
				} else if i.Held != "" {
					outcome = "held: " + string(i.Held)
				}
				if !i.Paged.IsZero() {
					paged = "yes"
				}
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d\t%s\t%s\n", i.ID, i.Severity, i.Class, i.Since.Local().Format("2006-01-02 15:04:05"), lasted, len(i.Attempts), paged, outcome)
			}
			return w.Flush()
		}}
	cmd.Flags().BoolVar(&open, "open", false, "only open incidents")
	cmd.Flags().IntVar(&limit, "limit", 50, "at most so many")
	cmd.Flags().StringVar(&state, "state-dir", "", "directory of the journal (default: state_dir of the configuration)")
	return cmd
}

// outcomeOf says in a word what ended the incident.
func outcomeOf(i incident.Incident) string {
	for _, a := range slices.Backward(i.Attempts) {
		if a.Verdict == incident.Verified {
			return "cured: " + a.Strategy
		}
	}
	return "recovered"
}
