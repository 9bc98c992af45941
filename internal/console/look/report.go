package look

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/recoveryd/recoveryd/internal/app"
	"github.com/recoveryd/recoveryd/internal/console"
)

// reportCmd reads the journal itself, like incidents and explain.
func (c *cli) reportCmd() *cobra.Command {
	var format, out, state string
	cmd := &cobra.Command{Use: "report INCIDENT", Short: "Write the post-incident report of an incident, filled from the journal",
		Long: `Write the post-incident report of an incident: summary, timeline, root cause by the evidence, resolution,
impact, who was told and whether it arrived, and the open points for people as boxes to tick. It works while the
daemon is down. With -o json the report is written for machines.`,
		Example: `  recoveryd report codebase-mcp-20261122-031205
  recoveryd report codebase-mcp-20261122-031205 --format html --out incident.html`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: console.First(c.CompleteIncidents),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !cmd.Flags().Changed("format") && filepath.Ext(out) == ".html" {
				format = "html"
			}
			if format != "markdown" && format != "html" {
				return console.Exit(console.Usage, fmt.Errorf("--format %q is unknown (want markdown or html)", format))
			}
			h, err := app.OpenHistory(cmd.Context(), c.StateDir(state))
			if err != nil {
				return err
			}
			defer h.Close()
			r, err := h.Report(cmd.Context(), args[0], c.Glance(), time.Now(), c.Version)
			if err != nil {
				return err
			}
			text := r.Markdown()
			switch {
			case c.Output == "json" && out == "":
				return c.JSON(r)
			case c.Output == "json":
				return console.Exit(console.Usage, fmt.Errorf("-o json goes to standard output; leave out --out"))
			case format == "html":
				if text, err = r.HTML(); err != nil {
					return err
				}
			}
			if out == "" {
				_, err = fmt.Fprint(c.Out, text)
				return err
			}
			if err := os.WriteFile(out, []byte(text), 0o644); err != nil {
				return fmt.Errorf("write the report: %w", err)
			}
			_, err = fmt.Fprintf(c.Out, "%s: report of %s\n", out, r.ID)
			return err
		}}
	cmd.Flags().StringVar(&format, "format", "markdown", "markdown or html")
	cmd.Flags().StringVar(&out, "out", "", "file to write to (default: standard output)")
	cmd.Flags().StringVar(&state, "state-dir", "", "directory of the journal (default: state_dir of the configuration)")
	return cmd
}
