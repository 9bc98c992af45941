package install

import (
	"errors"
	"fmt"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/spf13/cobra"

	"github.com/recoveryd/recoveryd/pkg/platform/procview"
)

// procviewCmd is what recoveryd-procview.service runs. It is hidden: nobody calls it by hand.
func procviewCmd() *cobra.Command {
	return &cobra.Command{Use: "procview", Hidden: true, Args: cobra.NoArgs,
		Short: "Answer the daemon's questions about processes that its unit hides from it",
		RunE: func(cmd *cobra.Command, _ []string) error {
			listeners, err := activation.Listeners()
			if err != nil {
				return fmt.Errorf("socket from systemd: %w", err)
			}
			if len(listeners) != 1 || listeners[0] == nil {
				return errors.New("there is no socket from systemd: recoveryd-procview.socket starts this command")
			}
			return procview.Serve(cmd.Context(), listeners[0], "/proc")
		}}
}
