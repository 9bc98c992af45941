package main

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/recoveryd/recoveryd/internal/app"
	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

// incidentsCmd and explainCmd read the journal itself, so that they work when the daemon does not.
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

func (c *cli) explainCmd() *cobra.Command {
	var state string
	cmd := &cobra.Command{Use: "explain INCIDENT", Short: "Show what happened in an incident: evidence, decisions, reasons", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			h, err := app.OpenHistory(cmd.Context(), c.stateDir(state))
			if err != nil {
				return err
			}
			defer h.Close()
			i, recs, err := h.Incident(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if c.output == "json" {
				return c.json(map[string]any{"incident": i, "records": recs})
			}
			return c.printIncident(i, recs)
		}}
	cmd.Flags().StringVar(&state, "state-dir", "", "directory of the journal (default: state_dir of the configuration)")
	return cmd
}

func (c *cli) printIncident(i incident.Incident, recs []incident.Record) error {
	w := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
	line := func(k, format string, args ...any) { fmt.Fprintf(w, "%s\t%s\n", k, fmt.Sprintf(format, args...)) }
	line("incident", "%s", i.ID)
	line("target", "%s", i.Target)
	line("class", "%s, %s", i.Class, i.Severity)
	line("since", "%s (confirmed %s later)", i.Since.Local().Format(time.DateTime), i.Opened.Sub(i.Since).Round(time.Millisecond))
	if i.Open() {
		line("state", "open")
	} else {
		line("ended", "%s, after %s: %s", i.Closed.Local().Format(time.DateTime), i.Closed.Sub(i.Since).Round(time.Second), outcomeOf(i))
	}
	if len(i.Affected) > 0 {
		line("affected", "%s", strings.Join(i.Affected, ", "))
	}
	line("evidence", "%s", i.Diagnosis.Because)
	if p, ok := detect.Agree(i.Diagnosis.Class, i.Diagnosis.Witnesses); ok {
		line("witnesses", "%s and %s: %s", p.A, p.B, p.Why)
	} else {
		line("witnesses", "%v (not enough for a disruptive action)", i.Diagnosis.Witnesses)
	}
	for _, x := range i.Diagnosis.Considered {
		line("considered", "%s (%s): %s", x.Class, x.Verdict, x.Because)
	}
	for _, s := range i.Skipped {
		line("not tried", "%s", s)
	}
	if i.Held != "" {
		line("held back", "%s: %s", i.Held, i.HeldWhy)
	}
	if i.Paged.IsZero() {
		line("paged", "no")
	} else {
		line("paged", "%s (%s), up to tier %d", i.Paged.Local().Format(time.DateTime), i.PagedWhy, i.Tier)
	}
	if i.Ack != nil {
		line("acknowledged", "by %s%s", i.Ack.By, untilWords(i.Ack))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(c.out, "\ntimeline")
	for _, r := range recs {
		fmt.Fprintf(c.out, "  %s  %-10s %s\n", r.At.Local().Format("15:04:05.000"), r.To, r.Sentence)
		for _, e := range r.Effects {
			switch e.Kind {
			case incident.Perform:
				fmt.Fprintf(c.out, "  %12s  %-10s -> %s\n", "", "", e.Action)
			case incident.Notify:
				fmt.Fprintf(c.out, "  %12s  %-10s -> notice: %s (tier %d, %s)\n", "", "", e.Notice.Kind, e.Notice.Tier, e.Notice.Why)
			}
		}
	}
	return nil
}
