package look

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/recoveryd/recoveryd/internal/app"
	"github.com/recoveryd/recoveryd/internal/config"
	"github.com/recoveryd/recoveryd/internal/console"
	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

// explainCmd reads the journal itself, so that it works when the daemon does not.
func (c *cli) explainCmd() *cobra.Command {
	var state string
	cmd := &cobra.Command{
		Use:   "explain INCIDENT",
		Short: "Show why an incident went as it did: facts, the rule that matched, what nearly did, holds",
		Long: `Show why an incident went as it did: for each decision the facts of the look that it rested on, the
kinds of evidence that agreed, the row of the decision table that matched and those that one truth
more or less would have made to match, what else was considered, and the reasons not to act that were
asked. -o json prints everything, with all records.`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: console.First(c.CompleteIncidents),
		RunE: func(cmd *cobra.Command, args []string) error {
			h, err := app.OpenHistory(cmd.Context(), c.StateDir(state))
			if err != nil {
				return err
			}
			defer h.Close()
			x, err := explained(cmd.Context(), h, args[0], c.configIfAny())
			if err != nil {
				if r, told, rerr := h.PlaybookRun(cmd.Context(), args[0]); rerr == nil {
					return c.explainRun(r, told)
				}
				return err
			}
			if c.Output == "json" {
				return c.JSON(x)
			}
			return c.printExplanation(x)
		}}
	cmd.Flags().StringVar(&state, "state-dir", "", "directory of the journal (default: state_dir of the configuration)")
	return cmd
}

// explained reads one incident from the journal, with all that is kept of it; cfg may be nil.
func explained(ctx context.Context, h *app.History, id string, cfg *config.Config) (app.Explanation, error) {
	i, recs, err := h.Incident(ctx, id)
	if err != nil {
		return app.Explanation{}, err
	}
	pieces, err := h.Evidence(ctx, id)
	if err != nil {
		return app.Explanation{}, err
	}
	return app.Explain(i, recs, pieces, cfg), nil
}

// configIfAny is the configuration when it can be read, without its secrets; nil when not.
func (c *cli) configIfAny() *config.Config {
	known := app.Known()
	known.WithoutSecrets = true
	cfg, err := config.Load(c.Config, known)
	if err != nil {
		return nil // explain works without it
	}
	return cfg
}

func (c *cli) printExplanation(x app.Explanation) error {
	if err := c.printHead(x); err != nil {
		return err
	}
	var before detect.Facts
	fmt.Fprintln(c.Out, "\ndecisions")
	for _, d := range x.Decisions {
		if !d.Weighs() {
			continue
		}
		c.printDecision(x.Incident, d, before)
		if d.Target == x.Incident.Target {
			before = d.Look.Facts
		}
	}
	fmt.Fprintln(c.Out, "\ntimeline")
	for _, r := range x.Records {
		c.printMoment(r, x.Incident.Target)
	}
	return nil
}

// printHead prints what there is to say about the incident as a whole.
func (c *cli) printHead(x app.Explanation) error {
	i := x.Incident
	w := tabwriter.NewWriter(c.Out, 0, 0, 2, ' ', 0)
	line := func(k, format string, args ...any) { fmt.Fprintf(w, "%s\t%s\n", k, fmt.Sprintf(format, args...)) }
	line("incident", "%s", i.ID)
	line("target", "%s", i.Target)
	line("class", "%s, %s", i.Class, i.Severity)
	if x.Runbook != "" {
		line("runbook", "%s", x.Runbook)
	}
	line("since", "%s (confirmed %s later)", i.Since.Local().Format(time.DateTime), i.Opened.Sub(i.Since).Round(time.Millisecond))
	if i.Open() {
		line("state", "open")
	} else {
		line("ended", "%s, after %s: %s", i.Closed.Local().Format(time.DateTime), i.Closed.Sub(i.Since).Round(time.Second), console.OutcomeOf(i))
	}
	if len(i.Affected) > 0 {
		line("affected", "%s", strings.Join(i.Affected, ", "))
	}
	line("because", "%s", i.Diagnosis.Because)
	if p, ok := detect.Agree(i.Diagnosis.Class, i.Diagnosis.Witnesses); ok {
		line("witnesses", "%s and %s: %s", p.A, p.B, p.Why)
	} else {
		line("witnesses", "%v (not enough for a disruptive action)", i.Diagnosis.Witnesses)
	}
	for _, s := range i.NotTried() {
		line("not tried", "%s", s)
	}
	for _, l := range i.Lessons {
		line("learned", "%s", l)
	}
	if p := i.Proposal; p != nil {
		yes := "nobody has said yes yet"
		if p.By != "" {
			yes = "allowed by " + p.By
		}
		line("proposes", "%s (%s)", p.Plan, yes)
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
		line("acknowledged", "by %s%s", i.Ack.By, console.UntilWords(i.Ack))
	}
	if n := len(x.Evidence); n > 0 {
		total := 0
		for _, k := range x.Evidence {
			total += k.Bytes
		}
		line("evidence", "%d pieces, %d KiB, see: recoveryd evidence %s", n, (total+1023)>>10, i.ID)
	} else {
		line("evidence", "none is kept")
	}
	return w.Flush()
}

// printDecision prints one decision with what it rested on. Of the facts of a later look only those
// are printed that changed.
func (c *cli) printDecision(i incident.Incident, d app.Decision, before detect.Facts) {
	if d.Target == "" { // of a playbook that was a rung
		for n, part := range console.Wrap(d.Sentence, 110) {
			head := console.Clock(d.At)
			if n > 0 {
				head = strings.Repeat(" ", len(head))
			}
			fmt.Fprintf(c.Out, "  %s  %s\n", head, part)
		}
		return
	}
	who := ""
	if d.Target != i.Target {
		who = d.Target + ": "
	}
	fmt.Fprintf(c.Out, "\n  %s  %s%s -> %s (%s)\n", console.Clock(d.At), who, d.From, d.To, d.Reason)
	row := func(k, v string) {
		for n, part := range console.Wrap(v, 110) {
			if n > 0 {
				k = ""
			}
			fmt.Fprintf(c.Out, "    %-10s  %s\n", k, part)
		}
	}
	row("verdict", verdictWords(d.Diagnosis))
	if d.Pair != nil {
		row("witnesses", fmt.Sprintf("%s and %s: %s", d.Pair.A, d.Pair.B, d.Pair.Why))
	} else if len(d.Diagnosis.Witnesses) > 0 {
		row("witnesses", fmt.Sprintf("%v: no pair that would justify a disruptive action", d.Diagnosis.Witnesses))
	}
	row("look", fmt.Sprintf("%s (%s), took %s", console.Clock(d.Look.At), d.Look.Cause, time.Duration(d.Look.Took*float64(time.Second)).Round(time.Millisecond)))
	c.printFacts(row, d.Look.Facts, before)
	for _, x := range d.Diagnosis.Considered {
		row("considered", fmt.Sprintf("%s (%s): %s", x.Class, x.Verdict, x.Because))
	}
	for _, n := range d.NearRules {
		row("nearly", fmt.Sprintf("rule %s: %s; but not %s", n.Rule, strings.Join(n.Held, " and "), strings.Join(n.Failed, ", ")))
	}
	if d.Rule != "" {
		row("rule", d.Rule)
		row("true were", console.Dash(d.Seen))
	}
	for _, n := range d.NearRows {
		row("nearby", nearWords(n))
	}
	if len(d.Holds) > 0 {
		row("holds", holdWords(d.Holds))
	}
	for _, a := range d.Actions {
		row("does", a)
	}
	for _, n := range d.Notices {
		row("tells", fmt.Sprintf("%s (tier %d, %s)", n.Kind, n.Tier, n.Why))
	}
}

func verdictWords(d detect.Diagnosis) string {
	s := d.Verdict.String()
	if d.Class != "" {
		s += ", class " + string(d.Class)
	}
	if d.Masked() {
		s += ", culprit " + d.Culprit
	}
	return s + ": " + d.Because
}

func nearWords(n incident.Near) string {
	if n.Why == incident.HoldUnknown { // stands for whichever applies
		n.Why = "a reason not to act"
	}
	if n.Missing != "" {
		return fmt.Sprintf("%s (%s): it lacked %q", n.To, n.Why, n.Missing)
	}
	return fmt.Sprintf("%s (%s): %q kept it from that", n.To, n.Why, n.Barred)
}

// holdWords says which reasons not to act were asked.
func holdWords(list []incident.Asked) string {
	last := list[len(list)-1]
	if !last.Applies {
		return fmt.Sprintf("%d reasons not to act were asked, none applied", len(list))
	}
	s := fmt.Sprintf("%s: %s", last.Hold, last.Why)
	if len(list) == 1 {
		return s + " (it is asked first)"
	}
	asked := make([]string, 0, len(list))
	for _, a := range list[:len(list)-1] {
		asked = append(asked, string(a.Hold))
	}
	return s + " (asked before, and did not apply: " + strings.Join(asked, ", ") + ")"
}

// printFacts prints the facts by kind, one line a kind; after the first look only those that changed.
func (c *cli) printFacts(row func(string, string), f, before detect.Facts) {
	kinds := map[string][]string{}
	var order []string
	for _, name := range f.Names() {
		r := f[name]
		was, had := before[name]
		if had && was == r {
			continue
		}
		kind, rest, _ := strings.Cut(name, ".")
		if !slices.Contains(order, kind) {
			order = append(order, kind)
		}
		word := rest + " " + detect.ShowReading(name, r)
		if had && was.Err == "" && r.Err == "" {
			word += " (was " + detect.ShowReading(name, was) + ")"
		}
		kinds[kind] = append(kinds[kind], word)
	}
	for _, k := range order {
		row(k, strings.Join(kinds[k], ", "))
	}
	if len(order) == 0 && len(before) > 0 {
		row("facts", "as before")
	}
}

// explainRun tells a run with every decision that was taken in it.
func (c *cli) explainRun(r incident.Run, recs []incident.Record) error {
	if c.Output == "json" {
		return c.JSON(map[string]any{"run": r, "records": recs})
	}
	c.PrintRun(r)
	fmt.Fprintln(c.Out, "\ndecisions")
	for _, rec := range recs {
		for n, part := range console.Wrap(strings.TrimPrefix(rec.Sentence, "playbook "+r.ID+": "), 110) {
			head := console.Clock(rec.At)
			if n > 0 {
				head = strings.Repeat(" ", len(head))
			}
			fmt.Fprintf(c.Out, "  %s  %s\n", head, part)
		}
	}
	return nil
}
