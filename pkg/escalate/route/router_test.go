package route_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
	"github.com/recoveryd/recoveryd/pkg/escalate/route"
)

// channels of a company in which every role is somebody.
var everybody = []string{"pd-alice", "pd-bob", "pd-lead", "pd-englead", "pd-manager", "pd-command", "mail", "slack", "page"}

func fullPolicy() route.Policy {
	p := route.DefaultPolicy()
	p.Roles = []route.Role{
		{Name: "primary", Notify: []string{"pd-alice"}}, {Name: "secondary", Notify: []string{"pd-bob"}},
		{Name: "team-lead", Notify: []string{"pd-lead"}}, {Name: "engineering-lead", Notify: []string{"pd-englead"}},
		{Name: "engineering-manager", Notify: []string{"pd-manager"}}, {Name: "incident-command", Notify: []string{"pd-command"}},
		{Name: "team", Notify: []string{"mail"}}, {Name: "chat", Notify: []string{"slack"}}, {Name: "status-page", Notify: []string{"page"}},
	}
	p.Threaded, p.Public = []string{"slack"}, []string{"page"}
	return p
}

func router(t testing.TB, p route.Policy, channels ...string) *route.Router {
	t.Helper()
	r, err := route.NewRouter(p, channels, time.LoadLocation)
	require.NoError(t, err)
	return r
}

func situation(priority, class string) route.Situation {
	return route.Situation{Incident: "inc", Priority: priority, Class: class, Target: "codebase-mcp", Opened: night}
}

// told runs an incident minute by minute and writes what was sent: "15m pd-bob inc/t1".
func told(r *route.Router, s route.Situation, acks []route.Ack, until time.Duration) []string {
	var sent []route.Step
	var out []string
	for age := time.Duration(0); age <= until; age += time.Minute {
		steps := r.Due(s, acks, s.Opened.Add(age), sent)
		for _, st := range steps {
			out = append(out, fmt.Sprintf("%dm %s %s", age/time.Minute, st.Channel, st.Key))
		}
		sent = append(sent, steps...)
	}
	return out
}

func TestTheRunbooksMatrix(t *testing.T) {
	r := router(t, fullPolicy(), everybody...)
	for _, tc := range []struct {
		name, priority, class string
		want                  []string
	}{
		{"P1: primary at once, then secondary, team lead, manager and incident command", "P1", "pool", []string{
			"0m pd-alice inc/t0", "0m slack inc/t0", "15m pd-bob inc/t1", "15m slack inc/t0", "30m pd-lead inc/t2", "30m slack inc/t0",
			"60m pd-manager inc/t3", "60m slack inc/t0", "60m pd-command inc/t3",
		}},
		{"a service that is down: also status page, engineering lead, and the manager earlier", "P1", "down", []string{
			"0m pd-alice inc/t0", "0m slack inc/t0", "5m page inc/t1", "10m pd-englead inc/t2", "10m slack inc/t0", "15m pd-bob inc/t3",
			"15m slack inc/t0", "30m pd-manager inc/t4", "30m slack inc/t0", "30m pd-lead inc/t4", "60m pd-command inc/t5", "60m slack inc/t0",
		}},
		{"P2 pages within 30 minutes", "P2", "latency", []string{
			"0m slack inc/t0", "20m pd-alice inc/t1", "20m slack inc/t0", "60m pd-lead inc/t2", "60m slack inc/t0",
		}},
		{"P3 is mailed", "P3", "memory", []string{"0m mail inc/t0", "240m mail inc/t1"}},
		{"what no rule is for reaches everybody but the public", "P9", "memory", []string{
			"0m pd-alice inc/t0", "0m pd-bob inc/t0", "0m pd-lead inc/t0", "0m pd-englead inc/t0", "0m pd-manager inc/t0", "0m pd-command inc/t0",
			"0m mail inc/t0", "0m slack inc/t0",
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			require.Equal(t, tc.want, told(r, situation(tc.priority, tc.class), nil, 5*time.Hour))
		})
	}
}

func TestSeveralRestartsInVainCallTheEngineeringLeadEarly(t *testing.T) {
	r := router(t, fullPolicy(), everybody...)
	s := situation("P1", "down")
	sent := r.Due(s, nil, night, nil)
	s.Failed = 1
	require.Empty(t, r.Due(s, nil, night.Add(2*time.Minute), sent), "one is not several")
	s.Failed = 2
	got := r.Due(s, nil, night.Add(2*time.Minute), sent)
	require.Len(t, got, 2)
	require.Equal(t, "pd-englead", got[0].Channel)
	require.Equal(t, "2 attempts to repair it did not help", got[0].Why)
	require.Empty(t, r.Due(s, nil, night.Add(30*time.Minute), append(sent, got...))[0].Tiers[1:], "and is not told again at ten minutes")
}

func TestP4WaitsForTheNextBusinessDay(t *testing.T) {
	p := fullPolicy()
	p.Business = route.Hours{TimeZone: "Europe/Berlin", Holidays: []string{"2026-12-25"}}
	r := router(t, p, everybody...)
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	at := func(s string) time.Time {
		v, err := time.ParseInLocation("2006-01-02 15:04", s, berlin)
		require.NoError(t, err)
		return v
	}
	for name, tc := range map[string]struct{ opened, due string }{
		"a Tuesday at noon waits for Wednesday":       {"2026-11-24 12:00", "2026-11-25 09:00"},
		"a Monday at 3 waits for its morning":         {"2026-11-23 03:00", "2026-11-23 09:00"},
		"a Friday night waits for Monday":             {"2026-11-27 23:00", "2026-11-30 09:00"},
		"a holiday is no business day":                {"2026-12-24 18:00", "2026-12-28 09:00"},
		"the week when the clocks go back is no risk": {"2026-10-23 18:00", "2026-10-26 09:00"},
	} {
		t.Run(name, func(t *testing.T) {
			s := situation("P4", "disk")
			s.Opened = at(tc.opened)
			require.Empty(t, r.Due(s, nil, at(tc.due).Add(-time.Second), nil))
			next, ok := r.NextDue(s, nil, s.Opened, nil)
			require.True(t, ok)
			require.True(t, next.Equal(at(tc.due)), "%s", next)
			require.Len(t, r.Due(s, nil, at(tc.due), nil), 1)
		})
	}
}

func TestAnAcknowledgementStopsTheTiersAndExpires(t *testing.T) {
	r := router(t, fullPolicy(), everybody...)
	ack := route.Ack{By: "alice", At: night.Add(2 * time.Minute), Until: night.Add(62 * time.Minute)}
	require.Equal(t, []string{
		"0m pd-alice inc/t0", "0m slack inc/t0",
		"5m page inc/t1", // the public is told despite it
		// It has run out: alice again under a key of her own, and whoever should know by now.
		"62m pd-englead inc/t2", "62m slack inc/t0", "62m pd-bob inc/t2", "62m pd-manager inc/t2", "62m pd-lead inc/t2",
		"62m pd-command inc/t2", "62m pd-alice inc/t2",
	}, told(r, situation("P1", "down"), []route.Ack{ack}, 3*time.Hour))

	t.Run("a second one holds on", func(t *testing.T) {
		more := route.Ack{By: "alice", At: night.Add(60 * time.Minute), Until: night.Add(180 * time.Minute)}
		got := told(r, situation("P1", "down"), []route.Ack{ack, more}, 179*time.Minute)
		require.Len(t, got, 3)
	})
	t.Run("one that was taken back ends at once", func(t *testing.T) {
		short := route.Ack{By: "alice", At: ack.At, Until: ack.At.Add(time.Minute)}
		got := told(r, situation("P1", "down"), []route.Ack{short}, 4*time.Minute)
		require.Equal(t, []string{"0m pd-alice inc/t0", "0m slack inc/t0", "3m pd-alice inc/t1", "3m slack inc/t0"}, got)
	})
	t.Run("the message says whose it was", func(t *testing.T) {
		sent := r.Due(situation("P1", "pool"), nil, night, nil)
		got := r.Due(situation("P1", "pool"), []route.Ack{ack}, ack.Until, sent)
		last := got[len(got)-1]
		require.Contains(t, last.Why, "acknowledged by alice until 2026-11-22 04:14:05 UTC, and still unresolved")
	})
}

func TestADaemonThatWasDownTellsEverybodyOnce(t *testing.T) {
	r := router(t, fullPolicy(), everybody...)
	s := situation("P1", "down")
	sent := r.Due(s, nil, night, nil)
	got := r.Due(s, nil, night.Add(2*time.Hour), sent)
	var to []string
	for _, st := range got {
		require.Equal(t, 1, st.N, "all of it is one escalation")
		to = append(to, st.Channel)
	}
	require.ElementsMatch(t, []string{"page", "pd-englead", "pd-bob", "pd-lead", "pd-manager", "pd-command", "slack"}, to)
	require.Empty(t, r.Due(s, nil, night.Add(2*time.Hour), append(sent, got...)))
}

func TestAClockThatWasSetBackSilencesNobody(t *testing.T) {
	r := router(t, fullPolicy(), everybody...)
	got := r.Due(situation("P1", "down"), nil, night.Add(-24*time.Hour), nil)
	require.NotEmpty(t, got)
	require.Equal(t, "pd-alice", got[0].Channel)
}

func TestAChannelGetsOneMessageOfAnEscalation(t *testing.T) {
	p := route.DefaultPolicy() // one pager for everybody
	r := router(t, p, "pager")
	s := situation("P1", "down")
	require.Equal(t, []string{"0m pager inc/t0", "10m pager inc/t1", "15m pager inc/t2", "30m pager inc/t3", "60m pager inc/t4"},
		told(r, s, nil, 3*time.Hour), "each tier has a key of its own: an acknowledged alert would swallow the next")
	got := r.Due(s, nil, night.Add(2*time.Hour), nil)
	require.Len(t, got, 1)
	require.Equal(t, []string{"primary", "engineering-lead", "secondary", "engineering-manager", "team-lead", "incident-command"}, got[0].Tiers)
}

func TestWhoIsTold(t *testing.T) {
	p := route.DefaultPolicy()
	p.Roles = []route.Role{
		{Name: "primary", Notify: []string{"rota", "slack"}}, {Name: "alice", Notify: []string{"pd-alice", "mail-alice"}},
		{Name: "bob", Notify: []string{"pd-bob"}},
	}
	p.Schedules = []route.Schedule{{Name: "rota", Members: []string{"alice", "bob"}, Start: "2026-11-16 09:00", Days: 7}}
	r := router(t, p, "pd-alice", "mail-alice", "pd-bob", "slack")
	require.Equal(t, []route.Receiver{{Channel: "pd-alice", For: "primary: alice"}, {Channel: "mail-alice", For: "primary: alice"}, {Channel: "slack", For: "primary"}},
		r.Receivers([]string{"primary"}, night), "a schedule leads to whoever has the turn")
	require.Equal(t, "pd-bob", r.Receivers([]string{"primary"}, night.AddDate(0, 0, 7))[0].Channel)
	require.Equal(t, []route.Receiver{{Channel: "pd-alice", For: "incident-command (nobody is, so primary): alice"}},
		r.Receivers([]string{"incident-command"}, night)[:1])
}

func TestExceptionsComeFirst(t *testing.T) {
	p := fullPolicy()
	p.Rules = append([]route.Rule{{
		Name: "toys", Match: route.Match{Targets: []string{"toy-*"}}, Last: true,
		Tiers: []route.Tier{{Name: "mail", Notify: []string{"mail"}}},
	}}, p.Rules...)
	r := router(t, p, everybody...)
	toy := situation("P1", "down")
	toy.Target = "toy-1"
	require.Equal(t, []string{"0m mail inc/t0"}, told(r, toy, nil, 2*time.Hour))
	require.Contains(t, told(r, situation("P1", "down"), nil, 0), "0m pd-alice inc/t0")
}

func TestRepetitions(t *testing.T) {
	p := route.Policy{Rules: []route.Rule{{Name: "all", Tiers: []route.Tier{{Name: "a", Notify: []string{"pager"}, Repeat: 30 * time.Minute}}}}}
	r := router(t, p, "pager")
	s := situation("P1", "down")
	require.Equal(t, []string{"0m pager inc/t0", "30m pager inc/t1", "60m pager inc/t2"}, told(r, s, nil, 80*time.Minute))
	sent := r.Due(s, nil, night, nil)
	late := r.Due(s, nil, night.Add(5*time.Hour), sent)
	require.Len(t, late, 1, "what was missed is not made up for")
	next, ok := r.NextDue(s, nil, night.Add(5*time.Hour), append(sent, late...))
	require.True(t, ok)
	require.Equal(t, night.Add(330*time.Minute), next, "30 minutes after they were told last")
}

func TestResolvesEndEverythingThatWasOpened(t *testing.T) {
	r := router(t, fullPolicy(), everybody...)
	s := situation("P1", "down")
	var sent []route.Step
	for age := time.Duration(0); age <= 2*time.Hour; age += time.Minute {
		sent = append(sent, r.Due(s, nil, night.Add(age), sent)...)
	}
	var got []string
	for _, st := range route.Resolves(sent) {
		require.Equal(t, notice.Resolve, st.Kind)
		got = append(got, st.Channel+" "+st.Key)
	}
	require.Equal(t, []string{"pd-alice inc/t0", "slack inc/t0", "page inc/t1", "pd-englead inc/t2", "pd-bob inc/t3", "pd-manager inc/t4", "pd-lead inc/t4", "pd-command inc/t5"}, got)
	require.Len(t, route.Updates(sent), len(got))
}

func TestPreviewOfAPlan(t *testing.T) {
	var lines []string
	for _, p := range router(t, fullPolicy(), everybody...).Plan(situation("P1", "down")) {
		lines = append(lines, p.String())
	}
	require.Equal(t, []string{
		"2026-11-22 03:12:05 UTC: primary: pd-alice (primary), slack (chat)",
		"2026-11-22 03:17:05 UTC: status-page: page (status-page)",
		"2026-11-22 03:22:05 UTC, or after 2 attempts in vain: engineering-lead: pd-englead (engineering-lead), slack (chat)",
		"2026-11-22 03:27:05 UTC: secondary: pd-bob (secondary), slack (chat)",
		"2026-11-22 03:42:05 UTC: engineering-manager: pd-manager (engineering-manager), slack (chat)",
		"2026-11-22 03:42:05 UTC: team-lead: pd-lead (team-lead), slack (chat)",
		"2026-11-22 04:12:05 UTC: incident-command: pd-command (incident-command), slack (chat)",
	}, lines)
}

func TestWrongPolicies(t *testing.T) {
	tier := func(tr route.Tier) route.Policy {
		return route.Policy{Rules: []route.Rule{{Name: "r", Tiers: []route.Tier{tr}}}}
	}
	for name, tc := range map[string]struct {
		policy route.Policy
		want   string
	}{
		"nobody of that name":       {tier(route.Tier{Name: "a", Notify: []string{"nobody"}}), `rule r: tier a: "nobody" is neither a channel nor a schedule nor a role`},
		"a tier without a name":     {tier(route.Tier{Notify: []string{"pager"}}), "rule r: tier 0: name"},
		"a name with a number sign": {tier(route.Tier{Name: "a#1", Notify: []string{"pager"}}), "name: want a word"},
		"nobody to tell":            {tier(route.Tier{Name: "a"}), "notify: missing"},
		"a time before":             {tier(route.Tier{Name: "a", After: -1, Notify: []string{"pager"}}), "must not be negative"},
		"a repetition each second":  {tier(route.Tier{Name: "a", Repeat: time.Second, Notify: []string{"pager"}}), "repeat: at least 1m"},
		"another priority":          {route.Policy{Rules: []route.Rule{{Name: "r", Match: route.Match{Priorities: []string{"P5"}}}}}, `priorities: want P1, P2, P3 or P4 (got "P5")`},
		"a role like a channel":     {route.Policy{Roles: []route.Role{{Name: "pager", Notify: []string{"pager"}}}}, "role pager: there is a channel of this name"},
		"a role of nobody":          {route.Policy{Roles: []route.Role{{Name: "a"}}}, "role a: notify: missing"},
		"a circle of roles":         {route.Policy{Roles: []route.Role{{Name: "a", Notify: []string{"b"}}, {Name: "b", Notify: []string{"a"}}}}, "role a: leads back to itself"},
		"a circle by an override": {route.Policy{Schedules: []route.Schedule{{Name: "s", Members: []string{"pager"},
			Overrides: []route.Override{{From: "2026-01-01 00:00", Until: "2026-01-02 00:00", Members: []string{"s"}}}}}}, "schedule s: leads back to itself"},
		"a circle of fallbacks":    {route.Policy{Fallbacks: []route.Fallback{{Role: "a", To: "b"}, {Role: "b", To: "a"}}}, "leads back to itself"},
		"a thread without channel": {route.Policy{Threaded: []string{"slack"}}, `threaded: "slack" is not a channel`},
		"hours that end early":     {route.Policy{Business: route.Hours{From: "17:00", To: "09:00"}}, "business: to: is not later than from"},
		"a day of nowhere":         {route.Policy{Business: route.Hours{Days: []string{"caturday"}}}, "business: days"},
		"a zone of nowhere":        {route.Policy{Business: route.Hours{TimeZone: "Mars/Olympus"}}, "business: time_zone"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := route.NewRouter(tc.policy, []string{"pager"}, time.LoadLocation)
			require.ErrorContains(t, err, tc.want)
		})
	}
}

// anyPolicy draws tiers over a few channels, with acknowledgements.
func anyPolicy(t *rapid.T) route.Policy {
	channels := []string{"a", "b", "c", "slack"}
	p := route.Policy{Threaded: []string{"slack"}}
	for i := range rapid.IntRange(1, 3).Draw(t, "rules") {
		rule := route.Rule{Name: fmt.Sprint("r", i), Last: rapid.Bool().Draw(t, "last")}
		for j := range rapid.IntRange(0, 4).Draw(t, "tiers") {
			tier := route.Tier{
				Name:       fmt.Sprint("tier", rapid.IntRange(0, 5).Draw(t, "name")*10+j),
				After:      time.Duration(rapid.IntRange(0, 120).Draw(t, "after")) * time.Minute,
				OrFailed:   rapid.IntRange(0, 3).Draw(t, "or_failed"),
				Notify:     rapid.SliceOfNDistinct(rapid.SampledFrom(channels), 1, 3, rapid.ID[string]).Draw(t, "notify"),
				DespiteAck: rapid.Bool().Draw(t, "despite"), BusinessHours: rapid.Bool().Draw(t, "hours"),
				Repeat: time.Duration(rapid.SampledFrom([]int{0, 0, 37, 60}).Draw(t, "repeat")) * time.Minute,
			}
			rule.Tiers = append(rule.Tiers, tier)
		}
		p.Rules = append(p.Rules, rule)
	}
	return p
}

func TestPropertiesOfDue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r, err := route.NewRouter(anyPolicy(t), []string{"a", "b", "c", "slack"}, time.LoadLocation)
		if err != nil {
			t.Skip("names collided")
		}
		s := situation("P1", "down")
		var acks []route.Ack
		for range rapid.IntRange(0, 2).Draw(t, "acks") {
			at := night.Add(time.Duration(rapid.IntRange(0, 100).Draw(t, "ack at")) * time.Minute)
			acks = append(acks, route.Ack{At: at, Until: at.Add(time.Duration(rapid.IntRange(1, 60).Draw(t, "ack for")) * time.Minute)})
		}
		var sent []route.Step
		now := night
		end := night.Add(36 * time.Hour) // a Sunday night, and Monday's business hours
		for now.Before(end) {
			s.Failed += rapid.IntRange(0, 1).Draw(t, "failed")
			steps := r.Due(s, acks, now, sent)
			for _, st := range steps {
				if len(st.Tiers) == 0 || st.Kind != notice.Trigger || st.At.After(now) {
					t.Fatalf("malformed step %+v", st)
				}
				for _, old := range sent {
					if old.Channel == st.Channel && st.Channel != "slack" && old.Key == st.Key {
						t.Fatalf("%s gets two messages under %s: an acknowledged one swallows the second", st.Channel, st.Key)
					}
					if old.Channel == st.Channel && st.Channel == "slack" && old.Key != st.Key {
						t.Fatalf("slack gets a second conversation %s beside %s", st.Key, old.Key)
					}
				}
				if slices.ContainsFunc(acks, func(a route.Ack) bool { return a.Active(now) }) {
					for _, name := range st.Tiers {
						base, _, _ := strings.Cut(name, "#")
						i := slices.IndexFunc(r.Tiers(s), func(x route.Tier) bool { return x.Name == base })
						if i < 0 || !r.Tiers(s)[i].DespiteAck {
							t.Fatalf("%s was told in spite of an acknowledgement", name)
						}
					}
				}
			}
			sent = append(sent, steps...)
			if again := r.Due(s, acks, now, sent); len(again) > 0 {
				t.Fatalf("the same moment is told twice: %+v", again)
			}
			// Either sleep some time, or until something is due: nothing may be due in between.
			next, ok := r.NextDue(s, acks, now, sent)
			if !ok {
				break
			}
			if quiet := next.Add(-time.Second); quiet.After(now) {
				if early := r.Due(s, acks, quiet, sent); len(early) > 0 {
					t.Fatalf("due at %s, before NextDue said (%s): %+v", quiet, next, early)
				}
			}
			now = next.Add(time.Duration(rapid.SampledFrom([]int{0, 0, 1, 90}).Draw(t, "late")) * time.Minute)
		}
		// In the end every tier was told, and a resolve ends each alert exactly once.
		for _, tier := range r.Tiers(s) {
			if !slices.ContainsFunc(sent, func(st route.Step) bool { return slices.Contains(st.Tiers, tier.Name) }) {
				t.Fatalf("tier %+v was never told", tier)
			}
		}
		opened := map[string]bool{}
		for _, st := range sent {
			opened[st.Channel+" "+st.Key] = true
		}
		for _, st := range route.Resolves(sent) {
			if !opened[st.Channel+" "+st.Key] {
				t.Fatalf("resolved twice or never opened: %+v", st)
			}
			delete(opened, st.Channel+" "+st.Key)
		}
		if len(opened) > 0 {
			t.Fatalf("never resolved: %v", opened)
		}
	})
}
