package routing_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/internal/routing"
	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
	"github.com/recoveryd/recoveryd/pkg/escalate/route"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

var night = time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)

func routed(t *testing.T, drills ...string) *routing.Routing {
	t.Helper()
	p := route.DefaultPolicy()
	p.Roles = []route.Role{{Name: "primary", Notify: []string{"pager"}}, {Name: "status-page", Notify: []string{"page"}}}
	p.Public = []string{"page"}
	r, err := route.NewRouter(p, []string{"pager", "page", "drills"}, time.LoadLocation)
	require.NoError(t, err)
	return routing.New(r, drills...)
}

func open(drill bool) *incident.Incident {
	i := &incident.Incident{ID: "i1", Target: "svc", Class: detect.ClassDown, Severity: detect.P1, Opened: night}
	if drill {
		i.Drill = &incident.Drilled{ID: "d1", Target: "svc"}
	}
	return i
}

// told takes what is due into the incident, as the core does, and names the channels and keys.
func told(r *routing.Routing, i *incident.Incident, now time.Time) (out []string) {
	for _, d := range r.Due(i, true, now) {
		i.Told = append(i.Told, d)
		i.Paged = now
		out = append(out, d.Channel+" "+d.Key)
	}
	return out
}

func TestADrillIsToldWhereDrillsAreToldAndNowhereElse(t *testing.T) {
	r, i := routed(t, "drills"), open(true)
	require.Equal(t, []string{"drills i1/t0"}, told(r, i, night))
	require.Empty(t, told(r, i, night.Add(2*time.Hour)), "and it has no tiers")
	require.Equal(t, []incident.Address{{Channel: "drills", Key: "i1/t0", For: []string{"drills"}}}, r.Cured(open(true), night))
	_, more := r.Next(i, night)
	require.False(t, more)
}

func TestADrillWithoutAPlaceOfItsOwnIsToldAsEverButNotToOutsiders(t *testing.T) {
	r, i := routed(t), open(true)
	require.Equal(t, []string{"pager i1/t0"}, told(r, i, night))
	require.Empty(t, told(r, i, night.Add(6*time.Minute)))
	i = open(false)
	require.Equal(t, []string{"pager i1/t0"}, told(r, i, night))
	require.Equal(t, []string{"page i1/t1"}, told(r, i, night.Add(6*time.Minute)))
}

func TestWhatOutlivesItsDrillIsToldToEverybodyUnderKeysOfItsOwn(t *testing.T) {
	r, i := routed(t, "drills"), open(true)
	told(r, i, night)
	i.Drill.Real, i.Paged, i.Clock = night.Add(time.Minute), time.Time{}, night.Add(time.Minute) // as the core takes it for real
	require.True(t, i.Anew())
	require.Empty(t, r.Due(i, false, night.Add(time.Minute)), "recoveryd is at work")
	require.Equal(t, []string{"pager i1/t1", "drills i1/t1"}, told(r, i, night.Add(time.Minute)))
	require.Equal(t, []string{"page i1/t2"}, told(r, i, night.Add(7*time.Minute)))
	require.Equal(t, []string{"pager i1/t3"}, told(r, i, night.Add(12*time.Minute)), "the drill's tier counts for none of them")
}

func TestAnAcknowledgementWithoutEndHoldsForGood(t *testing.T) {
	r, i := routed(t), open(false)
	told(r, i, night)
	i.Ack = &incident.Standing{By: "ann", Since: night}
	require.Equal(t, []string{"page i1/t1"}, told(r, i, night.Add(time.Hour)), "the public alone is told in spite of it")
	require.Empty(t, told(r, i, night.AddDate(1, 0, 0)))
}

func TestTroubleWithRecoverydItselfIsNeverPublic(t *testing.T) {
	r := routed(t)
	for _, priority := range []string{"P1", "P2", "P3"} {
		var to []string
		for _, q := range r.Own(notice.Notice{ID: "n", Priority: priority, At: night}) {
			to = append(to, q.Channel)
		}
		require.NotContains(t, to, "page")
		require.Contains(t, to, "pager", priority)
	}
}
