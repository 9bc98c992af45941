package look

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/recoveryd/recoveryd/internal/app"
	"github.com/recoveryd/recoveryd/internal/console"
	"github.com/recoveryd/recoveryd/internal/httpserve"
)

// incidentsCmd reads the journal itself, so that it works when the daemon does not.
func (c *cli) incidentsCmd() *cobra.Command {
	var open bool
	var limit int
	var state string
	cmd := &cobra.Command{Use: "incidents", Aliases: []string{"history"}, Short: "List incidents, newest first", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			h, err := app.OpenHistory(cmd.Context(), c.StateDir(state))
			if err != nil {
				return err
			}
			defer h.Close()
			list, err := h.Incidents(cmd.Context(), open, limit)
			if err != nil {
				return err
			}
			cfg := c.Glance()
			listed := make([]httpserve.Listed, len(list))
			for n, i := range list {
				listed[n] = httpserve.Listed{Incident: i, Runbook: app.Runbook(cfg, i.Class)}
			}
			if c.Output == "json" {
				return c.JSON(listed)
			}
			if len(list) == 0 {
				_, err := fmt.Fprintln(c.Out, "no incidents")
				return err
			}
			return c.printIncidents(listed)
		}}
	cmd.Flags().BoolVar(&open, "open", false, "only open incidents")
	cmd.Flags().IntVar(&limit, "limit", 50, "at most so many")
	cmd.Flags().StringVar(&state, "state-dir", "", "directory of the journal (default: state_dir of the configuration)")
	return cmd
}

func (c *cli) printIncidents(list []httpserve.Listed) error {
	heads := []string{"INCIDENT", "SEV", "CLASS", "SINCE", "LASTED", "ATTEMPTS", "PAGED", "OUTCOME"}
	if c.Wide() {
		heads = append(heads, "TARGET", "AFFECTED", "TIER", "ACK", "BECAUSE", "RUNBOOK")
	}
	w := c.Table(heads...)
	var books []string
	for _, i := range list {
		lasted, outcome, paged := "open", console.Coloured("open", console.Bad), console.Coloured("no", console.Plain)
		if !i.Open() {
			lasted, outcome = i.Closed.Sub(i.Since).Round(time.Second).String(), console.Coloured(console.OutcomeOf(i.Incident), console.Good)
		} else if i.Held != "" {
			outcome = console.Coloured("held: "+string(i.Held), console.Warn)
		}
		if !i.Paged.IsZero() {
			paged = console.Coloured("yes", console.Warn)
		}
		row := []any{i.ID, i.Severity, i.Class, i.Since.Local().Format("2006-01-02 15:04:05"), lasted, len(i.Attempts), paged, outcome}
		if c.Wide() {
			ack := "-"
			if i.Ack != nil {
				ack = i.Ack.By
			}
			row = append(row, i.Target, console.Dash(strings.Join(i.Affected, ",")), i.Tier, ack, i.Diagnosis.Because, console.Dash(i.Runbook))
		}
		w.Row(row...)
		if i.Open() {
			books = append(books, i.Runbook)
		}
	}
	if err := w.Print(c.Out); err != nil {
		return err
	}
	c.printRunbooks(books)
	return nil
}
