package look

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/recoveryd/recoveryd/internal/app"
	"github.com/recoveryd/recoveryd/internal/console"
	"github.com/recoveryd/recoveryd/internal/report"
	"github.com/recoveryd/recoveryd/internal/strictyaml"
)

// statsCmd reads the journal itself, like incidents and explain.
func (c *cli) statsCmd() *cobra.Command {
	var since, state, drills string
	cmd := &cobra.Command{Use: "stats", Short: "Count incidents: how fast found and cured, how many without waking anybody",
		Long: `Count the incidents of a period, per target and failure class: how many, how fast they were confirmed (MTTD)
and clear again (MTTR), how many recoveryd cured without anybody being paged. Tests of the channels do not count.
The journal keeps closed incidents for 90 days.`,
		Example: `  recoveryd stats --since 30d`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d, err := strictyaml.ParseDuration(since)
			if err != nil || d <= 0 {
				return console.Exit(console.Usage, fmt.Errorf("--since %q is no period (want one such as 12h, 30d or 4w)", since))
			}
			which := report.Which(drills)
			if which != report.NoDrills && which != report.WithDrills && which != report.OnlyDrills {
				return console.Exit(console.Usage, fmt.Errorf("--drills %q is unknown (want without, with or only)", drills))
			}
			h, err := app.OpenHistory(cmd.Context(), c.StateDir(state))
			if err != nil {
				return err
			}
			defer h.Close()
			now := time.Now()
			s, err := h.Stats(cmd.Context(), now.Add(-d), now, which)
			if err != nil {
				return err
			}
			if c.Output == "json" {
				return c.JSON(s)
			}
			_, err = fmt.Fprint(c.Out, s.Table())
			return err
		}}
	cmd.Flags().StringVar(&since, "since", "30d", "period until now, such as 12h, 30d or 4w")
	cmd.Flags().StringVar(&drills, "drills", string(report.NoDrills), "incidents of drills: without, with or only")
	cmd.Flags().StringVar(&state, "state-dir", "", "directory of the journal (default: state_dir of the configuration)")
	return cmd
}
