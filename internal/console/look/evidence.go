package look

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/recoveryd/recoveryd/internal/app"
	"github.com/recoveryd/recoveryd/internal/console"
	"github.com/recoveryd/recoveryd/internal/evidence"
)

// EvidencePiece is one piece as -o json prints it.
type EvidencePiece struct {
	Name string    `json:"name"`
	At   time.Time `json:"at"`
	Text string    `json:"text"`
}

// evidenceCmd prints what was kept before a cure. It reads the journal itself, so that it works when
// the daemon does not.
func (c *cli) evidenceCmd() *cobra.Command {
	var state string
	cmd := &cobra.Command{
		Use:   "evidence INCIDENT [SOURCE...]",
		Short: "Print what was kept before a cure: log, processes, sockets, sessions, ...",
		Long: `Print the evidence that was collected before each disruptive action of an incident, and when
people were called. Sources are log, unit, processes, sockets, sessions, pressure and collector (the
operator's own program); without any, all are printed. Secrets were removed before it was stored.`,
		Example: `  recoveryd evidence codebase-mcp-20261122-031500
  recoveryd evidence codebase-mcp-20261122-031500 log sessions`,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: c.CompleteIncidentThenSources,
		RunE: func(cmd *cobra.Command, args []string) error {
			h, err := app.OpenHistory(cmd.Context(), c.StateDir(state))
			if err != nil {
				return err
			}
			defer h.Close()
			if _, _, err := h.Incident(cmd.Context(), args[0]); err != nil {
				return err
			}
			pieces, err := h.Evidence(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			chosen, err := ofSources(pieces, args[1:])
			if err != nil {
				return err
			}
			if len(chosen) == 0 && len(pieces) > 0 && c.Output != "json" {
				_, err := fmt.Fprintf(c.Out, "none of what is kept of incident %s is of %s (there is %s)\n", args[0], strings.Join(args[1:], " or "), strings.Join(sourcesOf(pieces), ", "))
				return err
			}
			return c.printEvidence(args[0], chosen)
		}}
	cmd.Flags().StringVar(&state, "state-dir", "", "directory of the journal (default: state_dir of the configuration)")
	return cmd
}

// ofSources keeps the pieces of the named sources.
func ofSources(pieces []evidence.Piece, sources []string) (out []evidence.Piece, err error) {
	if len(sources) == 0 {
		return pieces, nil
	}
	for _, s := range sources {
		if !evidence.IsSource(s) {
			return nil, console.Exit(console.Usage, fmt.Errorf("%q is no source of evidence (want one of %s)", s, strings.Join(evidence.Sources(), ", ")))
		}
		for _, p := range pieces {
			if p.Source() == s {
				out = append(out, p)
			}
		}
	}
	return out, nil
}

// sourcesOf names the sources of the pieces, each once.
func sourcesOf(pieces []evidence.Piece) (out []string) {
	for _, p := range pieces {
		if !slices.Contains(out, p.Source()) {
			out = append(out, p.Source())
		}
	}
	return out
}

func (c *cli) printEvidence(id string, pieces []evidence.Piece) error {
	if c.Output == "json" {
		list := []EvidencePiece{}
		for _, p := range pieces {
			list = append(list, EvidencePiece{p.Name, p.At, string(p.Body)})
		}
		return c.JSON(list)
	}
	if len(pieces) == 0 {
		_, err := fmt.Fprintf(c.Out, "no evidence of incident %s is kept: nothing disruptive was done and nobody was called, or it was removed to make room\n", id)
		return err
	}
	var last time.Time
	for _, p := range pieces {
		if !p.At.Equal(last) {
			fmt.Fprintf(c.Out, "==== collected %s ====\n", p.At.Local().Format("2006-01-02 15:04:05.000 MST"))
			last = p.At
		}
		if _, err := fmt.Fprintf(c.Out, "\n-- %s --\n%s", p.Source(), ended(string(p.Body))); err != nil {
			return err
		}
	}
	return nil
}

// ended is a text that ends its last line.
func ended(s string) string {
	if !strings.HasSuffix(s, "\n") {
		s += "\n"
	}
	return s
}
