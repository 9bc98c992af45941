package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/recoveryd/recoveryd/internal/httpserve"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

func (c *cli) statusCmd() *cobra.Command {
	var watch bool
	var every time.Duration
	cmd := &cobra.Command{Use: "status", Short: "Show every target as the running daemon sees it",
		Long: `Show every target as the running daemon sees it, the channels by which people are told, and who watches
recoveryd itself. -o wide adds the kind, the unit, what it depends on, the last look and what comes next.

With --watch the table stays up to date until it is interrupted, also while the daemon restarts. Where the
output is no terminal, it is printed anew whenever a phase, a verdict, an incident or a hold changed; with
-o json one line each time.`,
		Example: `  recoveryd status
  recoveryd status --watch
  recoveryd status -o json | jq -r '.targets[] | select(.verdict != "healthy") | .name'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if watch {
				if every < minWatch {
					return &exitError{exitUsage, fmt.Errorf("--interval %s is too short (want %s or more)", every, minWatch)}
				}
				return c.watchStatus(cmd.Context(), every)
			}
			var st httpserve.Status
			if err := c.call(cmd.Context(), http.MethodGet, "/api/v1/status", nil, &st); err != nil {
				return err
			}
			if c.output == "json" {
				return c.json(st)
			}
			return c.printStatus(st)
		}}
	cmd.Flags().BoolVarP(&watch, "watch", "w", false, "keep it up to date until interrupted")
	cmd.Flags().DurationVar(&every, "interval", 2*time.Second, "time between two questions of --watch")
	return cmd
}

func (c *cli) printStatus(st httpserve.Status) error {
	if st.Impaired != "" {
		fmt.Fprintf(c.out, "recoveryd may only page: %s\n\n", printable(st.Impaired))
	}
	for _, w := range st.Warnings {
		fmt.Fprintf(c.out, "%s %s\n\n", c.paint(warn, "warning:"), printable(w))
	}
	if st.Stop != nil {
		fmt.Fprintf(c.out, "stopped, nothing is done on this host: %s\n\n", st.Stop.Why)
	}
	if st.Pause != nil {
		fmt.Fprintf(c.out, "paused by %s%s\n\n", printable(st.Pause.By), printable(untilWords(st.Pause)))
	}
	heads := []string{"TARGET", "PHASE", "FOR", "VERDICT", "CLASS", "INCIDENT", "BECAUSE"}
	if c.wide() {
		heads = []string{"TARGET", "KIND", "UNIT", "NEEDS", "PHASE", "FOR", "VERDICT", "CLASS", "CULPRIT", "WITNESSES", "INCIDENT", "LOOKED", "BECAUSE", "NEXT", "RUNBOOK"}
	}
	w := c.table(heads...)
	for _, t := range st.Targets {
		phase := t.Phase.String()
		if t.Reason != "" && t.Phase == incident.Held {
			phase += " (" + string(t.Reason) + ")"
		}
		if t.Hold != nil {
			phase += ", hold by " + t.Hold.By
		}
		if t.Drill != nil && st.Now.Before(t.Drill.Until) {
			phase += ", drill (" + string(t.Drill.Fault) + ")"
		}
		shown := cell{phase, phaseHue(t.Phase)}
		verdict := cell{t.Verdict.String(), verdictHue(t.Verdict)}
		if c.wide() {
			w.row(t.Name, t.Kind, dash(t.Unit), dash(strings.Join(t.DependsOn, ",")), shown, age(st.Now, t.Since), verdict, dash(string(t.Class)),
				dash(t.Culprit), dash(list(t.Witnesses)), dash(t.Incident), ago(st.Now, t.LookedAt), t.Because, dash(t.Next), dash(t.Runbook))
			continue
		}
		w.row(t.Name, shown, age(st.Now, t.Since), verdict, dash(string(t.Class)), dash(t.Incident), t.Because)
	}
	if err := w.print(c.out); err != nil {
		return err
	}
	c.printAcks(st)
	var books []string
	for _, t := range st.Targets {
		if t.Incident != "" { // what is not confirmed yet may be over before the page is read
			books = append(books, t.Runbook)
		}
	}
	c.printRunbooks(books)
	for _, t := range st.Targets {
		for _, l := range t.Learned {
			fmt.Fprintf(c.out, "\n%s learned: %s\n", t.Name, l)
		}
	}
	c.printRuns(st)
	return c.printTelling(st)
}

// printAcks prints who looks after which incident: nobody else is told meanwhile.
func (c *cli) printAcks(st httpserve.Status) {
	var said []string
	for _, t := range st.Targets {
		if t.Ack == nil || slices.Contains(said, t.Incident) { // several targets wait for one culprit
			continue
		}
		if len(said) == 0 {
			fmt.Fprintln(c.out)
		}
		said = append(said, t.Incident)
		fmt.Fprintf(c.out, "%s: acknowledged by %s%s\n", t.Incident, printable(t.Ack.By), printable(untilWords(t.Ack)))
	}
}

// printRuns prints what playbooks do and did.
func (c *cli) printRuns(st httpserve.Status) {
	p := st.Playbooks
	if p == nil {
		return
	}
	fmt.Fprintln(c.out)
	if r := p.Now; r != nil {
		hue := warn
		if r.Stage == incident.StageHalted {
			hue = bad
		}
		fmt.Fprintf(c.out, "playbook %s\n         by %s, begun %s ago\n", c.paint(hue, printable(r.Words)), printable(r.By), age(st.Now, r.Began))
	}
	for _, f := range p.Failed {
		if p.Now != nil && p.Now.ID == f.ID {
			continue // said above
		}
		told := "nobody is told yet"
		if !f.Paged.IsZero() {
			told = "people were told"
		}
		if f.Ack != nil {
			told += ", acknowledged by " + f.Ack.By
		}
		fmt.Fprintf(c.out, "playbook %s\n         %s; seen to it? recoveryd playbook stop %s\n", c.paint(bad, printable(f.ID+" failed "+age(st.Now, f.At)+" ago: "+f.Because)), told, f.ID)
	}
	if l := p.Last; l != nil && !slices.ContainsFunc(p.Failed, func(f httpserve.FailedRun) bool { return f.ID == l.ID }) {
		fmt.Fprintf(c.out, "last playbook, %s: %s\n", ago(st.Now, l.Ended), printable(l.Words()))
	}
}

// list joins names of any kind.
func list[T ~string](names []T) string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = string(n)
	}
	return strings.Join(out, ",")
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
