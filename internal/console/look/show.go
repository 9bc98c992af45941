package look

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/recoveryd/recoveryd/internal/app"
	"github.com/recoveryd/recoveryd/internal/console"
	"github.com/recoveryd/recoveryd/internal/httpserve"
	"github.com/recoveryd/recoveryd/internal/httpserve/live"
	"github.com/recoveryd/recoveryd/internal/journal"
	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

// shownMoments and shownIncidents bound what a card shows; -o wide shows everything.
const (
	shownMoments   = 12
	shownIncidents = 5
)

// showCmd shows one thing on one screen: an incident from the journal, a target from the daemon.
func (c *cli) showCmd() *cobra.Command {
	var state string
	cmd := &cobra.Command{Use: "show INCIDENT|TARGET", Short: "Show one incident or one target on a screen",
		Long: `Show one incident: what it is, what was done, who was told, what comes next and its last moments (-o wide:
all of them). It reads the journal, so that it works when the daemon does not. Why each decision was taken, on which
facts and by which rule, is in recoveryd explain.

Or show one target as the running daemon sees it: state, evidence, the last hour, all facts and its last incidents.`,
		Example: `  recoveryd show codebase-mcp
  recoveryd show codebase-mcp-20261122-031500`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: console.First(c.CompleteIncidentsOrTargets),
		RunE: func(cmd *cobra.Command, args []string) error {
			h, err := app.OpenHistory(cmd.Context(), c.StateDir(state))
			if err != nil {
				return err
			}
			defer h.Close()
			x, err := explained(cmd.Context(), h, args[0], c.Glance())
			switch {
			case err == nil:
				return c.showIncident(x)
			case !errors.Is(err, journal.ErrNotFound):
				return err
			}
			return c.showTarget(cmd.Context(), h, args[0])
		}}
	cmd.Flags().StringVar(&state, "state-dir", "", "directory of the journal (default: state_dir of the configuration)")
	return cmd
}

func (c *cli) showIncident(x app.Explanation) error {
	i, recs := x.Incident, x.Records
	if c.Output == "json" {
		return c.JSON(httpserve.History{Incident: i, Runbook: x.Runbook, Records: recs})
	}
	if err := c.printHead(x); err != nil {
		return err
	}
	if next := nextOf(i, recs); next != "" {
		fmt.Fprintf(c.Out, "next       %s\n", console.Printable(next))
	}
	fmt.Fprintln(c.Out, "\ndone")
	for _, a := range i.Attempts {
		took := ""
		if !a.Ended.IsZero() {
			took = " in " + a.Ended.Sub(a.At).Round(time.Millisecond).String()
		}
		verdict := string(a.Verdict)
		if verdict == "" {
			verdict = "not proven yet"
		}
		fmt.Fprintf(c.Out, "  %s  %s: %s: %s%s, %s\n", console.Clock(a.At), a.Strategy, console.Printable(a.Action), console.Dash(string(a.Result)), took, verdict)
	}
	if len(i.Attempts) == 0 {
		fmt.Fprintln(c.Out, "  nothing")
	}
	c.printRungs(recs)
	from := 0
	if !c.Wide() {
		from = max(0, len(recs)-shownMoments)
	}
	fmt.Fprintln(c.Out, "\ntimeline")
	if from > 0 {
		fmt.Fprintf(c.Out, "  (%d earlier: recoveryd logs %s)\n", from, i.ID)
	}
	for _, r := range recs[from:] {
		c.printMoment(r, i.Target)
	}
	return nil
}

// printRungs prints the steps of the runs of playbooks that were rungs of the incident.
func (c *cli) printRungs(recs []incident.Record) {
	var runs []incident.Run
	for _, r := range recs {
		switch n := len(runs); {
		case r.Run == nil:
		case n > 0 && runs[n-1].ID == r.Run.ID:
			runs[n-1] = *r.Run
		default:
			runs = append(runs, *r.Run)
		}
	}
	for _, r := range runs {
		fmt.Fprintf(c.Out, "\nplaybook %s\n", console.Printable(r.Words()))
		for n := range r.Log {
			fmt.Fprintf(c.Out, "  %s\n", console.Printable(console.LogLine(r, n)))
		}
	}
}

// nextOf is what comes next about an open incident, from the last record of its culprit.
func nextOf(i incident.Incident, recs []incident.Record) string {
	if !i.Open() {
		return ""
	}
	for _, r := range slices.Backward(recs) {
		if r.After != nil && r.After.Name == i.Target {
			return incident.Next(r.After, &i)
		}
	}
	return ""
}

// printMoment prints one record of an incident's timeline, with what it led to.
func (c *cli) printMoment(r incident.Record, own string) {
	who := ""
	if r.Target != own {
		who = r.Target + ": "
	}
	fmt.Fprintf(c.Out, "  %s  %s %s%s\n", console.Clock(r.At), c.Paint(console.PhaseHue(r.To), fmt.Sprintf("%-10s", r.To)), who, console.Printable(r.Sentence))
	for _, e := range r.Effects {
		switch e.Kind {
		case incident.Perform:
			fmt.Fprintf(c.Out, "  %12s  %-10s -> %s\n", "", "", console.Printable(e.Action.String()))
		case incident.Notify:
			fmt.Fprintf(c.Out, "  %12s  %-10s -> notice: %s (tier %d, %s)\n", "", "", e.Notice.Kind, e.Notice.Tier, e.Notice.Why)
		}
	}
}

// ShownTarget is what -o json prints of a target.
type ShownTarget struct {
	httpserve.Target
	History   []httpserve.Slot    `json:"history"` // of the last hour
	Incidents []incident.Incident `json:"incidents"`
}

func (c *cli) showTarget(ctx context.Context, h *app.History, name string) error {
	var st httpserve.Status
	if err := c.Call(ctx, http.MethodGet, "/api/v1/status", nil, &st); err != nil {
		return fmt.Errorf("there is no incident %q, and whether it is a target only the daemon can say: %w", name, err)
	}
	at := slices.IndexFunc(st.Targets, func(t httpserve.Target) bool { return t.Name == name })
	if at < 0 {
		var names []string
		for _, t := range st.Targets {
			names = append(names, t.Name)
		}
		return fmt.Errorf("there is no target and no incident %q%s (see: recoveryd status, recoveryd incidents)", name, detect.Meant(name, names))
	}
	x := ShownTarget{Target: st.Targets[at], History: []httpserve.Slot{}}
	var past []httpserve.TargetHistory
	if err := c.Call(ctx, http.MethodGet, "/api/v1/history?span="+live.Hour.Name, nil, &past); err != nil {
		return err
	}
	for _, p := range past {
		if p.Target == name {
			x.History = p.Slots
		}
	}
	var err error
	if x.Incidents, err = h.IncidentsOf(ctx, name, shownIncidents); err != nil {
		return err
	}
	if c.Output == "json" {
		return c.JSON(x)
	}
	return c.printTarget(st, x)
}

func (c *cli) printTarget(st httpserve.Status, x ShownTarget) error {
	w := tabwriter.NewWriter(c.Out, 0, 0, 2, ' ', 0)
	line := func(k, format string, args ...any) {
		fmt.Fprintf(w, "%s\t%s\n", k, console.Printable(fmt.Sprintf(format, args...)))
	}
	line("target", "%s (%s)", x.Name, x.Kind)
	if x.Unit != "" {
		line("unit", "%s", x.Unit)
	}
	if len(x.DependsOn) > 0 {
		line("needs", "%s", strings.Join(x.DependsOn, ", "))
	}
	var by []string
	for _, t := range st.Targets {
		if slices.Contains(t.DependsOn, x.Name) {
			by = append(by, t.Name)
		}
	}
	if len(by) > 0 {
		line("needed by", "%s", strings.Join(by, ", "))
	}
	phase := x.Phase.String()
	if x.Reason != "" {
		phase += " (" + string(x.Reason) + ")"
	}
	fmt.Fprintf(w, "state\t%s, %s for %s\n", c.Paint(console.VerdictHue(x.Verdict), x.Verdict.String()), c.Paint(console.PhaseHue(x.Phase), phase), console.Age(st.Now, x.Since))
	if x.Class != "" {
		culprit := ""
		if x.Culprit != "" && x.Culprit != x.Name {
			culprit = ", culprit " + x.Culprit
		}
		line("class", "%s (%s)%s", x.Class, x.Class.Words(), culprit)
	}
	if x.Runbook != "" {
		line("runbook", "%s", x.Runbook)
	}
	line("because", "%s", x.Because)
	if len(x.Witnesses) > 0 {
		line("witnesses", "%s", console.List(x.Witnesses))
	}
	if x.Incident != "" {
		line("incident", "%s", x.Incident)
	}
	if x.Next != "" {
		line("next", "%s", x.Next)
	}
	if x.Ack != nil {
		line("acknowledged", "by %s%s", x.Ack.By, console.UntilWords(x.Ack))
	}
	if x.Hold != nil {
		line("hold", "by %s%s", x.Hold.By, console.UntilWords(x.Hold))
	}
	for _, l := range x.Learned {
		line("learned", "%s", l)
	}
	line("looked", "%s", console.Ago(st.Now, x.LookedAt))
	if err := w.Flush(); err != nil {
		return err
	}
	c.printHour(x.History)
	fmt.Fprintln(c.Out, "\nfacts")
	c.printFacts(func(k, v string) {
		for n, part := range console.Wrap(console.Printable(v), 100) {
			if n > 0 {
				k = ""
			}
			fmt.Fprintf(c.Out, "  %-10s  %s\n", k, part)
		}
	}, x.Facts, nil)
	fmt.Fprintln(c.Out, "\nincidents")
	if len(x.Incidents) == 0 {
		_, err := fmt.Fprintln(c.Out, "  none is on record")
		return err
	}
	for _, i := range x.Incidents {
		fmt.Fprintf(c.Out, "  %s  %s, %s\n", i.ID, i.Class, outcomeWords(i))
	}
	return nil
}

// printHour draws the last hour.
func (c *cli) printHour(slots []httpserve.Slot) {
	if len(slots) == 0 {
		return
	}
	served := ""
	if share, ok := console.Uptime(slots); ok {
		served = fmt.Sprintf("  served %.1f %%", share*100)
	}
	fmt.Fprintf(c.Out, "\nlast hour   %s%s\n", console.UptimeBar(slots, len(slots), c.Paint), served)
	for _, k := range console.Curves(slots) {
		if console.Ever(slots, k.Of) {
			fmt.Fprintf(c.Out, "%-10s  %s  %s\n", k.Name, console.Sparkline(slots, len(slots), k.Top, k.Of), k.Now(slots))
		}
	}
	fmt.Fprintf(c.Out, "%10s  %s\n", "", console.BarLegend)
}

// outcomeWords says how long an incident lasted and what ended it.
func outcomeWords(i incident.Incident) string {
	switch {
	case !i.Open():
		return fmt.Sprintf("lasted %s, %s", i.Closed.Sub(i.Since).Round(time.Second), console.OutcomeOf(i))
	case i.Held != "":
		return "open, held: " + string(i.Held)
	}
	return "open"
}
