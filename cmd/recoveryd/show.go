package main

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
		ValidArgsFunction: first(c.incidentsOrTargets),
		RunE: func(cmd *cobra.Command, args []string) error {
			h, err := app.OpenHistory(cmd.Context(), c.stateDir(state))
			if err != nil {
				return err
			}
			defer h.Close()
			x, err := explained(cmd.Context(), h, args[0], c.glance())
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
	if c.output == "json" {
		return c.json(httpserve.History{Incident: i, Runbook: x.Runbook, Records: recs})
	}
	if err := c.printHead(x); err != nil {
		return err
	}
	if next := nextOf(i, recs); next != "" {
		fmt.Fprintf(c.out, "next       %s\n", printable(next))
	}
	fmt.Fprintln(c.out, "\ndone")
	for _, a := range i.Attempts {
		took := ""
		if !a.Ended.IsZero() {
			took = " in " + a.Ended.Sub(a.At).Round(time.Millisecond).String()
		}
		verdict := string(a.Verdict)
		if verdict == "" {
			verdict = "not proven yet"
		}
		fmt.Fprintf(c.out, "  %s  %s: %s: %s%s, %s\n", clock(a.At), a.Strategy, printable(a.Action), dash(string(a.Result)), took, verdict)
	}
	if len(i.Attempts) == 0 {
		fmt.Fprintln(c.out, "  nothing")
	}
	c.printRungs(recs)
	from := 0
	if !c.wide() {
		from = max(0, len(recs)-shownMoments)
	}
	fmt.Fprintln(c.out, "\ntimeline")
	if from > 0 {
		fmt.Fprintf(c.out, "  (%d earlier: recoveryd logs %s)\n", from, i.ID)
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
		fmt.Fprintf(c.out, "\nplaybook %s\n", printable(r.Words()))
		for n := range r.Log {
			fmt.Fprintf(c.out, "  %s\n", printable(logLine(r, n)))
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
	fmt.Fprintf(c.out, "  %s  %s %s%s\n", clock(r.At), c.paint(phaseHue(r.To), fmt.Sprintf("%-10s", r.To)), who, printable(r.Sentence))
	for _, e := range r.Effects {
		switch e.Kind {
		case incident.Perform:
			fmt.Fprintf(c.out, "  %12s  %-10s -> %s\n", "", "", printable(e.Action.String()))
		case incident.Notify:
			fmt.Fprintf(c.out, "  %12s  %-10s -> notice: %s (tier %d, %s)\n", "", "", e.Notice.Kind, e.Notice.Tier, e.Notice.Why)
		}
	}
}

// shownTarget is what -o json prints of a target.
type shownTarget struct {
	httpserve.Target
	History   []httpserve.Slot    `json:"history"` // of the last hour
	Incidents []incident.Incident `json:"incidents"`
}

func (c *cli) showTarget(ctx context.Context, h *app.History, name string) error {
	var st httpserve.Status
	if err := c.call(ctx, http.MethodGet, "/api/v1/status", nil, &st); err != nil {
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
	x := shownTarget{Target: st.Targets[at], History: []httpserve.Slot{}}
	var past []httpserve.TargetHistory
	if err := c.call(ctx, http.MethodGet, "/api/v1/history?span="+live.Hour.Name, nil, &past); err != nil {
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
	if c.output == "json" {
		return c.json(x)
	}
	return c.printTarget(st, x)
}

func (c *cli) printTarget(st httpserve.Status, x shownTarget) error {
	w := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
	line := func(k, format string, args ...any) {
		fmt.Fprintf(w, "%s\t%s\n", k, printable(fmt.Sprintf(format, args...)))
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
	fmt.Fprintf(w, "state\t%s, %s for %s\n", c.paint(verdictHue(x.Verdict), x.Verdict.String()), c.paint(phaseHue(x.Phase), phase), age(st.Now, x.Since))
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
		line("witnesses", "%s", list(x.Witnesses))
	}
	if x.Incident != "" {
		line("incident", "%s", x.Incident)
	}
	if x.Next != "" {
		line("next", "%s", x.Next)
	}
	if x.Ack != nil {
		line("acknowledged", "by %s%s", x.Ack.By, untilWords(x.Ack))
	}
	if x.Hold != nil {
		line("hold", "by %s%s", x.Hold.By, untilWords(x.Hold))
	}
	for _, l := range x.Learned {
		line("learned", "%s", l)
	}
	line("looked", "%s", ago(st.Now, x.LookedAt))
	if err := w.Flush(); err != nil {
		return err
	}
	c.printHour(x.History)
	fmt.Fprintln(c.out, "\nfacts")
	c.printFacts(func(k, v string) {
		for n, part := range wrap(printable(v), 100) {
			if n > 0 {
				k = ""
			}
			fmt.Fprintf(c.out, "  %-10s  %s\n", k, part)
		}
	}, x.Facts, nil)
	fmt.Fprintln(c.out, "\nincidents")
	if len(x.Incidents) == 0 {
		_, err := fmt.Fprintln(c.out, "  none is on record")
		return err
	}
	for _, i := range x.Incidents {
		fmt.Fprintf(c.out, "  %s  %s, %s\n", i.ID, i.Class, outcomeWords(i))
	}
	return nil
}

// printHour draws the last hour.
func (c *cli) printHour(slots []httpserve.Slot) {
	if len(slots) == 0 {
		return
	}
	served := ""
	if share, ok := uptime(slots); ok {
		served = fmt.Sprintf("  served %.1f %%", share*100)
	}
	fmt.Fprintf(c.out, "\nlast hour   %s%s\n", uptimeBar(slots, len(slots), c.paint), served)
	for _, k := range curves(slots) {
		if ever(slots, k.of) {
			fmt.Fprintf(c.out, "%-10s  %s  %s\n", k.name, sparkline(slots, len(slots), k.top, k.of), k.now(slots))
		}
	}
	fmt.Fprintf(c.out, "%10s  %s\n", "", barLegend)
}

// outcomeWords says how long an incident lasted and what ended it.
func outcomeWords(i incident.Incident) string {
	switch {
	case !i.Open():
		return fmt.Sprintf("lasted %s, %s", i.Closed.Sub(i.Since).Round(time.Second), outcomeOf(i))
	case i.Held != "":
		return "open, held: " + string(i.Held)
	}
	return "open"
}
