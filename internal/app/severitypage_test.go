package app

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/internal/config"
	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/escalate/route"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

var updatePage = flag.Bool("update", false, "rewrite docs/severity.md; commit only what you can explain")

// TestTheSeverityPageIsPrintedFromTheCode keeps docs/severity.md in step with the conditions, the
// rules of severity and the matrix.
func TestTheSeverityPageIsPrintedFromTheCode(t *testing.T) {
	const path = "../../docs/severity.md"
	page := severityPage(t)
	if *updatePage {
		require.NoError(t, os.WriteFile(path, []byte(page), 0o644))
	}
	was, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(was), page, "stale: go test ./internal/app -run TestTheSeverityPage -update")
}

func severityPage(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("# Severity and escalation\n\nPrinted from the code by `go test ./internal/app -run TestTheSeverityPage -update`. " +
		"What is configured on a host, with names, prints `recoveryd escalation`.\n\n## What makes an incident's severity\n\n")
	for i, r := range incident.SeverityRules() {
		fmt.Fprintf(&b, "%d. %s.\n", i+1, strings.ToUpper(r[:1])+r[1:])
	}
	b.WriteString("\n## Severity by condition\n\n| Severity | Class | Of | Condition |\n|---|---|---|---|\n")
	for _, s := range []detect.Severity{detect.P1, detect.P2, detect.P3, detect.P4} {
		for _, c := range detect.Builtin() {
			if c.Severity != s {
				continue
			}
			var kinds []string
			for _, k := range c.Kinds {
				kinds = append(kinds, string(k))
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", s, c.Class, strings.Join(kinds, ", "), c.Summary)
		}
	}
	c, err := config.Parse("night.yaml", []byte(company), Known())
	require.NoError(t, err)
	after := incident.PageAfter{Unknown: c.PageAfter.Unknown, Unresolved: c.PageAfter.Unresolved, Confirmed: c.PageAfter.Confirmed, Degraded: c.PageAfter.Degraded}
	b.WriteString("\n## What must be seen before anybody is told\n\nWith the defaults. Looks and time of a class are set by `classes` (`looks`, `for`, `page_after`), " +
		"the other times by `page_after` (`confirmed`, `unknown`, `degraded`, `unresolved`) and `approval.deadline`. Where nothing can be tried, a problem must have lasted for `page_after.confirmed` " +
		"since its first bad look and be seen once more after that: a flap of a few seconds wakes nobody. Severities in `escalation.at_once` are told when a problem is confirmed, whatever is tried.\n\n")
	b.WriteString(incident.WakeTable(after, c.Approval.Deadline))
	b.WriteString("\n## Who is told, and when, by the matrix of the runbooks\n\nThe age is that of the unresolved incident, by the wall clock. " +
		"Somebody should be working on it within the response time.\n\n| Severity | Response | Classes | Told | Tier | Roles |\n|---|---|---|---|---|---|\n")
	for _, r := range route.DefaultPolicy().Rules {
		severity := r.Match.Priorities[0]
		classes := "all"
		if len(r.Match.Classes) > 0 {
			classes = strings.Join(r.Match.Classes, ", ")
		}
		for _, x := range r.Tiers {
			when := When(route.Planned{After: x.After, OrFailed: x.OrFailed, Repeat: x.Repeat, DespiteAck: x.DespiteAck}, false)
			if x.NextBusinessDay {
				when = "on the next business day"
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", severity, Brief(route.Response(severity)), classes, when, x.Name, strings.Join(x.Notify, ", "))
		}
	}
	b.WriteString("\nA role that nobody stands for is taken by another:")
	for i, f := range route.DefaultFallbacks() {
		sep := ","
		if i == 0 {
			sep = ""
		}
		fmt.Fprintf(&b, "%s %s by %s", sep, f.Role, f.To)
	}
	b.WriteString(". Nobody stands for primary: every channel that is not public does.\n")
	return b.String()
}

func TestThePlanOfAConfigurationSaysWhoIsToldWhen(t *testing.T) {
	c, err := config.Parse("night.yaml", []byte(company), Known())
	require.NoError(t, err)
	plan, err := PlanEscalation(c, sunday)
	require.NoError(t, err)
	require.Equal(t, "the matrix of the runbooks", plan.Matrix)
	var p1 []string
	for _, p := range plan.Plans {
		if p.Severity == "P1" && strings.Contains(strings.Join(p.Classes, " "), "down") {
			for _, x := range p.Tiers {
				p1 = append(p1, When(x, p.AtOnce)+": "+x.To[0].Channel)
			}
		}
	}
	require.Equal(t, []string{"when it needs a person: alice", "after 5m, also when acknowledged: status-page", "after 10m, or 2 cures in vain: engineering-lead",
		"after 15m: bob", "after 30m: engineering-manager", "after 30m: team-lead", "after 1h: incident-command"}, p1)
	require.Contains(t, plan.Severities, ClassSeverity{Target: "svc", Class: "hung", Severity: "P1", Because: conditionOf(t, detect.ClassHung)})
	require.Equal(t, []route.Gap{{Name: "team", Text: "nobody is team: chat is told instead", Note: true}}, plan.Gaps)

	c.Targets[0].Severity = "P3"
	plan, err = PlanEscalation(c, sunday)
	require.NoError(t, err)
	require.Contains(t, plan.Severities, ClassSeverity{Target: "svc", Class: "hung", Severity: "P3", Configured: true, Because: conditionOf(t, detect.ClassHung)})
	last := plan.Plans[len(plan.Plans)-1]
	require.Equal(t, "P4", last.Severity)
	require.Equal(t, "when it needs a person, not before "+time.Date(2026, 11, 23, 9, 0, 0, 0, time.Local).Format("Mon 2006-01-02 15:04 MST"), When(last.Tiers[0], false))
}

func conditionOf(t *testing.T, class detect.Class) string {
	t.Helper()
	c, ok := detect.ConditionFor(class, detect.KindService, nil)
	require.True(t, ok)
	return c.Summary
}
