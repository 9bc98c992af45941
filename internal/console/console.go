// Package console is the terminal side of every command: its output in each form (-o), tables and colours, the
// configuration and the daemon that it is about, the exit code, and what the shell completes. What the
// commands do is in the packages below it, one for each concern; it decides nothing. Start reading at [Console].
package console

import (
	"fmt"
	"io"

	"github.com/recoveryd/recoveryd/internal/app"
	"github.com/recoveryd/recoveryd/internal/config"
)

// Console is what all commands share: where they print and how, and which daemon and configuration they are about.
type Console struct {
	Out, Err io.Writer
	Config   string // --config
	Output   string // what -o means for a command: text or json
	format   string // what -o says: text, wide, json or yaml
	Socket   string // --socket
	coloured bool   // words may be coloured
	Version  string // of this program
}

// Load reads the configuration and prints every problem of it.
func (c *Console) Load() (*config.Config, error) {
	cfg, err := config.Load(c.Config, app.Known())
	if err != nil {
		return nil, &ExitError{Usage, err}
	}
	for _, w := range cfg.Warnings {
		fmt.Fprintln(c.Err, "warning:", w)
	}
	return cfg, nil
}

// Glance reads the configuration without its secrets; nil when it cannot be read. For what is only
// nicer with it.
func (c *Console) Glance() *config.Config {
	known := app.Known()
	known.WithoutSecrets = true
	cfg, err := config.Load(c.Config, known)
	if err != nil {
		return nil
	}
	return cfg
}

// StateDir finds the journal's directory: the flag, the configuration when it can be read, or
// the packaged default.
func (c *Console) StateDir(flag string) string {
	if flag != "" {
		return flag
	}
	known := app.Known()
	known.WithoutSecrets = true
	if cfg, err := config.Load(c.Config, known); err == nil {
		return cfg.StateDir
	}
	if dir := config.DirectoryIn(c.Config, "state_dir"); dir != "" {
		return dir
	}
	return "/var/lib/recoveryd"
}
