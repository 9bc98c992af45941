package metrics_test

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/internal/metrics"
	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

// series returns the values of one family by the value of a label, for one target.
func series(t *testing.T, m *metrics.Metrics, family, target, label string) map[string]float64 {
	t.Helper()
	all, err := m.Registry.Gather()
	require.NoError(t, err)
	out := map[string]float64{}
	for _, f := range all {
		if f.GetName() != family {
			continue
		}
		for _, x := range f.GetMetric() {
			labels := map[string]string{}
			for _, l := range x.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			if labels["target"] == target {
				out[labels[label]] = x.GetGauge().GetValue() + x.GetCounter().GetValue()
			}
		}
	}
	return out
}

func TestATargetIsShownBeforeAnythingHappensToItAndNotAfterAReloadWithoutIt(t *testing.T) {
	m := metrics.New("", "")
	m.Targets([]string{"a", "b"})
	require.Equal(t, 1.0, series(t, m, "recoveryd_target_phase", "a", "phase")["watching"])
	require.Equal(t, 1.0, series(t, m, "recoveryd_target_verdict", "a", "verdict")["unknown"])
	require.Equal(t, map[string]float64{"": 0}, series(t, m, "recoveryd_incidents_open", "a", ""))
	require.Empty(t, series(t, m, "recoveryd_target_last_look_timestamp_seconds", "a", ""), "it was not looked at yet")
	m.Looked("a", detect.Healthy, time.Millisecond)
	require.Len(t, series(t, m, "recoveryd_target_last_look_timestamp_seconds", "a", ""), 1)
	m.Targets([]string{"b"})
	m.Looked("a", detect.Healthy, time.Millisecond) // a look that was in flight
	require.Empty(t, series(t, m, "recoveryd_target_phase", "a", "phase"))
	require.NotEmpty(t, series(t, m, "recoveryd_target_phase", "b", "phase"))
}

func TestTheEndOfAnIncidentDoesNotBringBackTheSeriesOfARemovedTarget(t *testing.T) {
	m := metrics.New("", "")
	m.Targets([]string{"b"})
	i := incident.Incident{Target: "a", Class: "down", Closed: time.Now(), EndWhy: "target removed from the configuration"}
	m.Restore(incident.State{Targets: map[string]*incident.TargetState{"a": {Name: "a"}}, Incidents: map[string]*incident.Incident{"a-1": {Target: "a"}}})
	m.Decided(incident.Record{Target: "a", After: &incident.TargetState{Name: "a"}, Incident: &i, Reason: incident.TargetLeft})
	require.Empty(t, series(t, m, "recoveryd_target_phase", "a", "phase"))
	all, err := m.Registry.Gather()
	require.NoError(t, err)
	for _, f := range all {
		if f.GetName() == "recoveryd_incident_duration_seconds" {
			require.Empty(t, f.GetMetric(), "how long it would have lasted nobody knows")
		}
	}
}

func TestAHoldIsCountedWhenItBeginsAndShownWhileItLasts(t *testing.T) {
	m := metrics.New("", "")
	m.Targets([]string{"a"})
	in := func(p incident.Phase, why incident.Reason) {
		m.Decided(incident.Record{Target: "a", After: &incident.TargetState{Name: "a", Phase: p, Reason: why}})
	}
	held := func() map[string]float64 { return series(t, m, "recoveryd_target_held", "a", "reason") }
	in(incident.Held, "storm")
	in(incident.Held, "storm")
	require.Equal(t, map[string]float64{"storm": 1}, held())
	in(incident.Held, "backoff")
	require.Equal(t, map[string]float64{"storm": 0, "backoff": 1}, held())
	in(incident.Watching, "")
	in(incident.Held, "storm")
	require.Equal(t, map[string]float64{"storm": 1, "backoff": 0}, held())
	require.Equal(t, map[string]float64{"storm": 2, "backoff": 1}, series(t, m, "recoveryd_holds_total", "a", "reason"))
}

func TestScrapesAndDecisionsDoNotDisturbEachOther(t *testing.T) {
	m := metrics.New("", "")
	var work sync.WaitGroup
	for range 4 {
		work.Go(func() {
			for range 200 {
				m.Targets([]string{"a"})
				m.Decided(incident.Record{Target: "a", After: &incident.TargetState{Name: "a", Phase: incident.Held, Reason: "storm"}})
				m.Looked("a", detect.Healthy, time.Millisecond)
				m.Decided(incident.Record{Target: "a", After: &incident.TargetState{Name: "a"}})
			}
		})
		work.Go(func() {
			for range 20 {
				_, err := m.Registry.Gather()
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	work.Wait()
}
