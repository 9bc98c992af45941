package app

import (
	"errors"
	"fmt"
	"time"

	"github.com/recoveryd/recoveryd/internal/config"
	"github.com/recoveryd/recoveryd/internal/strictyaml"
	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/incident"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// targetOf translates one target of the configuration for the pure packages.
func targetOf(t config.Target) detect.Target {
	out := detect.Target{
		Name: t.Name, Kind: detect.Kind(t.Kind), Platform: t.Platform, Object: t.Object, DependsOn: t.DependsOn, External: t.External,
		StartGrace: t.StartGrace, StopGrace: t.StopGrace, Caches: t.Caches,
		Limits: detect.Limits{PoolFull: t.Pool.Full, PoolHigh: t.Pool.High, MemoryFull: t.Memory.Full, MemoryHigh: t.Memory.High,
			Latency: t.Latency, DiskFull: t.DiskFull},
		Pool: detect.Pool{Application: t.Pool.Application, Database: t.Pool.Database, Sessions: t.Pool.Sessions, EnvFile: t.Pool.EnvFile, EnvKey: t.Pool.EnvKey,
			Initial: t.Pool.Initial, Cap: t.Pool.Cap, Factor: t.Pool.Factor, IdleAfter: t.Pool.IdleAfter, LongAfter: t.Pool.LongAfter,
			AdminURL: t.Pool.AdminURL, ShrinkBelow: t.Pool.ShrinkBelow, ShrinkFactor: t.Pool.ShrinkFactor, Quiet: t.Pool.Quiet},
		Memory: detect.Memory{Limit: uint64(t.Memory.Limit), Cap: uint64(t.Memory.Cap), Factor: t.Memory.Factor, Quiet: t.Memory.Quiet},
	}
	if t.Postgres != nil {
		out.Database.DataDir = t.Postgres.DataDir
	}
	return out
}

// severityOf reads a word that the configuration has checked; "" is unset.
func severityOf(word string) detect.Severity {
	var s detect.Severity
	_ = s.UnmarshalText([]byte(word)) // Load has refused every other word
	return s
}

// PolicyOf builds the rule set of a configuration. An error means that it cannot be used; the
// configuration's own check has not found everything that only the built parts can know.
func PolicyOf(c *config.Config) (*incident.Policy, error) {
	books := playbooksOf(c)
	set, err := strategy.NewSet(strategiesOf(books)...)
	if err != nil {
		return nil, fmt.Errorf("built-in strategies: %w", err)
	}
	o := incident.Options{
		Strategies: set,
		Playbooks:  books,
		Modes:      map[string]incident.Mode{},
		Severities: map[string]detect.Severity{},
		Limits: incident.Limits{
			Target:       incident.Budget{Actions: c.Budgets.Target.Actions, Window: c.Budgets.Target.Window},
			Host:         incident.Budget{Actions: c.Budgets.Host.Actions, Window: c.Budgets.Host.Window},
			Class:        incident.Budget{Actions: c.Budgets.Class.Actions, Window: c.Budgets.Class.Window},
			Backoff:      incident.Backoff{Initial: c.Budgets.Backoff.Initial, Factor: c.Budgets.Backoff.Factor, Max: c.Budgets.Backoff.Max},
			Concurrent:   c.Budgets.Concurrent,
			StormTargets: c.Storm.Targets, StormWindow: c.Storm.Window,
			StallMemory: float64(c.HostStall.Memory), StallIO: float64(c.HostStall.IO),
		},
		PageAfter: incident.PageAfter{Held: c.PageAfter.Held, Unknown: c.PageAfter.Unknown, Unresolved: c.PageAfter.Unresolved,
			Operator: c.PageAfter.Operator, Starting: c.PageAfter.Starting, Confirmed: c.PageAfter.Confirmed, Degraded: c.PageAfter.Degraded},
		Probation: c.Probation,
	}
	o.StrategyModes = strategyModesOf(c.Modes)
	o.Approval = incident.Approval{Deadline: c.Approval.Deadline, PromoteAfter: c.Approval.PromoteAfter, DemoteAfter: c.Approval.DemoteAfter}
	o.Memory = incident.Memory{SkipAfter: c.Memory.SkipAfter, Forget: c.Memory.Forget}
	var slowest time.Duration
	for _, t := range c.Targets {
		o.Targets = append(o.Targets, targetOf(t))
		o.Modes[t.Name] = incident.Mode(t.Mode)
		o.Severities[t.Name] = severityOf(t.Severity)
		slowest = max(slowest, t.Interval)
	}
	// Three intervals of the slowest target: a neighbour that was looked at on time is fresh.
	o.Fresh = max(3*slowest, 15*time.Second)
	for i, r := range c.Rules {
		cond, err := detect.CompileRule(ruleOf(r))
		if err != nil { // Load has said so, where it was given what this build knows
			key, what := wordsOf(err)
			return nil, &strictyaml.ProblemsError{Problems: []strictyaml.Problem{c.At(c.ItemPath("rules", i)+"."+key, what)}}
		}
		o.Extra = append(o.Extra, cond)
	}
	o.Overrides = overridesOf(c.Classes)
	if o.Escalation, err = routingOf(c); err != nil {
		return nil, err
	}
	for _, w := range c.Maintenance {
		o.Windows = append(o.Windows, incident.Window{Name: w.Name, Targets: w.Targets, Open: w.Active})
	}
	return incident.NewPolicy(o)
}

// strategyModesOf puts the general exceptions first, since a later one wins over an earlier.
func strategyModesOf(list []config.StrategyMode) (out []incident.StrategyMode) {
	for _, special := range []bool{false, true} {
		for _, m := range list {
			if (len(m.Targets) > 0) == special {
				out = append(out, incident.StrategyMode{Strategy: m.Strategy, Targets: m.Targets, Mode: incident.Mode(m.Mode)})
			}
		}
	}
	return out
}

// instant stands for a configured 0s, since zero means "the class's own" in a Timing.
const instant = time.Nanosecond

// overridesOf puts the general overrides first, since a later one wins over an earlier.
func overridesOf(list []config.ClassOverride) (out []incident.Override) {
	for _, special := range []bool{false, true} {
		for _, c := range list {
			if (len(c.Targets) > 0) != special {
				continue
			}
			o := incident.Override{Class: detect.Class(c.Class), Timing: incident.Timing{Looks: c.Looks, Severity: severityOf(c.Severity), Ladder: c.Ladder}}
			if special {
				o.Targets = c.Targets
			}
			if c.For != nil {
				o.Timing.For = max(*c.For, instant)
			}
			if c.Clear != nil {
				o.Timing.Clear = max(*c.Clear, instant)
			}
			if c.PageAfter != nil {
				o.Timing.Lasts = max(*c.PageAfter, instant)
			}
			if c.Probation != nil {
				o.Timing.Probation = *c.Probation
			}
			out = append(out, o)
		}
	}
	return out
}

// ruleOf translates an operator's own class.
func ruleOf(r config.Rule) detect.Rule {
	out := detect.Rule{Name: r.Name, When: r.When, For: r.For, Clear: r.Clear, Looks: r.Looks, Severity: severityOf(r.Severity),
		Ladder: r.Ladder, Because: r.Because, Targets: r.Targets}
	for _, k := range r.Kinds {
		out.Kinds = append(out.Kinds, detect.Kind(k))
	}
	for _, w := range r.Witnesses {
		var kind detect.Witness
		_ = kind.UnmarshalText([]byte(w)) // takes every word, older names too; the configuration has refused others
		out.Witnesses = append(out.Witnesses, kind)
	}
	return out
}

// wrongInRule compiles a rule for nothing but its mistakes.
func wrongInRule(r config.Rule) (key, what string) {
	if _, err := detect.CompileRule(ruleOf(r)); err != nil {
		return wordsOf(err)
	}
	return "", ""
}

// wordsOf says which key of a rule is wrong, and what about it.
func wordsOf(err error) (key, what string) {
	if wrong, ok := errors.AsType[*detect.RuleError](err); ok {
		return wrong.Key, wrong.Err.Error()
	}
	return "when", err.Error()
}
