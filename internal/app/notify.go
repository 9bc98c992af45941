package app

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/recoveryd/recoveryd/internal/config"
	"github.com/recoveryd/recoveryd/pkg/escalate"
	"github.com/recoveryd/recoveryd/pkg/escalate/builtin"
)

// notifiersOf builds every notifier; the error names all that cannot be built.
func notifiersOf(c *config.Config, log *zap.Logger) (map[string]escalate.Notifier, error) {
	out := map[string]escalate.Notifier{}
	build := builtin.All(log)
	var errs []error
	for _, n := range c.Notifiers {
		notifier, err := build[n.Type](n.Decode) // the type is known: the configuration was checked
		if err != nil {
			errs = append(errs, err)
			continue
		}
		out[n.Name] = notifier
	}
	return out, config.Join(errs...)
}

// router says which channels a notice goes to. It is immutable.
type router struct{ c *config.Config }

// Channels lists the notifiers for one notice: the routes for the first tier, the escalation for
// the later ones. A notice that no route matches goes to every notifier, because a page that
// nobody gets is the worst outcome.
func (r router) Channels(n escalate.Notice, now time.Time) []string {
	if n.Tier > 0 {
		tiers := r.tiers()
		if n.Tier < len(tiers) {
			return r.resolve(tiers[n.Tier].Notify, now)
		}
		return nil
	}
	var names []string
	for _, route := range r.c.Routes {
		if matches(route.Severity, n.Priority) && matches(route.Classes, n.Class) && matches(route.Targets, n.Target) {
			names = append(names, route.Notify...)
		}
	}
	if tiers := r.c.Escalation.Tiers; len(tiers) > 0 && tiers[0].After == 0 {
		names = append(names, tiers[0].Notify...)
	}
	if len(names) == 0 {
		for _, x := range r.c.Notifiers {
			names = append(names, x.Name)
		}
	}
	return r.resolve(names, now)
}

// Queue makes the outbox rows of one notice. A pager needs a key of its own for each tier, since an
// acknowledged alert stays silent on its key; a channel that keeps one conversation per incident
// gets every tier under the key of the first.
func (r router) Queue(n escalate.Notice) (rows []escalate.Queued) {
	for _, channel := range r.Channels(n, n.At) {
		m := n
		if n.Tier > 0 && n.Incident != "" && builtin.Threaded(r.typeOf(channel)) {
			m.Key = n.Incident + "/t0"
			m.ID = m.Key + strings.TrimPrefix(n.ID, n.Key)
		}
		rows = append(rows, escalate.NewQueued(n.At, m, channel)...)
	}
	return rows
}

func (r router) typeOf(channel string) string {
	for _, n := range r.c.Notifiers {
		if n.Name == channel {
			return n.Type
		}
	}
	return ""
}

// tiers are the escalation's tiers with the routes as tier 0, as the policy counts them.
func (r router) tiers() []config.Tier {
	t := r.c.Escalation.Tiers
	if len(t) > 0 && t[0].After == 0 {
		return t
	}
	return append([]config.Tier{{}}, t...)
}

// resolve replaces on-call schedules by whose turn it is, and drops repetitions.
func (r router) resolve(names []string, now time.Time) (out []string) {
	for _, n := range names {
		for _, s := range r.c.OnCall {
			if s.Name == n {
				n = s.OnDuty(now)
			}
		}
		if n != "" && !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	return out
}

func matches(list []string, v string) bool { return len(list) == 0 || slices.Contains(list, v) }

// ConfigError wraps what is wrong with a configuration, so that the command line can exit with
// the code for it.
type ConfigError struct{ Err error }

// Error implements error.
func (e *ConfigError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *ConfigError) Unwrap() error { return e.Err }

// rulesOf are the outbox's numbers for a configuration: each channel keeps its vendor's rate, and
// a public page gets no notices about recoveryd itself.
func rulesOf(c *config.Config) escalate.OutboxRules {
	r := escalate.DefaultOutboxRules()
	r.Host, r.Rates, r.Public = c.Host, map[string]escalate.SendRate{}, map[string]bool{}
	for _, n := range c.Notifiers {
		r.Rates[n.Name] = escalate.DefaultRate(n.Type)
		if n.Type == "statuspage" {
			r.Public[n.Name] = true
		}
	}
	return r
}

// reportSalvage pages when the journal was found damaged: what was lost may matter, and the
// damaged file is kept for a person to look at.
func (a *App) reportSalvage() {
	s := a.journal.Salvaged()
	if s == nil {
		return
	}
	now := time.Now()
	n := escalate.Notice{ID: fmt.Sprintf("recoveryd-journal-%d", now.UnixNano()), Key: fmt.Sprintf("recoveryd-journal-%d/t0", now.Unix()),
		Kind: escalate.Trigger, At: now, Since: now, Priority: "P3", Severity: escalate.Warning, Status: escalate.Identified,
		Host: a.Config().Host, Target: "recoveryd", Class: "recoveryd",
		Summary:  "recoveryd on " + a.Config().Host + ": its journal was damaged and has been set aside",
		Evidence: []string{s.String()},
		Next:     "recoveryd goes on with what could be read; budgets and incidents from the damaged part are forgotten",
		Commands: []string{"ls -l " + a.Config().StateDir, "recoveryd incidents"}}
	a.log.Error("journal was corrupt and has been set aside", zap.String("salvage", s.String()))
	a.outbox.Submit(a.queue(n)...)
}
