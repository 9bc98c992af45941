package console

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

// First completes the first argument only.
func First(of words) words {
	return func(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return of(cmd, args, begun)
	}
}

// CompleteTargets completes the name of a target: from the running daemon, or from the configuration when
// none answers.
func (c *Console) CompleteTargets(cmd *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(cmd.Context(), completionTime)
	defer cancel()
	var out []string
	var st httpserve.Status
	if err := c.Call(ctx, http.MethodGet, "/api/v1/status", nil, &st); err == nil {
		for _, t := range st.Targets {
			out = append(out, Described(t.Name, t.Verdict.String()+", "+t.Phase.String()))
		}
	} else if cfg := c.Glance(); cfg != nil {
		for _, t := range cfg.Targets {
			out = append(out, Described(t.Name, string(t.Kind)))
		}
	}
	return Begins(out, begun), cobra.ShellCompDirectiveNoFileComp
}

// CompleteIncidents completes the name of an incident from the journal, the newest first.
func (c *Console) CompleteIncidents(cmd *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
	return Begins(c.incidentNames(cmd, false), begun), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
}

// CompleteOpenIncidents completes the name of an open incident: from the running daemon, since only it can
// be told something about one.
func (c *Console) CompleteOpenIncidents(cmd *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
	return Begins(c.incidentNames(cmd, true), begun), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
}

// completions is how many incidents are offered at most.
const completions = 50

func (c *Console) incidentNames(cmd *cobra.Command, open bool) (out []string) {
	ctx, cancel := context.WithTimeout(cmd.Context(), completionTime)
	defer cancel()
	dir := ""
	if f := cmd.Flags().Lookup("state-dir"); f != nil {
		dir = f.Value.String()
	}
	h, err := app.OpenHistory(ctx, c.StateDir(dir))
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
			state = OutcomeOf(i)
		}
		out = append(out, Described(i.ID, string(i.Class)+", "+state))
	}
	return out
}

// CompleteIncidentsOrTargets completes either.
func (c *Console) CompleteIncidentsOrTargets(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	out, _ := c.CompleteTargets(cmd, args, begun)
	more, how := c.CompleteIncidents(cmd, args, begun)
	return append(out, more...), how
}

// CompleteIncidentThenSources completes an incident and then sources of evidence.
func (c *Console) CompleteIncidentThenSources(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return c.CompleteIncidents(cmd, args, begun)
	}
	left := slices.DeleteFunc(slices.Clone(evidence.Sources()), func(s string) bool { return slices.Contains(args, s) })
	return Begins(left, begun), cobra.ShellCompDirectiveNoFileComp
}

// CompleteChannels completes the name of a notifier in the configuration.
func (c *Console) CompleteChannels(_ *cobra.Command, _ []string, begun string) (out []string, how cobra.ShellCompDirective) {
	if cfg := c.Glance(); cfg != nil {
		for _, n := range cfg.Notifiers {
			out = append(out, Described(n.Name, n.Type))
		}
	}
	return Begins(out, begun), cobra.ShellCompDirectiveNoFileComp
}

// OneOf completes from a fixed list.
func OneOf(list ...string) words {
	return func(_ *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
		return Begins(list, begun), cobra.ShellCompDirectiveNoFileComp
	}
}

// Described adds what the shell shows beside a word.
func Described(word, about string) string { return word + "\t" + about }

func Begins(list []string, begun string) (out []string) {
	for _, w := range list {
		if strings.HasPrefix(w, begun) {
			out = append(out, w)
		}
	}
	return out
}

// CompleteFlags tells the shell what flags take, for every command that has a flag of that name.
func (c *Console) CompleteFlags(cmd *cobra.Command) {
	for name, of := range map[string]words{
		"output": OneOf(formats...), "channel": c.CompleteChannels, "incident": c.CompleteIncidents, "target": c.CompleteTargets,
		"for": OneOf("30m", "1h", "2h", "8h"), "since": OneOf("1h", "1d", "7d", "30d"), "format": OneOf("markdown", "html"),
		"kind": OneOf("trigger", "update", "resolve", "change"),
	} {
		if f := cmd.LocalFlags().Lookup(name); f != nil {
			if _, has := cmd.GetFlagCompletionFunc(name); !has {
				_ = cmd.RegisterFlagCompletionFunc(name, of) // an error: no such flag, which was just looked up
			}
		}
	}
	for _, sub := range cmd.Commands() {
		c.CompleteFlags(sub)
	}
}
