package main

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/recoveryd/recoveryd/internal/app"
	"github.com/recoveryd/recoveryd/internal/evidence"
	"github.com/recoveryd/recoveryd/internal/httpserve"
)

// completionTime bounds what a press of the tab key may wait for.
const completionTime = 2 * time.Second

// words is a completion function, as cobra wants it.
type words = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective)

// first completes the first argument only.
func first(of words) words {
	return func(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return of(cmd, args, begun)
	}
}

// targets completes the name of a target: from the running daemon, or from the configuration when
// none answers.
func (c *cli) targets(cmd *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(cmd.Context(), completionTime)
	defer cancel()
	var out []string
	var st httpserve.Status
	if err := c.call(ctx, http.MethodGet, "/api/v1/status", nil, &st); err == nil {
		for _, t := range st.Targets {
			out = append(out, described(t.Name, t.Verdict.String()+", "+t.Phase.String()))
		}
	} else if cfg := c.glance(); cfg != nil {
		for _, t := range cfg.Targets {
			out = append(out, described(t.Name, string(t.Kind)))
		}
	}
	return begins(out, begun), cobra.ShellCompDirectiveNoFileComp
}

// incidents completes the name of an incident from the journal, the newest first.
func (c *cli) incidents(cmd *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
	return begins(c.incidentNames(cmd, false), begun), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
}

// openIncidents completes the name of an open incident: from the running daemon, since only it can
// be told something about one.
func (c *cli) openIncidents(cmd *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
	return begins(c.incidentNames(cmd, true), begun), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
}

// completions is how many incidents are offered at most.
const completions = 50

func (c *cli) incidentNames(cmd *cobra.Command, open bool) (out []string) {
	ctx, cancel := context.WithTimeout(cmd.Context(), completionTime)
	defer cancel()
	dir := ""
	if f := cmd.Flags().Lookup("state-dir"); f != nil {
		dir = f.Value.String()
	}
	h, err := app.OpenHistory(ctx, c.stateDir(dir))
	if err != nil {
		return nil // nothing to offer; the command itself will say why
	}
	defer h.Close()
	list, err := h.Incidents(ctx, open, completions)
	if err != nil {
		return nil
	}
	for _, i := range list {
		state := "open"
		if !i.Open() {
			state = outcomeOf(i)
		}
		out = append(out, described(i.ID, string(i.Class)+", "+state))
	}
	return out
}

// incidentsOrTargets completes either.
func (c *cli) incidentsOrTargets(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	out, _ := c.targets(cmd, args, begun)
	more, how := c.incidents(cmd, args, begun)
	return append(out, more...), how
}

// incidentThenSources completes an incident and then sources of evidence.
func (c *cli) incidentThenSources(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return c.incidents(cmd, args, begun)
	}
	left := slices.DeleteFunc(slices.Clone(evidence.Sources()), func(s string) bool { return slices.Contains(args, s) })
	return begins(left, begun), cobra.ShellCompDirectiveNoFileComp
}

// channels completes the name of a notifier in the configuration.
func (c *cli) channels(_ *cobra.Command, _ []string, begun string) (out []string, how cobra.ShellCompDirective) {
	if cfg := c.glance(); cfg != nil {
		for _, n := range cfg.Notifiers {
			out = append(out, described(n.Name, n.Type))
		}
	}
	return begins(out, begun), cobra.ShellCompDirectiveNoFileComp
}

// oneOf completes from a fixed list.
func oneOf(list ...string) words {
	return func(_ *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
		return begins(list, begun), cobra.ShellCompDirectiveNoFileComp
	}
}

// described adds what the shell shows beside a word.
func described(word, about string) string { return word + "\t" + about }

func begins(list []string, begun string) (out []string) {
	for _, w := range list {
		if strings.HasPrefix(w, begun) {
			out = append(out, w)
		}
	}
	return out
}

// completeFlags tells the shell what flags take, for every command that has a flag of that name.
func (c *cli) completeFlags(cmd *cobra.Command) {
	for name, of := range map[string]words{
		"output": oneOf(formats...), "channel": c.channels, "incident": c.incidents, "target": c.targets,
		"for": oneOf("30m", "1h", "2h", "8h"), "since": oneOf("1h", "1d", "7d", "30d"), "format": oneOf("markdown", "html"),
		"kind": oneOf("trigger", "update", "resolve", "change"),
	} {
		if f := cmd.LocalFlags().Lookup(name); f != nil {
			if _, has := cmd.GetFlagCompletionFunc(name); !has {
				_ = cmd.RegisterFlagCompletionFunc(name, of) // an error: no such flag, which was just looked up
			}
		}
	}
	for _, sub := range cmd.Commands() {
		c.completeFlags(sub)
	}
}
