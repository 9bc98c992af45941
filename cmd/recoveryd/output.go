package main

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

// setOutput takes -o apart.
func (c *cli) setOutput() error {
	c.format = c.output // what was asked for
	c.coloured = c.colours()
	switch c.format {
	case "wide":
		c.output = "text"
	case "yaml":
		c.output = "json"
	}
	if !slices.Contains(formats, c.format) {
		return &exitError{exitUsage, fmt.Errorf("-o %q is unknown (want text or json, or wide or yaml)", c.format)}
	}
	return nil
}

// wide is whether a listing shall show every column.
func (c *cli) wide() bool { return c.format == "wide" }

// json prints a value for machines, as JSON or, by -o yaml, as YAML with the same keys.
func (c *cli) json(v any) error {
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
	_, err := c.out.Write(out)
	return err
}

// jsonLine prints one of many values, each by itself: a line of JSON, or a document of YAML.
func (c *cli) jsonLine(v any) error {
	if c.format == "yaml" {
		if _, err := fmt.Fprintln(c.out, "---"); err != nil {
			return err
		}
		return c.json(v)
	}
	e := json.NewEncoder(c.out)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// terminal is the file behind a writer when that is a terminal.
func terminal(w io.Writer) (*os.File, bool) {
	f, ok := w.(*os.File)
	return f, ok && term.IsTerminal(int(f.Fd()))
}

// colours is whether words may be coloured: on a terminal that can, unless NO_COLOR says no
// (https://no-color.org: set and not empty).
func (c *cli) colours() bool {
	_, ok := terminal(c.out)
	return ok && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// group marks a command that only holds others.
const group = "group"

// usageErrors gives every complaint about arguments the exit code of usage errors and a way out, and
// makes groups of commands refuse words that are none of theirs.
func usageErrors(cmd *cobra.Command) {
	hint := func(cmd *cobra.Command, err error) error {
		return &exitError{exitUsage, fmt.Errorf("%w (see: %s --help)", err, cmd.CommandPath())}
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
		cmd.Annotations = map[string]string{group: "yes"}
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
		usageErrors(sub)
	}
}
