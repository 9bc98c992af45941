package install

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/recoveryd/recoveryd/internal/app"
	"github.com/recoveryd/recoveryd/internal/config"
	"github.com/recoveryd/recoveryd/internal/console"
	"github.com/recoveryd/recoveryd/internal/setup"
	"github.com/recoveryd/recoveryd/internal/setup/host"
)

type setupFlags struct{ apply, yes, print, remove bool }

func (c *cli) setupCmd() *cobra.Command {
	var f setupFlags
	cmd := &cobra.Command{
		Use:   "setup",
		Short: "Give recoveryd exactly the rights that its configuration needs",
		Long: `Derive from the configuration which rights and files recoveryd needs on this host, and show the
difference to what is there: the polkit rule with the units and verbs that its ladders can lead to,
drop-ins for environment files and credentials, directories and permissions, PostgreSQL roles.
Nothing is written without --apply. What setup did not write itself is never touched.

Exit codes: 0 nothing (more) to do; 1 something differs, or could not be done; 2 bad configuration
or bad arguments.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.setup(cmd.Context(), cmd.InOrStdin(), f) },
	}
	cmd.Flags().BoolVar(&f.apply, "apply", false, "write the difference, after asking")
	cmd.Flags().BoolVarP(&f.yes, "yes", "y", false, "with --apply: do not ask")
	cmd.Flags().BoolVar(&f.print, "print", false, "print everything that is needed, for configuration management, and look at nothing")
	cmd.Flags().BoolVar(&f.remove, "remove", false, "undo: the difference is then what setup wrote earlier")
	cmd.MarkFlagsMutuallyExclusive("print", "apply")
	cmd.MarkFlagsMutuallyExclusive("print", "remove")
	return cmd
}

// wanted derives what this configuration needs, on a host whose service has these settings.
func (c *cli) wanted(s host.Service) (setup.Wanted, error) {
	file, err := filepath.Abs(c.Config)
	if err != nil {
		return setup.Wanted{}, err
	}
	known := app.Known()
	known.WithoutSecrets = true
	cfg, err := config.Load(file, known)
	if err != nil {
		return setup.Wanted{}, console.Exit(console.Usage, err)
	}
	// With its secrets where they can be had: the connection strings say which role is needed.
	if full, err := config.Load(file, app.Known()); err == nil {
		cfg = full
	}
	in, err := app.SetupInput(cfg, file, s.User, s.Group)
	if err != nil {
		return setup.Wanted{}, console.Exit(console.Usage, err)
	}
	if in.Program, err = os.Executable(); err != nil {
		return setup.Wanted{}, fmt.Errorf("name the program: %w", err)
	}
	in.DeniesIP, in.AllowsLocal, in.Loaded = s.DeniesIP, s.AllowsLocal, s.Loaded
	return setup.Derive(in), nil
}

func (c *cli) setup(ctx context.Context, in io.Reader, f setupFlags) error {
	var h host.Host
	w, err := c.wanted(h.Service(ctx))
	if err != nil {
		return err
	}
	if f.print {
		if c.Output == "json" {
			return c.JSON(w)
		}
		_, err := fmt.Fprint(c.Out, w.String())
		return err
	}
	if os.Geteuid() != 0 {
		return console.Exit(console.Usage, errors.New("only root can see and write all of this: use sudo, or --print to see what is needed"))
	}
	look := func() (host.Plan, error) { return h.Look(ctx, w) }
	if f.remove {
		look = func() (host.Plan, error) { return h.LookToRemove(ctx, w.Roles) }
	}
	plan, err := look()
	if err != nil {
		return err
	}
	if c.Output == "json" && !f.apply {
		if err := c.JSON(plan); err != nil {
			return err
		}
		return differs(plan, "")
	}
	if c.Output != "json" {
		c.printPlan(plan)
	}
	if len(plan.Steps) == 0 || !f.apply {
		if c.Output == "json" {
			err = c.JSON(plan)
		}
		return errors.Join(err, differs(plan, "to write it: recoveryd setup --apply"))
	}
	if !f.yes && !c.confirmed(in, fmt.Sprintf("make %d changes?", len(plan.Steps))) {
		return console.Exit(console.Usage, errors.New("nothing was written (--yes answers for you)"))
	}
	return c.apply(ctx, plan)
}

// differs is the exit code of a look.
func differs(plan host.Plan, hint string) error {
	if len(plan.Steps) == 0 && len(plan.Problems) == 0 {
		return nil
	}
	e := &console.ExitError{Code: console.NotHealthy}
	if hint != "" && len(plan.Steps) > 0 {
		e.Err = fmt.Errorf("%d changes are needed (%s)", len(plan.Steps), hint)
	}
	return e
}

func (c *cli) printPlan(plan host.Plan) {
	for _, s := range plan.Steps {
		fmt.Fprintf(c.Out, "# %s: %s\n%s", s.Kind, s.Why, s.Diff)
		for _, q := range s.SQL {
			fmt.Fprintf(c.Out, "# %s\n", q)
		}
		fmt.Fprintln(c.Out)
	}
	for _, n := range plan.Notes {
		fmt.Fprintf(c.Out, "note: %s\n", n)
	}
	for _, p := range plan.Problems {
		fmt.Fprintf(c.Out, "PROBLEM: %s\n", p)
	}
	if len(plan.Steps) == 0 && len(plan.Problems) == 0 {
		fmt.Fprintln(c.Out, "nothing to do: everything is in place")
	}
}

// applied is what setup --apply -o json prints.
type applied struct {
	Changes  []change `json:"changes"`
	Problems []string `json:"problems"`
	After    []string `json:"after"` // what is left to a person
}

type change struct {
	Kind  string `json:"kind"`
	Path  string `json:"path"`
	Error string `json:"error,omitzero"`
}

func (c *cli) apply(ctx context.Context, plan host.Plan) error {
	out := applied{Changes: []change{}, Problems: plan.Problems, After: append([]string{}, plan.After()...)}
	err := plan.Apply(ctx, func(s host.Step, err error) {
		ch := change{Kind: s.Kind, Path: s.Path}
		word := "done"
		if err != nil {
			ch.Error, word = err.Error(), "FAILED"
		}
		out.Changes = append(out.Changes, ch)
		if c.Output != "json" {
			fmt.Fprintf(c.Out, "%s: %s %s\n", word, s.Kind, s.Path)
		}
	})
	if c.Output == "json" {
		if e := c.JSON(out); e != nil {
			return e
		}
	} else {
		for _, a := range out.After {
			fmt.Fprintln(c.Out, "then:", a)
		}
	}
	if err != nil {
		return err
	}
	if len(plan.Problems) > 0 {
		return console.Exit(console.NotHealthy, fmt.Errorf("%d problems are left, see above", len(plan.Problems)))
	}
	return nil
}

// confirmed asks on the terminal. No answer is no.
func (c *cli) confirmed(in io.Reader, question string) bool {
	fmt.Fprintf(c.Err, "%s [y/N] ", question)
	line, err := bufio.NewReader(in).ReadString('\n')
	if err != nil && line == "" {
		fmt.Fprintln(c.Err)
		return false
	}
	answer := strings.ToLower(strings.TrimSpace(line))
	return answer == "y" || answer == "yes"
}
