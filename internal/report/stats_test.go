package report_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/internal/report"
	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

var base = time.Date(2026, 11, 1, 3, 0, 0, 0, time.UTC)

// trouble is an incident that was confirmed and cleared so long after its first bad look.
func trouble(target string, class detect.Class, at time.Time, confirmed, cleared time.Duration, change ...func(*incident.Incident)) report.Case {
	i := incident.Incident{ID: target + at.Format("-150405"), Target: target, Class: class, Since: at, Opened: at.Add(confirmed)}
	c := report.Case{Incident: i}
	if cleared > 0 {
		c.Cleared = at.Add(cleared)
		c.Incident.Closed = c.Cleared.Add(time.Minute)
	}
	for _, f := range change {
		f(&c.Incident)
	}
	return c
}

func healed(i *incident.Incident) {
	i.Attempts = []incident.Attempt{{Verdict: incident.ActionFailed}, {Verdict: incident.Verified}}
}
func paged(i *incident.Incident) { i.Paged = i.Opened.Add(time.Minute) }

func month() []report.Case {
	return []report.Case{
		trouble("codebase-mcp", detect.ClassDown, base, time.Second, 3*time.Second, healed),
		trouble("codebase-mcp", detect.ClassDown, base.Add(time.Hour), 3*time.Second, 9*time.Second, healed),
		trouble("codebase-mcp", detect.ClassDown, base.Add(2*time.Hour), 2*time.Second, 30*time.Minute, healed, paged),
		trouble("codebase-mcp", detect.ClassPool, base.Add(3*time.Hour), 10*time.Second, 2*time.Minute),
		trouble("postgres", detect.ClassDatabase, base.Add(4*time.Hour), time.Second, 4*time.Second, healed),
		trouble("workflow-mcp", detect.ClassHung, base.Add(5*time.Hour), 5*time.Second, 0, paged),
		trouble("recoveryd", report.ClassCanary, base.Add(6*time.Hour), 0, time.Second),
		trouble("codebase-mcp", detect.ClassDown, base.Add(-time.Hour), time.Second, 2*time.Hour, paged),
		trouble("codebase-mcp", detect.ClassDown, base.AddDate(0, 1, 1), time.Second, 2*time.Hour, paged),
	}
}

func TestFiguresOfAPeriod(t *testing.T) {
	s := report.Count(month(), base, base.AddDate(0, 1, 0), report.WithDrills)
	require.Equal(t, report.Figures{Incidents: 6, Open: 1, Healed: 3, Alone: 1, Paged: 2,
		Detect: &report.Spread{Mean: 22.0 / 6, Median: 3, Longest: 10},
		Repair: &report.Spread{Mean: (3 + 9 + 1800 + 120 + 4) / 5.0, Median: 9, Longest: 1800}}, rounded(s.All))
	require.Equal(t, report.Figures{Target: "codebase-mcp", Class: detect.ClassDown, Incidents: 3, Healed: 2, Paged: 1,
		Detect: &report.Spread{Mean: 2, Median: 2, Longest: 3}, Repair: &report.Spread{Mean: 604, Median: 9, Longest: 1800}}, s.Parts[0])
	share, ok := s.All.HealedShare()
	require.True(t, ok)
	require.InDelta(t, 3.0/5, share, 1e-9, "of those that are over")
	share, ok = s.All.PagedShare()
	require.True(t, ok)
	require.InDelta(t, 2.0/6, share, 1e-9, "of all")
	require.Len(t, s.Parts, 4, "the canary is no incident, and what is outside of the period does not count")
}

// rounded undoes the rounding of a mean of durations to nanoseconds.
func rounded(f report.Figures) report.Figures {
	if d := f.Detect.Mean - 22.0/6; d < 1e-8 && d > -1e-8 {
		f.Detect.Mean = 22.0 / 6
	}
	return f
}

func TestTheTableIsAsInTheGoldenFile(t *testing.T) {
	got := report.Count(month(), base, base.AddDate(0, 1, 0), report.WithDrills).Table()
	file := filepath.Join("testdata", "stats.txt")
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}

func TestWhatAPersonOrTheConfigurationEndedCountsInNoTimeToRepair(t *testing.T) {
	i := incident.Incident{Target: mcp, Since: base, Opened: base, Closed: base.Add(time.Minute), EndWhy: "closed by ann: false alarm", Outcome: incident.ClosedByPerson}
	s := report.Count([]report.Case{{Incident: i, Cleared: i.Closed}}, base, base.Add(time.Hour), report.NoDrills)
	require.Equal(t, []any{1, 1, 0, 0}, []any{s.All.Incidents, s.All.Ended, s.All.Alone, s.All.Open})
	require.Nil(t, s.All.Repair)
}

func TestAPeriodWithoutIncidentsHasNoFiguresAndNoShares(t *testing.T) {
	s := report.Count(nil, base, base.Add(time.Hour), report.NoDrills)
	require.Equal(t, "0 incidents in 1h until 2026-11-01 04:00:00 UTC\n", s.Table())
	_, ok := s.All.HealedShare()
	require.False(t, ok)
	b, err := json.Marshal(s)
	require.NoError(t, err)
	require.JSONEq(t, `{"from":"2026-11-01T03:00:00Z","to":"2026-11-01T04:00:00Z","all":{"incidents":0,"open":0,"healed":0,"alone":0,"paged":0,"ended":0},"parts":[]}`, string(b))
}

func TestAnIncidentIsClearFromItsLastProofOnAndNotFromItsClosing(t *testing.T) {
	i := incident.Incident{Target: mcp, Since: base, Opened: base, Closed: base.Add(time.Hour)}
	change := func(min int, target string, from, to incident.Phase) report.Change {
		return report.Change{At: base.Add(time.Duration(min) * time.Minute), Target: target, From: from, To: to}
	}
	for name, c := range map[string]struct {
		changes []report.Change
		want    time.Duration
	}{
		"cured once": {[]report.Change{change(1, mcp, incident.Verifying, incident.Probation), change(3, mcp, incident.Probation, incident.Watching)}, time.Minute},
		"a relapse": {[]report.Change{change(1, mcp, incident.Verifying, incident.Probation), change(2, mcp, incident.Probation, incident.Acting),
			change(9, mcp, incident.Verifying, incident.Probation), change(11, mcp, incident.Probation, incident.Watching)}, 9 * time.Minute},
		"a dependent's phases do not count": {[]report.Change{change(1, mcp, incident.Verifying, incident.Probation), change(2, "workflow-mcp", incident.Held, incident.Probation)}, time.Minute},
		"its changes are gone":              {nil, time.Hour},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, base.Add(c.want), report.Cleared(i, c.changes)) })
	}
	i.Closed = time.Time{}
	require.True(t, report.Cleared(i, []report.Change{change(1, mcp, incident.Verifying, incident.Probation), change(2, mcp, incident.Probation, incident.Held)}).IsZero(), "it came back")
}

func TestTheReportAndTheFiguresAgreeOnWhenItWasClear(t *testing.T) {
	for name, story := range stories() {
		t.Run(name, func(t *testing.T) {
			s := story(t)
			var changes []report.Change
			for _, r := range s.Records {
				changes = append(changes, report.Change{At: r.At, Target: r.Target, From: r.From, To: r.To})
			}
			require.Equal(t, report.Build(s).Cleared, report.Cleared(s.Incident, changes))
		})
	}
}

func TestDrillsAreCountedOnlyWhenAskedFor(t *testing.T) {
	drill := func(i *incident.Incident) { i.Drill = &incident.Drilled{ID: "d1"} }
	outlived := func(i *incident.Incident) { i.Drill = &incident.Drilled{ID: "d2", Real: base} }
	cases := []report.Case{
		trouble("codebase-mcp", detect.ClassDown, base, time.Second, 3*time.Second, healed),
		trouble("codebase-mcp", detect.ClassDown, base.Add(time.Hour), time.Second, 9*time.Second, healed, drill),
		trouble("codebase-mcp", detect.ClassDown, base.Add(2*time.Hour), time.Second, 9*time.Second, outlived, paged),
	}
	for which, want := range map[report.Which][2]int{report.NoDrills: {2, 1}, report.WithDrills: {3, 0}, report.OnlyDrills: {2, 1}} {
		s := report.Count(cases, base, base.AddDate(0, 0, 1), which)
		require.Equal(t, want, [2]int{s.All.Incidents, s.Left}, which)
	}
	require.Contains(t, report.Count(cases, base, base.AddDate(0, 0, 1), report.NoDrills).Table(), "; 1 more left out (--drills)\n")
}
