package app

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/internal/config"
)

func TestHolesInWhoIsToldAreWarnedOfWhereTheyStand(t *testing.T) {
	require.Empty(t, Warnings(configured(t, `
roles: [{name: primary, notify: [pd]}, {name: team, notify: [mail]}, {name: status-page, notify: [page]}]
`), sunday), "roles that another one stands in for are no risk")
	c := configured(t, `
roles:
  - {name: teem, notify: [mail]}
oncall:
  - {name: primary, notify: [pd, secondary], start: "2026-11-16 09:00", turn: 7d, timezone: UTC}
escalation: {runbook: true}
`)
	var got []string
	for _, w := range Warnings(c, sunday) {
		got = append(got, w.String())
	}
	require.Equal(t, []string{
		"test.yaml:14:5: oncall[primary]: from 2026-11-23 09:00:00 UTC until 2026-11-30 09:00:00 UTC primary leads to nobody, since no channel stands for secondary: nobody is told in that place; recoveryd escalation shows who is told; name somebody under roles or oncall",
		"test.yaml:12:5: roles[teem]: teem is in no tier: nobody is ever told in this place; recoveryd escalation shows who is told; name somebody under roles or oncall",
	}, got)
}

func TestWhatANotifierFindsWrongIsSaidWithItsNameAndPlace(t *testing.T) {
	const text = `version: 1
targets: [{name: svc, kind: plain, platform: none, check: {type: tcp, address: "127.0.0.1:1"}}]
notifiers:
  - {name: alice, type: pagerduty}
  - {name: bob, type: pagerduty, routing_key: short}
  - {name: chat, type: slack, webhook_url_file: /nowhere/slack.url}
  - {name: page, type: statuspage, page_id: p1, api_key_env: NOT_SET}
`
	known := Known()
	known.WithoutSecrets = true
	c, err := config.Parse("test.yaml", []byte(text), known)
	require.NoError(t, err)
	require.EqualError(t, CheckParts(c), `test.yaml:4:5: notifiers[alice].routing_key: missing; create an "Events API v2" integration on the PagerDuty service and put its integration key here
test.yaml:5:47: notifiers[bob].routing_key: an integration key has 32 letters and digits (got 5 characters)`, "and what lies in files of another machine is not missing")
}

func TestTheFullExampleIsTheMatrixOfTheRunbooks(t *testing.T) {
	text, err := os.ReadFile("../../configs/recoveryd.yaml")
	require.NoError(t, err)
	known := Known()
	known.WithoutSecrets = true
	c, err := config.Parse("recoveryd.yaml", text, known)
	require.NoError(t, err)
	require.Empty(t, Warnings(c, sunday))
	plan, err := PlanEscalation(c, sunday)
	require.NoError(t, err)
	require.Empty(t, plan.Gaps, "every role of the runbooks is somebody")
	got := map[string][]string{}
	for _, p := range plan.Plans {
		if p.Targets != nil && p.Targets[0] != "codebase-mcp" && p.Severity != "P4" {
			continue // the additions for one target
		}
		for _, x := range p.Tiers {
			if x.Tier != "tier-1" && x.Tier != firstTier {
				got[p.Severity] = append(got[p.Severity], When(x, p.AtOnce)+": "+x.To[0].For)
			}
		}
	}
	require.Subset(t, got["P1"], []string{"at once: primary: bob", "after 5m, also when acknowledged: status-page", "after 10m, or 2 cures in vain: engineering-lead", "after 15m: secondary: alice",
		"after 30m: team-lead", "after 30m: engineering-manager", "after 1h: incident-command"})
	require.Contains(t, got["P2"], "after 20m: primary: bob")
	require.Contains(t, got["P3"], "when it needs a person: team")
	require.Contains(t, got["P4"], "when it needs a person, not before Mon 2026-11-23 09:00 CET: team")
}
