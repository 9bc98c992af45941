package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/recoveryd/recoveryd/internal/app"
	"github.com/recoveryd/recoveryd/internal/config"
)

// defaultConfig is where the package installs the configuration.
const defaultConfig = "/etc/recoveryd/recoveryd.yaml"

// cli is what all verbs share.
type cli struct {
	out, err io.Writer
	config   string // --config
	output   string // what -o means for a command: text or json
	format   string // what -o says: text, wide, json or yaml
	socket   string // --socket
	coloured bool   // words may be coloured
	version  string // of this program
}

// newRoot builds the whole command line.
func newRoot(out, err io.Writer) *cobra.Command {
	c := &cli{out: out, err: err, version: version}
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
	p.StringVarP(&c.config, "config", "c", defaultConfig, "configuration file")
	p.StringVarP(&c.output, "output", "o", "text", "output format: text, wide (every column), json or yaml")
	p.StringVar(&c.socket, "socket", "", "control socket of the daemon (default: control.sock in its runtime_dir)")
	root.PersistentPreRunE = func(*cobra.Command, []string) error { return c.setOutput() }
	root.AddCommand(c.runCmd(), c.validateCmd(), c.checkCmd(), c.diagnoseCmd(), c.statusCmd(), c.topCmd(), c.incidentsCmd(), c.showCmd(), c.logsCmd(), c.explainCmd(), c.versionCmd())
	root.AddCommand(c.reportCmd(), c.runbookCmd(), c.statsCmd(), c.notifyCmd(), c.escalationCmd())
	root.AddCommand(c.evidenceCmd(), c.replayCmd(), c.recoverCmd(), c.playbookCmd(), c.drillCmd())
	root.AddCommand(c.initCmd(), c.setupCmd(), c.doctorCmd(), c.reloadCmd())
	root.AddCommand(c.operatorCmds()...)
	root.AddCommand(procviewCmd(), passNumberCmd())
	usageErrors(root)
	c.completeFlags(root)
	return root
}

// load reads the configuration and prints every problem of it.
func (c *cli) load() (*config.Config, error) {
	cfg, err := config.Load(c.config, app.Known())
	if err != nil {
		return nil, &exitError{exitUsage, err}
	}
	for _, w := range cfg.Warnings {
		fmt.Fprintln(c.err, "warning:", w)
	}
	return cfg, nil
}

// socketPath finds the control socket: the flag, the configuration when it can be read, or the
// packaged default.
func (c *cli) socketPath() string {
	if c.socket != "" {
		return c.socket
	}
	known := app.Known()
	known.WithoutSecrets = true
	if cfg, err := config.Load(c.config, known); err == nil {
		return filepath.Join(cfg.RuntimeDir, app.SocketName)
	}
	if dir := config.DirectoryIn(c.config, "runtime_dir"); dir != "" {
		return filepath.Join(dir, app.SocketName)
	}
	if dir := os.Getenv("RUNTIME_DIRECTORY"); dir != "" {
		return filepath.Join(dir, app.SocketName)
	}
	return filepath.Join("/run/recoveryd", app.SocketName)
}

// versionCmd prints what is running.
func (c *cli) versionCmd() *cobra.Command {
	return &cobra.Command{Use: "version", Short: "Print version and commit", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if c.output == "json" {
				return c.json(map[string]string{"version": version, "commit": commit})
			}
			_, err := fmt.Fprintf(c.out, "recoveryd %s (commit %s)\n", version, commit)
			return err
		}}
}

// glance reads the configuration without its secrets; nil when it cannot be read. For what is only
// nicer with it.
func (c *cli) glance() *config.Config {
	known := app.Known()
	known.WithoutSecrets = true
	cfg, err := config.Load(c.config, known)
	if err != nil {
		return nil
	}
	return cfg
}

// stateDir finds the journal's directory: the flag, the configuration when it can be read, or
// the packaged default.
func (c *cli) stateDir(flag string) string {
	if flag != "" {
		return flag
	}
	known := app.Known()
	known.WithoutSecrets = true
	if cfg, err := config.Load(c.config, known); err == nil {
		return cfg.StateDir
	}
	if dir := config.DirectoryIn(c.config, "state_dir"); dir != "" {
		return dir
	}
	return "/var/lib/recoveryd"
}
