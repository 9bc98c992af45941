package look

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/recoveryd/recoveryd/internal/console"
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
				if every < console.MinWatch {
					return console.Exit(console.Usage, fmt.Errorf("--interval %s is too short (want %s or more)", every, console.MinWatch))
				}
				return c.watchStatus(cmd.Context(), every)
			}
			var st httpserve.Status
			if err := c.Call(cmd.Context(), http.MethodGet, "/api/v1/status", nil, &st); err != nil {
				return err
			}
			if c.Output == "json" {
				return c.JSON(st)
			}
			return c.printStatus(st)
		}}
	cmd.Flags().BoolVarP(&watch, "watch", "w", false, "keep it up to date until interrupted")
	cmd.Flags().DurationVar(&every, "interval", 2*time.Second, "time between two questions of --watch")
	return cmd
}

func (c *cli) printStatus(st httpserve.Status) error {
	if st.Impaired != "" {
		fmt.Fprintf(c.Out, "recoveryd may only page: %s\n\n", console.Printable(st.Impaired))
	}
	for _, w := range st.Warnings {
		fmt.Fprintf(c.Out, "%s %s\n\n", c.Paint(console.Warn, "warning:"), console.Printable(w))
	}
	if st.Stop != nil {
		fmt.Fprintf(c.Out, "stopped, nothing is done on this host: %s\n\n", st.Stop.Why)
	}
	if st.Pause != nil {
		fmt.Fprintf(c.Out, "paused by %s%s\n\n", console.Printable(st.Pause.By), console.Printable(console.UntilWords(st.Pause)))
	}
	heads := []string{"TARGET", "PHASE", "FOR", "VERDICT", "CLASS", "INCIDENT", "BECAUSE"}
	if c.Wide() {
		heads = []string{"TARGET", "KIND", "UNIT", "NEEDS", "PHASE", "FOR", "VERDICT", "CLASS", "CULPRIT", "WITNESSES", "INCIDENT", "LOOKED", "BECAUSE", "NEXT", "RUNBOOK"}
	}
	w := c.Table(heads...)
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
		shown := console.Coloured(phase, console.PhaseHue(t.Phase))
		verdict := console.Coloured(t.Verdict.String(), console.VerdictHue(t.Verdict))
		if c.Wide() {
			w.Row(t.Name, t.Kind, console.Dash(t.Unit), console.Dash(strings.Join(t.DependsOn, ",")), shown, console.Age(st.Now, t.Since), verdict, console.Dash(string(t.Class)),
				console.Dash(t.Culprit), console.Dash(console.List(t.Witnesses)), console.Dash(t.Incident), console.Ago(st.Now, t.LookedAt), t.Because, console.Dash(t.Next), console.Dash(t.Runbook))
			continue
		}
		w.Row(t.Name, shown, console.Age(st.Now, t.Since), verdict, console.Dash(string(t.Class)), console.Dash(t.Incident), t.Because)
	}
	if err := w.Print(c.Out); err != nil {
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
			fmt.Fprintf(c.Out, "\n%s learned: %s\n", t.Name, l)
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
			fmt.Fprintln(c.Out)
		}
		said = append(said, t.Incident)
		fmt.Fprintf(c.Out, "%s: acknowledged by %s%s\n", t.Incident, console.Printable(t.Ack.By), console.Printable(console.UntilWords(t.Ack)))
	}
}

// printRuns prints what playbooks do and did.
func (c *cli) printRuns(st httpserve.Status) {
	p := st.Playbooks
	if p == nil {
		return
	}
	fmt.Fprintln(c.Out)
	if r := p.Now; r != nil {
		hue := console.Warn
		if r.Stage == incident.StageHalted {
			hue = console.Bad
		}
		fmt.Fprintf(c.Out, "playbook %s\n         by %s, begun %s ago\n", c.Paint(hue, console.Printable(r.Words)), console.Printable(r.By), console.Age(st.Now, r.Began))
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
		fmt.Fprintf(c.Out, "playbook %s\n         %s; seen to it? recoveryd playbook stop %s\n", c.Paint(console.Bad, console.Printable(f.ID+" failed "+console.Age(st.Now, f.At)+" ago: "+f.Because)), told, f.ID)
	}
	if l := p.Last; l != nil && !slices.ContainsFunc(p.Failed, func(f httpserve.FailedRun) bool { return f.ID == l.ID }) {
		fmt.Fprintf(c.Out, "last playbook, %s: %s\n", console.Ago(st.Now, l.Ended), console.Printable(l.Words()))
	}
}
