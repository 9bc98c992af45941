package operate

import (
	"fmt"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/recoveryd/recoveryd/internal/app"
)

// reloadCmd is what systemctl reload runs: it knows how the reload ended.
func (c *cli) reloadCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "reload",
		Short: "Let the daemon read its configuration anew, and wait for its verdict",
		Long: `Let the running daemon read its configuration anew, and wait until the new one is in force. All or
nothing: when anything is wrong, every problem is printed, the old configuration stays in force, and the
exit code is 2. systemctl reload recoveryd runs this.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var r app.Reloaded
			if err := c.Call(cmd.Context(), http.MethodPost, "/api/v1/reload", nil, &r); err != nil {
				return fmt.Errorf("not reloaded, the configuration in force stays: %w", err)
			}
			if c.Output == "json" {
				return c.JSON(r)
			}
			for _, w := range r.Warnings {
				fmt.Fprintln(c.Err, "warning:", w)
			}
			_, err := fmt.Fprintf(c.Out, "%s is in force: %d targets\n", r.Config, r.Targets)
			return err
		},
	}
}
