package app

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/recoveryd/recoveryd/internal/config"
	"github.com/recoveryd/recoveryd/internal/journal"
	"github.com/recoveryd/recoveryd/internal/strictyaml"
	"github.com/recoveryd/recoveryd/pkg/escalate/builtin"
	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
	"github.com/recoveryd/recoveryd/pkg/escalate/queue"
)

// notifiersOf builds every notifier; the error names all that cannot be built.
func notifiersOf(c *config.Config, log *zap.Logger) (map[string]notice.Notifier, error) {
	out := map[string]notice.Notifier{}
	build := builtin.All(log)
	var errs []error
	for _, n := range c.Notifiers {
		notifier, err := build[n.Type](n.Decode) // the type is known: the configuration was checked
		if err != nil {
			errs = append(errs, placed(n, err))
			continue
		}
		out[n.Name] = notifier
	}
	return out, strictyaml.Join(errs...)
}

// placed gives what a notifier finds wrong with its section, a line "key: what" for each problem,
// its place in the file. Where secrets were not looked at, what is missing cannot be told.
func placed(n config.Notifier, err error) error {
	if _, ok := errors.AsType[*strictyaml.ProblemsError](err); ok {
		return err
	}
	var list []strictyaml.Problem
	for line := range strings.Lines(err.Error()) {
		key, what, found := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		if !found || strings.ContainsAny(key, " \"") {
			key, what = "", strings.TrimSuffix(line, "\n")
		}
		if n.Section.Unread() && !n.Section.Has(key) {
			continue
		}
		list = append(list, n.Section.Problem(key, what))
	}
	if len(list) == 0 {
		return nil
	}
	return &strictyaml.ProblemsError{Problems: list}
}

// ConfigError wraps what is wrong with a configuration, so that the command line can exit with
// the code for it.
type ConfigError struct{ Err error }

// Error implements error.
func (e *ConfigError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *ConfigError) Unwrap() error { return e.Err }

// rulesOf are the outbox's numbers for a configuration: each channel keeps its vendor's rate, and
// a public page gets no notices about recoveryd itself. Of the trouble of a channel the others are told in
// the order of the file.
func rulesOf(c *config.Config) queue.OutboxRules {
	r := queue.DefaultOutboxRules()
	r.Host, r.Rates, r.Public = c.Host, map[string]queue.SendRate{}, map[string]bool{}
	for _, n := range c.Notifiers {
		r.Rates[n.Name] = queue.DefaultRate(n.Type)
		r.Traits = append(r.Traits, queue.Trait{Channel: n.Name, Reach: builtin.Reach(n.Type), Vendor: builtin.Vendor(n.Type)})
		if public(n.Type) {
			r.Public[n.Name] = true
		}
	}
	return r
}

// reportSalvage pages when the journal was found damaged: what was lost may matter, and the
// damaged file is kept for a person to look at. The page is stored in one write with the word that
// it was told, so that it is told once, whenever the process ends.
func (a *App) reportSalvage(ctx context.Context) error {
	s := a.journal.Salvaged()
	if s == nil {
		return nil
	}
	n := salvaged(a.Config(), s, time.Now())
	a.log.Error("journal was corrupt and has been set aside", zap.String("salvage", s.String()))
	rows := a.own(n)
	if err := a.journal.TellSalvage(ctx, rows); err != nil {
		return err
	}
	a.outbox.Wake(rows...)
	return nil
}

// salvaged is the page about a journal that was found damaged.
func salvaged(c *config.Config, s *journal.Salvage, now time.Time) notice.Notice {
	return notice.Notice{ID: fmt.Sprintf("recoveryd-journal-%d", now.UnixNano()), Key: fmt.Sprintf("recoveryd-journal-%d/t0", now.Unix()),
		Kind: notice.Trigger, At: now, Since: now, Priority: "P3", Severity: notice.Warning, Status: notice.Identified,
		Host: c.Host, Target: "recoveryd", Class: "recoveryd", Event: notice.EventOwn,
		Summary:  "the journal of recoveryd was damaged and has been set aside",
		Evidence: []string{s.String()},
		Next:     s.Forgotten(),
		Commands: []string{"ls -l " + c.StateDir, "recoveryd incidents", "recoveryd status"}}
}
