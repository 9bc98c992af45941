package app

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/recoveryd/recoveryd/internal/config"
	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/escalate/route"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

// EscalationPlan is who would be told of what, and when, by a configuration.
type EscalationPlan struct {
	Matrix     string          `json:"matrix"` // where it comes from, in words
	Plans      []SeverityPlan  `json:"plans"`
	Severities []ClassSeverity `json:"severities"`
	Rules      []string        `json:"rules"` // what raises and lowers a severity
	Gaps       []route.Gap     `json:"gaps"`  // where nobody is told as it was meant
}

// SeverityPlan is the escalation of the incidents of one severity that are told alike.
type SeverityPlan struct {
	Severity string          `json:"severity"`
	Response time.Duration   `json:"response"` // how soon somebody should be working on it
	Classes  []string        `json:"classes"`
	Targets  []string        `json:"targets,omitzero"` // empty: every target
	AtOnce   bool            `json:"at_once,omitzero"` // recoveryd does not try first
	Tiers    []route.Planned `json:"tiers"`
}

// ClassSeverity is how bad the incidents of one condition are on one target, at first.
type ClassSeverity struct {
	Target     string `json:"target"`
	Class      string `json:"class"`
	Severity   string `json:"severity"`
	Configured bool   `json:"configured"`
	Because    string `json:"because"` // the condition in one line
}

// PlanEscalation works out who would be told of incidents that begin now.
func PlanEscalation(c *config.Config, now time.Time) (EscalationPlan, error) {
	policy, err := PolicyOf(c)
	if err != nil {
		return EscalationPlan{}, &ConfigError{err}
	}
	routed, err := routingOf(c)
	if err != nil {
		return EscalationPlan{}, &ConfigError{err}
	}
	out := EscalationPlan{Matrix: matrixOf(c), Rules: incident.SeverityRules(), Gaps: routed.Router().Gaps(now), Plans: []SeverityPlan{}, Severities: []ClassSeverity{}}
	classes := map[string][]string{} // by severity
	for _, t := range policy.Targets() {
		for _, cond := range slices.Concat(detect.Builtin(), policy.Extra()) {
			if !slices.Contains(cond.Kinds, t.Kind) || len(cond.Targets) > 0 && !slices.Contains(cond.Targets, t.Name) {
				continue
			}
			s, configured := policy.SeverityOf(t.Name, cond)
			out.Severities = append(out.Severities, ClassSeverity{t.Name, string(cond.Class), s.String(), configured, cond.Summary})
			if !slices.Contains(classes[s.String()], string(cond.Class)) {
				classes[s.String()] = append(classes[s.String()], string(cond.Class))
			}
		}
	}
	for _, s := range []string{"P1", "P2", "P3", "P4"} {
		out.Plans = append(out.Plans, plansOf(c, routed.Router(), s, classes[s], now)...)
	}
	return out, nil
}

// plansOf puts together the classes and targets whose incidents are told alike.
func plansOf(c *config.Config, r *route.Router, severity string, classes []string, now time.Time) (out []SeverityPlan) {
	if len(classes) == 0 {
		classes = []string{""} // nothing begins with it, but may be raised or lowered to it
	}
	index := map[string]int{}
	for _, class := range classes {
		for _, target := range names(c) {
			tiers := r.Plan(route.Situation{Priority: severity, Class: class, Target: target, Opened: now})
			like := fmt.Sprint(tiers)
			i, ok := index[like]
			if !ok {
				i = len(out)
				index[like] = i
				out = append(out, SeverityPlan{Severity: severity, Response: route.Response(severity), Tiers: tiers,
					AtOnce: slices.Contains(c.Escalation.AtOnce, severity)})
			}
			p := &out[i]
			if class != "" && !slices.Contains(p.Classes, class) {
				p.Classes = append(p.Classes, class)
			}
			if !slices.Contains(p.Targets, target) {
				p.Targets = append(p.Targets, target)
			}
		}
	}
	for i := range out {
		if len(out[i].Targets) == len(names(c)) {
			out[i].Targets = nil
		}
	}
	return out
}

func matrixOf(c *config.Config) string {
	var from []string
	if len(c.Escalation.Rules) > 0 {
		from = append(from, "escalation.rules")
	}
	if len(c.Routes) > 0 {
		from = append(from, "routes")
	}
	if len(c.Escalation.Tiers) > 0 {
		from = append(from, "escalation.tiers")
	}
	if c.ByRunbook() {
		from = append(from, "the matrix of the runbooks")
	}
	if len(from) == 0 {
		return "nothing is configured: every channel is told of everything"
	}
	return strings.Join(from, ", ")
}

// When says in words when a tier is told.
func When(p route.Planned, atOnce bool) string {
	when := "after " + Brief(p.After)
	if p.After == 0 {
		when = "when it needs a person"
		if atOnce {
			when = "at once"
		}
	}
	if p.Waits {
		when += ", not before " + p.At.Format("Mon 2006-01-02 15:04 MST")
	}
	if p.OrFailed > 0 {
		when += fmt.Sprintf(", or %d cures in vain", p.OrFailed)
	}
	if p.Repeat > 0 {
		when += ", again each " + Brief(p.Repeat)
	}
	if p.DespiteAck {
		when += ", also when acknowledged"
	}
	return when
}
