package install

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/recoveryd/recoveryd/internal/app"
	"github.com/recoveryd/recoveryd/internal/config"
	"github.com/recoveryd/recoveryd/internal/console"
	"github.com/recoveryd/recoveryd/internal/discover"
)

// packagedFirstLine begins the configuration that the package installs, which may be replaced as
// long as nobody has touched it: it watches nothing but this host's disk.
const packagedFirstLine = "# The configuration that the package installs:"

func (c *cli) initCmd() *cobra.Command {
	var stdout bool
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Write a configuration for what runs on this host, in mode observe",
		Long: `Look at this host (services that look like MCP servers, PostgreSQL clusters, Redis, Ollama, who listens
where and who is connected to whom) and write a commented configuration that watches them and touches
nothing. A configuration that is there already is not overwritten, but for the one that the package
installs, which is kept beside it. Run it as root: others cannot see who listens where.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !stdout {
				if err := c.mayWrite(); err != nil {
					return err
				}
			}
			found, err := discover.Look(cmd.Context())
			if err != nil {
				return err
			}
			text, err := found.Config()
			if errors.Is(err, discover.ErrNothing) {
				return fmt.Errorf("%w (no PostgreSQL, Redis, Ollama, and no server with a health reply whose unit says mcp); write one by hand, from /usr/share/doc/recoveryd/examples/minimal.yaml%s", err, others(found))
			}
			if err != nil {
				return err
			}
			if stdout {
				_, err := fmt.Fprint(c.Out, text)
				return err
			}
			return c.writeConfig(found, text)
		},
	}
	cmd.Flags().BoolVar(&stdout, "stdout", false, "print it instead of writing it to --config")
	return cmd
}

// mayWrite refuses to overwrite.
func (c *cli) mayWrite() error {
	have, err := os.ReadFile(c.Config)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case strings.HasPrefix(string(have), packagedFirstLine) && c.watchesNothing():
		return nil
	}
	return console.Exit(console.Usage, fmt.Errorf("%s exists and is not overwritten: see what init would write with --stdout, or name another file with --config", c.Config))
}

// watchesNothing reports the packaged configuration as it was installed: one target, on no platform.
func (c *cli) watchesNothing() bool {
	cfg := c.Glance()
	return cfg != nil && len(cfg.Targets) == 1 && cfg.Targets[0].Platform == config.PlatformNone && len(cfg.Notifiers) == 0
}

// writeConfig checks what was written as the daemon would, and puts it into place for the service's
// group alone.
func (c *cli) writeConfig(found discover.Found, text string) error {
	known := app.Known()
	known.WithoutSecrets = true
	cfg, err := config.Parse(c.Config, []byte(text), known)
	if err != nil {
		return fmt.Errorf("what was found makes no valid configuration, which is a mistake of this program; --stdout shows it: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(c.Config), 0o750); err != nil {
		return err
	}
	if _, err := os.Stat(c.Config); err == nil { // the packaged one: see mayWrite
		if err := os.Rename(c.Config, c.Config+".packaged"); err != nil {
			return err
		}
		fmt.Fprintf(c.Out, "the packaged configuration is kept as %s.packaged\n", c.Config)
	}
	f, err := os.OpenFile(c.Config, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o640)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err == nil && os.Geteuid() == 0 {
		if g, gerr := user.LookupGroup("recoveryd"); gerr == nil {
			if gid, aerr := strconv.Atoi(g.Gid); aerr == nil {
				err = f.Chown(0, gid)
			}
		}
	}
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	fmt.Fprintf(c.Out, "%s: %d targets, mode %s\n", c.Config, len(cfg.Targets), cfg.Mode)
	for _, t := range cfg.Targets {
		fmt.Fprintf(c.Out, "  %s (%s)\n", t.Name, t.Object)
	}
	for _, s := range found.Services {
		if s.URL == "" {
			fmt.Fprintf(c.Out, "  %s looks like an MCP server, and no health reply was found: it is in the file as a comment\n", s.Unit)
		}
	}
	_, err = fmt.Fprintf(c.Out, "Read it, then: recoveryd setup --apply && systemctl restart recoveryd && recoveryd doctor\n")
	return err
}

// others names the services that listen, for somebody who has to write a configuration by hand.
func others(f discover.Found) string {
	var names []string
	for _, o := range f.Others {
		names = append(names, o.Unit)
	}
	for _, s := range f.Services {
		names = append(names, s.Unit)
	}
	if len(names) == 0 {
		return ""
	}
	return "; these listen: " + strings.Join(names, ", ")
}
