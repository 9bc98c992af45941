package app

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/internal/config"
	"github.com/recoveryd/recoveryd/internal/strictyaml"
)

func TestHolesInWhoIsToldAreWarnedOfWhereTheyStand(t *testing.T) {
	inRoles := func(list []strictyaml.Problem) []strictyaml.Problem {
		return slices.DeleteFunc(list, func(p strictyaml.Problem) bool { return strings.HasPrefix(p.Path, "notifiers") })
	}
	require.Empty(t, inRoles(Warnings(configured(t, `
roles: [{name: primary, notify: [pd]}, {name: team, notify: [mail]}, {name: status-page, notify: [page]}]
`), sunday)), "roles that another one stands in for are no risk")
	c := configured(t, `
roles:
  - {name: teem, notify: [mail]}
oncall:
  - {name: primary, notify: [pd, secondary], start: "2026-11-16 09:00", turn: 7d, timezone: UTC}
escalation: {runbook: true}
`)
	var got []string
	for _, w := range inRoles(Warnings(c, sunday)) {
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
	_, err := config.Parse("test.yaml", []byte(text), known)
	require.EqualError(t, err, `test.yaml:4:5: notifiers[alice].routing_key: missing; create an "Events API v2" integration on the PagerDuty service and put its integration key here
test.yaml:5:47: notifiers[bob].routing_key: an integration key has 32 letters and digits (got 5 characters)`, "and what lies in files of another machine is not missing")
}

func TestWhatIsWrongWithANotifierIsSaidTogetherWithTheRestOfTheFile(t *testing.T) {
	_, err := config.Parse("test.yaml", []byte(`version: 1
targets: [{name: svc, kind: plain, platform: none, intervall: 5s, check: {type: tcp, address: "127.0.0.1:1"}}]
notifiers:
  - {name: mail, type: email, server: "m:25", from: a@b.c, tto: [x@y.z], kinds: [page]}
  - {name: hook, type: webhook, url: "https://h/x", method: 7}
  - {name: post, type: email, server: "m:25", from: a@b.c, to: [x@y.z, me]}
  - {name: page, type: webhok, url: "https://h/x"}
  - {name: pd, type: pagerduty, routing_key: "${PD_KEY}"}
  - {name: other, type: pagerduty, routing_key: short}
  - {name: space, type: webhook, url: "https://h/x "}
`), Known())
	require.EqualError(t, err, `test.yaml:2:52: targets[svc].intervall: unknown key; did you mean "interval"?
test.yaml:4:60: notifiers[mail].tto: unknown key; did you mean "to"?
test.yaml:4:82: notifiers[mail].kinds[0]: unknown value (got text, want trigger, update, resolve or change)
test.yaml:5:61: notifiers[hook].method: is of the wrong type (got a number, want text); put it in quotes
test.yaml:6:72: notifiers[post].to[1]: not a mail address (got "me")
test.yaml:7:24: notifiers[page].type: unknown notifier type (got "webhok"); did you mean "webhook"?
test.yaml:8:46: notifiers[pd].routing_key: an integration key has 32 letters and digits (got 9 characters); it is taken as it stands: variables are not expanded: write routing_key_env: PD_KEY
test.yaml:9:49: notifiers[other].routing_key: an integration key has 32 letters and digits (got 5 characters)
test.yaml:10:39: notifiers[space].url: has white space around it; delete that`)
}

func TestWhatIsRiskyInANotifierReachesWhoeverValidates(t *testing.T) {
	c, err := config.Parse("test.yaml", []byte(`version: 1
targets: [{name: svc, kind: plain, platform: none, check: {type: tcp, address: "127.0.0.1:1"}}]
notifiers:
  - {name: chat, type: slack, token: "${SLACK_TOKEN}", channel: $CHANNEL, templates: {title: "{{.Summary}} <b>"}}
  - {name: mail, type: email, server: "mail.%DOMAIN%:25", from: a@b.c, to: [x@y.z], helo: <your-name>, username: u, password: "p{{ .Values.x }}"}
  - {name: hook, type: webhook, url: "https://h.example/x", headers: [{name: A, value: hunter22}]}
`), Known())
	require.NoError(t, err)
	var got []string
	for _, w := range Warnings(c, sunday) {
		if strings.HasPrefix(w.Path, "notifiers") {
			got = append(got, w.String())
		}
	}
	require.Equal(t, []string{
		"test.yaml:4:38: notifiers[chat].token: is taken as it stands: variables are not expanded; write token_env: SLACK_TOKEN",
		"test.yaml:4:65: notifiers[chat].channel: is taken as it stands: variables are not expanded; write channel_env: CHANNEL",
		`test.yaml:5:39: notifiers[mail].server: is taken as it stands: variables are not expanded (got "%DOMAIN%"); put the whole value into a variable or a file, and name that with server_env or server_file`,
		`test.yaml:5:91: notifiers[mail].helo: looks like a placeholder that nobody filled in (got "<your-name>"); write the value itself`,
		"test.yaml:5:127: notifiers[mail].password: is taken as it stands: variables are not expanded; put the whole value into a variable or a file, and name that with password_env or password_file",
		"test.yaml:6:38: notifiers[hook].url: a secret stands in this file; put it into a file of its own and name that with url_file",
		"test.yaml:6:88: notifiers[hook].headers[A].value: a secret stands in this file; put it into a file of its own and name that with value_file",
	}, got)
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
