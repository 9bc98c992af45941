package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/recoveryd/recoveryd/internal/console"
	"github.com/recoveryd/recoveryd/internal/console/drills"
	"github.com/recoveryd/recoveryd/internal/console/install"
	"github.com/recoveryd/recoveryd/internal/console/look"
	"github.com/recoveryd/recoveryd/internal/console/operate"
	"github.com/recoveryd/recoveryd/internal/console/top"
	"github.com/recoveryd/recoveryd/internal/console/trial"
)

// defaultConfig is where the package installs the configuration.
const defaultConfig = "/etc/recoveryd/recoveryd.yaml"

// cli is the console that the commands print to.
type cli struct{ *console.Console }

// newRoot builds the whole command line.
func newRoot(out, err io.Writer) *cobra.Command {
	c := &cli{&console.Console{Out: out, Err: err, Version: version}}
	root := &cobra.Command{
		Use:   "recoveryd",
		Short: "Watch services, cure what can be cured, page people with the evidence when it cannot",
		Long: `recoveryd watches the services of one host, finds out what is really wrong, does the mildest
thing that cures it, proves by looking that it worked, and pages people when it did not.

Exit codes: 0 all well; 1 something is wrong or the command failed; 2 bad configuration, bad
arguments, or (check) it cannot be told. Colours only on a terminal, and not where NO_COLOR is set.`,
		SilenceUsage: true, SilenceErrors: true, Version: version,
	}
	root.SetGlobalNormalizationFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		if name == "reason" { // what many type first
			name = "why"
		}
		return pflag.NormalizedName(name)
	})
	root.SetOut(out)
	root.SetErr(err)
	p := root.PersistentFlags()
	p.StringVarP(&c.Config, "config", "c", defaultConfig, "configuration file")
	p.StringVarP(&c.Output, "output", "o", "text", "output format: text, wide (every column), json or yaml")
	p.StringVar(&c.Socket, "socket", "", "control socket of the daemon (default: control.sock in its runtime_dir)")
	root.PersistentPreRunE = func(*cobra.Command, []string) error { return c.SetOutput() }
	root.AddCommand(c.runCmd(), c.versionCmd())
	for _, commands := range []func(*console.Console) []*cobra.Command{look.Commands, top.Commands, operate.Commands, trial.Commands, install.Commands, drills.Commands} {
		root.AddCommand(commands(c.Console)...)
	}
	console.UsageErrors(root)
	c.CompleteFlags(root)
	return root
}

// versionCmd prints what is running.
func (c *cli) versionCmd() *cobra.Command {
	return &cobra.Command{Use: "version", Short: "Print version and commit", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if c.Output == "json" {
				return c.JSON(map[string]string{"version": version, "commit": commit})
			}
			_, err := fmt.Fprintf(c.Out, "recoveryd %s (commit %s)\n", version, commit)
			return err
		}}
}
