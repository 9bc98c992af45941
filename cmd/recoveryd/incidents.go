package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/recoveryd/recoveryd/internal/app"
	"github.com/recoveryd/recoveryd/internal/httpserve"
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
			cfg := c.glance()
			listed := make([]httpserve.Listed, len(list))
			for n, i := range list {
				listed[n] = httpserve.Listed{Incident: i, Runbook: app.Runbook(cfg, i.Class)}
			}
			if c.output == "json" {
				return c.json(listed)
			}
			if len(list) == 0 {
				_, err := fmt.Fprintln(c.out, "no incidents")
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
	if c.wide() {
		heads = append(heads, "TARGET", "AFFECTED", "TIER", "ACK", "BECAUSE", "RUNBOOK")
	}
	w := c.table(heads...)
	var books []string
	for _, i := range list {
		lasted, outcome, paged := "open", cell{"open", bad}, cell{"no", plainHue}
		if !i.Open() {
			lasted, outcome = i.Closed.Sub(i.Since).Round(time.Second).String(), cell{outcomeOf(i.Incident), good}
		} else if i.Held != "" {
			outcome = cell{"held: " + string(i.Held), warn}
		}
		if !i.Paged.IsZero() {
			paged = cell{"yes", warn}
		}
		row := []any{i.ID, i.Severity, i.Class, i.Since.Local().Format("2006-01-02 15:04:05"), lasted, len(i.Attempts), paged, outcome}
		if c.wide() {
			ack := "-"
			if i.Ack != nil {
				ack = i.Ack.By
			}
			row = append(row, i.Target, dash(strings.Join(i.Affected, ",")), i.Tier, ack, i.Diagnosis.Because, dash(i.Runbook))
		}
		w.row(row...)
		if i.Open() {
			books = append(books, i.Runbook)
		}
	}
	if err := w.print(c.out); err != nil {
		return err
	}
	c.printRunbooks(books)
	return nil
}

// outcomeOf says in a word what ended the incident.
func outcomeOf(i incident.Incident) string {
	if i.EndWhy != "" {
		return i.EndWhy
	}
	for _, a := range slices.Backward(i.Attempts) {
		if a.Verdict == incident.Verified {
			return "cured: " + a.Strategy
		}
	}
	return "recovered"
}
