package console

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// formats are what -o takes. Commands ask only for "text" or "json": wide is text with more columns
// where a command has them, and yaml is json in other clothes.
var formats = []string{"text", "wide", "json", "yaml"}

// SetOutput takes -o apart.
func (c *Console) SetOutput() error {
	c.format = c.Output // what was asked for
	c.coloured = c.colours()
	switch c.format {
	case "wide":
		c.Output = "text"
	case "yaml":
		c.Output = "json"
	}
	if !slices.Contains(formats, c.format) {
		return &ExitError{Usage, fmt.Errorf("-o %q is unknown (want text or json, or wide or yaml)", c.format)}
	}
	return nil
}

// Wide is whether a listing shall show every column.
func (c *Console) Wide() bool { return c.format == "wide" }

// JSON prints a value for machines, as JSON or, by -o yaml, as YAML with the same keys.
func (c *Console) JSON(v any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return err
	}
	out := b.Bytes()
	if c.format == "yaml" {
		var err error
		if out, err = yaml.JSONToYAML(out); err != nil {
			return fmt.Errorf("print as YAML: %w", err)
		}
	}
	_, err := c.Out.Write(out)
	return err
}

// JSONLine prints one of many values, each by itself: a line of JSON, or a document of YAML.
func (c *Console) JSONLine(v any) error {
	if c.format == "yaml" {
		if _, err := fmt.Fprintln(c.Out, "---"); err != nil {
			return err
		}
		return c.JSON(v)
	}
	e := json.NewEncoder(c.Out)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// Terminal is the file behind a writer when that is a terminal.
func Terminal(w io.Writer) (*os.File, bool) {
	f, ok := w.(*os.File)
	return f, ok && term.IsTerminal(int(f.Fd()))
}

// colours is whether words may be coloured: on a terminal that can, unless NO_COLOR says no
// (https://no-color.org: set and not empty).
func (c *Console) colours() bool {
	_, ok := Terminal(c.Out)
	return ok && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// Group marks a command that only holds others.
const Group = "group"

// UsageErrors gives every complaint about arguments the exit code of usage errors and a way out, and
// makes groups of commands refuse words that are none of theirs.
func UsageErrors(cmd *cobra.Command) {
	hint := func(cmd *cobra.Command, err error) error {
		return &ExitError{Usage, fmt.Errorf("%w (see: %s --help)", err, cmd.CommandPath())}
	}
	cmd.SetFlagErrorFunc(hint)
	if args := cmd.Args; args != nil && cmd.Runnable() {
		cmd.Args = func(cmd *cobra.Command, given []string) error {
			if err := args(cmd, given); err != nil {
				return hint(cmd, err)
			}
			return nil
		}
	}
	if cmd.HasSubCommands() && !cmd.Runnable() {
		cmd.Annotations = map[string]string{Group: "yes"}
		cmd.Args = cobra.ArbitraryArgs
		cmd.RunE = func(cmd *cobra.Command, given []string) error {
			if len(given) == 0 {
				return cmd.Help()
			}
			err := fmt.Errorf("there is no command %q", strings.Join(append(strings.Fields(cmd.CommandPath())[1:], given[0]), " "))
			cmd.SuggestionsMinimumDistance = 2 // letters, as cobra has it where it asks itself
			if near := cmd.SuggestionsFor(given[0]); len(near) > 0 {
				err = fmt.Errorf("%w; did you mean %s?", err, strings.Join(near, " or "))
			}
			return hint(cmd, err)
		}
	}
	for _, sub := range cmd.Commands() {
		UsageErrors(sub)
	}
}
