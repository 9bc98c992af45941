package route_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/escalate/route"
)

// gapsOf are the gaps of a policy at the night of a Sunday, "note: ..." where nothing is wrong.
func gapsOf(t *testing.T, p route.Policy, channels ...string) (out []string) {
	t.Helper()
	for _, g := range router(t, p, channels...).Gaps(night) {
		text := g.Text
		if g.Note {
			text = "note: " + text
		}
		out = append(out, text)
	}
	return out
}

func TestGapsAreFoundBeforeSomebodyFallsIntoThem(t *testing.T) {
	require.Empty(t, gapsOf(t, fullPolicy(), everybody...), "every role is somebody")
	weekly := func(members []string, o ...route.Override) func(*route.Policy) {
		return func(p *route.Policy) {
			p.Roles[0].Notify = []string{"rota"}
			p.Schedules = []route.Schedule{{Name: "rota", Members: members, Start: "2026-11-16 09:00", Days: 7, Overrides: o}}
		}
	}
	without := func(roles ...string) func(*route.Policy) {
		return func(p *route.Policy) {
			var kept []route.Role
			for _, r := range p.Roles {
				gone := false
				for _, x := range roles {
					gone = gone || r.Name == x
				}
				if !gone {
					kept = append(kept, r)
				}
			}
			p.Roles = kept
		}
	}
	both := func(a, b func(*route.Policy)) func(*route.Policy) {
		return func(p *route.Policy) { a(p); b(p) }
	}
	for name, c := range map[string]struct {
		change func(*route.Policy)
		want   []string
	}{
		"a role that another one stands in for is only said":       {without("engineering-lead"), []string{"note: nobody is engineering-lead: team-lead is told instead"}},
		"without chat and status page nobody need be warned":       {without("chat", "status-page"), []string{"note: nobody is chat: nobody is told in that place", "note: nobody is status-page: nobody is told in that place"}},
		"a P3 wakes nobody, so that mail or chat must be somebody": {without("team", "chat"), []string{"note: nobody is chat: nobody is told in that place", "nobody is team: nobody is told in that place"}},
		"a rotation without holes has no gap":                      {weekly([]string{"pd-alice", "pd-bob"}), nil},
		"a turn of a role that nobody is, with the one who is told then": {both(weekly([]string{"pd-alice", "team-lead"}), without("team-lead")), []string{
			"from 2026-11-23 09:00:00 UTC until 2026-11-30 09:00:00 UTC rota leads to nobody, since no channel stands for team-lead: pd-bob is told instead",
			"note: nobody is team-lead: secondary is told instead"}},
		"an override that leaves nobody": {both(weekly([]string{"pd-alice", "pd-bob"}, route.Override{From: "2026-12-24 18:00", Until: "2026-12-27 09:00", Members: []string{"chat"}}), without("chat")), []string{
			"note: nobody is chat: nobody is told in that place",
			"from 2026-12-24 18:00:00 UTC until 2026-12-27 09:00:00 UTC rota leads to nobody, since no channel stands for chat: nobody is told in that place"}},
		"an override that is over leaves no gap": {both(weekly([]string{"pd-alice", "pd-bob"}, route.Override{From: "2026-10-24 18:00", Until: "2026-10-27 09:00", Members: []string{"chat"}}), without("chat")), []string{
			"note: nobody is chat: nobody is told in that place"}},
		"a role that no tier leads to, such as a misspelt one": {func(p *route.Policy) { p.Roles[2].Name = "teamlead" }, []string{
			"note: nobody is team-lead: secondary is told instead", "teamlead is in no tier: nobody is ever told in this place"}},
		"a role that leads back to itself through the one who stands in for it": {func(p *route.Policy) {
			p.Roles = []route.Role{{Name: "primary", Notify: []string{"secondary"}}, {Name: "team", Notify: []string{"mail"}}}
		}, []string{
			"note: nobody is chat: nobody is told in that place", "nobody is engineering-lead: nobody is told in that place",
			"nobody is engineering-manager: nobody is told in that place", "nobody is incident-command: nobody is told in that place",
			"primary leads to nobody, since no channel stands for secondary: nobody is told in that place", "nobody is secondary: nobody is told in that place",
			"note: nobody is status-page: nobody is told in that place", "nobody is team-lead: nobody is told in that place"}},
	} {
		t.Run(name, func(t *testing.T) {
			p := fullPolicy()
			c.change(&p)
			require.Equal(t, c.want, gapsOf(t, p, everybody...))
		})
	}
}

func TestWhereARoleLeadsToNobodyEverybodyIsToldAtOnceUnlessSomebodyIsSoon(t *testing.T) {
	p := route.DefaultPolicy()
	p.Roles = []route.Role{{Name: "primary", Notify: []string{"secondary"}}}
	require.Equal(t, []string{"0m pager inc/t0"}, told(router(t, p, "pager"), situation("P1", "down"), nil, 5*time.Hour), "rather one too many than nobody, and no endless search")

	p.Roles = []route.Role{{Name: "primary", Notify: []string{"pager"}}, {Name: "team-lead", Notify: []string{"boss"}}}
	r := router(t, p, "pager", "boss")
	require.Equal(t, []string{"20m pager inc/t0", "60m boss inc/t1"}, told(r, situation("P2", "latency"), nil, 5*time.Hour), "without a chat the boss is not woken by a P2")
	require.Equal(t, []string{"0m pager inc/t0", "0m boss inc/t0"}, told(r, situation("P3", "memory"), nil, 3*time.Hour), "nobody would ever be told of it")
}

func TestATurnOfNobodyIsTakenByWhoStandsInForTheRole(t *testing.T) {
	p := route.DefaultPolicy()
	p.Schedules = []route.Schedule{{Name: "secondary", Members: []string{"pd-bob", "team-lead"}, Start: "2026-11-16 09:00", Days: 7}}
	p.Roles = []route.Role{{Name: "primary", Notify: []string{"pd-alice"}}}
	r := router(t, p, "pd-alice", "pd-bob")
	require.Equal(t, []route.Receiver{{Channel: "pd-bob", For: "secondary: pd-bob"}}, r.Receivers([]string{"secondary"}, night))
	require.Equal(t, []route.Receiver{{Channel: "pd-alice", For: "secondary (nobody is, so primary)"}}, r.Receivers([]string{"secondary"}, night.AddDate(0, 0, 7)))
}
