package main

import (
	"fmt"
	"net/http"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/recoveryd/recoveryd/internal/httpserve"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

func (c *cli) statusCmd() *cobra.Command {
	return &cobra.Command{Use: "status", Short: "Show every target as the running daemon sees it", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var st httpserve.Status
			if err := c.call(cmd.Context(), http.MethodGet, "/api/v1/status", nil, &st); err != nil {
				return err
			}
			if c.output == "json" {
				return c.json(st)
			}
			return c.printStatus(st)
		}}
}

func (c *cli) printStatus(st httpserve.Status) error {
	if st.Impaired != "" {
		fmt.Fprintf(c.out, "recoveryd may only page: %s\n\n", st.Impaired)
	}
	if st.Stop != nil {
		fmt.Fprintf(c.out, "stopped, nothing is done on this host: %s\n\n", st.Stop.Why)
	}
	if st.Pause != nil {
		fmt.Fprintf(c.out, "paused by %s%s\n\n", st.Pause.By, untilWords(st.Pause))
	}
	w := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "TARGET\tPHASE\tFOR\tVERDICT\tCLASS\tINCIDENT\tBECAUSE")
	for _, t := range st.Targets {
		phase := t.Phase.String()
		if t.Reason != "" && t.Phase == incident.Held {
			phase += " (" + string(t.Reason) + ")"
		}
		if t.Hold != nil {
			phase += ", hold by " + t.Hold.By
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", t.Name, phase, age(st.Now, t.Since), t.Verdict, dash(string(t.Class)), dash(t.Incident), t.Because)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return c.printTelling(st)
}

func untilWords(s *incident.Standing) string {
	out := ""
	if s.Why != "" {
		out = ": " + s.Why
	}
	if !s.Until.IsZero() {
		out += ", until " + s.Until.Local().Format("2006-01-02 15:04 MST")
	}
	return out
}

// age prints how long ago something was, in at most two units.
func age(now, then time.Time) string {
	if then.IsZero() {
		return "-"
	}
	d := now.Sub(then)
	switch {
	case d < time.Minute:
		return d.Round(time.Second).String()
	case d < time.Hour:
		return d.Round(time.Second).String()
	case d < 48*time.Hour:
		return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}
