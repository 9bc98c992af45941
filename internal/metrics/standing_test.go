package metrics_test

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/internal/httpserve/hosttest"
	"github.com/recoveryd/recoveryd/internal/metrics"
	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

func TestStandingShowsTheCulpritAndForgetsWhatIsOver(t *testing.T) {
	now := time.Date(2026, 11, 22, 4, 0, 0, 0, time.UTC)
	h := hosttest.DatabaseDead(t, now, nil)
	r := prometheus.NewRegistry()
	r.MustRegister(metrics.Standing(metrics.Sources{State: h.State, Policy: h.Policy, Now: h.Now}))
	require.NoError(t, testutil.GatherAndCompare(r, strings.NewReader(`
# HELP recoveryd_target_unhealthy 1 while the last look at the target found it unhealthy, with the class of the failure and the target that is to blame.
# TYPE recoveryd_target_unhealthy gauge
recoveryd_target_unhealthy{class="database",culprit="postgres",target="codebase-mcp"} 1
recoveryd_target_unhealthy{class="database",culprit="postgres",target="postgres"} 1
recoveryd_target_unhealthy{class="database",culprit="postgres",target="workflow-mcp"} 1
# HELP recoveryd_incident_paged 1 when people were told about the open incident of the target, 0 when not.
# TYPE recoveryd_incident_paged gauge
recoveryd_incident_paged{class="database",target="postgres"} 1
# HELP recoveryd_paused 1 while everything is paused, by a person or by the stop file.
# TYPE recoveryd_paused gauge
recoveryd_paused 0
`), "recoveryd_target_unhealthy", "recoveryd_incident_paged", "recoveryd_paused"))

	h.Facts["postgres"], h.Facts["codebase-mcp"], h.Facts["workflow-mcp"] = hosttest.Cluster("run-2"), hosttest.Serving("run-1"), hosttest.Serving("run-2")
	h.Say("", incident.Command{Verb: incident.CmdPause, By: "ann", Until: now.Add(time.Hour)})
	h.Run(10 * time.Minute)
	n, err := testutil.GatherAndCount(r, "recoveryd_target_unhealthy", "recoveryd_incident_paged", "recoveryd_incident_tier", "recoveryd_incident_opened_timestamp_seconds")
	require.NoError(t, err)
	require.Zero(t, n, "what is over is gone")
	require.NoError(t, testutil.GatherAndCompare(r, strings.NewReader("# HELP recoveryd_paused 1 while everything is paused, by a person or by the stop file.\n# TYPE recoveryd_paused gauge\nrecoveryd_paused 1\n"), "recoveryd_paused"))
	h.Run(time.Hour)
	require.NoError(t, testutil.GatherAndCompare(r, strings.NewReader("# HELP recoveryd_paused 1 while everything is paused, by a person or by the stop file.\n# TYPE recoveryd_paused gauge\nrecoveryd_paused 0\n"), "recoveryd_paused"),
		"a pause that has run out is none")
}

func TestTheAgeOfTheOutboxGrowsWithoutAnybodyWriting(t *testing.T) {
	now := time.Date(2026, 11, 22, 4, 0, 0, 0, time.UTC)
	queued := now.Add(-time.Minute)
	r := prometheus.NewRegistry()
	r.MustRegister(metrics.Outbox(func() metrics.Queue {
		return metrics.Queue{Channels: []metrics.Channel{{Name: "idle"}, {Name: "slack", Queued: 1, Oldest: queued, FailingSince: now.Add(time.Hour)}}}
	}, func() time.Time { return now }))
	want := func(age string) string {
		return "# HELP recoveryd_outbox_oldest_age_seconds How long the oldest notice has been waiting; 0 when none does.\n# TYPE recoveryd_outbox_oldest_age_seconds gauge\n" +
			"recoveryd_outbox_oldest_age_seconds{channel=\"idle\"} 0\nrecoveryd_outbox_oldest_age_seconds{channel=\"slack\"} " + age + "\n"
	}
	require.NoError(t, testutil.GatherAndCompare(r, strings.NewReader(want("60")), "recoveryd_outbox_oldest_age_seconds"))
	now = now.Add(time.Hour)
	require.NoError(t, testutil.GatherAndCompare(r, strings.NewReader(want("3660")), "recoveryd_outbox_oldest_age_seconds"))
	n, err := testutil.GatherAndCount(r, "recoveryd_outbox_last_success_timestamp_seconds")
	require.NoError(t, err)
	require.Zero(t, n, "a channel that never took anything has no time, and not the year 1970")
}

func TestAReadingThatIsNotMeasuredDisappears(t *testing.T) {
	m := metrics.New("", "")
	m.Targets([]string{"a"})
	m.Limits([]detect.Target{{Name: "a", Memory: detect.Memory{Limit: 1000}}})
	look := func(f detect.Facts) {
		o := detect.Observation{Target: "a", Facts: f}
		m.Decided(incident.Record{Target: "a", Event: incident.Event{Kind: incident.Observed, Target: "a", Observation: &o}, After: &incident.TargetState{Name: "a", Last: o}})
	}
	read := func() map[string]float64 {
		out := map[string]float64{}
		all, err := m.Registry.Gather()
		require.NoError(t, err)
		for _, f := range all {
			if f.GetName() == "recoveryd_target_reading" {
				for _, x := range f.GetMetric() {
					out[x.GetLabel()[0].GetValue()] = x.GetGauge().GetValue()
				}
			}
		}
		return out
	}
	look(detect.Facts{detect.MemoryCurrent: detect.Num(500), detect.MemoryMax: detect.Num(2000), detect.SQLUsed: detect.Num(10), detect.SQLMax: detect.Num(40)})
	require.Equal(t, map[string]float64{"memory_bytes": 500, "memory_share": 0.5, "sql_connections": 10, "connections_share": 0.25}, read(), "the lower limit counts")
	look(detect.Facts{detect.MemoryCurrent: detect.Num(500), detect.MemoryMax: detect.Num(800), detect.SQLUsed: detect.NotMeasured("refused"), detect.SQLMax: detect.Num(40)})
	require.Equal(t, map[string]float64{"memory_bytes": 500, "memory_share": 0.625}, read())
	look(detect.Facts{})
	require.Empty(t, read())
}
