package route_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/recoveryd/recoveryd/pkg/escalate/route"
)

func rota(t testing.TB, s route.Schedule) *route.Rota {
	t.Helper()
	r, err := route.NewRota(s, time.LoadLocation)
	require.NoError(t, err)
	return r
}

func local(t testing.TB, zone, s string) time.Time {
	t.Helper()
	l, err := time.LoadLocation(zone)
	require.NoError(t, err)
	at, err := time.ParseInLocation("2006-01-02 15:04", s, l)
	require.NoError(t, err)
	return at
}

func TestWeeklyRotation(t *testing.T) {
	const zone = "Europe/Berlin"
	r := rota(t, route.Schedule{
		Name: "primary", Members: []string{"alice", "bob", "carol"}, Start: "2026-03-02 09:00", Days: 7, TimeZone: zone,
		Overrides: []route.Override{
			{From: "2026-04-06 09:00", Until: "2026-04-08 09:00", Members: []string{"dave"}},
			{From: "2026-04-07 00:00", Until: "2026-04-07 12:00", Members: []string{"erin", "frank"}},
		},
	})
	for _, tc := range []struct {
		name, at string
		want     []string
	}{
		{"before the first turn it is the first member", "2026-02-01 12:00", []string{"alice"}},
		{"the first turn", "2026-03-02 09:00", []string{"alice"}},
		{"until the last minute", "2026-03-09 08:59", []string{"alice"}},
		{"the handover", "2026-03-09 09:00", []string{"bob"}},
		{"the Sunday on which the clocks go forward", "2026-03-29 12:00", []string{"alice"}},
		{"the handover after that is still at nine", "2026-03-30 08:59", []string{"alice"}},
		{"by the clock on the wall", "2026-03-30 09:00", []string{"bob"}},
		{"the Sunday on which they go back", "2026-10-25 12:00", []string{"alice"}},
		{"and nine o'clock after that", "2026-10-26 08:59", []string{"alice"}},
		{"is nine o'clock", "2026-10-26 09:00", []string{"bob"}},
		{"an override", "2026-04-06 09:00", []string{"dave"}},
		{"a later one within it counts", "2026-04-07 11:59", []string{"erin", "frank"}},
		{"and ends", "2026-04-07 12:00", []string{"dave"}},
		{"until the turn goes on", "2026-04-08 09:00", []string{"carol"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			require.Equal(t, tc.want, r.OnCall(local(t, zone, tc.at)))
		})
	}
}

func TestHandoverInAnHourThatDoesNotExist(t *testing.T) {
	const zone = "Europe/Berlin" // 02:30 does not exist on 2026-03-29, and comes twice on 2026-10-25
	r := rota(t, route.Schedule{Name: "s", Members: []string{"a", "b"}, Start: "2026-03-28 02:30", Days: 1, TimeZone: zone})
	require.Equal(t, []string{"a"}, r.OnCall(local(t, zone, "2026-03-28 12:00")))
	require.Equal(t, []string{"a"}, r.OnCall(local(t, zone, "2026-03-29 01:00")))
	require.Equal(t, []string{"b"}, r.OnCall(local(t, zone, "2026-03-29 12:00")))
	require.Equal(t, []string{"a"}, r.OnCall(local(t, zone, "2026-03-30 02:30")))
}

func TestFixedListIsEverybodyAlways(t *testing.T) {
	r := rota(t, route.Schedule{Name: "s", Members: []string{"a", "b"}})
	require.Equal(t, []string{"a", "b"}, r.OnCall(night))
	_, ok := r.Next(night)
	require.False(t, ok)
}

// TestPropertiesOfARotation walks through any rotation from handover to handover.
func TestPropertiesOfARotation(t *testing.T) {
	zones := []string{"", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Kathmandu", "America/Sao_Paulo"}
	rapid.Check(t, func(t *rapid.T) {
		zone := rapid.SampledFrom(zones).Draw(t, "zone")
		days := rapid.SampledFrom([]int{1, 2, 7, 14, 30}).Draw(t, "days")
		// Apia skipped 30 December 2011 as a whole, and Lord Howe changes by half an hour.
		start := time.Date(2011, 12, rapid.IntRange(1, 31).Draw(t, "day"), rapid.IntRange(0, 23).Draw(t, "hour"), rapid.IntRange(0, 59).Draw(t, "minute"), 0, 0, time.UTC)
		members := []string{"a", "b", "c"}[:rapid.IntRange(1, 3).Draw(t, "members")]
		r, err := route.NewRota(route.Schedule{Name: "s", Members: members, Start: start.Format("2006-01-02 15:04"), Days: days, TimeZone: zone}, time.LoadLocation)
		if err != nil {
			t.Fatal(err)
		}
		at := start.AddDate(0, 0, -3)
		turn := -1
		for range 60 {
			next, ok := r.Next(at)
			if !ok || !next.After(at) {
				t.Fatalf("no handover after %s", at)
			}
			now, before := r.OnCall(at), r.OnCall(next.Add(-time.Nanosecond))
			if len(now) != 1 || now[0] != before[0] {
				t.Fatalf("%s: %v has the turn, and %v just before the handover", at, now, before)
			}
			if turn >= 0 && r.OnCall(next)[0] != members[(turn+1)%len(members)] {
				// The turn of a day that did not exist takes no time.
				if turn++; zone != "Pacific/Apia" || r.OnCall(next)[0] != members[(turn+1)%len(members)] {
					t.Fatalf("%s: out of order", next)
				}
			}
			gap := next.Sub(at)
			if turn >= 0 && (gap < time.Duration(days)*24*time.Hour-25*time.Hour || gap > time.Duration(days)*24*time.Hour+25*time.Hour) {
				t.Fatalf("a turn of %d days lasted %s", days, gap)
			}
			at = next
			turn++
		}
	})
}

func TestWrongSchedules(t *testing.T) {
	for name, tc := range map[string]struct {
		s    route.Schedule
		want string
	}{
		"nobody":              {route.Schedule{}, "members: missing"},
		"no start":            {route.Schedule{Members: []string{"a"}, Days: 7}, "start: want a moment"},
		"a start without use": {route.Schedule{Members: []string{"a"}, Start: "2026-01-05 09:00"}, "start: has an effect only with days"},
		"negative days":       {route.Schedule{Members: []string{"a"}, Days: -7}, "days: want 0"},
		"another zone":        {route.Schedule{Members: []string{"a"}, TimeZone: "CET-ish"}, "time_zone"},
		"an override back in time": {route.Schedule{Members: []string{"a"}, Overrides: []route.Override{
			{From: "2026-01-05 09:00", Until: "2026-01-05 09:00", Members: []string{"b"}}}}, "overrides[0]: until is not after from"},
		"an override of nobody": {route.Schedule{Members: []string{"a"}, Overrides: []route.Override{
			{From: "2026-01-05 09:00", Until: "2026-01-06 09:00"}}}, "overrides[0].members: missing"},
		"an override at no time": {route.Schedule{Members: []string{"a"}, Overrides: []route.Override{
			{From: "tomorrow", Until: "2026-01-06 09:00", Members: []string{"b"}}}}, "overrides[0]: want a moment"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := route.NewRota(tc.s, time.LoadLocation)
			require.ErrorContains(t, err, tc.want)
		})
	}
}

var night = time.Date(2026, 11, 22, 3, 12, 5, 0, time.UTC)
