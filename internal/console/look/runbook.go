package look

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/recoveryd/recoveryd/docs/runbooks"
	"github.com/recoveryd/recoveryd/internal/app"
	"github.com/recoveryd/recoveryd/internal/config"
	"github.com/recoveryd/recoveryd/internal/console"
	"github.com/recoveryd/recoveryd/pkg/detect"
)

// runbookCmd prints what the binary carries: it works when nothing else does.
func (c *cli) runbookCmd() *cobra.Command {
	var state string
	cmd := &cobra.Command{Use: "runbook [CLASS|TARGET|INCIDENT]", Short: "Print the runbook of a failure class: what it means, how to look, what to do",
		Long: `Print the runbook of a failure class: what the page means, what recoveryd has tried, how to look, what to
do, and what recoveryd never does by itself. Without an argument, list them all. Runbooks are in the program: no daemon,
journal or network is needed for a class.

A target stands for the class of its open incident, or else of its last one. The class of a rule of your own has the
address that the rule gives (rules: runbook). With runbook_url, the address of your own page is printed first.`,
		Example: `  recoveryd runbook gateway
  recoveryd runbook codebase-mcp`,
		Args: cobra.MaximumNArgs(1), ValidArgsFunction: console.First(c.classesOrTargets),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return c.listRunbooks()
			}
			class, err := c.classOf(cmd.Context(), args[0], state)
			if err != nil {
				return err
			}
			return c.printRunbook(class)
		}}
	cmd.Flags().StringVar(&state, "state-dir", "", "directory of the journal (default: state_dir of the configuration)")
	return cmd
}

// shelved is what -o json prints of a runbook.
type shelved struct {
	Class string `json:"class"`
	Title string `json:"title,omitzero"`
	Where string `json:"where"`         // web address, or the command that prints it
	Text  string `json:"text,omitzero"` // Markdown; of one runbook only
}

func (c *cli) listRunbooks() error {
	cfg := c.Glance()
	var all []shelved
	for _, class := range append(runbooks.Classes(), runbooks.Platforms()...) {
		all = append(all, shelved{Class: class, Title: runbooks.Title(class), Where: app.Runbook(cfg, detect.Class(class))})
	}
	for _, r := range rulesOf(cfg) {
		if r.Runbook != "" {
			all = append(all, shelved{Class: r.Name, Title: r.Because, Where: r.Runbook})
		}
	}
	if c.Output == "json" {
		return c.JSON(all)
	}
	w := c.Table("CLASS", "WHAT IT MEANS", "RUNBOOK")
	for _, s := range all {
		w.Row(s.Class, console.Dash(s.Title), s.Where)
	}
	return w.Print(c.Out)
}

func (c *cli) printRunbook(class string) error {
	where := app.Runbook(c.Glance(), detect.Class(class))
	text, has := runbooks.Page(class)
	switch {
	case !has && where == "":
		return fmt.Errorf("class %q has no runbook; give its rule one: runbook: https://wiki.example/%s", class, class)
	case c.Output == "json":
		return c.JSON(shelved{Class: class, Title: runbooks.Title(class), Where: where, Text: text})
	case !has:
		_, err := fmt.Fprintf(c.Out, "The runbook of class %s is at %s\n", class, where)
		return err
	case strings.Contains(where, "://"):
		fmt.Fprintf(c.Out, "Your own runbook of this class is at %s\n\n", where)
	}
	_, err := fmt.Fprint(c.Out, text)
	return err
}

// classOf says which class a word stands for: a class, an incident's, or that of a target's open or last incident.
func (c *cli) classOf(ctx context.Context, word, state string) (string, error) {
	cfg := c.Glance()
	known := append(runbooks.Classes(), runbooks.Platforms()...)
	for _, r := range rulesOf(cfg) {
		known = append(known, r.Name)
	}
	if slices.Contains(known, word) {
		return word, nil
	}
	isTarget := false
	if cfg != nil {
		_, isTarget = cfg.Target(word)
		for _, t := range cfg.Targets {
			known = append(known, t.Name)
		}
	}
	h, err := app.OpenHistory(ctx, c.StateDir(state))
	if err != nil {
		if isTarget {
			return "", fmt.Errorf("which class target %q is about only the journal knows: %w (name the class; they are listed by: recoveryd runbook)", word, err)
		}
		return "", fmt.Errorf("there is no class %q%s (the classes are listed by: recoveryd runbook)", word, detect.Meant(word, known))
	}
	defer h.Close()
	i, found, err := h.Latest(ctx, word)
	switch {
	case err != nil:
		return "", err
	case found:
		return string(i.Class), nil
	case isTarget:
		return "", fmt.Errorf("target %q has had no incident (the classes are listed by: recoveryd runbook)", word)
	}
	return "", fmt.Errorf("there is no class, target or incident %q%s (the classes are listed by: recoveryd runbook)", word, detect.Meant(word, known))
}

// printRunbooks says where the runbooks of what is wrong now are, each once.
func (c *cli) printRunbooks(where []string) {
	slices.Sort(where)
	where = slices.DeleteFunc(slices.Compact(where), func(w string) bool { return w == "" })
	if len(where) > 0 {
		fmt.Fprintf(c.Out, "\nrunbook: %s\n", console.Printable(strings.Join(where, ", ")))
	}
}

func rulesOf(cfg *config.Config) []config.Rule {
	if cfg == nil {
		return nil
	}
	return cfg.Rules
}

// classesOrTargets completes a class that has a runbook, or a target.
func (c *cli) classesOrTargets(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	var out []string
	for _, class := range append(runbooks.Classes(), runbooks.Platforms()...) {
		out = append(out, console.Described(class, runbooks.Title(class)))
	}
	more, how := c.CompleteTargets(cmd, args, begun)
	return append(console.Begins(out, begun), more...), how
}
