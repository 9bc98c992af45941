package app

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/internal/config"
	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

var sunday = time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)

// configured reads a configuration with one target, svc, and the channels pd, boss, chat, mail and page.
func configured(t *testing.T, more string) *config.Config {
	t.Helper()
	c, err := config.Parse("test.yaml", []byte(`version: 1
host: h1
targets: [{name: svc, kind: plain, platform: none, check: {type: tcp, address: "127.0.0.1:1"}}]
notifiers:
  - {name: pd, type: pagerduty, routing_key: "0123456789abcdef0123456789abcdef"}
  - {name: boss, type: pagerduty, routing_key: "0123456789abcdef0123456789abcdef"}
  - {name: chat, type: slack, token: xoxb-1, channel: C1}
  - {name: mail, type: log}
  - {name: page, type: statuspage, page_id: p1, api_key: k1}
`+more), Known())
	require.NoError(t, err)
	return c
}

// toldOf runs an open incident minute by minute through the routing of a configuration.
func toldOf(t *testing.T, c *config.Config, i incident.Incident, needed bool, until time.Duration) (out []string) {
	t.Helper()
	r, err := routingOf(c)
	require.NoError(t, err)
	for age := time.Duration(0); age <= until; age += time.Minute {
		due := r.Due(&i, needed, i.Opened.Add(age))
		for _, d := range due {
			out = append(out, fmt.Sprintf("%dm %s %s %s", age/time.Minute, d.Channel, strings.TrimPrefix(d.Key, i.ID+"/"), strings.Join(d.Tiers, "+")))
		}
		i.Told = append(i.Told, due...)
	}
	return out
}

func down(s detect.Severity) incident.Incident {
	return incident.Incident{ID: "i1", Target: "svc", Class: detect.ClassDown, Severity: s, Opened: sunday}
}

func TestRoutesSayWhoIsToldFirstAndTiersWhoIsToldNext(t *testing.T) {
	c := configured(t, `
routes: [{severity: [P1], notify: [pd, chat]}, {classes: [disk], notify: [mail, chat]}]
escalation: {tiers: [{after: 15m, notify: [boss, chat]}]}
`)
	disk := down(detect.P1)
	disk.Class = detect.ClassDisk
	for name, x := range map[string]struct {
		i    incident.Incident
		want []string
	}{
		"one route matches; later the tier, under a key of its own at the pager and in the same conversation in the chat": {down(detect.P1),
			[]string{"0m pd t0 first", "0m chat t0 first", "15m boss t1 tier-1", "15m chat t0 tier-1"}},
		"two routes match, nobody is told twice": {disk,
			[]string{"0m pd t0 first", "0m chat t0 first", "0m mail t0 first", "15m boss t1 tier-1", "15m chat t0 tier-1"}},
		"no route matches: everybody but the public, since a page that nobody gets is worse": {down(detect.P3),
			[]string{"0m pd t0 everyone", "0m boss t0 everyone", "0m chat t0 everyone", "0m mail t0 everyone", "15m boss t1 tier-1", "15m chat t0 tier-1"}},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, x.want, toldOf(t, c, x.i, true, time.Hour)) })
	}
}

func TestRolesAloneBringTheMatrixOfTheRunbooks(t *testing.T) {
	c := configured(t, `
roles:
  - {name: primary, notify: [pd]}
  - {name: engineering-manager, notify: [boss]}
  - {name: team, notify: [mail]}
  - {name: status-page, notify: [page]}
`)
	require.True(t, c.ByRunbook())
	require.Empty(t, c.Routes)
	// A channel that is named like a role stands for it: the chat.
	require.Equal(t, []string{"0m pd t0 primary", "0m chat t0 primary", "5m page t1 status-page", "10m pd t2 engineering-lead", "10m chat t0 engineering-lead",
		"15m pd t3 secondary", "15m chat t0 secondary", "30m boss t4 engineering-manager", "30m chat t0 engineering-manager+team-lead",
		"30m pd t4 team-lead", "60m boss t5 incident-command", "60m chat t0 incident-command"}, toldOf(t, c, down(detect.P1), true, 2*time.Hour))
	t.Run("while recoveryd is at work, people are told when the first of them is due by age", func(t *testing.T) {
		require.Equal(t, []string{"5m pd t0 primary", "5m chat t0 primary", "5m page t0 status-page"}, toldOf(t, c, down(detect.P1), false, 9*time.Minute))
	})
	t.Run("two cures in vain bring the engineering lead, and whoever comes before", func(t *testing.T) {
		i := down(detect.P1)
		i.Attempts = []incident.Attempt{{Verdict: incident.ActionFailed}, {Verdict: incident.ActionFailed, Undo: true}}
		require.Empty(t, toldOf(t, c, i, false, time.Minute))
		i.Attempts[1].Undo = false
		require.Equal(t, []string{"0m pd t0 primary+engineering-lead", "0m chat t0 primary+engineering-lead"}, toldOf(t, c, i, false, time.Minute))
	})
	t.Run("P2 is paged within 30 minutes, P3 is mailed, P4 waits for Monday", func(t *testing.T) {
		require.Equal(t, []string{"0m chat t0 announce", "20m pd t1 primary", "20m chat t0 primary"}, toldOf(t, c, down(detect.P2), true, 30*time.Minute))
		require.Equal(t, []string{"20m chat t0 announce+primary", "20m pd t0 primary"}, toldOf(t, c, down(detect.P2), false, 30*time.Minute))
		require.Equal(t, []string{"0m mail t0 team", "240m mail t1 team-again"}, toldOf(t, c, down(detect.P3), true, 5*time.Hour))
		require.Equal(t, []string{"1800m mail t0 team"}, toldOf(t, configured(t, `
roles: [{name: team, notify: [mail]}]
escalation: {business_hours: {timezone: UTC}}
`), down(detect.P4), true, 48*time.Hour))
	})
	t.Run("a schedule may stand for a role", func(t *testing.T) {
		c := configured(t, `
escalation: {runbook: true}
oncall: [{name: primary, notify: [pd, boss], start: "2026-11-16 09:00", turn: 7d, timezone: UTC, overrides: [{from: "2026-11-22 02:00", until: "2026-11-22T04:00", notify: [boss]}]}]
`)
		require.Equal(t, []string{"0m boss t0 primary", "0m chat t0 primary"}, toldOf(t, c, down(detect.P1), true, time.Minute))
	})
}

func TestARuleThatIsTheLastKeepsOutTheRest(t *testing.T) {
	c := configured(t, `
roles: [{name: primary, notify: [pd]}]
escalation:
  runbook: true
  rules: [{name: toys, targets: [svc], last: true, tiers: [{name: mail, notify: [mail]}]}]
`)
	require.Equal(t, []string{"0m mail t0 mail"}, toldOf(t, c, down(detect.P1), true, 2*time.Hour))
	i := down(detect.P1)
	i.Target = "other"
	require.Equal(t, "0m pd t0 primary", toldOf(t, c, i, true, 0)[0])
}

func TestASeverityToldAtOnceDoesNotWaitForRecoveryd(t *testing.T) {
	c := configured(t, `
roles: [{name: primary, notify: [pd]}]
escalation: {at_once: [P1]}
`)
	require.False(t, len(c.Routes) > 0)
	require.Equal(t, []string{"0m pd t0 primary", "0m chat t0 primary"}, toldOf(t, c, down(detect.P1), false, time.Minute))
	require.Empty(t, toldOf(t, c, down(detect.P2), false, time.Minute))
}
