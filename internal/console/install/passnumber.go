package install

import (
	"github.com/spf13/cobra"

	"github.com/recoveryd/recoveryd/pkg/platform/envfile"
)

// passNumberCmd is what a service whose pool may be enlarged runs as root before it starts: the drop-in of
// setup says so. It is hidden: nobody calls it by hand.
func passNumberCmd() *cobra.Command {
	var key string
	var most int
	cmd := &cobra.Command{Use: "pass-number FILE", Hidden: true, Args: cobra.ExactArgs(1),
		Short: "Pass the size of a pool on from a file of the daemon to the service, and nothing else",
		RunE: func(_ *cobra.Command, args []string) error {
			return envfile.Pass(args[0], envfile.PassedDir, key, most)
		}}
	cmd.Flags().StringVar(&key, "key", "", "the variable")
	cmd.Flags().IntVar(&most, "most", 0, "the largest number")
	return cmd
}
