package trial

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/recoveryd/recoveryd/internal/app"
	"github.com/recoveryd/recoveryd/internal/config"
	"github.com/recoveryd/recoveryd/internal/console"
	"github.com/recoveryd/recoveryd/internal/replay"
)

// Replayed is what -o json prints.
type Replayed struct {
	Incident string `json:"incident"`
	Config   string `json:"config"`      // the file
	Print    string `json:"fingerprint"` // of that file
	replay.Comparison
}

// replayCmd reads the journal itself, so that it works when the daemon does not.
func (c *cli) replayCmd() *cobra.Command {
	var state string
	var words bool
	cmd := &cobra.Command{
		Use:   "replay INCIDENT --config NEW",
		Short: "Tell a recorded incident to another configuration and show which decisions would change",
		Long: `Tell a recorded incident to the rules of another configuration, and show side by side what was
decided and what would be. Nothing is looked at and nothing is done. With the same configuration the
decisions are the same. After the first one that differs, the recording shows what happened after
another decision; those rows are marked with ~.

Exit codes: 0 every decision stays the same; 1 some would change; 2 the configuration is bad.`,
		Example:           `  recoveryd replay codebase-mcp-20261122-031500 --config /tmp/new.yaml`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: console.First(c.CompleteIncidents),
		RunE: func(cmd *cobra.Command, args []string) error {
			known := app.Known()
			known.WithoutSecrets = true // nobody is asked and nobody is told
			cfg, err := config.Load(c.Config, known)
			if err != nil {
				return console.Exit(console.Usage, err)
			}
			policy, err := app.PolicyOf(cfg)
			if err != nil {
				return console.Exit(console.Usage, err)
			}
			h, err := app.OpenHistory(cmd.Context(), c.StateDir(state))
			if err != nil {
				return err
			}
			defer h.Close()
			if _, _, err := h.Incident(cmd.Context(), args[0]); err != nil {
				return err
			}
			tapes, err := h.Recordings(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if len(tapes) == 0 {
				return fmt.Errorf("there is no recording of incident %s: it was removed to make room, or too many incidents were recorded at the time", args[0])
			}
			r := Replayed{Incident: args[0], Config: c.Config, Print: app.Fingerprint(cfg), Comparison: replay.Run(tapes, policy)}
			if err := c.printReplay(r, words); err != nil {
				return err
			}
			if r.Different > 0 {
				return console.Exit(console.NotHealthy, nil)
			}
			return nil
		}}
	cmd.Flags().StringVar(&state, "state-dir", "", "directory of the journal (default: state_dir of the configuration)")
	cmd.Flags().BoolVar(&words, "words", false, "print the sentence of each decision too")
	return cmd
}

func (c *cli) printReplay(r Replayed, words bool) error {
	if c.Output == "json" {
		return c.JSON(r)
	}
	w := tabwriter.NewWriter(c.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "\tTIME\tTARGET\tRECORDED\tWITH %s\n", r.Config)
	for _, s := range r.Steps {
		mark := "="
		switch {
		case s.Differs && s.Follows:
			mark = "~"
		case s.Differs:
			mark = "*"
		}
		now := decided(s.Replayed)
		if s.Unwatched {
			now = []string{"not watched"}
		}
		then := decided(s.Recorded)
		if words {
			then, now = append(then, s.Recorded.Sentence), append(now, s.Replayed.Sentence)
		}
		for i := range max(len(then), len(now)) {
			head := fmt.Sprintf("%s\t%s\t%s", mark, console.Clock(s.At), s.Recorded.Target)
			if i > 0 {
				head = "\t\t"
			}
			fmt.Fprintf(w, "%s\t%s\t%s\n", head, part(then, i), part(now, i))
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(c.Out, "\n%s\n", r.summary())
	return err
}

func part(list []string, i int) string {
	if i < len(list) {
		return list[i]
	}
	return ""
}

// decided says in some short lines what a decision came to.
func decided(d replay.Decision) []string {
	head := fmt.Sprintf("%s -> %s (%s)", d.From, d.To, d.Reason)
	if d.From == d.To {
		head = fmt.Sprintf("%s (%s)", d.To, d.Reason)
	}
	verdict := d.Verdict.String()
	if d.Class != "" {
		verdict += " " + string(d.Class)
	}
	if d.Culprit != "" && d.Culprit != d.Target {
		verdict += ", culprit " + d.Culprit
	}
	out := []string{head + ", " + verdict}
	for _, a := range d.Actions {
		out = append(out, "  does "+a)
	}
	for _, n := range d.Notices {
		out = append(out, "  tells "+n)
	}
	return out
}

// summary is the last line.
func (r Replayed) summary() string {
	s := fmt.Sprintf("all %d decisions stay the same", r.Decisions)
	if f := r.First(); f != nil {
		s = fmt.Sprintf("%d of %d decisions would change, the first at %s (%s): %s instead of %s", r.Different, max(r.Decisions, r.Different),
			console.Clock(f.At), f.Recorded.Target, brief(f.Replayed, f.Unwatched), brief(f.Recorded, false))
	} else if !r.Bytes {
		s += ", in other words"
	}
	s += fmt.Sprintf("; %d events", r.Events)
	switch {
	case !slices.Contains(r.Configs, r.Print):
		s += ", recorded under another configuration"
	case !r.Reloaded:
		s += ", recorded under the same configuration"
	}
	if r.Reloaded {
		s += "; the configuration was reloaded meanwhile"
	}
	if r.Cut != "" {
		s += "; the recording ends early: " + r.Cut
	}
	return s
}

// brief is a decision in a word or two.
func brief(d replay.Decision, unwatched bool) string {
	switch {
	case unwatched:
		return "not watched"
	case len(d.Actions) > 0:
		return strings.Join(d.Actions, " and ")
	}
	return fmt.Sprintf("%s (%s)", d.To, d.Reason)
}
